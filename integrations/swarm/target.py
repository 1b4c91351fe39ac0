"""A deploy target: a service of a Docker Swarm, taken back to a recorded spec."""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from bot.domain.base import Version
from bot.domain.debts import Debt
from bot.domain.evidence import Outcome
from bot.domain.plan import Level, Warn
from bot.ports.errors import Conflict, OutcomeUnknown, PortError, Refused
from bot.ports.memory import Memory
from bot.ports.target import Capabilities, Change, Inspection, Observation, TargetPlan
from integrations.images import version_of
from integrations.swarm.access import Manager
from integrations.swarm.follow import ended, follow
from integrations.swarm.history import History, Known, history
from integrations.swarm.looking import Doubt, Look, debts_of, judged, look
from integrations.swarm.planning import pace_of, planned
from integrations.swarm.service import Json, image_of, owes_update_config, own_spec, replicas_of
from integrations.swarm.settings import SwarmSettings
from integrations.swarm.updating import restore_pace, write


class SwarmTarget:
    """The Target port. Call `aclose` when it is no longer needed."""

    capabilities = Capabilities(kind="swarm")

    def __init__(self, settings: SwarmSettings, memory: Memory) -> None:
        self._settings = settings
        self._memory = memory
        self._manager = Manager(settings)
        self._began: dict[str, float] = {}
        self._doubts: dict[str, Doubt] = {}

    @property
    def identity(self) -> str:
        return f"swarm:{self._manager.host}/{self._settings.service}"

    async def aclose(self) -> None:
        await self._manager.aclose()

    async def inspect(self) -> Inspection:
        seen = await look(self._manager)
        spec = seen.service["Spec"]
        _check(spec)
        text = json.dumps(own_spec(spec), sort_keys=True, separators=(",", ":"))
        await self._memory.keep(seen.ref, version_of(image_of(spec["TaskTemplate"])), text)
        known = await self._history(seen.service)
        return Inspection(
            current=seen.current(known),
            running=seen.running(known),
            available=known.available(),
            fingerprint=_fingerprint(seen),
            current_ref=seen.ref,
            warnings=_warnings(seen, known),
            debts=debts_of(seen.service, self._settings.service),
        )

    async def plan(self, change: Change) -> TargetPlan:
        seen = await look(self._manager)
        _check(seen.service["Spec"])
        known = await self._history(seen.service)
        return await planned(
            self._manager,
            change,
            seen,
            known,
            fingerprint=_fingerprint(seen),
            wish=self._settings.order,
            timeout_s=self._settings.timeout.total_seconds(),
        )

    async def apply(self, change: Change, key: str) -> Observation:
        seen = await look(self._manager)
        known = await self._history(seen.service)
        goal = self._wanted(known, change.to_ref, change.to_version)
        if seen.ref != goal.ref and _fingerprint(seen) != change.fingerprint:
            raise self._conflict(seen, known, change.from_version)
        return await self._go(change, seen, goal, known, key)

    async def revert(self, change: Change, key: str) -> Observation:
        seen = await look(self._manager)
        known = await self._history(seen.service)
        goal = self._wanted(known, change.from_ref, change.from_version)
        left = known.find(change.to_ref, change.to_version)
        if seen.ref != goal.ref and (left is None or seen.ref != left.ref):
            raise self._conflict(seen, known, change.to_version)
        return await self._go(change.backwards, seen, goal, known, key)

    async def observe(self, change: Change, key: str) -> Observation:
        seen = await look(self._manager)
        known = await self._history(seen.service)
        goal = self._wanted(known, change.to_ref, change.to_version)
        found = judged(seen, goal, known, self._doubts.get(_run(change, key)))
        return found.model_copy(update={"debts": debts_of(seen.service, change.component)})

    async def follow(self, change: Change, key: str) -> AsyncGenerator[Observation, None]:
        known = await self._history(await self._manager.service())
        looks = follow(
            self._manager,
            self._wanted(known, change.to_ref, change.to_version),
            known,
            component=change.component,
            began=self._began.setdefault(_run(change, key), asyncio.get_running_loop().time()),
            timeout_s=self._settings.timeout.total_seconds(),
            doubt=self._doubts.get(_run(change, key)),
        )
        try:
            async for seen in looks:
                yield seen
        finally:
            await looks.aclose()

    async def repay(self, debt: Debt, key: str) -> None:  # noqa: ARG002 - the port's signature
        service = await self._manager.service()
        if debt.id != f"swarm:{service['Spec']['Name']}/update-config":
            raise Refused(
                f"The service {self._settings.service} has nothing of the kind to give back: {debt.text}"
            )
        await restore_pace(self._manager)

    async def _go(self, change: Change, seen: Look, goal: Known, known: History, key: str) -> Observation:
        """Set `goal`, unless that is what is set. The pace is given back at the end, by `follow` or here."""
        run = _run(change, key)
        self._began[run] = asyncio.get_running_loop().time()
        if seen.ref == goal.ref:
            found = judged(seen, goal, known)
            if found.outcome is Outcome.UNKNOWN:
                return found
            if found.outcome is Outcome.SUCCEEDED and not owes_update_config(seen.service["Spec"]):
                # Without kaeru's pace in place it is not the end of kaeru's own update.
                name, version = self._settings.service, known.name(goal.ref)
                detail = f"{name} already runs {version}, so nothing was changed: {found.detail}"
                found = found.model_copy(update={"detail": detail})
            return await ended(self._manager, seen, found, change.component)
        _check(seen.service["Spec"])
        order, parallelism = pace_of(change, seen, goal, self._settings.order)
        try:
            await write(self._manager, seen.service, goal.template, order=order, parallelism=parallelism)
        except OutcomeUnknown:
            self._doubts[run] = Doubt(seen.ref, datetime.now(UTC))
            raise
        self._doubts.pop(run, None)
        return await self._written(goal, known)

    async def _written(self, goal: Known, known: History) -> Observation:
        """What is seen right after a write. Raises nothing that would mean "nothing was changed"; `follow` looks on."""
        name = self._settings.service
        try:
            seen = await look(self._manager)
        except PortError as error:
            detail = f"{name} was updated; what came of it could not be seen yet ({str(error).rstrip('.')})."
            return Observation(outcome=Outcome.UNKNOWN, detail=detail, running=None)
        found = judged(seen, goal, known)
        # The pace is given back by whoever follows, to any end.
        return found.model_copy(update={"outcome": Outcome.UNKNOWN})

    async def _history(self, service: Json) -> History:
        return history(service, await self._memory.shapes())

    def _wanted(self, known: History, ref: str, version: Version) -> Known:
        if (goal := known.find(ref, version)) is not None:
            return goal
        names = ", ".join(available.version for available in known.available())
        raise Refused(
            f"Nobody remembers how {self._settings.service} ran as {version}.",
            remedy=f"Choose one of {names}.",
        )

    def _conflict(self, seen: Look, known: History, expected: Version) -> Conflict:
        return Conflict(
            f"{self._settings.service} is set to {seen.current(known)}, and not to {expected} any more: "
            "somebody changed it.",
            remedy="Look at the fresh plan and approve that one.",
        )


