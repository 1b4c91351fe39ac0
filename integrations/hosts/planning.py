"""What a plan over the hosts says, and what it looks at first."""

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence

from bot.domain.base import Version
from bot.domain.plan import Check
from bot.ports.errors import PortError
from integrations.hosts.host import Host
from integrations.hosts.seen import Seen
from integrations.hosts.settings import HostsSettings
from integrations.hosts.ways import Way, batches
from integrations.process import redact

MOVE_S, RESTART_S = 1.0, 2.0


def actions(settings: HostsSettings, planned: Sequence[Way], seen: Sequence[Seen]) -> tuple[str, ...]:
    links = {look.host: look.link for look in seen}
    goals = {way.goal for way in planned if way.goal is not None}
    goal = goals.pop() if len(goals) == 1 else "what each had before"
    todo = [way for way in planned if not way.left_out]
    said = []
    for n, batch in enumerate(batches(todo, settings.at_once)):
        hosts = ", ".join(f"{way.host} (now {links.get(way.host) or 'not known'})" for way in batch)
        said.append(f"{'Then point' if n else 'Point'} {settings.link} at {goal} on {hosts}")
    if settings.restart:
        said.append(f"Run {redact(shlex.join(settings.restart))} on each host once its link has moved")
    proofs = []
    if any(look.asked for look in seen):
        proofs.append(f"its process says {goal}")
    if settings.check:
        proofs.append(f"{redact(shlex.join(settings.check))} ends with 0 there")
    if proofs:
        soak = f", and stays so for {settings.soak.total_seconds():g} s" if settings.soak else ""
        said.append(
            f"Wait until {' and '.join(proofs)}{soak}, before the next host goes to {goal}"
            if len(todo) > 1
            else f"Wait until {' and '.join(proofs)} ({goal})"
        )
    if len(todo) > 1:
        then = "the others stay as they are then" if settings.on_failure == "stop" else "put all back then"
        said.append(f"Stop where a host does not come to {goal}; {then}")
    said += [
        f"Leave {way.host} out, which is down; {goal} does not come there" for way in planned if way.left_out
    ]
    return tuple(said)


def expected_s(settings: HostsSettings, planned: Sequence[Way]) -> float:
    """Seconds, where every host comes up at once."""
    rounds = len(batches(planned, settings.at_once))
    soak = settings.soak.total_seconds() if settings.soak is not None else 0.0
    each = MOVE_S + (RESTART_S if settings.restart else 0.0)
    return rounds * each + max(0, rounds - 1) * soak


def check_hosts(seen: Sequence[Seen], *, allow_down: int) -> Check:
    down = [look for look in seen if look.is_down]
    refused = [look for look in seen if look.trouble is not None and not look.is_down]
    detail = "; ".join(str(look.trouble).rstrip(".") for look in [*refused, *down])
    up = f"{len(seen) - len(down) - len(refused)} of {len(seen)} answer"
    return Check(
        name="hosts answer",
        ok=not refused and len(down) <= allow_down,
        detail=f"{up}: {detail}" if detail else up,
    )


def check_releases(planned: Sequence[Way], there: Mapping[str, Sequence[Version]]) -> Check:
    lacking: dict[Version, list[str]] = {}
    for way in planned:
        if way.goal is not None and way.host in there and way.goal not in there[way.host]:
            lacking.setdefault(way.goal, []).append(way.host)
    missing = [f"{version} is not on {', '.join(hosts)}" for version, hosts in lacking.items()]
    goals = ", ".join(sorted({way.goal for way in planned if way.goal is not None}))
    detail = "; ".join(missing) or f"{goals} is on every host that answers"
    return Check(name="release is there", ok=not missing, detail=detail)


def check_links(seen: Sequence[Seen], *, same: bool) -> Check:
    listed = ", ".join(f"{look.host} {look.link or 'not known'}" for look in seen)
    return Check(name="nobody moved a link", ok=same, detail=listed)


def check_versions(seen: Sequence[Seen]) -> Check:
    """A service that is down says nothing, and has to be rolled back all the same."""
    asked = [look for look in seen if look.asked]
    listed = ", ".join(f"{look.host} says {look.running or 'nothing'}" for look in asked)
    known = all(look.running is not None for look in asked)
    return Check(name="version can be observed", ok=known, detail=listed, required=False)


async def check_writable(hosts: Sequence[Host]) -> Check:
    bad = await _bad(hosts, lambda host: host.can_move_link())
    detail = f"kaeru's user may not write beside it on {bad}" if bad else "kaeru's user may write beside it"
    return Check(name="links can be moved", ok=not bad, detail=detail)


async def check_program(hosts: Sequence[Host], program: str) -> Check:
    bad = await _bad(hosts, lambda host: host.can_restart())
    detail = f"{program} is no program on {bad}" if bad else f"{program} is there"
    return Check(name="restart command", ok=not bad, detail=detail)


async def _bad(hosts: Sequence[Host], question: Callable[[Host], Awaitable[bool]]) -> str:
    """The names of the hosts on which it does not hold, or where it cannot be found out."""

    async def asked(host: Host) -> bool:
        try:
            return await question(host)
        except PortError:
            return False

    answers = await asyncio.gather(*(asked(host) for host in hosts))
    return ", ".join(host.name for host, holds in zip(hosts, answers, strict=True) if not holds)
