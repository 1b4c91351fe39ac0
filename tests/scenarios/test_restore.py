"""Bringing a backup back from chat and from the command line, on a real PostgreSQL."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from bot.domain import events as e
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident
from bot.domain.restores import RestoreState
from bot.ports.backups import Backup, Proof
from sandbox.shop.releases import Shop
from sandbox.workspace import forms
from sandbox.workspace.model import Json
from tests.contract.shop import copied, running
from tests.scenarios.conftest import NewWorld
from tests.scenarios.schemas import SHOPS_QUERY, furnish
from tests.scenarios.world import BAD, Room, World, buttons, has_button, opened

if TYPE_CHECKING:
    from tests.postgres import Server
    from tests.scenarios.conftest import Variant

pytest_plugins = ("tests.postgres",)

ONE_WAY = (
    "op.drop_column('customers', 'nickname')",
    "raise NotImplementedError('what was dropped is gone')",
)


def backed_up(server: "Server", database: str, folder: Path) -> Mapping[str, Any]:
    """What kaeru.yml says of the shop's database; short, as everything is here."""
    backup = {
        "kind": "postgresql",
        "host": str(server.folder),
        "user": "postgres",
        "database": database,
        "directory": str(folder / "backups"),
    }
    databases = {"orders": {"backup": backup, "wait_for_backup": "never"}}
    return {"services": {"shop": {"databases": databases}}}


def rows(server: "Server", database: str) -> list[str]:
    with psycopg.connect(server.url(database)) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM orders ORDER BY name")]


def is_there(server: "Server", database: str) -> bool:
    with psycopg.connect(server.url("postgres")) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
        return found.fetchone() is not None


async def taken(world: World, key: str) -> Backup:
    """A backup as it is taken while all is well."""
    backups = world.fleet.hands("shop").database("orders").backups
    assert backups is not None
    *_, last = [seen async for seen in backups.take(key)]
    assert isinstance(last, Backup)
    return last


class Scene:
    """The shop with a database of one order and a proven backup of it; another order came in since."""

    def __init__(self, world: World, server: "Server", database: str, backup: Backup) -> None:
        self.world, self.server, self.database, self.backup = world, server, database, backup

    def rows(self, database: str = "") -> list[str]:
        return rows(self.server, database or self.database)


@pytest.fixture
async def scene(postgres: "Server", new_world: NewWorld, tmp_path: Path) -> Scene:
    database = postgres.create_database()
    postgres.run("CREATE TABLE orders (name text PRIMARY KEY)", database)
    postgres.run("INSERT INTO orders VALUES ('sencha')", database)
    world = await new_world(changes=backed_up(postgres, database, tmp_path))
    backup = await taken(world, "before")
    assert backup.proof is Proof.READ
    postgres.run("INSERT INTO orders VALUES ('matcha')", database)
    return Scene(world, postgres, database, backup)


async def asked_for(room: Room, scene: Scene, **answers: object) -> Json:
    """The card of the restore that Alice has asked for, once it can be agreed to."""
    await scene.world.alice.command(room.channel, "/incident restore")
    form = await scene.world.alice.modal("Restore a backup")
    await scene.world.alice.submit_view(form, answers)
    return await room.button("Agree")


async def ended(room: Room, number: int = 1) -> Incident:
    return await room.when(
        lambda i: i.restore(number).state is RestoreState.ENDED, "the restore to end", timeout_s=30
    )


async def test_two_people_bring_it_back_beside_the_real_one(scene: Scene) -> None:
    world = scene.world
    room = await world.declare(severity="Critical")
    await room.when(lambda i: any(b.state == "taken" for b in i.backups), "the incident's own backup")
    card = await asked_for(room, scene, backup=scene.backup.id)
    shown = forms.text_of(card)
    assert scene.backup.id in shown
    assert "proven by a full read" in shown
    assert "taken in this incident" not in shown
    assert f"{scene.database}_restored_1" in shown
    assert "nothing else is touched" in shown
    assert buttons(card) == ["Agree", "Set aside", "Fresh plan", "Other backup"]

    assert "You are not among the approvers" in await room.refuses(world.dan, card, "Agree")
    await world.alice.click(card, "Agree")
    await room.when(lambda i: len(i.restore(1).approvals) == 1, "Alice to have agreed")
    assert "a second person has to" in await room.refuses(world.alice, await room.button("Agree"), "Agree")
    assert not is_there(scene.server, f"{scene.database}_restored_1")

    await world.bob.click(await room.button("Agree"), "Agree")
    incident = await ended(room)
    assert incident.restore(1).outcome is Outcome.SUCCEEDED, incident.restore(1).detail
    assert scene.rows(f"{scene.database}_restored_1") == ["sencha"]
    assert scene.rows() == ["matcha", "sencha"]
    await room.sees("Restored.")
    (begun,) = await room.events(e.RestoreBegun)
    assert begun.by == world.bob.id


async def test_the_real_one_is_replaced_and_kept_beside(scene: Scene) -> None:
    world = scene.world
    room = await world.declare(severity="Critical")
    card = await asked_for(room, scene, into="replace", backup=scene.backup.id)
    shown = forms.text_of(card)
    assert "is there and will be replaced" in shown
    assert "is lost" in shown
    for person in (world.bob, world.carol):
        await person.click(await room.button("Agree"), "Agree")
        await room.when(
            lambda i, who=person: who.id in i.restore(1).approvals,  # type: ignore[misc]  # binds the loop's value
            f"{person.name} to have agreed",
        )
    incident = await ended(room)
    assert incident.restore(1).outcome is Outcome.SUCCEEDED, incident.restore(1).detail
    assert scene.rows() == ["sencha"]
    kept = incident.restore(1).detail.partition("is kept as ")[2].partition(";")[0]
    assert scene.rows(kept) == ["matcha", "sencha"]


