"""What only MariaDB and MySQL have: DDL during a dump, dumps that end early, replicas, routines and triggers."""

import asyncio
import contextlib
import gzip
import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from pymysql.err import OperationalError  # type: ignore[import-untyped]  # it ships no types

from bot.domain.restores import RestorePlan
from bot.ports.backups import Backup, BackupProgress, Phase, Proof, Restored
from bot.ports.errors import AuthFailed, OutcomeUnknown, Refused, Unavailable
from integrations.backups.dump import program
from integrations.process import redact
from tests.contract.backup_worlds import PASSWORD, MariadbWorld, end, eventually, files, programs, under_way
from tests.contract.meddler import relayed_socket
from tests.databases import Mariadb, mariadb, mariadb_running

__all__ = ["mariadb"]

KEY = "inc-20261124-shop-1:backup"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def replica(mariadb: Mariadb) -> Iterator[Mariadb]:
    """A replica of what is done from now on."""
    mariadb.run(
        "CREATE USER IF NOT EXISTS replica@'127.0.0.1' IDENTIFIED BY 'replica'",
        "GRANT REPLICATION SLAVE ON *.* TO replica@'127.0.0.1'",
    )
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW MASTER STATUS")
        file, position, *_ = cursor.fetchone()
    with mariadb_running("--server-id=2", "--read-only=1") as server:
        server.run(
            f"CHANGE MASTER TO master_host = '127.0.0.1', master_port = {mariadb.port}, master_user = 'replica',"
            f" master_password = 'replica', master_log_file = '{file}', master_log_pos = {position}",
            "START SLAVE",
        )
        yield server


@pytest.fixture
def world(mariadb: Mariadb, tmp_path: Path) -> MariadbWorld:
    world = MariadbWorld(mariadb, tmp_path / "backups")
    for table in ("a_first", "z_last"):  # dumped in this order, with the others between them
        world.run(f"CREATE TABLE {table} (id int PRIMARY KEY)")
        world.run(f"INSERT INTO {table} VALUES (1), (2)")  # noqa: S608 - the test's own
    return world


@contextlib.asynccontextmanager
async def dump_stopped_at(world: MariadbWorld, table: str) -> AsyncIterator[list[Backup | Exception]]:
    """A dump that has come as far as `table`, and goes on after the block. What came of it is in the list then."""
    outcome: list[Backup | Exception] = []
    with world.locked(table):
        async with under_way(world.backups(verify="none").take(KEY)) as task:
            await eventually(lambda: waits(world))
            yield outcome
            world.unlock()
            try:
                outcome.append(await task)
            except (Unavailable, Refused) as error:
                outcome.append(error)


def waits(world: MariadbWorld) -> bool:
    with world.server.connect() as connection, connection.cursor() as cursor:
        return bool(
            cursor.execute(
                "SELECT 1 FROM information_schema.processlist WHERE db = %s AND state LIKE 'Waiting for table%%'",
                (world.database,),
            )
        )


async def test_a_table_that_is_changed_before_its_turn_is_said(world: MariadbWorld) -> None:
    async with dump_stopped_at(world, "a_first") as outcome:
        world.run("ALTER TABLE z_last ADD COLUMN name text, ALGORITHM = COPY")
    (error,) = outcome
    assert isinstance(error, Unavailable)
    assert "schema was changed" in str(error)
    assert "z_last" in str(error)
    assert files(world.folder) == []


async def test_what_the_program_does_not_notice_is_said(world: MariadbWorld) -> None:
    """Tables that have had their turn cannot be changed before it ends; routines and views can."""
    world.run("CREATE FUNCTION price() RETURNS int DETERMINISTIC RETURN 1")
    async with dump_stopped_at(world, "z_last") as outcome:
        world.run("CREATE OR REPLACE FUNCTION price() RETURNS int DETERMINISTIC RETURN 2")
    (error,) = outcome
    assert isinstance(error, Unavailable)
    assert "schema was changed" in str(error)
    assert "price" in str(error)
    assert files(world.folder) == []


async def test_a_table_that_is_dropped_is_said(world: MariadbWorld) -> None:
    async with dump_stopped_at(world, "a_first") as outcome:
        world.run("DROP TABLE z_last")
    (error,) = outcome
    assert isinstance(error, Unavailable)
    assert "schema was changed" in str(error)


