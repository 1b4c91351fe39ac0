"""What only PostgreSQL has: one snapshot for rows and dump, versions that do not fit, replicas, what belongs to a database itself."""

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bot.domain.plan import Level
from bot.domain.restores import RestorePlan
from bot.ports.backups import BackupProgress, Proof
from bot.ports.errors import AuthFailed, Refused, Unavailable
from integrations.backups.postgresql import Postgresql
from integrations.backups.settings import PostgresqlBackupSettings
from integrations.backups.streams import Meter
from tests.contract.backup_worlds import PASSWORD, PostgresqlWorld, end, eventually, files, progress_and_end
from tests.contract.meddler import relayed_socket
from tests.databases import standby_of
from tests.postgres import Server, postgres

__all__ = ["postgres"]

KEY = "inc-20261124-shop-1:backup"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def world(postgres: Server, tmp_path: Path) -> PostgresqlWorld:
    return PostgresqlWorld(postgres, tmp_path / "backups")


@pytest.fixture(scope="module")
def standby(postgres: Server) -> Iterator[Server]:
    with standby_of(postgres) as server:
        yield server


async def test_rows_are_counted_in_the_snapshot_of_the_dump(world: PostgresqlWorld) -> None:
    """While somebody writes all the time: else restoring and counting would find other numbers."""
    world.fill(20_000)
    backups = world.backups(verify="restored")
    ended = asyncio.Event()

    async def write() -> int:
        count = 0
        async with await psycopg.AsyncConnection.connect(
            world.server.url(world.database), autocommit=True
        ) as connection:
            while not ended.is_set():
                count += 1
                await connection.execute("INSERT INTO customers VALUES (%s, 'new')", (1000 + count,))
        return count

    writing = asyncio.create_task(write())
    taken = await end(backups.take(KEY))
    ended.set()
    written = await writing
    assert taken.proof is Proof.RESTORED
    assert taken.warnings == ()
    assert taken.rows is not None
    assert 40 < taken.rows["public.customers"] < 40 + written


async def test_names_that_need_quotes_come_back(world: PostgresqlWorld) -> None:
    world.run(
        'CREATE SCHEMA "odd one"',
        'CREATE TABLE "odd one"."it\'s ""quoted""" (id int)',
        'INSERT INTO "odd one"."it\'s ""quoted""" VALUES (1)',
        "CREATE TABLE parts (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10)",
        "INSERT INTO parts VALUES (1), (2)",
        "CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM orders",
        "CREATE MATERIALIZED VIEW later AS SELECT count(*) FROM orders WITH NO DATA",
        "CREATE UNLOGGED TABLE cache (id int)",
    )
    taken = await end(world.backups(verify="restored").take(KEY))
    assert taken.proof is Proof.RESTORED
    assert taken.rows is not None
    assert taken.rows['odd one.it\'s "quoted"'] == 1
    assert taken.rows["public.parts_1"] == 2


async def test_a_client_older_than_the_server_is_refused(world: PostgresqlWorld, short: Path) -> None:
    """The server says of itself that it is 19, so to each client; the client is the real one."""
    async with relayed_socket(socket_of(world.server), socket_of(short), answers=claims_to_be_19):
        backups = world.backups(host=str(short))
        with pytest.raises(Refused, match=r"pg_dump 15\.\d+ is older than the server, PostgreSQL 19") as told:
            await end(backups.take(KEY))
        assert "postgresql-client-19" in told.value.remedy
        assert [check.name for check in (await backups.plan()).checks if not check.ok] == ["client programs"]

        # Should it not be seen before, pg_dump itself declines, and that is understood as well.
        engine = Postgresql(PostgresqlBackupSettings.model_validate(world.settings(host=str(short))))
        with pytest.raises(Refused, match="version mismatch"):
            await engine._pg_dump("1-1-1", "kaeru", lambda _: None, Meter())


