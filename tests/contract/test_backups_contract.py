"""What every kind of backup promises, on real servers: one of a key, whole or not there, and what is wrong is said."""

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from bot.domain.base import Refusal
from bot.domain.plan import Level
from bot.ports.backups import Backup, BackupProgress, Phase, Proof
from bot.ports.errors import AuthFailed, Conflict, Refused, Unavailable
from bot.usecases.restoring import restore_plan
from integrations.backups.manifest import name_of
from tests.contract.backup_worlds import (
    PASSWORD,
    MariadbWorld,
    PostgresqlWorld,
    World,
    end,
    eventually,
    files,
    programs,
    progress_and_end,
    started,
    under_way,
)
from tests.databases import mariadb
from tests.postgres import postgres

__all__ = ["mariadb", "postgres"]

ROOT = Path(__file__).resolve().parents[2]
KEY = "inc-20261124-shop-1:backup"
SLOW_ROWS = 60_000  # a second or so at the slowest compression


@pytest.fixture(params=["postgresql", "mariadb"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    if request.param == "mariadb":
        return MariadbWorld(request.getfixturevalue("mariadb"), tmp_path / "backups")
    return PostgresqlWorld(request.getfixturevalue("postgres"), tmp_path / "backups")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A place that is full after 4 MB: a disk of its own where we may mount one, else a limit of the kernel's."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() == 0:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], check=True)
        yield place
        subprocess.run(["umount", str(place)], check=True)
    else:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, hard))
        yield place
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def read(backup: Backup) -> bytes:
    return Path(backup.place).read_bytes()


def size_and_mode(backup: Backup) -> tuple[int, int]:
    seen = Path(backup.place).stat()
    return seen.st_size, seen.st_mode & 0o777


def lose(backup: Backup) -> None:
    Path(backup.place).unlink()


def flip_a_bit(backup: Backup) -> None:
    data = bytearray(read(backup))
    data[-50] ^= 1
    Path(backup.place).write_bytes(data)


def say_of_the_last(folder: Path, **fields: Any) -> None:
    """Change what its manifest says."""
    (manifest,) = folder.rglob("*.json")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | fields))


async def test_a_backup_is_taken_once_and_found_again(world: World) -> None:
    backups = world.backups()
    assert await backups.list() == ()
    assert await backups.find(KEY) is None
    progress, taken = await progress_and_end(backups.take(KEY))

    assert isinstance(taken, Backup)
    assert progress[0].phase is Phase.PREPARING
    assert {seen.expected_bytes for seen in progress if seen.phase is not Phase.READING} == {None}
    assert taken.key == KEY
    assert taken.database == backups.identity
    assert world.database in backups.identity
    assert (taken.tables, taken.proof, taken.warnings) == (2, Proof.READ, ())
    assert abs(datetime.now(UTC) - taken.at) < timedelta(minutes=1)
    assert size_and_mode(taken) == (taken.bytes, 0o600)
    assert files(world.folder) == [f"{name_of(KEY)}.dump", f"{name_of(KEY)}.json"]
    assert hashlib.sha256(read(taken)).hexdigest() == taken.sha256

    assert await end(backups.take(KEY)) == taken
    assert await world.backups().list() == (taken,)
    assert await backups.find(KEY) == taken
    plan = await backups.plan()
    assert plan.expected_bytes == taken.bytes
    assert all(check.ok for check in plan.checks)

    with world.locked("orders"):  # so that it is seen under way
        async with asyncio.timeout(20), contextlib.aclosing(backups.take("next")) as under:
            async for one in under:
                if one == taken or getattr(one, "expected_bytes", None) == taken.bytes:
                    break
    assert isinstance(one, BackupProgress)


async def test_backups_of_other_databases_are_not_seen(world: World) -> None:
    await end(world.backups().take(KEY))
    other = world.backups(database="another")
    assert await other.list() == ()


