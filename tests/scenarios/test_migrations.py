"""Database migrations on the way back: real Alembic migrations in the tags, a real PostgreSQL, the whole bot."""

import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import psycopg
import pytest

from bot.domain import events as e
from bot.domain.base import Refusal
from bot.domain.incident import Incident
from bot.domain.ways_back import Situation, Way
from bot.usecases import commands as c
from sandbox.shop.control import point_current
from sandbox.shop.releases import Shop
from sandbox.workspace import forms
from sandbox.workspace.model import Json
from tests.contract.shop import copied, running
from tests.crash.scene import Bot
from tests.scenarios.schemas import ADDS, ALEMBIC, DROPS, RENAMES, SHOPS_QUERY, Schema, furnish
from tests.scenarios.world import BAD, GOOD, Room, World, buttons, has_button, opened

if TYPE_CHECKING:
    from tests.postgres import Server
    from tests.scenarios.conftest import Variant

pytest_plugins = ("tests.postgres",)

DOWN, CODE, FIX = "Run migrations backwards", "Code only", "Fix forward"


class Migrated(Protocol):
    async def __call__(
        self, *migrations: tuple[str, str], broken: tuple[str, ...] = (), **more: object
    ) -> tuple[World, Schema]: ...


@pytest.fixture
async def migrated(
    shops: Callable[["Variant"], Shop], postgres: "Server", tmp_path: Path
) -> AsyncIterator[Migrated]:
    """A world in which v1.3.0 serves and has migrated the database."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(
            *migrations: tuple[str, str], broken: tuple[str, ...] = (), **more: object
        ) -> tuple[World, Schema]:
            shop = copied(shops(((), broken)), tmp_path / "shop")
            url = postgres.url(postgres.create_database())
            schema = furnish(shop, url, tmp_path, *migrations)
            point_current(shop.root, BAD)
            live = stack.enter_context(running(shop))
            world = await stack.enter_async_context(opened(live, tmp_path, changes=schema.changes(**more)))
            return world, schema

        yield make


async def question(room: Room) -> Json:
    """The card of a plan about whose database nobody has decided yet."""

    async def look() -> Json | None:
        record = (await room.incident()).record
        if record is None or record.plan is None or not record.plan.databases[0].undecided:
            return None
        number = f"Plan {record.number} ·"
        found = [m for m in await room.messages() if number in forms.text_of(m)]
        return found[-1] if found and has_button(found[-1], FIX) else None

    return await room.world.until(look, "the card that asks which way")


def situation(incident: Incident) -> Situation:
    record = incident.record
    assert record is not None
    assert record.plan is not None
    verdict = record.plan.databases[0].verdict
    assert verdict is not None
    return verdict.situation


async def test_a_migration_is_run_backwards_before_the_older_code_serves(migrated: Migrated) -> None:
    world, schema = await migrated(RENAMES)
    with pytest.raises(psycopg.errors.UndefinedColumn):
        schema.query(SHOPS_QUERY)
    room = await world.declare()
    card = await question(room)
    text = forms.text_of(card)
    for fact in (
        "`0002`",
        "contract",
        "renames the column customers.nickname",
        "It can be undone without loss",
    ):
        assert fact in text
    assert buttons(card)[:3] == [DOWN, FIX, CODE]
    assert not has_button(card, "Approve")
    record = (await room.incident()).record
    assert record is not None
    assert record.plan is not None
    old = c.Approve(by=world.bob.id, incident_id=room.id, number=record.number, digest=record.plan.digest)
    with pytest.raises(Refusal, match="Nobody has decided yet what is done about the database orders"):
        await world.running.desk.handle(old)
    refused = await room.asks(world.bob, "/incident way orders restore backup")
    assert "is no way for the database orders here" in refused

    await world.bob.click(card, DOWN)
    await room.sees("decided about the database *orders*: *down migration*")
    approvable = await room.card()
    text = forms.text_of(approvable)
    assert "Decided by <@U0BOB>" in text
    assert "<@U0BOB> decided about the database and cannot approve that alone." in text
    assert "1 approval needed, from <@U0CAROL>" in text
    assert "downgrade 0001 in " in text
    assert "You chose what is done to the database" in await room.refuses(world.bob, approvable, "Approve")
    assert schema.applied() == ["0002"]
    await world.carol.click(approvable, "Approve")
    done = await room.sees("4 of 4 steps done", timeout=40)
    assert "Run 1 migration of orders backwards" in forms.text_of(done)

    run = (await room.status("verified")).runs[-1]
    assert [step.id for step in run.steps] == ["migrate:orders", "apply:shop", "prove", "watch"]
    migrate, apply = run.step("migrate:orders"), run.step("apply:shop")
    assert migrate.finished_at is not None
    assert apply.started_at is not None
    assert migrate.finished_at <= apply.started_at
    assert "ended with 0. The database does not list it any more." in migrate.detail
    assert schema.applied() == ["0001"]
    assert schema.query(SHOPS_QUERY) == ["ann"]
    assert await world.serves() == GOOD
    assert schema.count == 1
    printed = [line for event in await room.events(e.StepPrinted) for line in event.lines]
    assert any("connecting to [redacted]" in line for line in printed)
    assert not any(schema.url.removeprefix("postgresql") in line for line in printed)
    await room.close("The rename is undone.")
    paper = await room.postmortem()
    assert "Bob decided about the database orders: down migration" in paper
    assert "Run 1 migration of orders backwards" in paper


async def test_a_forward_fix_is_chosen_and_left_again(migrated: Migrated) -> None:
    world, schema = await migrated(DROPS, ADDS)
    room = await world.declare()
    card = await question(room)
    assert buttons(card)[:3] == [FIX, DOWN, CODE]
    assert "the values of customers.nickname, gone since the migration ran" in forms.text_of(card)
    assert "not among the approvers" in await room.refuses(world.dan, card, FIX)
    await world.carol.click(card, FIX)
    incident = await room.status("fixing_forward")
    assert incident.forward_fix is not None
    assert incident.forward_fix.owner == world.alice.id
    (event,) = await room.events(e.WayChosen)
    assert (event.way, event.by, event.database) == (Way.FORWARD_FIX, world.carol.id, "orders")
    fix = await room.sees("decided so, because of the database orders")
    assert "is set aside" in forms.text_of(await room.sees("is set aside"))
    await world.alice.click(fix, "Roll back after all")
    again = await question(room)
    await world.carol.click(again, CODE)
    approvable = await room.card()
    assert "the older code runs on the schema as it is" in forms.text_of(approvable)
    # Somebody migrates meanwhile: what was decided was about another schema.
    schema.alembic(BAD, "downgrade", "-1")
    await room.sees("the database orders has other migrations applied than before")
    third = await question(room)
    assert "What was decided about the database orders (code only) does not hold any more" in forms.text_of(
        third
    )
    assert "out of date" in await room.refuses(world.bob, approvable, "Approve")
    assert not (await room.incident()).runs


async def test_what_only_adds_needs_no_decision(migrated: Migrated) -> None:
    world, schema = await migrated(ADDS)
    room = await world.declare()
    text = forms.text_of(await room.approve())
    assert "The migrations only add" in text
    assert "Database migrations seem to lie" not in text
    await room.status("verified")
    assert situation(await room.incident()) is Situation.EXPAND
    assert schema.applied() == ["0002"]
    assert schema.count == 0


async def test_a_bot_that_is_killed_while_it_migrates_takes_it_up_again(migrated: Migrated) -> None:
    world, schema = await migrated(RENAMES)
    room = await world.declare()
    await world.bob.click(await question(room), DOWN)
    card = await room.card()
    await world.stop()
    bot = Bot(victims_environment(world), world.folder / "notes", world.folder / "bot.log")
    bot.start()
    try:
        with psycopg.connect(schema.url) as somebody:
            somebody.execute("LOCK TABLE customers IN ACCESS SHARE MODE")
            await world.until(lambda: there(bot.listening), "a bot that listens")
            await world.carol.click(card, "Approve")
            await world.until(lambda: there(waits_for_a_lock(schema)), "Alembic to wait for the lock")
            bot.kill()
            await world.until(lambda: there(bot.deaths == 1 and bot.listening), "the next bot to listen")
            assert schema.applied() == ["0002"]
            assert waits_for_a_lock(schema)
        await room.sees("4 of 4 steps done", timeout=40)
    finally:
        await bot.stop()
    assert (schema.count, schema.applied()) == (1, ["0001"])
    assert await world.serves() == GOOD
    await world.start()
    run = (await room.incident()).runs[-1]
    assert "ended with 0" in run.step("migrate:orders").detail
    assert [event.step_id for event in await room.events(e.StepFinished)].count("migrate:orders") == 1


def victims_environment(world: World) -> dict[str, str]:
    return {
        "KAERU_CONFIG": str(world.folder / "kaeru.yml"),
        "KAERU_DATA": str(world.folder / "data"),
        "KAERU_SLACK_API_URL": world.ws.api_url,
        "SLACK_BOT_TOKEN": world.ws.bot_token,
        "SLACK_APP_TOKEN": world.ws.app_token,
        "KAERU_CRASH_NOTES": str(world.folder / "notes"),
    }


async def there(seen: bool) -> bool:
    return seen


def waits_for_a_lock(schema: Schema) -> bool:
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return schema.query(asked) == [1]


async def test_what_went_wrong_is_said_and_newer_code_is_not_put_back_on_an_older_schema(
    migrated: Migrated, tmp_path: Path
) -> None:
    """First the program fails, then the older version does not start on its own schema."""
    program = tmp_path / "undo.py"
    program.write_text("raise SystemExit('no rights')", encoding="utf-8")
    world, schema = await migrated(RENAMES, broken=(GOOD,), down=[sys.executable, str(program), "{to}"])
    room = await world.declare()
    await decided_and_approved(room)
    said = forms.text_of(await room.sees("The rollback did not succeed", timeout=40))
    assert f"Nothing of this change is in place. shop runs {BAD} now." in said
    assert "The schema of orders is as it was." in said
    first = (await room.incident()).runs[0]
    assert "ended with 1: no rights" in first.step("migrate:orders").detail
    assert not first.took_place
    assert (schema.applied(), await world.serves()) == (["0002"], BAD)

    program.write_text(
        f"import os, sys\nos.execv({ALEMBIC!r}, ['alembic', '-c', 'db/alembic.ini', 'downgrade', sys.argv[1]])",
        encoding="utf-8",
    )
    await decided_and_approved(room)
    failed = await room.when(
        lambda i: len(i.runs) == 2 and i.runs[1].ended_at is not None, "the second run", timeout_s=40
    )
    (_, event) = await room.events(e.RollbackFailed)
    assert "The newer version was not put back all the same" in event.safe_state
    assert "The schema of orders is the one of v1.2.9 now: 0002 undone." in event.safe_state
    assert not failed.runs[1].has("revert:shop")
    assert schema.applied() == ["0001"]


async def decided_and_approved(room: Room) -> None:
    card = await question(room)
    await room.world.bob.click(card, DOWN)
    await room.approve(by=room.world.carol)