def _check(spec: Json) -> None:
    """Raises Refused for what is no service of containers that goes on running."""
    replicas_of(spec)
    if not image_of(spec["TaskTemplate"]):
        raise Refused(f"{spec['Name']} runs no container image, so it has no version to return to.")


def _fingerprint(seen: Look) -> str:
    """A plan holds as long as this very service is set to the same shape; its scale and its progress may change."""
    return hashlib.sha256(f"{seen.service['ID']} {seen.ref}".encode()).hexdigest()[:12]


def _run(change: Change, key: str) -> str:
    return f"{key} {change.to_ref or change.to_version}"


def _warnings(seen: Look, known: History) -> tuple[Warn, ...]:
    """At most one, where what runs is not simply what is set."""
    current, running = seen.current(known), seen.running(known)
    count = seen.count(known, seen.ref)
    paused = seen.state.endswith("paused")
    if running == current and not paused and count.running >= count.wanted:
        return ()
    if count.wanted == 0 and not count.old and not paused:
        return ()  # scaled to nothing
    name = seen.service["Spec"]["Name"]
    text = f"{name} is set to {current}: {count.sentence}."
    if paused:
        text += f" Its update is paused: {seen.message or 'no reason given'}."
    return (Warn(level=Level.WARNING, text=text),)