async def test_a_restore_into_a_scratch_database_proves_it_and_leaves_nothing(world: World) -> None:
    before = world.databases()
    taken = await end(world.backups(verify="restored").take(KEY))
    assert taken.proof is Proof.RESTORED
    assert taken.rows is not None
    assert sorted(taken.rows.values()) == [40, 1000]
    assert world.databases() == before


async def test_one_that_takes_too_long_is_ended(world: World) -> None:
    backups = world.backups(timeout=timedelta(seconds=2), lock_wait=timedelta(hours=1))
    with world.locked("orders"):
        with pytest.raises(Unavailable, match="did not come to its end within 0:00:02"):
            await end(backups.take(KEY))
        assert programs(world.dump_program) == []
    assert files(world.folder) == []


async def test_two_at_once_are_one(world: World) -> None:
    backups = world.backups()
    with world.locked("orders"):
        async with under_way(backups.take(KEY)) as first:
            await eventually(lambda: programs(world.dump_program))
            with pytest.raises(Unavailable, match="somebody else"):
                await end(world.backups().take(KEY))
            assert await backups.prune() == ()  # what is alive is left alone
            assert not first.done()
    assert files(world.folder) == []


async def test_a_cancelled_one_leaves_nothing(world: World) -> None:
    world.fill(SLOW_ROWS)
    generator = world.backups(compression=9).take(KEY)
    async for item in generator:
        assert not isinstance(item, Backup)
        if item.bytes > 0:
            break
    assert programs(world.dump_program)
    await generator.aclose()
    assert files(world.folder) == []
    assert programs(world.dump_program) == []


async def test_a_killed_process_is_taken_up_by_the_next_with_the_same_key(world: World) -> None:
    world.fill(SLOW_ROWS)
    settings = world.settings(verify="none", compression=9)
    child = await started(world, settings, KEY)
    assert child.stdout is not None
    while json.loads(await child.stdout.readline())["progress"] == 0:
        pass
    dumping = await eventually(lambda: programs(world.dump_program, child.pid))
    child.kill()
    await child.wait()
    assert files(world.folder) == [f".{name_of(KEY)}.partial"]
    await eventually(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in dumping))

    backups = world.backups()
    assert await backups.list() == ()
    taken = await end(backups.take(KEY))
    assert taken.proof is Proof.READ
    assert files(world.folder) == [f"{name_of(KEY)}.dump", f"{name_of(KEY)}.json"]


async def test_a_killed_restore_is_taken_up_with_the_same_key(world: World) -> None:
    world.fill(SLOW_ROWS)
    backups = world.backups()
    taken = await end(backups.take(KEY))
    world.run("DELETE FROM orders WHERE id > 5")
    plan = await backups.plan_restore(taken, world.database)
    child = await started(world, world.settings(), "restore-1", world.database)
    assert child.stdout is not None
    while json.loads(await child.stdout.readline())["phase"] != world.slow_phase:
        pass
    child.kill()
    await child.wait()

    before = world.databases()
    restored = await end(backups.restore(plan, "restore-1"))
    assert world.rows("orders") == SLOW_ROWS
    assert world.rows("customers") == 40
    left = {name for name in world.databases() if "kaeru" in name}
    assert left == set()
    assert restored.previous_backup is None or await backups.find("restore-1:before") is not None
    assert before - world.databases() <= {name for name in before if "kaeru" in name}


async def test_what_dead_runs_left_is_swept(world: World) -> None:
    taken = await end(world.backups().take(KEY))
    folder = Path(taken.place).parent
    (folder / ".other.partial").write_bytes(b"half")
    (folder / "without-manifest.dump").write_bytes(b"nobody says what this is")
    assert set(await world.backups().prune()) == {"other", "without-manifest"}
    assert await world.backups().list() == (taken,)


