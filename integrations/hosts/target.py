"""A deploy target: releases on the disks of one or many hosts, a link on each, a command that restarts the service."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from bot.domain.base import Version
from bot.domain.debts import Debt
from bot.domain.evidence import Outcome
from bot.domain.plan import Level, Warn
from bot.ports.errors import Conflict, PortError, Refused, Unavailable
from bot.ports.target import (
    FOLLOW_FOR_S,
    Available,
    Capabilities,
    Change,
    Inspection,
    Observation,
    TargetPlan,
)
from integrations import releases_on_disk as on_disk
from integrations.hosts import planning
from integrations.hosts.errors import AGAIN_S
from integrations.hosts.here import ThisMachine
from integrations.hosts.host import Host
from integrations.hosts.machine import Machine
from integrations.hosts.remote import RemoteMachine
from integrations.hosts.run import Run
from integrations.hosts.seen import Seen, common, judged, warnings_of
from integrations.hosts.settings import HostSettings, HostsSettings
from integrations.hosts.ssh import Ssh
from integrations.hosts.ways import Way, fingerprint_of, newest, origins, ref_of, ways
from integrations.http_health.client import ProbeClient

POLL_S = 1.0
"""Between two looks at hosts that nobody is changing."""


class HostsTarget:
    """The Target port. Call `aclose` when it is no longer needed.

    `apply` looks, refuses what cannot work, and then goes from host to host in the background; `follow` says how far
    it has come. Nothing of it is remembered: who comes after a crash looks at the hosts and goes on.
    """

    capabilities = Capabilities(kind="hosts")

    def __init__(self, settings: HostsSettings) -> None:
        self._settings = settings
        self._client = ProbeClient(timeout_s=settings.version_timeout.total_seconds())
        self._ssh = Ssh(settings)
        self._hosts = {place.name: self._host(place) for place in settings.listed}
        self._run: Run | None = None
        self._beginning = asyncio.Lock()

    @property
    def identity(self) -> str:
        places = sorted(
            f"{place.where.with_port}{self._hosts[place.name].link}" for place in self._settings.listed
        )
        return f"hosts:{','.join(places)}"

    async def aclose(self) -> None:
        await self._stop()
        await asyncio.gather(*(host.aclose() for host in self._hosts.values()))
        await self._ssh.aclose()
        await self._client.aclose()

    async def inspect(self) -> Inspection:
        seen = await self._look()
        links = {look.host: look.link for look in seen}
        current = newest(links)
        if current is None:
            raise _first_trouble(seen)
        there, missing = await self._available([look.host for look in seen if look.link is not None])
        agreed = len({link for link in links.values() if link is not None}) == 1
        gone = [
            f"{look.host}: the link points at {look.link}, but its folder is gone."
            for look in seen
            if look.link is not None and look.link not in there.get(look.host, ())
        ]
        return Inspection(
            current=current,
            running=common(look.running for look in seen) if agreed and _all_run(seen) else None,
            available=tuple(Available(version=version) for version in _everywhere(there)),
            fingerprint=fingerprint_of(links),
            current_ref=ref_of(links),
            warnings=(
                *warnings_of(seen),
                *(Warn(level=Level.DANGER, text=text) for text in gone),
                *(Warn(level=Level.INFO, text=text) for text in missing),
            ),
        )

    async def plan(self, change: Change) -> TargetPlan:
        seen = await self._look()
        links = {look.host: look.link for look in seen}
        planned = ways(change, self._hosts)
        reached = [self._hosts[look.host] for look in seen if look.link is not None]
        there, _ = await self._available([host.name for host in reached])
        checks = [
            planning.check_hosts(seen, allow_down=self._settings.allow_down),
            planning.check_releases(planned, there),
            planning.check_links(seen, same=fingerprint_of(links) == change.fingerprint),
            await planning.check_writable(reached),
        ]
        if self._settings.restart:
            checks.append(await planning.check_program(reached, self._settings.restart[0]))
        if any(look.asked for look in seen):
            checks.append(planning.check_versions(seen))
        return TargetPlan(
            actions=planning.actions(self._settings, planned, seen),
            warnings=(),
            checks=tuple(checks),
            expected_s=planning.expected_s(self._settings, planned),
        )

    async def apply(self, change: Change, key: str) -> Observation:
        return await self._begin(ways(change, self._hosts), key, change)

    async def revert(self, change: Change, key: str) -> Observation:
        await self._stop()  # what is still under way would only have to be put back as well
        planned = ways(change.backwards, self._hosts)
        return await self._begin(planned[::-1], key, None)

    async def observe(self, change: Change, key: str) -> Observation:
        planned = ways(change, self._hosts)
        if (run := self._running(planned, key)) is not None and run.ended is None:
            return run.seen()
        seen = await self._look()
        if all(look.trouble is not None for look in seen):
            raise _first_trouble(seen)
        return judged(planned, seen, allow_down=self._settings.allow_down)

    async def follow(self, change: Change, key: str) -> AsyncGenerator[Observation, None]:
        run = self._running(ways(change, self._hosts), key)
        if run is not None:
            async for seen in run.looks():
                yield seen
            if run.ended is not None and run.ended.outcome is not Outcome.UNKNOWN:
                return
        loop = asyncio.get_running_loop()
        until = loop.time() + FOLLOW_FOR_S
        while True:
            seen = await self.observe(change, key)
            yield seen
            if seen.outcome is not Outcome.UNKNOWN or loop.time() >= until:
                return
            await asyncio.sleep(POLL_S)

    async def repay(self, debt: Debt, key: str) -> None:  # noqa: ARG002 - the port's signature
        raise Refused(f"The hosts have nothing to give back: {debt.text}")

    async def _begin(self, planned: Sequence[Way], key: str, change: Change | None) -> Observation:
        """Start what is to be done, or say that it is done already. A `change` is guarded by its fingerprint.

        Raises Conflict, Refused, Unavailable; then nothing was changed.
        """
        async with self._beginning:
            if self._run is not None and self._run.ended is None:
                if self._running(planned, key) is not None:
                    return self._run.seen()
                raise Unavailable(
                    "These hosts are still being changed by another step.", retry_after_s=AGAIN_S
                )
            seen = await self._look({way.host: n for n, way in enumerate(planned)})
            found = judged(planned, seen, allow_down=self._settings.allow_down)
            if found.outcome is Outcome.SUCCEEDED:
                return found
            self._guard(planned, seen, change)
            there, _ = await self._available([look.host for look in seen if look.link is not None])
            for way in planned:
                if way.goal is not None and not way.left_out and way.goal not in there[way.host]:
                    host = self._hosts[way.host]
                    known = _everywhere(there)
                    raise on_disk.no_release(way.goal, host.releases, known, where=f" on {way.host}")
            self._run = Run(self._hosts, planned, self._settings, key)
            await asyncio.sleep(0)  # it begins
            return self._run.seen()

    def _guard(self, planned: Sequence[Way], seen: Sequence[Seen], change: Change | None) -> None:
        """Nothing begins unless every host is where it was when this was planned, or where it is to go."""
        for way, look in zip(planned, seen, strict=True):
            if look.trouble is not None and not (way.left_out and look.is_down):
                raise look.trouble
            if way.goal is not None and look.trouble is None and look.link not in (way.origin, way.goal):
                link, planned_for = self._hosts[way.host].link, way.origin or "down"
                raise Conflict(
                    f"{link} on {way.host} points at {look.link}; this was planned when it was {planned_for}.",
                    remedy="Look at the fresh plan and approve that one.",
                )
        left_out = [way.host for way in planned if way.left_out]
        if len(left_out) > self._settings.allow_down:
            raise Unavailable(f"{', '.join(left_out)} cannot be left out.", retry_after_s=AGAIN_S)
        if change is not None and fingerprint_of(origins(planned)) != change.fingerprint:
            raise Conflict(
                "This was planned for hosts that were not as they are now.",
                remedy="Look at the fresh plan and approve that one.",
            )

    def _running(self, planned: Sequence[Way], key: str) -> Run | None:
        """The run of this very step, in whatever order it goes."""
        run = self._run
        if run is None or run.key != key or set(run.planned) != set(planned):
            return None
        return run

    async def _stop(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            await run.stop()

    async def _look(self, places: dict[str, int] | None = None) -> list[Seen]:
        """Every host, at the same time; in the order of the settings, or in that of `places`."""
        seen = await asyncio.gather(*(host.look() for host in self._hosts.values()))
        return seen if places is None else sorted(seen, key=lambda look: places[look.host])

    async def _available(self, names: Sequence[str]) -> tuple[dict[str, tuple[Version, ...]], list[str]]:
        """The releases on each of these hosts, and sentences about those that not all of them have."""
        found = await asyncio.gather(
            *(self._hosts[name].reading(self._hosts[name].versions()) for name in names)
        )
        there = dict(zip(names, found, strict=True))
        said = []
        for version in sorted({version for versions in found for version in versions}):
            lacking = [name for name, versions in there.items() if version not in versions]
            if lacking:
                said.append(f"{version} is missing on {', '.join(lacking)}, so nothing goes back to it.")
        return there, said

    def _host(self, place: HostSettings) -> Host:
        machine: Machine = ThisMachine()
        if not place.where.is_local:
            machine = RemoteMachine(self._ssh.line(place.name, place.where))
        return Host(machine, place, self._settings, self._client)


def _everywhere(there: dict[str, tuple[Version, ...]]) -> list[Version]:
    """What all hosts have that could be looked at."""
    return sorted(set.intersection(*(set(versions) for versions in there.values()))) if there else []


def _all_run(seen: Sequence[Seen]) -> bool:
    """Whether each host that can be asked says what runs, and all are up."""
    return all(look.trouble is None and (look.running is not None or not look.asked) for look in seen)


def _first_trouble(seen: Sequence[Seen]) -> PortError:
    return next((look.trouble for look in seen if look.trouble is not None), Refused("There are no hosts."))
