"""Traffic that is really steered: nginx, HAProxy and a program, each in front of two servers of a service and one other.

All three servers answer well: whoever is sent from one side to the other has no reason to notice.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import httpx
import pytest
from pydantic import BaseModel

from bot.ports import OutcomeUnknown
from bot.ports.traffic import ShiftPlan, Traffic
from integrations.traffic.command import CommandTraffic
from integrations.traffic.haproxy import HaproxyTraffic
from integrations.traffic.nginx import NginxTraffic
from integrations.traffic.settings import CommandTrafficSettings
from tests.classic.backends import Backend
from tests.contract.aws_traffic import alb_world
from tests.contract.traffic_child import killed
from tests.contract.traffic_proxies import HaproxyDoor, Line, NginxDoor, serving
from tests.fakes.traffic import MemoryTraffic

AT_ONCE = 8


class World(Protocol):
    """One service whose traffic is steered. `interruptions` are points on the way of a shift."""

    interruptions: tuple[tuple[str, str], ...]

    def bot(self) -> Traffic:
        """Another bot's adapter of the same thing."""
        ...

    async def set_by_hand(self, share: float) -> None:
        """Somebody else shifts, past kaeru."""
        ...

    async def sicken(self) -> None:
        """No backend of the service is healthy any more, and that is known."""
        ...

    async def heal(self) -> None: ...

    async def visit(self, count: int) -> int:
        """So many requests of users, as fast as they go. How many failed."""
        ...

    async def shifts(self) -> int:
        """How often the share was really set so far, by whomever."""
        ...

    async def interrupt(self, plan: ShiftPlan, key: str, number: int) -> None:
        """Begin a shift, and be interrupted at one of the `interruptions`."""
        ...


class _Killed:
    """A bot that shifts in a process of its own, and is killed there."""

    interruptions: tuple[tuple[str, str], ...]
    kind: str
    settings: BaseModel

    async def interrupt(self, plan: ShiftPlan, key: str, number: int) -> None:
        words = (self.kind, self.settings.model_dump_json(), plan.model_dump_json(), key)
        await asyncio.to_thread(killed, *words, *self.interruptions[number])


class MemoryWorld:
    interruptions = (("the answer", "is lost"),)

    def __init__(self) -> None:
        self.traffic = MemoryTraffic()

    def bot(self) -> Traffic:
        return self.traffic

    async def set_by_hand(self, share: float) -> None:
        self.traffic.set_by_hand(share)

    async def sicken(self) -> None:
        self.traffic.ready = 0

    async def heal(self) -> None:
        self.traffic.ready = 2

    async def visit(self, count: int) -> int:
        self.traffic.visited(count)
        return 0

    async def shifts(self) -> int:
        return len(self.traffic.shifts) + self.traffic.edits

    async def interrupt(self, plan: ShiftPlan, key: str, number: int) -> None:
        self.traffic.failing.append(OutcomeUnknown("The answer was lost."))
        with pytest.raises(OutcomeUnknown):
            await self.traffic.shift(plan, key)


async def visits(url: str, count: int) -> int:
    """How many of `count` requests failed, over a few kept connections."""
    failed = 0
    left = iter(range(count))

    async def user(client: httpx.AsyncClient) -> None:
        nonlocal failed
        for _ in left:
            try:
                status = (await client.get(f"{url}/version")).status_code
            except httpx.HTTPError:
                status = 0
            failed += status != 200

    async with httpx.AsyncClient(timeout=10, trust_env=False) as client, asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(user(client))
    return failed


class NginxWorld(_Killed):
    kind = "nginx"
    interruptions = (
        ("integrations.own_file:Path.replace", "before 1"),  # the copy of the old content is half made
        ("integrations.own_file:Path.replace", "after 2"),  # renamed, and not tested
        ("integrations.nginx_program:run", "after 1"),  # tested, and not reloaded
        ("integrations.nginx_program:run", "after 2"),  # reloaded, and not seen
    )

    def __init__(self, door: NginxDoor, service: list[Backend]) -> None:
        self.door = door
        self.service = service
        self.settings = door.settings()

    def bot(self) -> NginxTraffic:
        return NginxTraffic(self.settings)

    async def set_by_hand(self, share: float) -> None:
        await asyncio.to_thread(self.door.set_by_hand, share)

    async def sicken(self) -> None:
        for backend in self.service:
            backend.status = 503

    async def heal(self) -> None:
        for backend in self.service:
            backend.status = 200

    async def visit(self, count: int) -> int:
        return await visits(self.door.url, count)

    async def shifts(self) -> int:
        return self.door.log.count(": reconfiguring")