async def test_the_copy_in_which_a_dead_run_was_proving_goes_with_what_it_left(world: World) -> None:
    taken = await end(world.backups(verify="restored").take(KEY))
    Path(taken.place).with_suffix(".json").unlink()
    copy = f"kaeru_scratch_{hashlib.sha256(f'{taken.database} {taken.id}'.encode()).hexdigest()[:10]}"
    others = copy[:-10] + "0" * 10
    world.run(f"CREATE DATABASE {others}")
    try:
        world.run(f"CREATE DATABASE {copy}")
        assert await world.backups().prune() == (taken.id,)
        assert copy not in world.databases()
        assert others in world.databases()  # whose it is, nobody knows
    finally:
        world.run(f"DROP DATABASE IF EXISTS {copy}", f"DROP DATABASE {others}")


async def test_old_ones_go_and_the_newest_proven_one_stays(world: World) -> None:
    proven = await end(world.backups().take("first"))
    more = {"keep": 1, "keep_for": timedelta(0), "verify": "none"}
    second = await end(world.backups(**more).take("second"))
    third = await end(world.backups(**more).take("third"))
    assert await world.backups(keep=1).prune() == ()  # young enough
    assert await world.backups(**more).prune() == (second.id,)
    assert await world.backups().list() == (third, proven)


async def test_the_program_that_dumps_is_killed(world: World) -> None:
    with world.locked("orders"):  # so that it is there long enough
        async with under_way(world.backups().take(KEY)) as task:
            (program,) = await eventually(lambda: programs(world.dump_program))
            program.kill()
            with pytest.raises(Unavailable, match="SIGKILL"):
                await task
    assert files(world.folder) == []


async def test_the_disk_is_full(world: World, small_disk: Path) -> None:
    world.fill(60_000)
    with pytest.raises(Refused, match="no room left") as told:
        await end(world.backups(directory=str(small_disk)).take(KEY))
    assert "larger disk" in told.value.remedy
    assert files(small_disk) == []
    assert programs(world.dump_program) == []


@pytest.mark.parametrize("below", ["", "deeper"], ids=["itself", "a-parent"])
async def test_a_file_where_the_folder_should_be_is_refused_at_once(
    world: World, tmp_path: Path, below: str
) -> None:
    file = tmp_path / "backups-of-old"
    file.write_text("somebody's notes")
    backups = world.backups(directory=str(file / below))
    with pytest.raises(Refused, match=f"{file} is a file and no folder") as told:
        await end(backups.take(KEY))
    assert "Set `directory` to a folder" in told.value.remedy
    (bad,) = [check for check in (await backups.plan()).checks if not check.ok]
    assert "is a file and no folder" in bad.detail
    assert file.read_text() == "somebody's notes"


async def test_no_room_for_one_like_the_last_is_said_before(world: World, small_disk: Path) -> None:
    await end(world.backups(directory=str(small_disk)).take("first"))
    say_of_the_last(small_disk, bytes=10**15)
    backups = world.backups(directory=str(small_disk))
    assert [check.name for check in (await backups.plan()).checks if not check.ok] == ["room"]
    with pytest.raises(Refused, match="no room for the backup"):
        await end(backups.take(KEY))


async def test_what_keeps_a_backup_from_being_written_is_seen_beforehand(
    world: World, small_disk: Path, tmp_path: Path
) -> None:
    plan = await world.backups().plan()
    assert {check.name for check in plan.checks if check.ok} >= {"place", "room"}
    file = tmp_path / "a file"
    file.touch()
    for place, why in ((file, "is a file"), (Path("/proc/kaeru"), "cannot be made")):
        (bad,) = [c for c in (await world.backups(directory=str(place)).plan()).checks if not c.ok]
        assert (bad.name, why in bad.detail) == ("place", True)
    if os.geteuid() != 0:
        return  # a disk of one's own takes root
    (small_disk / "ballast").write_bytes(bytes(3_990_000))
    world.fill(60_000)
    if world.kind == "mariadb":
        world.run("ANALYZE TABLE orders")  # it remembers how large its tables are, and is late
    tight = await world.backups(directory=str(small_disk)).plan()
    assert any("The first backup may not fit" in w.text for w in tight.warnings)
    assert [c.name for c in tight.checks if not c.ok] == ["room"]
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    await asyncio.to_thread(subprocess.run, remount, check=True)
    (bad,) = [c for c in (await world.backups(directory=str(small_disk)).plan()).checks if not c.ok]
    assert bad.name == "place"
    assert "Read-only file system" in bad.detail


