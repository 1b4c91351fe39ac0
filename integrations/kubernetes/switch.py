"""Sets a workload to another pod template: looks first, writes once, and knows its own work when it sees it.

Every write is guarded by the generation of what was just read. So of two attempts at once, of two people or of
one whose answer was lost, at most one takes effect; and an attempt that finds its shape set already writes nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from bot.domain.base import Version
from bot.ports import Memory
from bot.ports.errors import Conflict, OutcomeUnknown, PortError, Refused
from bot.ports.target import Change
from integrations.kubernetes.api import Api
from integrations.kubernetes.history import History, history_of
from integrations.kubernetes.looking import workload_of
from integrations.kubernetes.owners import who_changed
from integrations.kubernetes.pace import pace_of
from integrations.kubernetes.patch import cause_of, to_template
from integrations.kubernetes.payload import Payload
from integrations.kubernetes.quotas import room_for
from integrations.kubernetes.scene import Goal
from integrations.kubernetes.settings import KubernetesSettings
from integrations.kubernetes.template import Json
from integrations.kubernetes.workload import Workload

Prepare = Callable[[Workload], Awaitable[None]]

_log = logging.getLogger(__name__)

TRIES = 4
LATE_S = 2.0
"""How long a write whose answer was lost is looked for before the same, guarded one is sent once more."""
LOOK_S = 0.25


@dataclass(frozen=True)
class Switched:
    """`wrote` is whether this call changed anything. `slower` says why there is no surge though it was planned."""

    goal: Goal
    workload: Workload
    history: History
    wrote: bool
    slower: str = ""


class Switch:
    def __init__(self, api: Api, settings: KubernetesSettings, memory: Memory) -> None:
        self._api = api
        self._settings = settings
        self._memory = memory

    async def there(self, change: Change, payload: Payload, key: str, prepare: Prepare) -> Switched:
        """Set what `change` leads to. Raises Conflict where the world is not the one it was planned for.

        `prepare` is called before the write, where there is one to come.
        """
        workload, history = await self._read()
        goal = self._goal(change, history, key)

        async def check(now: Workload) -> None:
            if now.fingerprint != change.fingerprint or now.paused:
                raise _moved(now, goal, self._name(now, history, goal))
            await prepare(now)

        return await self._switch(workload, history, goal, check, payload.surge)

    async def back(self, change: Change, key: str, prepare: Prepare) -> Switched:
        """Set what `change` came from, where `change` is what is set. Nothing where it never was."""
        workload, history = await self._read()
        goal = self._goal(change.backwards, history, key)

        async def check(now: Workload) -> None:
            if now.shape_ref != goal.from_ref or now.paused:
                raise _moved(now, goal, self._name(now, history, goal))
            await prepare(now)

        return await self._switch(workload, history, goal, check, None)

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
        if workload.shape_ref == goal.from_ref:
            return goal.from_version
        return history.names.get(workload.shape_ref, workload.version)

    async def _switch(
        self, workload: Workload, history: History, goal: Goal, check: Prepare, surge: str | None
    ) -> Switched:
        found = history.find("", goal.ref)
        lost: OutcomeUnknown | None = None
        for _ in range(TRIES):
            if workload.shape_ref == goal.ref:
                return Switched(goal, workload, history, wrote=lost is not None)
            await check(workload)
            if found is None:
                raise _lost(goal, history)
            room, slower = await self._room(workload, found.template, surge)
            operations = to_template(
                workload.raw, found.template, cause=cause_of(goal.version, goal.key), surge=room
            )
            try:
                raw = await self._api.patch(self._settings.path, operations)
            except Conflict:
                _log.info("%s has moved since it was read; it is read again", goal.title)
                workload = await self._again(lost)
            except OutcomeUnknown as error:
                _log.warning("%s", error)
                lost = error
                workload = await self._late(goal, error)
            else:
                written = Workload(workload.kind, raw, workload.container)
                return Switched(goal, written, history, wrote=True, slower=slower)
        if lost is not None:
            raise lost
        raise Conflict(
            f"{goal.title} is changed by others faster than kaeru can change it; nothing was changed.",
            remedy="See who changes its spec (kubectl get -o yaml --show-managed-fields), and approve a fresh plan.",
        )

    async def _again(self, lost: OutcomeUnknown | None) -> Workload:
        try:
            return await workload_of(self._api, self._settings)
        except PortError as error:
            # After a write that may have happened, "nothing was changed" would be a lie.
            if lost is not None:
                raise lost from error
            raise

    async def _late(self, goal: Goal, lost: OutcomeUnknown) -> Workload:
        """The workload after a write whose answer was lost; a little later where that is not to be seen yet."""
        loop = asyncio.get_running_loop()
        until = loop.time() + LATE_S
        while True:
            workload = await self._again(lost)
            if workload.shape_ref == goal.ref or loop.time() >= until:
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


def _moved(workload: Workload, goal: Goal, version: Version) -> Conflict:
    remedy = "Look at the fresh plan and approve that one."
    if workload.paused:
        return Conflict(
            f"{goal.title} is paused, so no change of it takes effect.", remedy=f"Resume it. {remedy}"
        )
    if workload.shape_ref != goal.from_ref:
        who = who_changed(workload.raw) or "somebody"
        was = f"this was planned when it was set to {goal.from_version}"
        return Conflict(f"{goal.title} was set to {version} meanwhile by {who}; {was}.", remedy=remedy)
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