async def test_a_new_table_does_no_harm(world: MariadbWorld) -> None:
    async with dump_stopped_at(world, "a_first") as outcome:
        world.run("CREATE TABLE newer (id int)")
    (backup,) = outcome
    assert isinstance(backup, Backup)
    assert backup.tables == 4


async def test_what_is_written_meanwhile_is_no_mistake(world: MariadbWorld) -> None:
    backups = world.backups(verify="restored")
    with world.locked("z_last"):
        async with under_way(backups.take(KEY)) as task:
            await eventually(lambda: waits(world))
            world.run("INSERT INTO customers VALUES (500, 'meanwhile')")
            world.unlock()
            taken = await task
    assert taken.proof is Proof.RESTORED
    assert taken.rows is not None
    assert "customers" not in taken.rows  # nobody can say how many there were at that very moment
    assert taken.rows["orders"] == 1000


async def test_a_dump_that_ends_early_without_an_error_is_found_out(
    world: MariadbWorld, tmp_path: Path
) -> None:
    real = program(None, "mariadb-dump")
    early = tmp_path / "mariadb-dump"
    early.write_text(f'#!/bin/sh\n{real} "$@" | head -c 2000\n')
    early.chmod(0o755)
    with pytest.raises(Refused, match="truncated"):
        await end(world.backups(programs=str(tmp_path)).take(KEY))
    assert files(world.folder) == []


async def test_a_lost_connection_is_said(world: MariadbWorld) -> None:
    with world.locked("z_last"):
        async with under_way(world.backups().take(KEY)) as task:
            await eventually(lambda: waits(world))
            with world.server.connect() as connection, connection.cursor() as cursor:
                cursor.execute(
                    "SELECT id FROM information_schema.processlist WHERE db = %s AND state LIKE 'Waiting for table%%'",
                    (world.database,),
                )
                cursor.execute(f"KILL {cursor.fetchone()[0]}")
            with pytest.raises(Unavailable):
                await task
    assert files(world.folder) == []
    assert programs("mariadb-dump") == []


async def test_nobody_goes_on_waiting_for_a_lock_that_was_given_up(world: MariadbWorld) -> None:
    with world.locked("z_last"):
        with pytest.raises(Unavailable, match="z_last"):
            await end(world.backups(lock_wait=timedelta(seconds=1)).take(KEY))
        await eventually(lambda: not waits(world))


async def test_routines_triggers_views_and_events_come_back(world: MariadbWorld) -> None:
    world.run(
        "CREATE VIEW totals AS SELECT count(*) AS n FROM orders",
        "CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN n * 2",
        "CREATE TRIGGER customers_named BEFORE INSERT ON customers FOR EACH ROW SET NEW.name = upper(NEW.name)",
        "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM z_last",
        "CREATE TABLE `odd ``name` (b blob)",
        r"INSERT INTO `odd ``name` VALUES (x'00ff0a27225c'), (NULL)",
    )
    backups = world.backups(verify="restored")
    taken = await end(backups.take(KEY))
    assert taken.proof is Proof.RESTORED
    into = f"{world.database}_copy"
    await end(backups.restore(await backups.plan_restore(taken, into), "restore-1"))
    with world.server.connect(into) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT n, twice(n) FROM totals")
        assert cursor.fetchone() == (1000, 2000)
        cursor.execute("INSERT INTO customers VALUES (900, 'new')")
        cursor.execute("SELECT name FROM customers WHERE id = 900")
        assert cursor.fetchone() == ("NEW",)
        cursor.execute("SELECT hex(b) FROM `odd ``name` WHERE b IS NOT NULL")
        assert cursor.fetchone() == ("00FF0A27225C",)
        assert cursor.execute("SHOW EVENTS") == 1


def as_the_readme_says(world: MariadbWorld, user: str, *parts: str) -> None:
    """Run what the README lists under these comments, for this database."""
    text = (ROOT / "integrations/backups/README.md").read_text()
    block = next(b for b in re.findall(r"```sql\n(.*?)```", text, re.DOTALL) if "REPLICA MONITOR" in b)
    part = ""
    for statement in block.strip().splitlines():
        if statement.startswith("--"):
            part = statement.removeprefix("-- ")
        elif part in parts:
            named = statement.replace("kaeru_backup@'%'", f"{user}@localhost").rstrip(";")
            world.run(re.sub(r"`shop(?=`|\\)", "`" + world.database.replace("_", r"\_"), named))


def failing(plan: RestorePlan) -> dict[str, str]:
    return {check.name: check.detail for check in plan.checks if not check.ok}


