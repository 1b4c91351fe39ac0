"""Migrations run backwards: what is planned, what is believed, what is never done twice.

On a real PostgreSQL; the program is one of the test's own, which does to the list what Alembic would do.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest
import yaml
from pydantic import ValidationError

from bot.domain.databases import Sideways
from bot.domain.evidence import Outcome
from bot.ports import Conflict, Observation, Refused, Unavailable
from integrations.migrations import running as run_module
from integrations.migrations.settings import MigrationsSettings
from integrations.migrations.source import VersionMigrations
from tests.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]

OLDER, NEWER = "v1", "v2"
UNDO = ("0003", "0002")
PROGRAM = """
import os, sys, time
import psycopg
with open(os.environ["RUNS"], "a") as runs:
    runs.write("run\\n")
print("secret is", os.environ["SHOP_PASSWORD"], "of", os.environ["URL"], flush=True)
{before}
with psycopg.connect(os.environ["URL"]) as connection:
    connection.execute("UPDATE alembic_version SET version_num = %s", [{to}])
sys.exit({code})
"""


def revision(number: int) -> str:
    before = repr(f"{number - 1:04}") if number > 1 else "None"
    body = "op.create_table('t', sa.Column('id', sa.Integer))" if number == 1 else "op.drop_column('t', 'id')"
    undo = "op.drop_table('t')" if number == 1 else "op.add_column('t', sa.Column('id', sa.Integer))"
    return (
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision = '{number:04}'\ndown_revision = {before}\n"
        f"def upgrade():\n    {body}\ndef downgrade():\n    {undo}\n"
    )


class Tags:
    """Two versions of the files."""

    def __init__(self, older: int = 1, newer: int = 3) -> None:
        self._last = {OLDER: older, NEWER: newer}

    async def texts(self, version: str, patterns: tuple[str, ...]) -> Mapping[str, str | None]:
        return {f"/versions/{n:04}.py": revision(n) for n in range(1, self._last[version] + 1)}


class World:
    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.sql(
            "CREATE TABLE alembic_version (version_num text)", "INSERT INTO alembic_version VALUES ('0003')"
        )
        self.program(to="sys.argv[1]")

    def sql(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def program(self, *, to: str, code: int = 0, before: str = "") -> None:
        text = PROGRAM.format(to=to, code=code, before=before)
        (self.folder / "undo.py").write_text(text, encoding="utf-8")

    @property
    def runs(self) -> int:
        path = self.folder / "runs"
        return len(path.read_text(encoding="ascii").splitlines()) if path.exists() else 0

    def migrations(self, **more: object) -> VersionMigrations:
        return VersionMigrations(self.settings(**more), Tags())

    def settings(self, **more: object) -> MigrationsSettings:
        given: dict[str, object] = {
            "tool": "alembic",
            "database_url": self.url,
            "down": [sys.executable, "undo.py", "{to}"],
            "down_folder": str(self.folder),
            "down_state": str(self.folder / "state"),
            "down_environment": {
                "URL": self.url,
                "RUNS": str(self.folder / "runs"),
                "SHOP_PASSWORD": "hunter2hunter2",
            },
            **more,
        }
        return MigrationsSettings.model_validate(given)


@pytest.fixture
def world(postgres_url: str, tmp_path: Path) -> World:
    return World(postgres_url, tmp_path)


async def planned(migrations: VersionMigrations) -> Sideways:
    found = await migrations.between(OLDER, NEWER)
    return await migrations.plan_down(found, await migrations.applied(found), OLDER, NEWER)


async def ended(
    migrations: VersionMigrations, plan: Sideways, key: str = "run-1/migrate:shop"
) -> Observation:
    return (await looks(migrations, plan, key))[-1]


async def looks(migrations: VersionMigrations, plan: Sideways, key: str) -> list[Observation]:
    return [seen async for seen in migrations.run_down(plan, key)]


async def test_a_plan_names_the_command_and_the_migrations(world: World) -> None:
    plan = await planned(world.migrations())
    assert plan.about == UNDO
    assert plan.actions[0].endswith(f"undo.py 0001 in {world.folder}")
    assert plan.loses == ("the values of t.id, gone since the migration ran",)
    assert "hunter2" not in plan.model_dump_json()


async def test_it_runs_and_the_database_agrees(world: World) -> None:
    migrations = world.migrations()
    seen = await looks(migrations, await planned(migrations), "k")
    assert (seen[-1].outcome, world.runs) == (Outcome.SUCCEEDED, 1)
    assert seen[-1].detail == "python ended with 0. The database does not list any of the 2 any more."
    (said,) = [line for one in seen for line in one.output]
    assert said.startswith("secret is [redacted] of [redacted]")
    # It prints its secrets as they are, and that is kept no longer than until it was read.
    assert not (world.folder / "state" / "output.log").exists()
    # Asked again, also by another bot: it is judged, not run.
    again = await ended(world.migrations(), await planned_before(migrations, world), "k")
    assert (again.outcome, world.runs) == (Outcome.SUCCEEDED, 1)


async def planned_before(migrations: VersionMigrations, world: World) -> Sideways:
    """The plan as it was made when all was applied."""
    world.sql("UPDATE alembic_version SET version_num = '0003'")
    plan = await planned(migrations)
    world.sql("UPDATE alembic_version SET version_num = '0001'")
    return plan


@pytest.mark.parametrize(
    ("to", "code", "outcome", "untouched", "said"),
    [
        ("'0003'", 0, Outcome.FAILED, True, "ended with 0. The database still lists all of them: 0003, 0002."),
        ("'0002'", 0, Outcome.FAILED, False, "The database still lists 0002; the others are undone."),
        ("'0001'", 3, Outcome.FAILED, False, "ended with 3: secret is [redacted]"),
        ("'0003'", "'no rights'", Outcome.FAILED, True, "ended with 1: no rights. The database still lists all"),
        ("'9999'", 0, Outcome.UNKNOWN, False, "What the database has applied could not be read."),
    ],
)  # fmt: skip
async def test_the_program_is_heard_and_the_database_decides(  # noqa: PLR0917 - the columns of a table
    world: World,
    to: str,
    code: object,
    outcome: Outcome,
    untouched: bool,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_module, "LIST_FOR_S", 0.2)
    (world.folder / "undo.py").write_text(PROGRAM.format(to=to, code=code, before=""), encoding="utf-8")
    migrations = world.migrations()
    seen = await ended(migrations, await planned(migrations))
    assert (seen.outcome, seen.untouched) == (outcome, untouched), seen.detail
    assert said in seen.detail


async def test_a_list_that_cannot_be_read_afterwards_is_unknown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "LIST_FOR_S", 0.2)
    migrations = world.migrations()
    plan = await planned(migrations)
    (world.folder / "undo.py").write_text(
        "import os, psycopg\npsycopg.connect(os.environ['URL'], autocommit=True).execute('DROP TABLE alembic_version')\n",
        encoding="utf-8",
    )
    seen = await ended(migrations, plan)
    assert seen.outcome is Outcome.UNKNOWN
    assert "has no table alembic_version" in seen.detail


async def test_a_list_that_moved_is_a_conflict_and_nothing_runs(world: World) -> None:
    migrations = world.migrations()
    plan = await planned(migrations)
    world.sql("UPDATE alembic_version SET version_num = '0002'")
    with pytest.raises(Conflict, match="other migrations applied"):
        await ended(migrations, plan)
    assert world.runs == 0


async def test_another_command_than_the_approved_one_is_not_run(world: World) -> None:
    plan = await planned(world.migrations())
    other = world.migrations(down=[sys.executable, "undo.py", "{to}", "--force"])
    with pytest.raises(Conflict, match="another command"):
        await ended(other, plan)
    assert world.runs == 0


async def test_a_list_that_cannot_be_read_before_starts_nothing(world: World) -> None:
    migrations = world.migrations()
    plan = await planned(migrations)
    world.sql("ALTER TABLE alembic_version RENAME TO hidden")
    with pytest.raises(Unavailable, match="cannot be read now"):
        await ended(migrations, plan)
    assert world.runs == 0


async def test_what_runs_is_taken_up_and_nothing_runs_beside_it(world: World) -> None:
    gate = world.folder / "gate"
    world.program(to="sys.argv[1]", before=f"while not os.path.exists({str(gate)!r}): time.sleep(0.02)")
    first = world.migrations()
    plan = await planned(first)
    generator = first.run_down(plan, "k")
    assert (await anext(generator)).outcome is Outcome.UNKNOWN
    await generator.aclose()
    with pytest.raises(Unavailable, match="still running for another rollback"):
        await ended(world.migrations(), plan, "another")
    gate.touch()
    seen = await ended(world.migrations(), plan, "k")
    assert (seen.outcome, world.runs) == (Outcome.SUCCEEDED, 1)


async def test_one_that_takes_too_long_is_ended_and_unknown(world: World) -> None:
    world.program(to="sys.argv[1]", before="time.sleep(60)")
    migrations = world.migrations(down_timeout="1s")
    seen = await ended(migrations, await planned(migrations))
    assert seen.outcome is Outcome.UNKNOWN
    assert "whether the database still works on it is not known" in seen.detail
    assert "The database still lists all of them" in seen.detail


async def test_what_is_not_there_is_said_before_anybody_chooses(world: World) -> None:
    for more, said in (
        ({"down": ()}, "not told how to run the migrations backwards"),
        ({"down": ["no-such-program", "{to}"]}, "no-such-program is no program here"),
        ({"down_folder": str(world.folder / "gone")}, "there is no folder"),
    ):
        with pytest.raises(Refused, match=said):
            await planned(world.migrations(**more))


async def test_without_migrations_before_alembic_goes_to_base(world: World) -> None:
    migrations = VersionMigrations(world.settings(), Tags(older=0))
    plan = await planned(migrations)
    assert plan.about == ("0003", "0002", "0001")
    assert "undo.py base in" in plan.actions[0]


def test_the_example_of_the_page_is_one_that_loads() -> None:
    page = (Path(__file__).parents[2] / "docs" / "migrations.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    shown = yaml.safe_load("\n".join(line for line in block.splitlines() if "backup:" not in line))
    given = shown["services"]["shop"]["databases"]["orders"]["migrations"]
    assert given.pop("kind") == "git"
    given["database_url"] = "postgresql://reader@db.example.com/shop"
    assert MigrationsSettings.model_validate(given).down[-1] == "{to}"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"down": ["alembic", "downgrade"]}, "it needs {to}, {steps} or {older}"),
        ({"down": ["alembic", "downgrade", "{revision}"]}, "{revision} has a placeholder that is not known here"),
        ({"down": ["migrate", "-database=mysql://me:geheim12@db/shop", "{steps}"]}, "what looks like a password"),
        ({"down_folder": None}, "down needs down_folder as well"),
        ({"down_folder": "relative"}, "has to be an absolute path"),
        ({"tool": "sql"}, "plain SQL files leave no list"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(world: World, more: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        world.settings(**more)
    assert said in str(refused.value)
    assert "geheim12" not in str(refused.value)
