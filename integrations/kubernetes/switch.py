"""Sets a workload to another pod template: looks first, writes once, and knows its own work when it sees it.

Every write is guarded by the generation of what was just read. So of two attempts at once, of two people or of
one whose answer was lost, at most one takes effect; and an attempt that finds its shape set already writes nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from bot.domain.base import Version
from bot.ports import Memory
from bot.ports.errors import Conflict, OutcomeUnknown, PortError, Refused
from bot.ports.target import Change
from integrations.kubernetes.api import Api
from integrations.kubernetes.authors import who_changed
from integrations.kubernetes.history import History, history_of
from integrations.kubernetes.looking import workload_of
from integrations.kubernetes.pace import pace_of
from integrations.kubernetes.patch import cause_of, to_template
from integrations.kubernetes.payload import Payload
from integrations.kubernetes.payload import read as read_payload
from integrations.kubernetes.quotas import room_for
from integrations.kubernetes.scene import Goal
from integrations.kubernetes.settings import KubernetesSettings
from integrations.kubernetes.template import Json, images_of
from integrations.kubernetes.workload import Workload

Check = Callable[[Workload], Awaitable[None]]
Prepare = Callable[[], Awaitable[None]]

_log = logging.getLogger(__name__)

TRIES = 4
LATE_S = 2.0
"""How long a write whose answer was lost is looked for before the same, guarded one is sent once more."""
LOOK_S = 0.25


@dataclass(frozen=True)
class Switched:
    """`wrote` is whether this call changed the workload. `slower` says why there is no surge though it was planned.

    `prepared` is why what was to come before could not be done after all, where it is too late to refuse for it.
    """

    goal: Goal
    workload: Workload
    history: History
    wrote: bool
    slower: str = ""
    prepared: str = ""


@contextmanager
def _in_doubt(lost: OutcomeUnknown | None, *, passing: type[PortError] | None = None) -> Iterator[None]:
    """After a write that may have happened, "nothing was changed" would be a lie: then `lost` is raised instead."""
    try:
        yield
    except PortError as error:
        if lost is None or (passing is not None and isinstance(error, passing)):
            raise
        raise lost from error


async def _nothing() -> None:
    """Where nothing has to come before the write."""


async def _late(prepare: Prepare) -> str:
    """Why `prepare` failed, or nothing: the workload is set already, so that "nothing was changed" may be untrue."""
    try:
        await prepare()
    except PortError as error:
        return error.advice
    return ""


class Switch:
    def __init__(self, api: Api, settings: KubernetesSettings, memory: Memory) -> None:
        self._api = api
        self._settings = settings
        self._memory = memory

    async def there(self, change: Change, payload: Payload, key: str, prepare: Prepare) -> Switched:
        """Set what `change` leads to. Raises Conflict where the world is not the one it was planned for.

        `prepare` is called before the write, and where none is needed as well: what was approved to come before holds
        for a workload that somebody else, or an earlier attempt, has set already.
        """
        workload, history = await self._read()
        goal = self._goal(change, history, key)

        async def check(now: Workload) -> None:
            if now.fingerprint != change.fingerprint or now.paused:
                raise _moved(now, goal, self._name(now, history, goal))

        return await self._switch(workload, history, goal, check, prepare=prepare, surge=payload.surge)

    async def back(self, change: Change, key: str) -> Switched:
        """Set what `change` came from, where `change` is what is set. Nothing where it never was."""
        workload, history = await self._read()
        altered = read_payload(change.payload).accepts
        goal = replace(self._goal(change.backwards, history, key), from_altered=altered)

        async def check(now: Workload) -> None:
            if not goal.comes_from(now.shape_ref) or now.paused:
                raise _not_put_back(now, goal, self._name(now, history, goal))

        done = await self._switch(workload, history, goal, check)
        found = history.find("", goal.ref)
        if (
            done.wrote
            and found is not None
            and images_of(done.workload.template) == images_of(found.template)
        ):
            # Nobody has planned the way back, so what admission makes of it is known only now.
            return replace(done, goal=replace(done.goal, altered=done.workload.shape_ref))
        return done

    async def _read(self) -> tuple[Workload, History]:
        workload = await workload_of(self._api, self._settings)
        return workload, await history_of(self._api, workload, self._memory)

    def _goal(self, change: Change, history: History, key: str) -> Goal:
        goal = Goal.of(change, self._settings.who, key)
        ref, from_ref = change.to_ref, change.from_ref
        if not ref:
            found = history.find(change.to_version)
            if found is None:
                raise _lost(goal, history)
            ref = found.ref
        if not from_ref:
            before = history.find(change.from_version)
            from_ref = before.ref if before else ""
        return replace(goal, ref=ref, from_ref=from_ref)

    def _name(self, workload: Workload, history: History, goal: Goal) -> Version:
        """What people call what is set now."""
        if goal.comes_from(workload.shape_ref):
            return goal.from_version
        return history.names.get(workload.shape_ref, workload.version)

    async def _switch(
        self,
        workload: Workload,
        history: History,
        goal: Goal,
        check: Check,
        *,
        prepare: Prepare = _nothing,
        surge: str | None = None,
    ) -> Switched:
        found = history.find("", goal.ref)
        lost: OutcomeUnknown | None = None
        for _ in range(TRIES):
            if goal.is_met_by(workload.shape_ref):
                prepared = await _late(prepare)
                return Switched(goal, workload, history, wrote=lost is not None, prepared=prepared)
            await check(workload)
            if found is None:
                raise _lost(goal, history)
            with _in_doubt(lost):
                await prepare()
            try:
                with _in_doubt(lost, passing=Conflict):
                    written, slower = await self._write(workload, found.template, goal, surge)
            except Conflict:
                _log.info("%s has moved since it was read; it is read again", goal.title)
                workload = await self._again(lost)
            except OutcomeUnknown as error:
                _log.warning("%s", error)
                lost = error
                workload = await self._looked_for(goal, error)
            else:
                return Switched(goal, written, history, wrote=True, slower=slower)
        if lost is not None:
            raise lost
        raise Conflict(
            f"{goal.title} is changed by others faster than kaeru can change it; nothing was changed.",
            remedy="See who changes its spec (kubectl get -o yaml --show-managed-fields), and approve a fresh plan.",
        )

    async def _write(
        self, workload: Workload, template: Json, goal: Goal, surge: str | None
    ) -> tuple[Workload, str]:
        room, slower = await self._room(workload, template, surge)
        cause = cause_of(goal.version, goal.key)
        operations = to_template(workload.raw, template, cause=cause, surge=room)
        raw = await self._api.patch(self._settings.path, operations)
        return Workload(workload.kind, raw, workload.container), slower

    async def _again(self, lost: OutcomeUnknown | None) -> Workload:
        with _in_doubt(lost):
            return await workload_of(self._api, self._settings)

    async def _looked_for(self, goal: Goal, lost: OutcomeUnknown) -> Workload:
        """The workload after a write whose answer was lost; a little later where that is not to be seen yet."""
        loop = asyncio.get_running_loop()
        until = loop.time() + LATE_S
        while True:
            workload = await self._again(lost)
            if goal.is_met_by(workload.shape_ref) or loop.time() >= until:
                return workload
            await asyncio.sleep(LOOK_S)

    async def _room(self, workload: Workload, template: Json, surge: str | None) -> tuple[str | None, str]:
        """The surge to use, and why it is none after all: what had room when it was planned may be full by now."""
        if surge is None:
            return None, ""
        base = f"/api/v1/namespaces/{workload.namespace}"
        try:
            quotas, limits = await asyncio.gather(
                self._api.list(f"{base}/resourcequotas"), self._api.list(f"{base}/limitranges")
            )
        except Refused as error:
            return None, f"Without the planned surge, as nobody knows whether there is room for it: {error}"
        room = room_for(template, quotas["items"], limits["items"])
        if room.pods is not None and room.pods < pace_of(workload, surge=surge).surge:
            return None, f"Without the planned surge: {room.why}."
        return surge, ""


def _not_put_back(workload: Workload, goal: Goal, version: Version) -> Conflict:
    """Nobody has approved to undo what somebody else has set since."""
    if workload.paused:
        return Conflict(
            f"{goal.title} is paused, so no change of it takes effect, and it was not put back to {goal.version}.",
            remedy=f"Resume it: it goes on with {version} then. Plan anew if something else is to run.",
        )
    who = who_changed(workload.raw) or "somebody"
    what = f"another template of {version}" if version in (goal.version, goal.from_version) else version
    return Conflict(
        f"{goal.title} was set to {what} meanwhile by {who}: it is neither what kaeru had set for {goal.from_version} "
        f"nor what {goal.version} was. It was left as it is, not put back to {goal.version}.",
        remedy="Agree with them on what is to run, and plan a rollback from what is set now if that is not it.",
    )


def _moved(workload: Workload, goal: Goal, version: Version) -> Conflict:
    remedy = "Look at the fresh plan and approve that one."
    if workload.paused:
        return Conflict(
            f"{goal.title} is paused, so no change of it takes effect.", remedy=f"Resume it. {remedy}"
        )
    if not goal.comes_from(workload.shape_ref):
        who = who_changed(workload.raw) or "somebody"
        what = f"another template of {version}" if version == goal.from_version else version
        was = f"this was planned when it was set to {goal.from_version}"
        return Conflict(f"{goal.title} was set to {what} meanwhile by {who}; {was}.", remedy=remedy)
    return Conflict(
        f"{goal.title} is not as it was when this was planned: it was made anew, or how it replaces its pods was changed.",
        remedy=remedy,
    )


def _lost(goal: Goal, history: History) -> Refused:
    known = ", ".join(a.version for a in history.available)
    return Refused(
        f"Neither the cluster nor kaeru knows what {goal.version} of {goal.title} looks like.",
        remedy=f"Choose one of {known}, or deploy it the usual way.",
    )