async def test_the_rights_of_the_readme_are_enough_and_each_that_is_missing_is_named(
    world: MariadbWorld,
) -> None:
    name = world.database
    user, me = f"kaeru_{name}", f"`kaeru_{name}`@`localhost`"
    pattern = name.replace("_", r"\_")
    world.run(
        "CREATE VIEW totals AS SELECT count(*) AS n FROM orders",
        "CREATE TRIGGER customers_named BEFORE INSERT ON customers FOR EACH ROW SET NEW.name = upper(NEW.name)",
        "CREATE PROCEDURE look() SELECT 1",
        "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM z_last",
    )
    as_the_readme_says(world, user, "backups")
    backups = world.backups(user=user, password="…")
    taken = await end(backups.take(KEY))
    all_of_them = "CREATE VIEW, SHOW VIEW, TRIGGER, CREATE ROUTINE, ALTER ROUTINE, EVENT"
    found = failing(await backups.plan_restore(taken, name))
    assert found.pop("rights on the scratch database").endswith(
        f"Run GRANT SELECT, INSERT, CREATE, DROP, ALTER, LOCK TABLES, {all_of_them} ON `kaeru\\_scratch\\_%`.* TO {me}"
    )
    assert found.pop("rights on kaeru_restores").endswith(
        f"Run GRANT SELECT, INSERT, CREATE, DELETE ON `kaeru\\_restores`.* TO {me}"
    )
    assert found.pop(f"rights on {name}").endswith(
        f"Run GRANT INSERT, CREATE, DROP, ALTER, CREATE VIEW, CREATE ROUTINE, ALTER ROUTINE ON `{pattern}`.* TO {me}"
    )
    assert f"GRANT SET USER ON *.* TO {me}" in found.pop("right to set definers")
    assert "log_bin_trust_function_creators" in found.pop("right to make code")
    assert found == {}
    with pytest.raises(Refused, match="Run GRANT"):
        await end(backups.restore(await backups.plan_restore(taken, name), "restore-0"))
    as_the_readme_says(world, user, "verify: restored, and drills")
    world.run("SET GLOBAL log_bin_trust_function_creators = 1")
    try:
        assert (await end(backups.verify(taken, Proof.RESTORED))).proof is Proof.RESTORED
        as_the_readme_says(world, user, "restores")
        for into in (f"{name}_restored_1", name):
            plan = await backups.plan_restore(taken, into)
            assert failing(plan) == {}
            assert (await end(backups.restore(plan, f"restore into {into}"))).rows["orders"] == 1000
    finally:
        world.run("SET GLOBAL log_bin_trust_function_creators = 0")


async def test_whether_a_password_was_given_is_said(world: MariadbWorld) -> None:
    for password, given in (("wrong", "YES"), (None, "NO")):
        with pytest.raises(AuthFailed, match=rf"\(using password: {given}\)"):
            await end(world.backups(user="nobody_here", password=password).take(KEY))
    assert redact("password: YESterday password=NOTHING") == "password: [redacted] password=[redacted]"


async def test_tables_without_transactions_are_told(world: MariadbWorld) -> None:
    world.run("CREATE TABLE old_one (id int) ENGINE = MyISAM")
    taken = await end(world.backups().take(KEY))
    assert any("1 tables are not InnoDB's" in warning.text for warning in taken.warnings)


async def test_a_client_older_than_the_server_is_refused(world: MariadbWorld) -> None:
    """The server says of itself that it is 19.11; the client is the real one."""
    place = world.server.folder / "relay.sock"

    def claims_to_be_19(answer: bytes) -> bytes:
        return answer.replace(b"10.11.", b"19.11.")

    async with relayed_socket(world.server.socket, place, answers=claims_to_be_19):
        backups = world.backups(host=str(place))
        with pytest.raises(
            Refused, match=r"mariadb-dump 10\.11\.\d+ is older than the server, MariaDB 19\.11"
        ):
            await end(backups.take(KEY))


async def test_a_replica_that_is_behind_is_said(replica: Mariadb, world: MariadbWorld) -> None:
    await eventually(lambda: count(replica, world.database, "z_last") == 2)
    backups = world.backups(host=str(replica.socket), max_lag=timedelta(seconds=1))
    taken = await end(backups.take("first"))
    assert taken.tables == 4

    replica.run("STOP SLAVE", "CHANGE MASTER TO master_delay = 3600", "START SLAVE")
    world.run("INSERT INTO z_last VALUES (3)")
    await eventually(lambda: (lag(replica) or 0) >= 2)
    with pytest.raises(Unavailable, match=r"replica is \d+ s behind"):
        await end(backups.take(KEY))
    replica.run("STOP SLAVE SQL_THREAD")
    with pytest.raises(Unavailable, match="replays nothing"):
        await end(backups.take(KEY))
    assert [check.name for check in (await backups.plan()).checks if not check.ok] == ["replica lag"]


