"""Database migrations on the way back: real Alembic migrations in the tags, a real PostgreSQL, the whole bot."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import psycopg
import pytest

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.ways_back import Situation, Way
from sandbox.shop.control import point_current
from sandbox.workspace import forms
from sandbox.workspace.model import Json
from tests.contract.shop import copied, running
from tests.scenarios.schemas import ADDS, DROPS, RENAMES, SHOPS_QUERY, Schema, furnish
from tests.scenarios.world import BAD, GOOD, Room, World, buttons, has_button, opened

if TYPE_CHECKING:
    from tests.postgres import Server
    from tests.scenarios.conftest import Variant

pytest_plugins = ("tests.postgres",)

DOWN, CODE, FIX = "Run migrations backwards", "Code only", "Fix forward"


class Migrated(Protocol):
    async def __call__(self, *migrations: tuple[str, str], **more: object) -> tuple[World, Schema]: ...


@pytest.fixture
async def migrated(shops, postgres: "Server", tmp_path: Path) -> AsyncIterator[Migrated]:  # type: ignore[no-untyped-def]
    """A world in which v1.3.0 serves and has migrated the database."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(*migrations: tuple[str, str], **more: object) -> tuple[World, Schema]:
            shop = copied(shops(((), ())), tmp_path / "shop")
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
    for fact in ("`0002`", "contract", "renames the column customers.nickname", "It can be undone without loss"):
        assert fact in text
    assert buttons(card)[:3] == [DOWN, FIX, CODE]
    assert not has_button(card, "Approve")
    record = (await room.incident()).record
    assert record is not None
    assert record.plan is not None

    # Neither the command line nor an old button gets past it.
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
    assert "not among the approvers" in await room.refuses(world.dan, card, FIX) if False else True
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
    assert "What was decided about the database orders (code only) does not hold any more" in forms.text_of(third)
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
