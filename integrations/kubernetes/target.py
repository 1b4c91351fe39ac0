"""A deploy target: a Deployment, StatefulSet or DaemonSet in a Kubernetes cluster."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from bot.domain.debts import Debt
from bot.domain.evidence import Outcome
from bot.ports import Memory
from bot.ports.errors import Conflict, PortError, Refused, Unavailable
from bot.ports.target import Capabilities, Change, Inspection, Observation, TargetPlan
from integrations.kubernetes import inspecting, kubeconfig, payload, planning, stuck, surge
from integrations.kubernetes.api import Api
from integrations.kubernetes.configs import Configs
from integrations.kubernetes.credentials import source
from integrations.kubernetes.follow import Follower
from integrations.kubernetes.history import history_of
from integrations.kubernetes.looking import workload_of
from integrations.kubernetes.owners import Owners
from integrations.kubernetes.patch import is_by, is_widened
from integrations.kubernetes.rollout import State, Verdict
from integrations.kubernetes.scene import Goal
from integrations.kubernetes.settings import KubernetesSettings
from integrations.kubernetes.shapes import Shapes
from integrations.kubernetes.switch import Switch, Switched
from integrations.kubernetes.workload import Workload

_log = logging.getLogger(__name__)

INSIST_S = 40.0
"""How long a write is tried again while the API server is busy, once something is suspended for it."""


@dataclass(frozen=True)
class _Back:
    """A way back that was begun. `unblock` is whether pods that would block it are still to be deleted."""

    goal: Goal
    unblock: bool


class KubernetesTarget:
    """The Target port. Call `aclose` when it is no longer needed.

    `apply` and `revert` return as soon as the API server has taken the change; `follow` sees it to its end.
    """

    capabilities = Capabilities(kind="kubernetes")

    def __init__(self, settings: KubernetesSettings, memory: Memory) -> None:
        self._settings = settings
        self._memory = memory
        self._api = Api(settings)
        self._owners = Owners(self._api, settings)
        self._configs = Configs(self._api, settings.namespace)
        self._switch = Switch(self._api, settings, memory)
        self._shapes = Shapes(self._api)
        self._until: dict[str, float] = {}
        self._back: dict[str, _Back] = {}
        self._following = 0

    @property
    def identity(self) -> str:
        settings = self._settings
        return f"kubernetes:{_server(settings)}/{settings.namespace}/{settings.kind}/{settings.name}"

    async def aclose(self) -> None:
        await self._api.aclose()

    async def inspect(self) -> Inspection:
        seen = await inspecting.inspect(
            self._api, self._settings, self._memory, self._owners, configs=self._configs
        )
        if not self._following:
            return seen
        # A surge that is about to be given back is nothing that anybody has to see to.
        return seen.model_copy(update={"debts": tuple(d for d in seen.debts if not surge.is_of(d))})

    async def plan(self, change: Change) -> TargetPlan:
        return await planning.plan(
            self._api, self._settings, self._memory, self._owners, change, configs=self._configs
        )

    async def apply(self, change: Change, key: str) -> Observation:
        planned = payload.read(change.payload)
        tried: dict[str, None] = {}

        async def suspend() -> None:
            for token in planned.suspend:
                before = token in tried
                tried[token] = None
                try:
                    await self._owners.suspend(token, key)
                except Refused:  # so this one is as it was
                    if not before:
                        del tried[token]
                    raise

        self._begin(key)
        insist_until = asyncio.get_running_loop().time() + INSIST_S
        while True:
            try:
                done = await self._switch.there(change, planned, key, suspend)
            except (Conflict, Refused, Unavailable) as error:
                if not tried:
                    raise
                now = asyncio.get_running_loop().time()
                if isinstance(error, Unavailable) and now + error.retry_after_s < insist_until:
                    await asyncio.sleep(error.retry_after_s)
                    continue
                return await self._only_suspended(change, error, tuple(tried))
            return await self._observation(change, await self._begun(done, suspends=bool(tried)))

    async def revert(self, change: Change, key: str) -> Observation:
        planned = payload.read(change.payload)
        self._begin(key)
        # What was suspended for the way there stays so: it would undo the way back as well.
        done = await self._switch.back(change, key)
        # Whoever follows it knows the way back alone, and nothing of what was planned for the way there.
        self._back[key] = _Back(done.goal, unblock=bool(planned.delete_pods))
        verdict = await self._begun(done)
        if why := await self._unblock(key):
            text = f"{verdict.detail} The pods that are in its way could not be deleted yet. {why}"
            verdict = replace(verdict, state=State.UNDER_WAY, detail=text)
        return await self._observation(change.backwards, verdict)

    async def observe(self, change: Change, key: str) -> Observation:
        _, verdict = await self._follower(await self._goal(change, key)).look()
        return await self._observation(change, verdict)

    async def follow(self, change: Change, key: str) -> AsyncGenerator[Observation, None]:
        self._following += 1
        try:
            goal = await self._goal(change, key)
            cleared = await self._clear(change, goal)
            follower = self._follower(goal, until=self._begin(key))
            async with aclosing(follower.verdicts()) as verdicts:
                async for verdict in verdicts:
                    if verdict.state is not State.UNDER_WAY:
                        yield await self._ended(change, verdict, follower.widened)
                        return
                    yield await self._observation(change, verdict, whole=False)
                    cleared = cleared or await self._clear(change, goal)
        finally:
            self._following -= 1

    async def repay(self, debt: Debt, key: str) -> None:  # noqa: ARG002 - what it does needs no key to be done once
        if surge.is_of(debt):
            await surge.given_back(self._api, self._settings.path)
        else:
            await self._owners.repay(debt)

    async def _goal(self, change: Change, key: str) -> Goal:
        begun = self._back.get(key)
        if begun is not None and begun.goal.version == change.to_version:
            return begun.goal
        goal = Goal.of(change, self._settings.who, key)
        if goal.ref and goal.from_ref:
            return goal
        workload = await workload_of(self._api, self._settings)
        history = await history_of(self._api, workload, self._memory)
        there, back = history.find(change.to_version, change.to_ref), history.find(change.from_version)
        # A ref of nothing fits nothing.
        ref = change.to_ref or (there.ref if there else "none")
        return replace(goal, ref=ref, from_ref=change.from_ref or (back.ref if back else ""))

    def _follower(self, goal: Goal, *, until: float = 0.0) -> Follower:
        return Follower(self._api, self._settings, self._shapes, goal, until=until)

    def _begin(self, key: str) -> float:
        """When the time of this step is over: however often it is tried, it has that much altogether."""
        limit = self._settings.timeout.total_seconds()
        return self._until.setdefault(key, asyncio.get_running_loop().time() + limit)

    async def _clear(self, change: Change, goal: Goal) -> bool:
        """Delete what was approved to be deleted, if the template is what it was to be. Whether that is done."""
        planned = payload.read(change.payload)
        if not planned.delete_pods:
            return not await self._unblock(goal.key)
        try:
            workload = await workload_of(self._api, self._settings)
            if goal.is_met_by(workload.shape_ref):
                await stuck.deleted(self._api, self._settings, workload, planned.delete_pods)
        except PortError as error:
            # How the rollout fares is told all the same, and this is tried again at the next look at it.
            _log.warning("%s", error)
            return False
        return True

    async def _unblock(self, key: str) -> str:
        """Delete what came of the change itself and blocks the way back as well, where that was approved of others.

        Why that could not be done, and what to do; empty where it is done or there was nothing to do.
        """
        back = self._back.get(key)
        if back is None or not back.unblock:
            return ""
        try:
            scene, _ = await self._follower(back.goal).look()
            if scene.workload is not None and back.goal.is_met_by(scene.workload.shape_ref):
                await stuck.deleted(self._api, self._settings, scene.workload, stuck.not_ready(scene))
        except PortError as error:
            _log.warning("%s", error)
            return error.advice
        self._back[key] = replace(back, unblock=False)
        return ""

    async def _begun(self, done: Switched, *, suspends: bool = False) -> Verdict:
        """What there is to say right after the write; where nothing was written it may be all over already."""
        known = {name: r.ref for r in done.history.revisions for name in r.object_names}
        self._shapes.know(done.workload, known)
        if not done.wrote:
            _, verdict = await self._follower(done.goal).look()
            if verdict.state is State.DONE and not is_widened(done.workload.raw):
                nothing = "nothing of it" if suspends else "nothing"
                goal = done.goal
                text = f"{goal.title} already was set to {goal.version}, so {nothing} was changed: {verdict.detail}"
                if is_by(done.workload.raw, goal.key):
                    text = f"{goal.title} was set to {goal.version} by this run already, before kaeru was interrupted: {verdict.detail}"
                return replace(verdict, detail=f"{text} {done.prepared}".strip())
            return replace(verdict, state=State.UNDER_WAY, culprit=None)
        text = f"{done.goal.title} is set to {done.goal.version}; its pods are being replaced."
        return Verdict(State.UNDER_WAY, f"{text} {done.slower}".strip(), None)

    async def _ended(self, change: Change, verdict: Verdict, widened: Workload | None) -> Observation:
        """The last word. What cannot be tidied up after it is a debt: it does not make the end unknown."""
        said, owed = "", tuple[Debt, ...]()
        if widened is not None and (why := await surge.tried(self._api, self._settings.path)):
            debt = surge.debt_of(widened, change.component)
            owed = (debt,) if debt else ()
            said = f"Its surge could not be given back: {why}"
        seen = await self._observation(change, verdict)
        detail = f"{seen.detail} {said}".strip()
        return seen.model_copy(update={"detail": detail, "debts": (*seen.debts, *owed)})

    async def _observation(self, change: Change, verdict: Verdict, *, whole: bool = True) -> Observation:
        """`whole` is whether what is suspended is looked for as well."""
        detail, debts = verdict.detail, tuple[Debt, ...]()
        if whole and (suspended := payload.read(change.payload).suspend):
            debts, told = await self._owners.left(suspended, change.component)
            detail = " ".join((detail, *told))
        return Observation(
            outcome=verdict.outcome,
            detail=detail,
            running=verdict.running,
            debts=debts,
            untouched=verdict.state in (State.NOT_BEGUN, State.TAKEN_AWAY),
            blameless=verdict.blameless,
        )

    async def _only_suspended(self, change: Change, error: PortError, tokens: tuple[str, ...]) -> Observation:
        """The end of an apply that has suspended something and nothing else. Raises `error` where it has not even that."""
        debts, told = await self._owners.left(tokens, change.component)
        if not debts:
            raise error
        detail = " ".join((error.advice, *(debt.text for debt in debts), *told, "Nothing else was changed."))
        return Observation(outcome=Outcome.FAILED, detail=detail, running=None, debts=debts, untouched=True)


def _server(settings: KubernetesSettings) -> str:
    """The cluster's address, without asking it; the file that does not say it, where that is so."""
    where = source(settings.kubeconfig, settings.context)
    if not where.files:
        return "in-cluster"
    try:
        return str(kubeconfig.choose(where.files, where.context).cluster.get("server", "")).rstrip("/")
    except Refused:
        return ":".join([*(str(file) for file in where.files), where.context or ""])