class HaproxyWorld(_Killed):
    kind = "haproxy"
    interruptions = (
        ("integrations.haproxy_runtime:Runtime.change", "before 1"),
        ("integrations.haproxy_runtime:Runtime.change", "after 1"),
        ("integrations.own_file:Path.replace", "before 1"),  # set, and not kept
    )

    def __init__(self, door: HaproxyDoor, service: list[Backend], line: Line) -> None:
        self.door = door
        self.service = service
        self.line = line
        self.settings = door.settings(socket=line.path)
        self._by_hand = 0

    def bot(self) -> HaproxyTraffic:
        return HaproxyTraffic(self.settings)

    async def set_by_hand(self, share: float) -> None:
        await asyncio.to_thread(self.door.set_by_hand, share)
        self._by_hand += 1

    async def sicken(self) -> None:
        await self._health(503, 0)

    async def heal(self) -> None:
        await self._health(200, len(self.service))

    async def _health(self, status: int, ready: int) -> None:
        for backend in self.service:
            backend.status = status
        async with asyncio.timeout(10):
            while (await self.bot().inspect()).ready != ready:  # noqa: ASYNC110 - HAProxy's own checks are waited for
                await asyncio.sleep(0.05)

    async def visit(self, count: int) -> int:
        return await visits(self.door.url, count)

    async def shifts(self) -> int:
        return self._by_hand + self.line.changes


PROGRAM = """\
import json, os, sys, time
path = {state!r}
state = json.load(open(path))
if sys.argv[1] == "set":
    time.sleep({takes_s})
    state["share"] = float(sys.argv[2]) / 100
    state["sets"] += 1
    with open(path + ".new", "w") as out:
        json.dump(state, out)
    os.replace(path + ".new", path)
else:
    json.dump(state, sys.stdout)
"""


class CommandWorld(_Killed):
    """A balancer of one's own: a file, and a program that sets and shows what is in it."""

    kind = "command"
    interruptions = (
        ("integrations.runs:Runs.start", "before 1"),
        ("integrations.runs:Runs.start", "after 1"),  # it runs, and nobody waits for it
    )

    def __init__(self, folder: Path, *, takes_s: float = 0.0) -> None:
        self.file = folder / "balancer.json"
        self.write(share=1.0, ready=2, wanted=2, to_service=0, total=0, errors=0, service_errors=0, sets=0)
        program = folder / "traffic.py"
        program.write_text(PROGRAM.format(state=str(self.file), takes_s=takes_s), encoding="ascii")
        argv = (sys.executable, "-I", "-S", str(program))
        self.settings = CommandTrafficSettings(
            shift=(*argv, "set", "{percent}"), read=(*argv, "show"), measures=True, state=folder / "runs"
        )

    def bot(self) -> CommandTraffic:
        return CommandTraffic(self.settings)

    def read(self) -> dict[str, float]:
        found: dict[str, float] = json.loads(self.file.read_text(encoding="ascii"))
        return found

    def write(self, **changes: float) -> None:
        known = self.read() if self.file.exists() else {}
        self.file.write_text(json.dumps({**known, **changes}), encoding="ascii")

    async def set_by_hand(self, share: float) -> None:
        self.write(share=share, sets=self.read()["sets"] + 1)

    async def sicken(self) -> None:
        self.write(ready=0)

    async def heal(self) -> None:
        self.write(ready=2)

    async def visit(self, count: int) -> int:
        now = self.read()
        reached = round(count * now["share"])
        self.write(to_service=now["to_service"] + reached, total=now["total"] + count)
        return 0

    async def shifts(self) -> int:
        return int(self.read()["sets"])


@contextlib.contextmanager
def three_backends() -> Iterator[list[Backend]]:
    """Two of the service, and the other one."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(serving(Backend(version))) for version in ("v1.2.9", "v1.2.9", "v1.2.8")]


@asynccontextmanager
async def opened(kind: str, folder: Path) -> AsyncIterator[World]:
    if kind == "memory":
        yield MemoryWorld()
    elif kind == "command":
        yield CommandWorld(folder)
    elif kind == "alb":
        with alb_world(folder) as alb:
            yield alb
    else:
        with three_backends() as (one, two, other):
            ports = [one.port, two.port]
            if kind == "nginx":
                with NginxDoor(folder, ports, other.port) as nginx:
                    yield NginxWorld(nginx, [one, two])
            else:
                with HaproxyDoor(folder, ports, other.port) as haproxy:
                    async with Line(haproxy.admin, folder / "line.sock").open() as line:
                        yield HaproxyWorld(haproxy, [one, two], line)


async def shifted(traffic: Traffic, share: float, key: str = "k") -> None:
    """As a plan that was approved."""
    seen = await traffic.shift(await traffic.plan(share), key)
    assert seen.share is not None
    assert abs(seen.share - share) < 0.005, seen