async def test_a_replica_that_is_behind_is_said(world: PostgresqlWorld, standby: Server) -> None:
    world.run("CREATE UNLOGGED TABLE cache (id int)", "INSERT INTO cache VALUES (1)")

    def there() -> bool:
        return seen_by(standby, "SELECT count(*) FROM pg_database WHERE datname = %s", world.database) == 1

    await eventually(there)
    await eventually(lambda: seen_by(standby, CAUGHT_UP))
    # Restored elsewhere, as a standby takes no new database. What only the primary has is not missed.
    scratch = {"host": str(world.server.folder), "user": "postgres"}
    backups = world.backups(
        host=str(standby.folder), max_lag=timedelta(seconds=1), verify="restored", scratch=scratch
    )
    taken = await end(backups.take("first"))
    assert taken.proof is Proof.RESTORED
    assert taken.warnings == ()

    standby.run("SELECT pg_wal_replay_pause()")
    try:
        world.run("INSERT INTO customers VALUES (5000, 'not there yet')")
        await eventually(lambda: seen_by(standby, BEHIND))
        with pytest.raises(Unavailable, match=r"replica is \d+ s behind") as told:
            await end(backups.take(KEY))
        assert told.value.retry_after_s >= 10
        assert [check.name for check in (await backups.plan()).checks if not check.ok] == ["replica lag"]
        patient = world.backups(host=str(standby.folder), max_lag=timedelta(hours=1), verify="none")
        assert (await end(patient.take(KEY))).tables == 2
    finally:
        standby.run("SELECT pg_wal_replay_resume()")


async def test_what_the_role_may_not_read_is_said(world: PostgresqlWorld) -> None:
    world.protect("backup_role")
    world.run("CREATE TABLE secrets (id int)")
    from_there = {"user": "backup_role", "password": PASSWORD}
    with pytest.raises(AuthFailed, match="permission denied for table secrets") as told:
        await end(world.backups(**from_there).take(KEY))
    assert "README" in told.value.remedy
    assert files(world.folder) == []

    # A part of the rows is not a backup.
    world.run(
        "GRANT SELECT ON secrets TO backup_role",
        "ALTER TABLE secrets ENABLE ROW LEVEL SECURITY",
        "INSERT INTO secrets VALUES (1)",
    )
    with pytest.raises(AuthFailed, match="row-level security"):
        await end(world.backups(**from_there).take(KEY))


async def test_who_holds_a_lock_is_said_as_far_as_the_role_may_see_it(world: PostgresqlWorld) -> None:
    world.protect("backup_role")
    seen: list[BackupProgress] = []
    role = {"user": "backup_role", "password": PASSWORD, "lock_wait": "1s"}
    with world.locked("orders"), pytest.raises(Unavailable, match="lock"):
        await progress_and_end(world.backups(**role).take(KEY), seen)
    (detail,) = {progress.detail for progress in seen if progress.detail}
    assert "locked by migration (process " in detail
    assert detail.endswith("; what it does, only a role with pg_read_all_stats sees)")
    assert "for 0 s" not in detail


async def test_one_that_cannot_be_proven_is_kept_and_says_so(world: PostgresqlWorld) -> None:
    """A role that may make no database for it: that says nothing of the backup."""
    world.protect("backup_role")
    from_there = {"user": "backup_role", "password": PASSWORD, "verify": "restored"}
    taken = await end(world.backups(**from_there).take(KEY))
    assert taken.proof is Proof.NONE
    assert [w.level for w in taken.warnings] == [Level.DANGER]
    assert "permission denied to create database" in taken.warnings[0].text


async def test_a_service_file_says_where_it_is(world: PostgresqlWorld, tmp_path: Path) -> None:
    services = tmp_path / "services.conf"
    services.write_text(f"[shop]\nhost={world.server.folder}\nuser=postgres\ndbname=another\n")
    settings = {"host": None, "user": None, "service": "shop", "service_file": str(services)}
    backups = world.backups(**settings, verify="restored")
    taken = await end(backups.take(KEY))
    assert taken.proof is Proof.RESTORED
    assert backups.identity == f"postgresql://service shop/{world.database}"


