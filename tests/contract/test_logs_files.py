"""What only files do: they are rotated, cut, packed and huge."""

# What these tests write is small and on a local disk.
# ruff: noqa: ASYNC240

import asyncio
import gzip
import os
import shutil
from collections.abc import Iterator
from contextlib import aclosing, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.ports.errors import AuthFailed, PortError, Refused, Unavailable
from bot.ports.logs import Logs
from integrations.logs.parts import older_parts, trouble
from integrations.logs.settings import FileLogSettings
from tests.contract.logs_worlds import Writer, made, stamp
from tests.contract.test_logs_contract import Followed, now

T0 = datetime(2026, 11, 24, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def reader(path: Path, **changed: object) -> Logs:
    return made("file", path=path, every="20ms", **changed)


def at(seconds: float) -> str:
    return (T0 + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.log"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    with closing(Closing(path)) as made_one:
        yield made_one


class Closing(Writer):
    def close(self) -> None:
        self.end()


def texts(followed: Followed) -> list[str]:
    return [line.text.partition("ERROR ")[2] for line in followed.lines]


async def test_a_file_that_is_copied_and_cut_loses_nothing(path: Path, writer: Writer) -> None:
    """As logrotate's copytruncate does it, with a writer that appends; also where more is written than was there."""
    async with aclosing(Followed(reader(path), now())) as followed:
        writer.write(stamp() + b"ERROR a")
        await followed.until("ERROR a")
        for round_ in ("b", "c"):
            # As if nobody had looked meanwhile: copied, cut and written again between two looks.
            shutil.copyfile(path, path.with_name("shop.log.1"))
            os.truncate(path, 0)
            writer.write(*(stamp() + f"ERROR {round_} {n}".encode() for n in range(9)))
            await followed.until(f"ERROR {round_} 8")
        writer.write(stamp() + b"ERROR d")
        await followed.until("ERROR d")
    assert texts(followed) == ["a", *(f"{r} {n}" for r in "bc" for n in range(9)), "d"]


async def test_what_was_written_between_the_last_look_and_the_copy_is_found_in_the_copy(
    path: Path, writer: Writer
) -> None:
    async with aclosing(Followed(made("file", path=path, every="700ms"), now())) as followed:
        writer.write(stamp() + b"ERROR a")
        await followed.until("ERROR a")
        writer.write(stamp() + b"ERROR b")
        await until_size(path, 2)
        shutil.copyfile(path, path.with_name("shop.log.1"))
        os.truncate(path, 0)
        writer.write(stamp() + b"ERROR c")
        await followed.until("ERROR c")
    assert texts(followed) == ["a", "b", "c"]


async def test_a_writer_that_keeps_its_place_in_a_file_that_is_cut(path: Path) -> None:
    """It leaves a hole before what it writes next."""
    with closing(Closing(path, append=False)) as writer:
        async with aclosing(Followed(reader(path), now())) as followed:
            writer.write(stamp() + b"ERROR a", b"x" * 100_000)
            await followed.until("ERROR a")
            os.truncate(path, 0)
            writer.write(stamp() + b"ERROR b")
            await followed.until("ERROR b")
    assert texts(followed) == ["a", "b"]
    assert path.stat().st_size > 100_000


async def test_two_rotations_between_two_looks(path: Path) -> None:
    path.touch()
    async with aclosing(Followed(made("file", path=path, every="500ms"), now())) as followed:
        await write_and_rotate(path, "a")
        await followed.until("ERROR a")
        await write_and_rotate(path, "b")
        await write_and_rotate(path, "c")
        await write_and_rotate(path, "d", rotate=False)
        await followed.until("ERROR d")
    assert texts(followed) == ["a", "b", "c", "d"]


async def write_and_rotate(path: Path, text: str, *, rotate: bool = True) -> None:
    with path.open("ab") as file:
        file.write(stamp() + f"ERROR {text}\n".encode())
    if rotate:
        for number in range(5, 0, -1):
            if (old := path.with_name(f"shop.log.{number}")).exists():
                old.rename(path.with_name(f"shop.log.{number + 1}"))
        path.rename(path.with_name("shop.log.1"))
        path.touch()


async def test_what_is_still_written_to_the_renamed_file_is_read(path: Path, writer: Writer) -> None:
    async with aclosing(Followed(reader(path), now())) as followed:
        writer.write(stamp() + b"ERROR a")
        await followed.until("ERROR a")
        path.rename(path.with_name("shop.log.1"))
        path.write_bytes(stamp() + b"ERROR b\n")
        await followed.until("ERROR b")
        writer.write(stamp() + b"ERROR c")
        await followed.until("ERROR c")
    assert sorted(texts(followed)) == ["a", "b", "c"]


async def test_a_file_that_is_away_for_a_moment_is_waited_for(path: Path, writer: Writer) -> None:
    async with aclosing(Followed(reader(path), now())) as followed:
        writer.write(stamp() + b"ERROR a")
        await followed.until("ERROR a")
        path.rename(path.with_name("shop.log.1"))
        writer.write(stamp() + b"ERROR b")
        await followed.until("ERROR b")
        await asyncio.sleep(0.1)  # some looks at nothing
        path.write_bytes(stamp() + b"ERROR c\n")
        await followed.until("ERROR c")
    assert texts(followed) == ["a", "b", "c"]


async def test_half_a_line_is_waited_for(path: Path, writer: Writer) -> None:
    async with aclosing(Followed(reader(path), now())) as followed:
        writer.raw(stamp() + b"ERROR the first half")
        await until_size(path, 0)
        await asyncio.sleep(0.1)  # some looks at half a line
        assert followed.lines == []
        writer.raw(b" and the other\n")
        await followed.until("and the other")
    assert texts(followed) == ["the first half and the other"]


async def until_size(path: Path, lines: int) -> None:
    async with asyncio.timeout(10):
        while path.read_bytes().count(b"\n") < lines or not path.stat().st_size:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)


async def test_what_was_rotated_and_packed_is_counted(path: Path) -> None:
    with gzip.open(path.with_name("shop.log.2.gz"), "wt") as packed:
        packed.write(f"{at(0)} ERROR oldest\n{at(100)} ERROR old\n")
    path.with_name("shop.log.1").write_text(f"{at(200)} ERROR newer\n")
    path.write_text(f"{at(300)} ERROR newest\n")
    path.with_name("shop.log.bak").write_text(f"{at(300)} ERROR of somebody's copy\n")
    path.with_name("shop.logs").mkdir()
    async with aclosing(reader(path)) as logs:
        found = await logs.counts(T0 + timedelta(seconds=50), T0 + timedelta(seconds=301))
    assert sorted(kind.example.rpartition(" ")[2] for kind in found.kinds) == ["newer", "newest", "old"]
    assert found.complete, found.notes
    assert [minute.errors for minute in found.minutes] == [0, 1, 0, 1, 0, 1]


async def test_a_packed_file_that_is_damaged_is_said(path: Path) -> None:
    path.write_text(f"{at(300)} ERROR newest\n")
    whole = gzip.compress(b"".join(f"{at(n)} ERROR old {n}\n".encode() for n in range(200)))
    path.with_name("shop.log.1.gz").write_bytes(whole[: len(whole) // 2])
    async with aclosing(reader(path)) as logs:
        found = await logs.counts(T0, T0 + HOUR)
    assert not found.complete
    assert "shop.log.1.gz is damaged" in found.notes[0]


async def test_the_end_of_a_huge_file_is_found_without_reading_it(path: Path) -> None:
    lines = "".join(f"{at(n / 10)} INFO order {n} was paid by card\n" for n in range(200_000))
    path.write_text(lines + f"{at(20_000)} ERROR at the end\n")
    assert path.stat().st_size > 9_000_000
    async with aclosing(reader(path, max_read=512 * 1024)) as logs:
        last = await logs.counts(T0 + timedelta(seconds=19_940), T0 + timedelta(seconds=20_001))
        assert (last.total, last.errors, last.complete) == (601, 1, True)
        more = await logs.counts(T0, T0 + timedelta(seconds=20_001))
    assert not more.complete
    assert "beginning was not read" in more.notes[0]
    assert more.errors == 1, "what is newest is read"


async def test_a_stack_trace_is_of_the_time_of_its_first_line(path: Path) -> None:
    path.write_text(f"{at(10)} ERROR boom\n  at shop.Checkout\nERROR without a time\n{at(70)} INFO well\n")
    async with aclosing(reader(path)) as logs:
        found = await logs.counts(T0, T0 + timedelta(seconds=120))
    assert [(minute.errors, minute.total) for minute in found.minutes] == [(2, 3), (0, 1)]


async def test_lines_that_have_no_time_are_not_taken_for_none(path: Path) -> None:
    path.write_text("ERROR a\nERROR b\n")
    async with aclosing(reader(path)) as logs:
        found = await logs.counts(now() - HOUR, now())
    assert (found.total, found.complete) == (0, False)
    assert "no time" in found.notes[0]


async def test_lines_that_have_no_time_are_followed_all_the_same(path: Path, writer: Writer) -> None:
    begun = now()
    async with aclosing(Followed(reader(path), begun)) as followed, asyncio.timeout(10):
        while not followed.lines:  # what was there before it was opened may be of any time
            writer.write(b"ERROR a")
            await asyncio.sleep(0.02)
    assert begun <= followed.lines[0].at <= now()


async def test_times_without_a_zone_are_of_the_zone_that_is_said(path: Path) -> None:
    path.write_text("2026-11-24 11:00:10 ERROR in Berlin\n")
    async with aclosing(reader(path, timezone="Europe/Berlin")) as logs:
        found = await logs.counts(T0, T0 + timedelta(minutes=1))
    assert found.errors == 1


async def test_an_endless_line_does_not_fill_the_memory(path: Path, writer: Writer) -> None:
    async with aclosing(Followed(reader(path), now())) as followed:
        writer.raw(stamp() + b"ERROR " + b"x" * 3_000_000)
        await followed.until("ERROR …")
        writer.raw(b"\n")
        writer.write(stamp() + b"ERROR z")
        await followed.until("ERROR z")
    assert len(followed.lines) <= 4


async def test_a_folder_is_no_file(tmp_path: Path) -> None:
    async with aclosing(reader(tmp_path)) as logs:
        with pytest.raises(PortError):
            await logs.counts(now() - HOUR, now())


async def test_patterns_of_ones_own(path: Path) -> None:
    path.write_text(f"{at(1)} E boom\n{at(2)} W slow\n{at(3)} ERROR is a word here\n")
    async with aclosing(reader(path, errors=r" E ", warnings=r" W ")) as logs:
        found = await logs.counts(T0, T0 + timedelta(minutes=1))
    assert (found.errors, found.warnings, found.total) == (1, 1, 3)
    async with aclosing(reader(path, errors=r" E ")) as logs:
        assert (await logs.counts(T0, T0 + timedelta(minutes=1))).errors == 1


def test_each_trouble_has_its_own_error() -> None:
    path = Path("/var/log/shop.log")
    assert isinstance(trouble(PermissionError(13, "Permission denied"), path), AuthFailed)
    assert isinstance(trouble(FileNotFoundError(2, "No such file"), path), Refused)
    assert isinstance(trouble(OSError(5, "Input/output error"), path), Unavailable)


def test_what_a_file_was_rotated_to(tmp_path: Path) -> None:
    mine = ["a.log.1", "a.log.2.gz", "a.log-20261124", "a.log-20261124-1795514400.gz", "a.log.2026-11-24"]
    for name in [*mine, "a.log", "a.log.bak", "a.log~", "b.log.1", "a.log.3", "a.log.3.gz"]:
        (tmp_path / name).touch()
    found = {part.path.name for part in older_parts(tmp_path / "a.log", None)}
    assert found == {*mine, "a.log.3"}, "one that is being packed is read once"
    assert [part.path.name for part in older_parts(tmp_path / "a.log", "b*")] == ["b.log.1"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"errors": "("}, "no regular expression"), ({"timezone": "Mars"}, "no time zone"), ({"rotated": "a/b"}, "pattern"), ({"max_read": 1}, "greater")],
)  # fmt: skip
def test_wrong_settings_say_what_is_wrong(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        FileLogSettings.model_validate({"path": "/var/log/shop.log", **wrong})
