"""What every log promises, on real ones: files, the journal, pods, tasks, what a program prints, and one in memory."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.loglines import Level
from bot.domain.logwatch import LogCounts, LogLine, newest_kinds
from bot.ports.errors import Refused, Unavailable
from bot.ports.logs import Logs
from tests.contract.logs_worlds import World, world_of

PATIENCE_S = 60.0
HOUR = timedelta(hours=1)


def _kind(name: str) -> object:
    marks = [getattr(pytest.mark, name)] if name in ("kubernetes", "swarm") else []
    return pytest.param(name, marks=marks)


KINDS = [_kind(name) for name in ("memory", "file", "command", "journald", "kubernetes", "swarm")]


@pytest.fixture(scope="module", params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


@pytest.fixture
async def logs(world: World) -> AsyncIterator[Logs]:
    async with aclosing(world.logs()) as reader:
        yield reader


def now() -> datetime:
    return datetime.now(UTC)


async def until(look: Callable[[], Awaitable[LogCounts]], total: int) -> LogCounts:
    """Look again and again until so many lines are there."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while (found := await look()).total < total:
        assert asyncio.get_running_loop().time() < deadline, f"{found.total} of {total} lines: {found}"
        await asyncio.sleep(0.1)
    return found


async def write(world: World, *lines: bytes) -> None:
    await asyncio.to_thread(world.write, *lines)


class Followed:
    """What a log that is followed gave until now."""

    def __init__(self, logs: Logs, since: datetime | None) -> None:
        self.lines: list[LogLine] = []
        self._task = asyncio.create_task(self._run(logs, since))

    async def _run(self, logs: Logs, since: datetime | None) -> None:
        async with aclosing(logs.follow(since)) as lines:
            async for line in lines:
                self.lines.append(line)

    async def until(self, text: str) -> None:
        """Until a line with `text` has come."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while not any(text in line.text for line in self.lines):
            if self._task.done():
                await self._task
            assert asyncio.get_running_loop().time() < deadline, f"{text} did not come; {self.lines}"
            await asyncio.sleep(0.05)

    async def aclose(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})
        assert self._task.cancelled(), self._task.exception()


async def test_lines_are_counted_by_level_and_sorted_by_kind(world: World, logs: Logs) -> None:
    begun = now()
    await write(
        world,
        b"ERROR payment 4711 failed",
        b"INFO all is well",
        b"ERROR payment 4712 failed",
        b'level=warn msg="slow"',
        b'{"level":"error","msg":"\xff\xfe is no UTF-8"}',
        b"just a line",
    )
    found = await until(lambda: logs.counts(begun, now()), 6)
    assert (found.errors, found.warnings, found.total) == (3, 1, 6)
    assert begun.replace(second=0, microsecond=0) == found.minutes[0].at
    assert {kind.level for kind in found.kinds} == {Level.ERROR, Level.WARN}
    (payment,) = (kind for kind in found.kinds if "payment" in kind.shape)
    assert payment.count == 2
    assert payment.example.endswith("ERROR payment 4712 failed")
    assert begun <= payment.first_seen <= payment.last_seen <= now()
    assert len(newest_kinds(found)) == 3


async def test_what_is_of_another_time_is_not_counted(world: World, logs: Logs) -> None:
    await write(world, b"ERROR of before")
    await until(lambda: logs.counts(now() - HOUR, now()), 1)
    await asyncio.sleep(0.01)
    begun = now()
    await write(world, b"ERROR of now")
    found = await until(lambda: logs.counts(begun, now()), 1)
    assert [kind.count for kind in found.kinds] == [1]
    assert "of now" in found.kinds[0].example
    empty = await logs.counts(begun - HOUR, begun - HOUR + timedelta(minutes=3))
    assert empty.total == 0
    assert 3 <= len(empty.minutes) <= 4


async def test_nobody_sees_a_secret(world: World, logs: Logs) -> None:
    begun, secret = now(), secrets.token_hex(8)
    await write(world, f"ERROR cannot sign in with password={secret}".encode(), b"WARN done")
    found = await until(lambda: logs.counts(begun, now()), 2)
    assert found.errors == 1
    assert secret not in found.model_dump_json()
    async with aclosing(Followed(logs, begun)) as followed:
        await followed.until("WARN done")
    assert [secret in line.text for line in followed.lines] == [False, False]


async def test_it_is_followed_from_before_and_each_line_comes_once(world: World, logs: Logs) -> None:
    begun, mark = now(), secrets.token_hex(4)
    await write(world, f"ERROR {mark} a".encode(), b"INFO no matter", f"WARN {mark} b".encode())
    await until(lambda: logs.counts(begun, now()), 3)
    async with aclosing(Followed(logs, begun)) as followed:
        await followed.until(f"{mark} b")
        # Two that are alike are two.
        await write(world, f"ERROR {mark} c".encode(), f"ERROR {mark} c".encode(), f"ERROR {mark} d".encode())
        await followed.until(f"{mark} d")
        await write(world, f"ERROR {mark} e".encode())
        await followed.until(f"{mark} e")
    told = [line.text.rpartition(" ")[2] for line in followed.lines]
    assert told == ["a", "b", "c", "c", "d", "e"]
    assert [line.level for line in followed.lines[:2]] == [Level.ERROR, Level.WARN]
    assert all(begun <= line.at <= now() for line in followed.lines)


async def test_it_goes_on_where_the_writer_is_replaced(world: World, logs: Logs) -> None:
    begun, mark = now(), secrets.token_hex(4)
    async with aclosing(Followed(logs, begun)) as followed:
        await write(world, f"ERROR {mark} before".encode())
        await followed.until(f"{mark} before")
        await write(world, f"ERROR {mark} last words".encode())
        await asyncio.to_thread(world.replace)
        await write(world, f"ERROR {mark} after".encode())
        await followed.until(f"{mark} after")
    told = [line.text.partition(mark)[2].strip() for line in followed.lines if mark in line.text]
    assert told == ["before", "last words", "after"]
    found = await until(lambda: logs.counts(begun, now()), 3)
    assert sum(kind.count for kind in found.kinds if mark in kind.example) == 3


async def test_a_log_that_does_not_exist_is_refused_with_words(world: World) -> None:
    async with aclosing(world.gone()) as nothing:
        with pytest.raises((Refused, Unavailable)) as counting:
            await nothing.counts(now() - HOUR, now())
        with pytest.raises((Refused, Unavailable)):
            await anext(nothing.follow(now()))
    assert str(counting.value).endswith(".")
    assert counting.value.remedy


async def test_two_that_read_the_same_say_so(world: World, logs: Logs) -> None:
    async with aclosing(world.logs()) as other:
        assert logs.identity == other.identity
    assert logs.identity
    async with aclosing(world.gone()) as nothing:
        assert nothing.identity


async def test_a_time_that_ends_before_it_begins_is_none(logs: Logs) -> None:
    with pytest.raises(ValueError, match="to a later one"):
        await logs.counts(now(), now() - HOUR)