async def test_what_has_moved_since_is_not_replaced(scene: Scene) -> None:
    """The database was dropped and made anew after the plan: nothing is done to the new one."""
    world = scene.world
    room = await world.declare(severity="Critical")
    await asked_for(room, scene, into="replace")
    scene.server.run(f"ALTER DATABASE {scene.database} RENAME TO {scene.database}_away")
    scene.server.run(f"CREATE DATABASE {scene.database}")
    for person in (world.bob, world.carol):
        await person.click(await room.button("Agree"), "Agree")
    incident = await ended(room)
    assert incident.restore(1).outcome is Outcome.FAILED
    assert "not what it was when this was planned" in incident.restore(1).detail
    await room.button("Try again")


async def test_what_cannot_be_planned_says_why_and_can_be_tried_again(scene: Scene) -> None:
    world = scene.world
    room = await world.declare(severity="Critical")
    await world.alice.command(room.channel, "/incident restore")
    form = await world.alice.modal("Restore a backup")
    await world.alice.submit_view(form, {"backup": "no-such-backup"})
    blocked = await room.sees("cannot be planned")
    assert "There is no backup no-such-backup of orders" in forms.text_of(blocked)
    assert buttons(blocked) == ["Try again", "Set aside"]
    await world.alice.click(blocked, "Set aside")
    await room.when(lambda i: i.restore(1).state is RestoreState.REJECTED, "it to be set aside")

    await world.alice.command(room.channel, "/incident restore")
    form = await world.alice.modal("Restore a backup")
    await world.alice.submit_view(form, {"into_name": scene.database})
    refused = await room.sees("is the database itself")
    assert has_button(refused, "Try again")


async def test_another_backup_takes_its_place(scene: Scene) -> None:
    world = scene.world
    room = await world.declare(severity="Critical")
    await room.when(lambda i: any(b.state == "taken" for b in i.backups), "the incident's own backup")
    card = await asked_for(room, scene)
    assert "It was taken in this incident" in forms.text_of(card)
    await world.alice.click(card, "Other backup")
    form = await world.alice.modal("Another backup")
    await world.alice.submit_view(form, {"backup": scene.backup.id})
    await room.when(lambda i: len(i.restores) == 2 and i.restore(2).plan is not None, "a fresh plan")
    incident = await room.incident()
    assert incident.restore(1).state is RestoreState.REJECTED
    plan = incident.restore(2).plan
    assert plan is not None
    assert plan.backup == scene.backup.id
    assert "was set aside" in await room.refuses(world.bob, card, "Agree")


async def test_a_backup_from_before_the_migration_is_the_way_back(
    shops: "Callable[[Variant], Shop]", postgres: "Server", tmp_path: Path
) -> None:
    """The newer version dropped a column, and nothing else brings it back: the database goes back, then the code."""
    shop = copied(shops(((), ())), tmp_path / "shop")
    url = postgres.url(postgres.create_database())
    schema = furnish(shop, url, tmp_path, ONE_WAY)
    database = url.partition("?")[0].rpartition("/")[2]
    # As it was before the deploy: the schema of v1.2.9 with a customer in it.
    schema.query("ALTER TABLE customers ADD COLUMN nickname text")
    schema.query("UPDATE alembic_version SET version_num = '0001'")
    schema.query("INSERT INTO customers (id, nickname) VALUES (1, 'ann')")
    described = backed_up(postgres, database, tmp_path)["services"]["shop"]["databases"]["orders"]
    orders = {**described, "migrations": schema.settings(), "wait_for_backup": "when it changes"}
    changes = {"services": {"shop": {"databases": {"orders": orders}}}}
    with running(shop) as live:
        async with opened(live, tmp_path, changes=changes) as world:
            await world.known_good()
            before = await taken(world, "before")
            await world.deploy(BAD)
            schema.alembic(BAD, "upgrade", "head")
            with pytest.raises(psycopg.errors.UndefinedColumn):
                schema.query(SHOPS_QUERY)

            async def seen() -> bool:
                return BAD in await world.read(lambda uow: uow.releases.all("shop"))

            await world.until(seen, f"kaeru to see {BAD}")
            room = await world.declare()
            asks = await room.button("Restore backup")
            assert "everything written to" in forms.text_of(asks)
            await world.bob.click(asks, "Restore backup")
            card = await room.card()
            assert "the backup to bring back is of" in forms.text_of(card)
            assert "cannot approve that alone" in forms.text_of(card)
            await world.carol.click(card, "Approve")
            run = (await room.status("verified", timeout_s=60)).runs[-1]
            assert [step.id for step in run.steps] == [
                "backup:orders",
                "restore:orders",
                "apply:shop",
                "prove",
                "watch",
            ]
            assert before.id in run.step("restore:orders").detail
            assert schema.query(SHOPS_QUERY) == ["ann"]
            assert schema.applied() == ["0001"]
            assert await world.serves() == "v1.2.9"
