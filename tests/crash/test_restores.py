"""A backup is brought back once, and what was there before is kept, wherever the bot is killed meanwhile."""

from pathlib import Path

from bot.clock import now
from bot.domain.evidence import Outcome
from bot.domain.run import restore_step
from bot.ports.backups import Backup
from bot.store import Store
from sandbox.shop.releases import Shop
from sandbox.workspace import forms
from sandbox.workspace.model import Json
from tests.contract.backup_worlds import PostgresqlWorld, end
from tests.contract.shop import copied
from tests.crash.scene import BAD, Scene, scene
from tests.crash.story import Story, has_button
from tests.crash.truth import at_rest, happened, timeline_of, workflows
from tests.postgres import Server, postgres
from tests.scenarios.schemas import SHOPS_QUERY, furnish

__all__ = ["postgres"]

MORE = {"KAERU_CRASH_ALSO": "tests.crash.bringing_back"}
ONE_WAY = (
    "op.drop_column('customers', 'nickname')",
    "raise NotImplementedError('what was dropped is gone')",
)


def family(database: PostgresqlWorld) -> list[str]:
    """What is there of a database by now: itself, what was replaced, and what was forgotten."""
    return sorted(name for name in database.databases() if name.startswith(database.database))


async def seen(stage: Scene, version: str) -> None:
    """Until kaeru knows of a version."""
    store = await Store.open(stage.database, clock=now)
    try:

        async def known() -> bool:
            return version in await store.read(lambda uow: uow.releases.all("shop"))

        await stage.until_async(known, f"kaeru to see {version}")
    finally:
        await store.close()


async def press(stage: Scene, person: str, slot: str, label: str, story: Story) -> None:
    def card() -> Json | None:
        shown = story.shown(slot)
        return shown if shown and has_button(shown, label) else None

    await stage.workspace.person(person).click(await stage.until(card, f"{label} on {slot}"), label)


ALONE = ("restored-beside", "switched", "commit:restore_ended")


async def test_killed_while_people_bring_one_back(
    built: Shop, memory: Path, postgres: Server, tmp_path: Path
) -> None:
    database = PostgresqlWorld(postgres, tmp_path / "backups")
    before = await end(database.backups().take("before"))
    database.run("DELETE FROM orders WHERE id > 5")
    databases = {
        "orders": {"backup": {"kind": "postgresql", **database.settings()}, "wait_for_backup": "never"}
    }
    async with scene(
        tmp_path / "scene", built, serving=BAD, memory=memory, die_at=ALONE, databases=databases, more=MORE
    ) as stage:
        story = Story(stage)
        await story.ask()
        await story.say_how_bad(await story.card("severity"))
        await story.alice.command(story.channel, "/incident restore")
        form = await story.alice.modal("Restore a backup")
        await story.alice.submit_view(form, {"into": "replace", "backup": before.id})
        await press(stage, "alice", "restore-1", "Agree", story)
        await stage.until(lambda: "Agreed: 1 of 2" in _text(story, "restore-1"), "Alice to have agreed")
        await press(stage, "bob", "restore-1", "Agree", story)
        await stage.until(lambda: "Restored." in _text(story, "restore-1"), "the restore to end")
        await at_rest(stage)
        await stage.bot.stop()
        assert stage.bot.missed(ALONE) == []
        assert stage.bot.deaths == len(ALONE)
        incident, entries = await timeline_of(stage, story.channel)
    counted = happened(entries)
    assert (counted["restore_begun"], counted["restore_ended"]) == (1, 1)
    ended = incident.restore(1)
    assert ended.outcome is Outcome.SUCCEEDED, ended.detail
    assert {state for name, state in workflows(stage) if name.startswith("restore:")} == {"SUCCESS"}
    assert database.rows("orders") == 1000
    real, kept = family(database)
    assert (real, "_before_" in kept) == (database.database, True)
    assert database.rows("orders", kept) == 5
    assert kept in ended.detail


def _text(story: Story, slot: str) -> str:
    shown = story.shown(slot)
    return forms.text_of(shown) if shown else ""


STEP = restore_step("orders")
IN_A_RUN = (
    "restored-beside",
    "switched",
    f"commit:step_finished:{STEP}",
)


async def test_killed_while_a_rollback_brings_one_back(
    built: Shop, memory: Path, postgres: Server, tmp_path: Path
) -> None:
    shop = copied(built, tmp_path / "furnished")
    database = PostgresqlWorld(postgres, tmp_path / "backups")
    database.run("DROP TABLE orders", "DROP TABLE customers")
    schema = furnish(shop, postgres.url(database.database), tmp_path, ONE_WAY)
    # As it was before the deploy: the schema of v1.2.9 with a customer in it.
    schema.query("ALTER TABLE customers ADD COLUMN nickname text")
    schema.query("UPDATE alembic_version SET version_num = '0001'")
    schema.query("INSERT INTO customers (id, nickname) VALUES (1, 'ann')")
    before: Backup = await end(database.backups().take("before"))
    schema.alembic(BAD, "upgrade", "head")
    schema.query("INSERT INTO customers (id) VALUES (2)")
    migrations = {"kind": "git", "tool": "alembic", "paths": ["*/db/versions/*"], "database_url": schema.url}
    backup = {"kind": "postgresql", **database.settings()}
    databases = {"orders": {"backup": backup, "migrations": migrations, "wait_for_backup": "never"}}
    async with scene(
        tmp_path / "scene", shop, serving=BAD, memory=memory, die_at=IN_A_RUN, databases=databases, more=MORE
    ) as stage:
        story = Story(stage)
        await seen(stage, BAD)  # only a backup from before that is a way back
        await story.ask()
        await story.say_how_bad(await story.card("severity"))
        await press(stage, "alice", "plan-1", "Restore backup", story)
        await story.approve(await story.open_plan(2))
        await story.until_verified()
        await at_rest(stage)
        await stage.bot.stop()
        assert stage.bot.missed(IN_A_RUN) == []
        assert stage.bot.deaths == len(IN_A_RUN)
        incident, entries = await timeline_of(stage, story.channel)
    counted = happened(entries)
    assert (counted[f"step_finished {STEP}"], counted["step_finished apply:shop"]) == (1, 1)
    assert incident.run is not None
    step = incident.run.step(STEP)
    assert step.state == "succeeded"
    assert before.id in step.detail
    assert schema.query(SHOPS_QUERY) == ["ann"]
    assert schema.applied() == ["0001"]
    real, kept = family(database)
    assert (real, kept in step.detail) == (database.database, True)
    assert database.rows("customers", kept) == 2