def count(server: Mariadb, database: str, table: str) -> int:
    with server.connect() as connection, connection.cursor() as cursor:
        there = cursor.execute(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
            (database, table),
        )
        return int(cursor.execute(f"SELECT * FROM {database}.{table}")) if there else 0  # noqa: S608 - the test's


def lag(server: Mariadb) -> int | None:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW ALL SLAVES STATUS")
        names = [column[0] for column in cursor.description]
        seconds: int | None = dict(zip(names, cursor.fetchone(), strict=True))["Seconds_Behind_Master"]
        return seconds


async def test_what_is_written_while_the_backup_is_proven_is_in_the_one_that_is_kept(
    world: MariadbWorld,
) -> None:
    """MariaDB drops the real database: the last moment before that counts."""
    world.fill(20_000)
    backups = world.backups()
    taken = await end(backups.take(KEY))
    plan = await backups.plan_restore(taken, world.database)
    looks = backups.restore(plan, "restore-late")
    late = False
    async for seen in looks:
        if not late and isinstance(seen, BackupProgress) and seen.phase is Phase.RESTORING:
            world.run("INSERT INTO a_first VALUES (7007)")
            late = True
        last = seen
    assert late
    assert isinstance(last, Restored)
    kept = await backups.find("restore-late:before")
    assert kept is not None
    text = gzip.decompress(await asyncio.to_thread(Path(kept.place).read_bytes))
    assert b"(7007)" in text


async def test_a_transaction_of_somebody_else_does_not_hold_the_switch_up_for_ever(
    world: MariadbWorld,
) -> None:
    world.protect("clerk")
    backups = world.backups(lock_wait="1s")
    taken = await end(backups.take(KEY))
    plan = await backups.plan_restore(taken, world.database)
    with world.server.connect(world.database, user="clerk", password=PASSWORD) as clerk:
        clerk.begin()
        with clerk.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM a_first")
        with pytest.raises(Unavailable):
            await end(backups.restore(plan, "restore-held-up"))
        assert [world.rows(table) for table in ("a_first", "customers", "z_last")] == [2, 40, 2]
        clerk.rollback()
    restored = await end(backups.restore(plan, "restore-held-up"))
    assert restored.rows["a_first"] == 2


async def test_a_client_that_is_killed_while_it_replaces_leaves_the_backup_of_before_named(
    world: MariadbWorld,
) -> None:
    world.fill(20_000)
    backups = world.backups(verify="none")
    taken = await end(backups.take(KEY))
    plan = await backups.plan_restore(taken, world.database)

    def replacing() -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return [one for one in programs("mariadb") if world.database in one.cmdline()]
        return []

    async with under_way(backups.restore(plan, "restore-killed")) as task:
        (client,) = await eventually(replacing)
        client.kill()
        with pytest.raises(OutcomeUnknown, match=f"{world.database} may not be whole") as told:
            await task
    safety = await backups.find("restore-killed:before")
    assert safety is not None
    assert f"kept as backup {safety.id}" in told.value.advice
    assert "SIGKILL" in str(told.value)
    assert told.value.retry_after_s == 5.0
    assert "nothing of it was kept" not in told.value.advice

    restored = await end(backups.restore(plan, "restore-killed"))
    assert (restored.rows["orders"], restored.previous_backup) == (20_000, safety.id)


async def test_the_plan_says_whose_sessions_are_ended(world: MariadbWorld) -> None:
    backups = world.backups()
    taken = await end(backups.take(KEY))
    with world.server.connect(world.database) as application, application.cursor() as cursor:
        cursor.execute("SELECT 1")
        plan = await backups.plan_restore(taken, world.database)
        said = [action for action in plan.actions if action.startswith("End all sessions")]
        assert len(said) == 1
        assert "that root, kaeru's own user, has in" in said[0]
        assert "(1 now)" in said[0]
        assert said[0].endswith("an application that connects as root loses its own.")
        await end(backups.restore(plan, "restore-sessions"))
        with pytest.raises(OperationalError):
            cursor.execute("SELECT 1")
