"""What `kaeru check` tries of migrations: the database's list and the way down, on a real PostgreSQL with a real Alembic."""

import dataclasses
import sys
from pathlib import Path

import psycopg
import pytest

from bot.catalog import Catalog, Kinds, Service, load_catalog
from bot.domain.migrations import Tool
from bot.domain.plan import Check
from bot.ports import Refused
from bot.usecases.check_databases import look_at_migrations
from bot.usecases.check_report import State
from bot.usecases.fleet import DatabaseHands, Hands
from integrations.migrations import trial
from integrations.migrations.settings import MigrationsSettings
from integrations.migrations.source import VersionMigrations
from tests.contract.test_migrations_down import NEWER, OLDER, Tags, revision
from tests.fakes.target import MemoryTarget
from tests.postgres import postgres, postgres_url
from tests.unit import test_check as check_worlds

__all__ = ["postgres", "postgres_url"]

ALEMBIC = str(Path(sys.executable).with_name("alembic"))
DOWN = [ALEMBIC, "-c", "db/alembic.ini", "downgrade", "{to}"]
SECRET = "hunter2hunter2"
INI = "[alembic]\nscript_location = %(here)s\npath_separator = os\n"
ENV = """
import os
from alembic import context
from sqlalchemy import create_engine

engine = create_engine(os.environ["SHOP_DB"])
{then}
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


class World:
    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        for number in (1, 2, 3):
            self.write(f"versions/{number:04}_it.py", revision(number))
        self.write("alembic.ini", INI)
        self.write("env.py", ENV.format(then=""))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE alembic_version (version_num text)")
            connection.execute("INSERT INTO alembic_version VALUES ('0003')")

    def write(self, name: str, text: str) -> None:
        path = self.folder / "db" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    @property
    def tables(self) -> list[tuple[str, str]]:
        """All tables, and what is applied: nothing of it may change."""
        with psycopg.connect(self.url) as connection:
            names = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
            applied = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        return [*(("table", name) for (name,) in names), *(("applied", one) for (one,) in applied)]

    def migrations(self, **more: object) -> VersionMigrations:
        given: dict[str, object] = {
            "tool": "alembic",
            "database_url": self.url,
            "down": DOWN,
            "down_folder": str(self.folder),
            "down_state": str(self.folder / "state"),
            "down_environment": {
                "SHOP_DB": self.url.replace("postgresql://", "postgresql+psycopg://"),
                "SHOP_PASSWORD": SECRET,
            },
            **more,
        }
        return VersionMigrations(MigrationsSettings.model_validate(given), Tags())

    async def found(self, **more: object) -> dict[str, Check]:
        return {check.name: check for check in await self.migrations(**more).checks(NEWER)}


@pytest.fixture
def world(postgres_url: str, tmp_path: Path) -> World:
    return World(postgres_url, tmp_path)


async def test_the_list_is_read_and_the_tool_is_tried_and_nothing_is_changed(world: World) -> None:
    before = world.tables
    found = await world.found()
    assert {name: (check.ok, check.detail) for name, check in found.items()} == {
        "files": (True, "alembic"),
        "applied list": (True, "3 applied of 3"),
        "way down": (True, f"alembic current runs in {world.folder}"),
    }
    assert world.tables == before
    assert not (world.folder / "state").exists()
    rows = await look_at_migrations("shop", "orders", world.migrations(), NEWER)
    assert [(row.name, row.state) for row in rows] == [
        ("migrations of orders: files", State.OK),
        ("migrations of orders: applied list", State.OK),
        ("migrations of orders: way down", State.OK),
    ]


async def test_a_tool_that_cannot_start_fails_with_its_last_line_and_without_its_secrets(
    world: World,
) -> None:
    world.write(
        "env.py", ENV.format(then="raise SystemExit('cannot log in with ' + os.environ['SHOP_PASSWORD'])")
    )
    way = (await world.found())["way down"]
    assert (way.ok, way.required) == (False, True)
    assert way.detail == "alembic current ended with 1: cannot log in with [redacted]"


async def test_a_tool_that_takes_too_long_says_nothing_for_certain(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "TRY_S", 0.3)
    world.write("env.py", ENV.format(then="__import__('time').sleep(30)"))
    way = (await world.found())["way down"]
    assert (way.ok, way.required) == (False, False)
    assert "did not end within 0.3 s" in way.detail


async def test_a_list_that_cannot_be_read_fails_where_there_is_a_way_down(world: World) -> None:
    nowhere = "postgresql://kaeru:hunter2@127.0.0.1:1/shop"
    listed = (await world.found(database_url=nowhere))["applied list"]
    assert (listed.ok, listed.required) == (False, True)
    assert "hunter2" not in listed.detail
    without = await world.found(database_url=nowhere, down=[])
    assert "way down" not in without
    assert not without["applied list"].required
    assert "Every migration counts as applied." in without["applied list"].detail


async def test_a_program_of_which_no_harmless_call_is_known_is_not_run(world: World) -> None:
    (world.folder / "undo.py").write_text("open('ran', 'w')\n", encoding="utf-8")
    way = (await world.found(down=[sys.executable, "undo.py", "{to}"]))["way down"]
    assert way.ok
    assert "it was not tried, as kaeru knows no call of it that changes nothing" in way.detail
    assert not (world.folder / "ran").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"down_folder": "/nowhere/{newer}"}, f"There is no folder /nowhere/{NEWER}. Correct `down_folder`."),
        ({"down": ["no-such-tool", "downgrade", "{to}"]}, "no-such-tool is no program here."),
    ],
)
async def test_what_is_not_there_is_said(world: World, more: dict[str, object], said: str) -> None:
    way = (await world.found(**more))["way down"]
    assert not way.ok
    assert said in way.detail


@pytest.mark.parametrize(
    ("tool", "down", "asked"),
    [
        (Tool.ALEMBIC, "alembic -c x.ini downgrade {to}", "alembic -c x.ini current"),
        (Tool.DJANGO, "python manage.py migrate {app} {to}", "python manage.py showmigrations --list"),
        (Tool.RAILS, "bin/rails db:rollback STEP={steps}", "bin/rails db:migrate:status"),
        (Tool.FLYWAY, "flyway undo -target={from}", "flyway info"),
        (Tool.LIQUIBASE, "liquibase rollback-count {steps}", "liquibase status"),
        (Tool.ALEMBIC, "/opt/{newer}/alembic downgrade {to}", "/opt/v2/alembic current"),
    ],
)
def test_each_tool_has_a_call_that_only_looks(tool: Tool, down: str, asked: str) -> None:
    assert trial.harmless(down.split(), [tool], {"newer": "v2"}) == tuple(asked.split())


@pytest.mark.parametrize(
    ("tools", "down"),
    [
        ([Tool.GOLANG_MIGRATE], "./undo.sh {steps}"),
        ([Tool.ALEMBIC], "./undo.sh {steps}"),
        ([Tool.ALEMBIC, Tool.DJANGO], "alembic downgrade {to}"),
        ([], "alembic downgrade {to}"),
        ([Tool.ALEMBIC], "downgrade {to}"),
    ],
)
def test_nothing_else_is_ever_run(tools: list[Tool], down: str) -> None:
    assert trial.harmless(down.split(), tools, {}) is None


def test_what_is_no_plain_word_comes_into_no_command() -> None:
    with pytest.raises(Refused, match="is not put into a command"):
        trial.harmless(["/opt/{newer}/alembic", "downgrade", "{to}"], [Tool.ALEMBIC], {"newer": "; rm"})


async def test_without_a_version_nothing_is_looked_at(world: World) -> None:
    (row,) = await look_at_migrations("shop", "orders", world.migrations(), None)
    assert row.state is State.WARN
    assert "not known which version" in row.seen


@dataclasses.dataclass
class Checked(check_worlds.World):
    """A whole `kaeru check` of a service with a database, in memory but for that."""

    migrations: VersionMigrations | None = None

    def load(self) -> Catalog:
        path = self.folder / "kaeru.yml"
        path.write_text(
            f"{check_worlds.KAERU}    databases: {{ orders: {{ migrations: {{ kind: memory }} }} }}\n"
        )
        kinds = {"memory": check_worlds.MemorySettings}
        return load_catalog(path, Kinds(targets=kinds, changes=kinds, migrations=kinds), environ={})

    def hands(self, service: Service) -> Hands:
        hands = super().hands(service)
        return dataclasses.replace(hands, databases={"orders": DatabaseHands(None, self.migrations)})


async def test_a_check_of_everything_looks_at_the_migrations_of_each_database(world: World) -> None:
    world.write("env.py", ENV.format(then="raise SystemExit('there is no such role')"))
    running = MemoryTarget(NEWER, (OLDER, NEWER))
    report = await Checked(world.folder, running, None, None, migrations=world.migrations()).report()
    rows = {row.name: row for row in report.rows if row.name.startswith("migrations of orders")}
    assert rows["migrations of orders: applied list"].seen == "3 applied of 3"
    way = rows["migrations of orders: way down"]
    assert (way.state, way.seen) == (State.FAIL, "alembic current ended with 1: there is no such role")
    assert "migrations of orders in kaeru.yml" in way.remedy
    assert report.exit_code == 1
