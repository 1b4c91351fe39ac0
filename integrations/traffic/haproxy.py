"""HAProxy: the weights of a backend's servers, some of which are the service's and some are for all other traffic.

All weights go in one line: a killed bot has sent all or none. The server-state-file is written after they were seen.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from bot.domain.plan import Check, Level, Warn
from bot.domain.served import percent
from bot.ports.errors import OutcomeUnknown, Refused
from bot.ports.traffic import Served, ShiftPlan, Split, TrafficCapabilities
from integrations.haproxy_runtime import Runtime, Server, merged, servers_in
from integrations.own_file import OwnFile
from integrations.traffic.settings import HaproxyTrafficSettings
from integrations.traffic.shares import (
    is_same,
    must_be_planned,
    must_be_ready,
    must_be_share,
    ready_check,
)

HEAVIEST = 256
_WELL = ("hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_other")

Servers = Mapping[str, Server]


class HaproxyTraffic:
    """The Traffic port. Call `aclose` when it is no longer needed."""

    capabilities = TrafficCapabilities(kind="haproxy")

    def __init__(self, settings: HaproxyTrafficSettings) -> None:
        self.settings = settings
        self._runtime = Runtime(settings.socket, timeout_s=settings.timeout.total_seconds())
        self._file = OwnFile(settings.state_file) if settings.state_file is not None else None

    @property
    def identity(self) -> str:
        return f"haproxy:{self.settings.socket}:{self.settings.backend}"

    async def aclose(self) -> None:
        """Each question has a connection of its own."""

    async def inspect(self) -> Split:
        return await self._split(await self._servers())

    async def plan(self, share: float) -> ShiftPlan:
        must_be_share(share)
        servers = await self._servers()
        now = await self._split(servers)
        weights = self._weights(servers, share)
        said = ", ".join(f"{name} {weight}" for name, weight in weights.items())
        first = f"Send {percent(share)} of the traffic to {', '.join(self.settings.servers)}: weights {said}"
        state_file, file = self.settings.state_file, self._file
        detail = "no state_file is set: a restart of HAProxy goes back to what its configuration says"
        lasts = Check(name="the shift lasts", ok=False, detail=detail, required=False)
        if file is not None:
            writable = await asyncio.to_thread(file.writable)
            detail = f"the bot writes in {file.path.parent}"
            lasts = Check(name="state file can be written", ok=writable, detail=detail)
        return ShiftPlan(
            share=share,
            fingerprint=now.fingerprint,
            actions=(first, f"Write the weights into {state_file}") if state_file else (first,),
            warnings=now.warnings,
            checks=(ready_check(now, share), lasts),
        )

    async def shift(self, plan: ShiftPlan, key: str) -> Split:  # noqa: ARG002 - the weights themselves tell what was done
        must_be_share(plan.share)
        servers = await self._servers()
        now = await self._split(servers)
        if not is_same(now.share, plan.share):
            must_be_planned(now, plan)
            must_be_ready(now, plan)
            now = await self._weighed(servers, plan.share)
        if self._file is not None and await self._kept() != _weights_of(await self._servers()):
            await self._keep(self._file)
            now = await self.inspect()
        return now

    async def served(self) -> Served:
        rows = await self._runtime.statistics(self.settings.backend)
        at = datetime.now(UTC)
        if "BACKEND" not in rows:
            raise Refused(
                f"HAProxy has no backend {self.settings.backend}.", remedy="Correct `backend` in kaeru.yml."
            )
        rest = [rows[name] for name in self.settings.otherwise if name in rows]
        # What HAProxy itself answers for a server that does not is counted of the backend alone.
        total, errors = _ended(rows["BACKEND"]), _unwell(rows["BACKEND"])
        return Served(
            at=at,
            to_service=max(0, total - sum(_ended(row) for row in rest)),
            total=total,
            errors=errors,
            service_errors=max(0, errors - sum(_unwell(row) for row in rest)),
        )

    async def _weighed(self, servers: Servers, share: float) -> Split:
        """Send the weights, and look."""
        weights = self._weights(servers, share)
        backend = self.settings.backend
        # What gets more comes first: there is no moment in which nobody gets anything.
        order = sorted(weights, key=lambda name: servers[name].weight - weights[name])
        commands = [f"set server {backend}/{name} weight {weights[name]}" for name in order]
        said = await self._runtime.change(*commands)
        after = await self._servers()
        if any(after[name].weight != weight for name, weight in weights.items()):
            raise OutcomeUnknown(
                f"HAProxy has not taken all weights of {backend}: {said or 'it said nothing'}.",
                remedy="Look at its weights (`show servers state`) before it is tried again.",
            )
        return await self._split(after)

    async def _split(self, servers: Servers) -> Split:
        settings = self.settings
        ours = [servers[name] for name in settings.servers]
        every = [*ours, *(servers[name] for name in settings.otherwise)]
        total = sum(server.weight for server in every if server.admitted)
        weight = sum(server.weight for server in ours if server.admitted)
        share = weight / total if total else 0.0
        ready = sum(not server.ordered_off and not server.down for server in ours)
        marks = [f"{name} {each.weight} {each.ordered_off}" for name, each in sorted(servers.items())]
        return Split(
            share=share,
            ready=ready,
            wanted=len(ours),
            fingerprint=hashlib.sha256("\n".join(marks).encode()).hexdigest()[:12],
            detail=f"{settings.backend}: {percent(share)} to the service, {ready} of {len(ours)} servers ready",
            warnings=await self._warnings(servers, total=total),
        )

    async def _warnings(self, servers: Servers, *, total: int) -> tuple[Warn, ...]:
        backend, found = self.settings.backend, []
        off = [name for name in self.settings.servers if servers[name].ordered_off]
        if off:
            text = f"{', '.join(off)} of {backend} drains or is in maintenance: it gets nothing, whatever its weight."
            found.append(Warn(level=Level.WARNING, text=text))
        if not total:
            text = f"No server of {backend} gets traffic: users get HAProxy's own error."
            found.append(Warn(level=Level.DANGER, text=text))
        kept = await self._kept()
        if kept is not None and kept != _weights_of(servers):
            text = (
                f"{self.settings.state_file} has other weights: a restart of HAProxy would go back to them."
            )
            found.append(Warn(level=Level.WARNING, text=text))
        return tuple(found)

    async def _servers(self) -> Servers:
        settings = self.settings
        found = servers_in(await self._runtime.state(settings.backend), settings.backend)
        names = {*settings.servers, *settings.otherwise}
        if missing := sorted(names - found.keys()):
            raise Refused(
                f"HAProxy's backend {settings.backend} has no server {' and no server '.join(missing)}.",
                remedy="Correct `servers` and `otherwise` in kaeru.yml.",
            )
        if extra := sorted(name for name, server in found.items() if server.admitted and name not in names):
            raise Refused(
                f"HAProxy's backend {settings.backend} also sends traffic to {', '.join(extra)}.",
                remedy="Name every server of the backend under `servers` or `otherwise`, or drain it.",
            )
        return {name: server for name, server in found.items() if name in names}

    def _weights(self, servers: Servers, share: float) -> dict[str, int]:
        """What each has to weigh. One that somebody has told to drain keeps its weight: it gets nothing anyhow."""
        ours = [name for name in self.settings.servers if not servers[name].ordered_off]
        rest = [name for name in self.settings.otherwise if not servers[name].ordered_off]
        if not rest and share < 1:
            raise Refused(
                f"All of {', '.join(self.settings.otherwise)} drains or is in maintenance, so no traffic can be kept from the service.",
                remedy="Set one of them to ready.",
            )
        if not ours and share > 0:
            return {}  # what more there is to say stands in the check for healthy backends
        parts = [
            *_parts([servers[name].initial for name in ours], share),
            *_parts([servers[name].initial for name in rest], 1 - share),
        ]
        return dict(zip((*ours, *rest), weights(parts), strict=True))

    async def _kept(self) -> dict[str, int] | None:
        """The weights in the server-state-file; None where it is not about this backend."""
        if self._file is None:
            return None
        text = (await asyncio.to_thread(self._file.read_if_any)).decode(errors="replace")
        found = servers_in(text, self.settings.backend)
        names = (*self.settings.servers, *self.settings.otherwise)
        return _weights_of({name: found[name] for name in names if name in found}) or None

    async def _keep(self, file: OwnFile) -> None:
        backend = self.settings.backend
        fresh = await self._runtime.state(backend)
        known = await asyncio.to_thread(file.read_if_any)
        await asyncio.to_thread(file.write, merged(known, fresh, backend))


def weights(parts: Sequence[float]) -> list[int]:
    """Whole weights up to 256 in these proportions, as near as can be; nothing gets 0 but a part of 0."""
    most = HEAVIEST / max(parts)
    candidates = [
        [max(1, round(part * most * step / HEAVIEST)) if part else 0 for part in parts]
        for step in range(1, HEAVIEST + 1)
    ]
    total = sum(parts)

    def error(candidate: Sequence[int]) -> float:
        sums = sum(candidate)
        return max(abs(each / sums - part / total) for each, part in zip(candidate, parts, strict=True))

    return min(reversed(candidates), key=error)


def _parts(initial: Sequence[int], share: float) -> list[float]:
    """A share among servers by their configured weights. Where all have none, each gets the same."""
    own = list(initial) if any(initial) else [1] * len(initial)
    return [share * each / sum(own) for each in own]


def _weights_of(servers: Servers) -> dict[str, int]:
    return {name: server.weight for name, server in servers.items()}


def _ended(row: Mapping[str, str]) -> int:
    """Requests that are not under way any more."""
    return int(row["stot"] or 0) - int(row["scur"] or 0)


def _unwell(row: Mapping[str, str]) -> int:
    """Those that did not get an answer below 500.

    Not only those of which HAProxy counts one above: where a server falls silent on a kept connection, it hangs up
    on the user and counts no answer at all. Users who hang up themselves before an answer cannot be told from that.
    """
    return max(0, _ended(row) - sum(int(row[name] or 0) for name in _WELL))