async def test_a_lock_that_is_not_given_up_is_named(world: World) -> None:
    with world.locked("orders"):
        progress: list[BackupProgress] = []
        generator = world.backups(lock_wait=timedelta(seconds=2)).take(KEY)
        with pytest.raises(Unavailable, match=r"(?s)lock.*orders"):
            await progress_and_end(generator, progress)
    assert any("orders" in item.detail for item in progress)
    assert files(world.folder) == []


@pytest.mark.parametrize("proof", [Proof.READ, Proof.RESTORED])
async def test_a_truncated_one_is_found_out(world: World, proof: Proof) -> None:
    world.fill(2000)
    backups = world.backups(verify="none")
    taken = await end(backups.take(KEY))
    os.truncate(taken.place, taken.bytes // 2)
    databases = world.databases()
    with pytest.raises(Refused, match="truncated"):
        await end(backups.verify(taken, proof))
    (listed,) = await backups.list()
    assert listed.proof is Proof.NONE
    assert "truncated" in listed.warnings[0].text
    assert {w.level for w in listed.warnings} == {Level.DANGER}
    assert world.databases() == databases


async def test_a_changed_one_is_found_out(world: World) -> None:
    world.fill(2000)
    backups = world.backups()
    taken = await end(backups.take(KEY))
    flip_a_bit(taken)
    with pytest.raises(Refused, match="checksum"):
        await end(backups.verify(taken, Proof.READ))


async def test_one_that_is_gone_is_refused(world: World) -> None:
    backups = world.backups()
    taken = await end(backups.take(KEY))
    lose(taken)
    with pytest.raises(Refused, match="There is no"):
        await end(backups.verify(taken, Proof.READ))


async def test_a_suddenly_smaller_one_is_told(world: World) -> None:
    world.fill(3000)
    usual = await end(world.backups(verify="restored").take("usual"))
    assert usual.warnings == ()
    world.run("DELETE FROM orders WHERE id > 10")
    smaller = await end(world.backups(verify="restored").take("smaller"))
    told = [w.text for w in smaller.warnings if w.level is Level.DANGER]
    assert any("much smaller" in text for text in told)
    assert any("orders (3,000 → 10)" in text for text in told)


async def test_what_is_known_against_one_is_said_before_it_is_brought_back(world: World) -> None:
    world.fill(3000)
    backups = world.backups(verify="restored")
    good = await end(backups.take("good"))
    world.run("DELETE FROM orders WHERE id > 10")
    smaller = await end(backups.take("smaller"))
    plan, shelf = await restore_plan(backups, "orders", "", world.database)
    assert plan.backup == good.id
    assert "passed over" in plan.warnings[0].text
    assert smaller.id in plan.warnings[0].text
    assert shelf[1].dangers
    named, _ = await restore_plan(backups, "orders", smaller.id, world.database)
    assert any("Of this backup itself: The backup is suddenly much smaller" in w.text for w in named.warnings)

    flip_a_bit(good)
    with pytest.raises(Refused, match="checksum"):
        await end(backups.verify(good, Proof.READ))
    with pytest.raises(Refusal, match="without anything being said against it"):
        await restore_plan(backups, "orders", "", world.database)
    broken, _ = await restore_plan(backups, "orders", good.id, world.database)
    assert any("its checksum is another one" in w.text for w in broken.warnings)
    assert not any("never been proven" in w.text for w in broken.warnings)


async def test_a_refused_connection_says_where_to_look(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unavailable) as told:
        await end(world.backups(host="127.0.0.1", port=port).take(KEY))
    assert "Is the server" not in str(told.value)
    assert "?." not in told.value.advice
    assert "See whether the server runs" in told.value.remedy


async def test_a_manifest_of_somebody_else_is_told_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    backups = world.backups()
    taken = await end(backups.take(KEY))
    say_of_the_last(world.folder, format=99)
    assert await backups.list() == ()
    assert await backups.list() == ()
    assert await backups.prune() == ()
    assert size_and_mode(taken)[0] == taken.bytes
    (record,) = [r for r in caplog.records if "is left alone" in r.message]
    assert "move both files away" in record.message


async def test_a_place_that_cannot_be_made_is_said(world: World) -> None:
    with pytest.raises(Refused, match="cannot be made") as told:
        await end(world.backups(directory="/proc/kaeru").take(KEY))
    assert "Set `directory`" in told.value.remedy


@pytest.mark.parametrize("how", ["gone", "cut"])
async def test_one_whose_file_is_gone_or_cut_counts_as_proven_no_more(world: World, how: str) -> None:
    backups = world.backups(verify="restored")
    good, bad = await end(backups.take("good")), await end(backups.take("bad"))
    await end(backups.verify(bad, Proof.READ))
    if how == "gone":
        lose(bad)
    else:
        os.truncate(bad.place, bad.bytes - 1)
    listed = (await backups.list())[0]
    assert (listed.id, listed.proof) == (bad.id, Proof.NONE)
    assert "Its file" in listed.warnings[-1].text
    assert bad.place in listed.warnings[-1].text
    assert (await restore_plan(backups, "orders", "", world.database))[0].backup == good.id
    plan, _ = await restore_plan(backups, "orders", bad.id, world.database)
    assert [c.name for c in plan.checks if not c.ok] == ["file of the backup"]
    # A step that is done again does not make do with what is left of it.
    again = await end(backups.take("bad"))
    assert (await backups.list())[0] == again
    assert again.proof is Proof.RESTORED


async def test_an_empty_one_is_told(world: World) -> None:
    world.run("DROP TABLE orders", "DROP TABLE customers")
    empty = await end(world.backups().take(KEY))
    assert empty.tables == 0
    assert any(w.level is Level.DANGER and "empty" in w.text for w in empty.warnings)


async def test_a_missing_program_is_said(world: World, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=world.dump_program) as told:
        await end(world.backups(programs=str(tmp_path)).take(KEY))
    assert "programs" in told.value.remedy


async def test_another_program_under_that_name_is_said(world: World, tmp_path: Path) -> None:
    (tmp_path / world.dump_program).symlink_to("/bin/true")
    with pytest.raises(Refused, match="is not"):
        await end(world.backups(programs=str(tmp_path)).take(KEY))


async def test_who_accepts_and_stays_silent_is_given_up(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        backups = world.backups(host="127.0.0.1", port=silent.getsockname()[1], connect_timeout="2s")
        began = time.monotonic()
        seen: list[BackupProgress] = []
        with pytest.raises(Unavailable):
            await progress_and_end(backups.take(KEY), seen)
    assert time.monotonic() - began < 8
    # It is not called dumping before it dumps, and leaves nothing behind.
    assert {progress.phase for progress in seen} <= {Phase.PREPARING}
    assert list(world.folder.glob("*")) == []


async def test_a_missing_database_is_said(world: World) -> None:
    with pytest.raises(Refused, match="nowhere"):
        await end(world.backups(database="nowhere").take(KEY))


async def test_it_is_restored_beside_the_real_one(world: World) -> None:
    backups = world.backups(verify="restored")
    taken = await end(backups.take(KEY))
    into = f"{world.database}_copy"
    plan = await backups.plan_restore(taken, into)
    assert not plan.replaces
    assert all(check.ok for check in plan.checks)
    restored = await end(backups.restore(plan, "restore-1"))
    assert restored.into == into
    assert restored.rows == taken.rows
    assert restored.previous is None
    assert world.rows("orders", into) == 1000
    # The same step again changes nothing; another one does not overwrite what is there.
    assert (await end(backups.restore(plan, "restore-1"))).rows == taken.rows
    with pytest.raises(Conflict):
        await end(backups.restore(plan, "restore-2"))
    again = await backups.plan_restore(taken, into)
    assert [check.name for check in again.checks if not check.ok] == ["name"]
    with pytest.raises(Refused, match="there already"):
        await end(backups.restore(again, "restore-2"))


async def test_the_real_one_is_replaced_and_kept_aside(world: World) -> None:
    backups = world.backups(verify="restored")
    taken = await end(backups.take(KEY))
    world.run("DELETE FROM orders WHERE id > 5", "CREATE TABLE newer (id int)")
    plan = await backups.plan_restore(taken, world.database)
    assert plan.replaces
    assert plan.lost_since == taken.at
    assert any(w.level is Level.DANGER for w in plan.warnings)
    restored = await end(backups.restore(plan, "restore-1"))
    assert restored.rows == taken.rows
    assert world.rows("orders") == 1000
    if restored.previous is not None:
        assert world.rows("orders", restored.previous) == 5
    else:
        (aside,) = [b for b in await backups.list() if b.id == restored.previous_backup]
        assert aside.tables == 3
    world.run("DELETE FROM orders WHERE id > 7")
    again = await end(backups.restore(plan, "restore-1"))
    assert (again.previous, again.previous_backup) == (restored.previous, restored.previous_backup)
    assert world.rows("orders") == 7  # it was not done a second time


async def test_a_broken_one_replaces_nothing(world: World) -> None:
    world.fill(2000)
    backups = world.backups()
    taken = await end(backups.take(KEY))
    os.truncate(taken.place, taken.bytes - 100)
    databases = world.databases()
    plan = await backups.plan_restore(taken, world.database)
    with pytest.raises(Refused):
        await end(backups.restore(plan, "restore-1"))
    assert world.databases() == databases
    assert world.rows("orders") == 2000


async def test_the_password_is_nowhere_to_be_seen(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world.protect("backup_role")
    who = {"user": "backup_role", "password": PASSWORD}
    with world.locked("orders"):
        async with under_way(world.backups(**who).take(KEY)):
            (program,) = await eventually(lambda: programs(world.dump_program))
            seen = " ".join(program.cmdline()) + json.dumps(program.environ())
            assert PASSWORD not in seen
            assert json.dumps(PASSWORD).strip('"') not in seen
    taken = await end(world.backups(**who).take(KEY))
    assert taken.proof is Proof.READ
    manifest = Path(taken.place).with_suffix(".json").read_text()
    assert PASSWORD not in manifest + caplog.text + repr(world.backups(**who))


async def test_a_wrong_password_is_said_and_not_shown(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world.protect("backup_role")
    with pytest.raises(AuthFailed) as told:
        await end(world.backups(user="backup_role", password="wrong-secret").take(KEY))
    assert "kaeru.yml" in told.value.remedy
    chain = "".join(str(e) for e in (told.value, told.value.__cause__, told.value.__context__))
    assert "wrong-secret" not in chain + caplog.text
    assert files(world.folder) == []


async def test_the_password_comes_from_a_file(world: World, tmp_path: Path) -> None:
    world.protect("backup_role")
    secret = tmp_path / "secret"
    backups = world.backups(user="backup_role", password_file=str(secret))
    with pytest.raises(Refused, match="password file"):
        await end(backups.take(KEY))
    secret.write_text(PASSWORD + "\n")
    assert (await end(backups.take(KEY))).tables == 2