async def test_what_belongs_to_the_database_itself_comes_along(world: PostgresqlWorld) -> None:
    name = world.database
    world.protect("backup_role")
    world.run(
        f"ALTER DATABASE {name} SET search_path TO sales, public",
        f"ALTER ROLE backup_role IN DATABASE {name} SET work_mem TO '7MB'",
        f"GRANT TEMPORARY ON DATABASE {name} TO backup_role WITH GRANT OPTION",
        f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC",
        f"ALTER DATABASE {name} OWNER TO backup_role",
        f"COMMENT ON DATABASE {name} IS 'the shop'",
    )
    backups = world.backups(verify="restored")
    taken = await end(backups.take(KEY))
    facts = facts_of(world)
    with psycopg.connect(world.server.url(name)) as someone:  # who is in does not stop it
        plan = await backups.plan_restore(taken, name)
        await end(backups.restore(plan, "restore-1"))
        with pytest.raises(psycopg.OperationalError):
            someone.execute("SELECT 1")
    after = facts_of(world)
    assert after[:-1] == facts[:-1]
    assert after[-1].startswith("the shop ")


def as_the_readme_says(world: PostgresqlWorld, owner: str, role: str, *parts: str) -> None:
    """Run what the README lists under these comments, for this database, and make `owner` its owner."""
    text = (ROOT / "integrations/backups/README.md").read_text()
    block = next(b for b in re.findall(r"```sql\n(.*?)```", text, re.DOTALL) if "pg_read_all_data" in b)
    names = {"shop_owner": owner, "kaeru_backup": role, "shop": world.database}
    part = ""
    for statement in block.strip().splitlines():
        if statement.startswith("--"):
            part = statement.removeprefix("-- ")
        elif part in parts:
            world.run(re.sub(r"\b(shop_owner|kaeru_backup|shop)\b", lambda m: names[m[0]], statement))


def owned_by(world: PostgresqlWorld, owner: str) -> None:
    """A database as applications have them: it and all that is in it belong to a role that is no superuser."""
    world.run(
        f"CREATE ROLE {owner} LOGIN",
        f"ALTER DATABASE {world.database} OWNER TO {owner}",
        *(f"ALTER TABLE {table} OWNER TO {owner}" for table in ("customers", "orders")),
        f"CREATE SCHEMA sales AUTHORIZATION {owner}",
        f"SET ROLE {owner}; CREATE TABLE sales.bills (id serial PRIMARY KEY); CREATE EXTENSION pg_trgm",
        f"SET ROLE {owner}; CREATE TYPE mood AS ENUM ('good'); CREATE VIEW few AS TABLE orders",
    )


def failing(plan: RestorePlan) -> dict[str, str]:
    return {check.name: check.detail for check in plan.checks if not check.ok}


async def test_the_rights_of_the_readme_are_enough_and_each_that_is_missing_is_named(
    world: PostgresqlWorld,
) -> None:
    name = world.database
    owner, role = f"owner_of_{name}", f"kaeru_of_{name}"
    owned_by(world, owner)
    as_the_readme_says(world, owner, role, "backups")
    backups = world.backups(user=role)
    taken = await end(backups.take(KEY))
    application = world.server.url(name).replace("postgres@", f"{owner}@")
    with psycopg.connect(application, autocommit=True) as someone:
        someone.execute("SELECT 1")
        assert failing(await backups.plan_restore(taken, name)) == {
            "right to create": f"{role} may make no database. Run ALTER ROLE {role} CREATEDB",
            "ownership": f"{role} may not give what it restores to {owner}. Run GRANT {owner} TO {role}",
            "right to end sessions": f"{role} may not end the sessions of {owner} in {name}. "
            f"Run GRANT pg_signal_backend TO {role}",
        }
        as_the_readme_says(world, owner, role, "verify: restored, and drills")
        assert (await end(backups.verify(taken, Proof.RESTORED))).proof is Proof.RESTORED
        assert list(failing(await backups.plan_restore(taken, f"{name}_again"))) == ["ownership"]
        # Nothing of it is done, and what has to be run is said.
        with pytest.raises(Refused, match=f"Run GRANT {owner} TO {role}"):
            await end(backups.restore(await backups.plan_restore(taken, f"{name}_again"), "restore-0"))
        as_the_readme_says(world, owner, role, "restores")
        for into in (f"{name}_again", name):
            plan = await backups.plan_restore(taken, into)
            assert failing(plan) == {}
            assert (await end(backups.restore(plan, f"restore into {into}"))).rows["public.orders"] == 1000
    for place in (f"{name}_again", name):
        assert owners_in(world, place) == {owner}


async def test_what_only_a_superuser_can_bring_back_is_said_in_the_plan(world: PostgresqlWorld) -> None:
    name = world.database
    owner, role, other = f"owner_of_{name}", f"kaeru_of_{name}", f"other_of_{name}"
    owned_by(world, owner)
    as_the_readme_says(world, owner, role, "backups", "verify: restored, and drills", "restores")
    world.run(
        f"CREATE ROLE {other}",
        f"GRANT {other} TO {role}",
        f"CREATE TABLE strays (id int); ALTER TABLE strays OWNER TO {other}",
        "CREATE TABLE ours (id int)",
        f"ALTER ROLE {other} IN DATABASE {name} SET work_mem TO '7MB'",
        "CREATE EXTENSION file_fdw",
    )
    backups = world.backups(user=role)
    plan = await backups.plan_restore(await end(backups.take(KEY)), name)
    found = failing(plan)
    assert list(found) == ["ownership", "right to create in the schemas", "settings of roles", "superuser"]
    assert "postgres is a superuser" in found["ownership"]
    assert f"GRANT {owner} TO {other}" in found["right to create in the schemas"]
    assert f"ALTER ROLE {role} CREATEROLE" in found["settings of roles"]
    assert "the extension file_fdw" in found["superuser"]
    # Mended as it says, it can be done.
    world.run(
        f"GRANT {owner} TO {other}",
        f"ALTER TABLE ours OWNER TO {owner}",
        f"ALTER ROLE {role} CREATEROLE",
        "DROP EXTENSION file_fdw",
    )
    taken = await end(backups.take("another one"))
    plan = await backups.plan_restore(taken, name)
    assert failing(plan) == {}
    await end(backups.restore(plan, "restore-1"))
    assert owners_in(world, name) == {owner, other}


def owners_in(world: PostgresqlWorld, database: str) -> set[str]:
    """Who owns that database and the tables in it."""
    with psycopg.connect(world.server.url(database)) as connection:
        return {
            row[0]
            for row in connection.execute(
                "SELECT pg_get_userbyid(relowner) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
                " WHERE relkind IN ('r', 'v', 'S') AND nspname IN ('public', 'sales')"
                " UNION SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
            )
        }


@pytest.fixture
def short(postgres: Server) -> Path:
    """A folder whose name leaves room for a socket's."""
    place = postgres.folder / "relay"
    place.mkdir(exist_ok=True)
    return place


CAUGHT_UP = "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()"
BEHIND = "SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn() AND now() - pg_last_xact_replay_timestamp() > '2 s'"


def seen_by(server: Server, query: str, *parameters: Any) -> Any:
    with psycopg.connect(server.url("postgres")) as connection:
        row = connection.execute(query.encode(), parameters or None).fetchone()
    assert row is not None
    return row[0]


def socket_of(place: Server | Path) -> Path:
    return (place.folder if isinstance(place, Server) else place) / ".s.PGSQL.5432"


def claims_to_be_19(answer: bytes) -> bytes:
    return answer.replace(b"15.1", b"19.1").replace(b"1500", b"1900")


def facts_of(world: PostgresqlWorld) -> tuple[Any, ...]:
    """Settings, rights, owner, encoding and comment of the database."""
    query = """
    SELECT (SELECT array_agg((setrole, setconfig)::text ORDER BY 1) FROM pg_db_role_setting s WHERE setdatabase = d.oid),
      (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a),
      datdba, encoding, datcollate, shobj_description(oid, 'pg_database')
    FROM pg_database d WHERE datname = %s
    """
    with psycopg.connect(world.server.url("postgres")) as connection:
        row = connection.execute(query, (world.database,)).fetchone()
    assert row is not None
    return row
