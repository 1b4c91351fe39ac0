"""A database is backed up as soon as a rollback is asked for, and waited for only where that was wanted."""

import re
from pathlib import Path
from typing import Any

import pytest

from bot.domain import events as e
from bot.domain.backups import BackupState
from bot.domain.base import Refusal
from bot.domain.incident import Incident
from bot.domain.plan import Level
from bot.domain.run import StepState, backup_step
from bot.ports.backups import Proof
from bot.usecases import commands as c
from bot.usecases.drills import last_drill
from sandbox.workspace import forms
from sandbox.workspace.model import Json
from tests.contract.backup_worlds import PASSWORD, MariadbWorld, PostgresqlWorld, end, files
from tests.databases import Mariadb, mariadb
from tests.postgres import Server, postgres
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import BAD, GOOD, Room, buttons

__all__ = ["mariadb", "postgres"]

STEP = backup_step("orders")


@pytest.fixture
def database(postgres: Server, tmp_path: Path) -> PostgresqlWorld:
    return PostgresqlWorld(postgres, tmp_path / "backups")


def described(
    database: PostgresqlWorld | MariadbWorld, *, wait: str = "never", **backup: Any
) -> dict[str, Any]:
    """What kaeru.yml says of it: the shop's database `orders`."""
    settings = {"kind": database.kind, **database.settings(**backup)}
    return {"services": {"shop": {"databases": {"orders": {"backup": settings, "wait_for_backup": wait}}}}}


def ended(incident: Incident) -> bool:
    record = incident.backup("orders")
    return record is not None and record.state is not BackupState.UNDER_WAY


async def card(room: Room, text: str, *, by_number: int = 1) -> Json:
    """The one message about the backup."""
    return await room.sees(lambda m: text in forms.text_of(m) and "`orders`" in forms.text_of(m))


async def cannot_be_approved(room: Room) -> Json:
    """The card of the second plan, which says what is in its way; nobody is let approve it."""

    def is_it(message: Json) -> bool:
        text = forms.text_of(message)
        return "Plan 2 ·" in text and "This cannot be approved yet" in text

    shown = await room.sees(is_it)
    assert "Approve" not in buttons(shown)
    record = (await room.incident()).record
    assert record is not None
    assert record.plan is not None
    by = room.world.bob.id
    approve = c.Approve(by=by, incident_id=room.id, number=record.number, digest=record.plan.digest)
    with pytest.raises(Refusal, match="would stop there"):
        await room.world.running.desk.handle(approve)
    return shown


async def test_it_is_taken_while_people_read_and_nothing_waits(
    new_world: NewWorld, database: PostgresqlWorld
) -> None:
    world = await new_world(changes=described(database, verify="restored"))
    await world.bad_deploy()
    room = await world.declare()
    await room.when(ended, "the backup to end")
    (finished,) = await room.events(e.BackupFinished)
    assert finished.backup.proof == "restored"
    assert finished.backup.warnings == ()
    shown = await card(room, "Backup of")
    assert "restored and counted" in forms.text_of(shown)
    assert buttons(shown) == ["Restore"]
    plan = forms.text_of(await room.card())
    assert "orders" in plan
    assert "the rollback does not wait for it" in plan
    await room.approve()
    await room.status("mitigated", "verified")
    assert not (await room.incident()).runs[0].has(STEP)
    told = [
        m for m in await room.messages() if "`orders`" in forms.text_of(m) and "acking up" in forms.text_of(m)
    ]
    assert told == []


async def test_a_lock_is_said_and_does_not_keep_an_image_from_going_back(
    new_world: NewWorld, database: PostgresqlWorld
) -> None:
    world = await new_world(changes=described(database, wait="when it changes", lock_wait="60s"))
    await world.bad_deploy()
    with database.locked("orders"):
        room = await world.declare()
        told = forms.text_of(await card(room, "migration"))
        assert "locked" in told or "lock" in told
        await room.approve()
        await room.status("mitigated", "verified")
        assert await world.serves() == GOOD
        assert not ended(await room.incident())
        assert (
            len([m for m in await room.messages() if "The rollback does not wait" in forms.text_of(m)]) == 1
        )
    await room.when(ended, "the backup to end")
    await card(room, "read to its end")


async def test_the_rollback_waits_where_that_is_wanted(
    new_world: NewWorld, database: PostgresqlWorld
) -> None:
    await end(database.backups().take("earlier"))
    world = await new_world(changes=described(database, wait="always", lock_wait="60s"))
    await world.bad_deploy()
    with database.locked("orders"):
        room = await world.declare()
        await card(room, "The rollback waits for it")
        plan = forms.text_of(await room.approve())
        assert "the rollback waits for it, because kaeru.yml has" in plan
        assert "backup of orders: client programs" in plan
        await room.sees(
            lambda m: "Wait for the backup of orders" in forms.text_of(m) and "migration" in forms.text_of(m)
        )
        # How much there is to come, by the one before.
        await room.sees(
            lambda m: (
                "Wait for the backup of orders" in forms.text_of(m)
                and re.search(r"of about [\d.]+ .B|about [\d.]+ .B the last time", forms.text_of(m))
                is not None
            )
        )
        run = (await room.incident()).runs[0]
        assert run.step(STEP).state is StepState.RUNNING
        assert [s.state for s in run.steps if s.id == "apply:shop"] == [StepState.PENDING]
    await room.status("mitigated", "verified")
    run = (await room.incident()).runs[0]
    assert [step.id for step in run.steps][:2] == [STEP, "apply:shop"]
    assert "read to its end" in run.step(STEP).detail
    # What was shown on the way is kept nowhere.
    assert len([x for x in await room.events(e.StepStarted) if x.step_id == STEP]) == 1


async def test_without_the_backup_nothing_is_switched_until_there_is_one(
    new_world: NewWorld, database: PostgresqlWorld
) -> None:
    database.protect("backup_role")
    database.run("CREATE TABLE secrets (id int)")
    role = {"user": "backup_role", "password": PASSWORD}
    world = await new_world(changes=described(database, wait="always", lock_wait="60s", **role))
    await world.bad_deploy()
    with database.locked("orders"):
        room = await world.declare()
        await room.approve()
    shown = await card(room, "could not be backed up")
    assert "permission denied for table secrets" in forms.text_of(shown)
    run = (await room.when(lambda i: bool(i.runs) and i.runs[0].ended_at is not None, "the run to end")).runs[
        0
    ]
    assert run.step(STEP).state is StepState.FAILED
    assert "permission denied for table secrets" in run.step(STEP).detail
    assert "Press Back up again on its card" in run.step(STEP).detail
    assert (run.step("apply:shop").started_at, run.took_place) == (None, False)
    assert await world.serves() == BAD
    blocked = forms.text_of(await cannot_be_approved(room))
    assert "permission denied for table secrets" in blocked
    assert "Press Back up again on its card" in blocked
    database.run("GRANT SELECT ON secrets TO backup_role")
    await world.alice.click(await room.button("Back up again"), "Back up again")
    await room.when(lambda i: (r := i.backup("orders")) is not None and r.taken is not None, "the second try")
    await room.approve(to=GOOD)
    await room.status("mitigated", "verified")
    assert await world.serves() == GOOD
    assert [f.number for f in await room.events(e.BackupBegun)] == [1, 2]
    assert len(files(database.folder)) == 2  # the data and its manifest
    assert all(PASSWORD not in str(message) for message in await room.messages())
    assert all(PASSWORD not in str(entry.body) for entry in await room.entries())


async def test_somebody_who_may_decide_goes_on_without_one(
    new_world: NewWorld, database: PostgresqlWorld
) -> None:
    database.folder.write_text("a file where the folder should be", encoding="utf-8")
    world = await new_world(changes=described(database, wait="always"))
    await world.bad_deploy()
    room = await world.declare()
    shown = await room.button("Go on without it")
    await room.sees("This cannot be approved yet")
    await room.sees(lambda m: "joined" in forms.text_of(m), by=world.bob)
    await world.bob.click(shown, "Go on without it")
    await room.approve()
    await room.status("mitigated", "verified")
    assert await world.serves() == GOOD
    (skipped,) = await room.events(e.BackupSkipped)
    assert skipped.by == world.bob.id
    assert not (await room.incident()).runs[0].has(STEP)
    await room.sees("decided that the rollback does not wait for a backup of `orders`")


async def test_a_suddenly_small_one_is_not_relied_on_unless_somebody_says_so(
    new_world: NewWorld, database: PostgresqlWorld
) -> None:
    await end(database.backups(verify="restored").take("earlier"))
    database.run("TRUNCATE orders")
    changes = described(database, wait="always", verify="restored", lock_wait="60s")
    world = await new_world(changes=changes)
    await world.bad_deploy()
    with database.locked("orders"):
        room = await world.declare()
        await room.approve()
    run = (await room.when(lambda i: bool(i.runs) and i.runs[0].ended_at is not None, "the run to end")).runs[
        0
    ]
    assert "public.orders (1,000 → 0)" in run.step(STEP).detail
    assert await world.serves() == BAD
    blocked = forms.text_of(await cannot_be_approved(room))
    assert "public.orders (1,000 → 0)" in blocked
    assert "then press Use it all the same or Back up again" in blocked
    shown = await room.button("Go on without it")  # the last of them, once a plan is there
    assert buttons(shown) == ["Use it all the same", "Back up again", "Restore", "Go on without it"]
    await world.bob.click(shown, "Use it all the same")
    await room.approve(to=GOOD)
    await room.status("mitigated", "verified")
    (accepted,) = await room.events(e.BackupAccepted)
    assert accepted.by == world.bob.id
    assert "relied on in spite of" in (await room.incident()).runs[1].step(STEP).detail


def drilled(database: PostgresqlWorld) -> dict[str, Any]:
    changes = described(database)
    changes["services"]["shop"]["databases"]["orders"]["drill_every"] = "30d"
    changes["services"]["shop"]["owners"] = ["alice"]
    return changes


def corrupt(data: Path) -> None:
    """One byte in its middle is another one."""
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 0xFF
    data.write_bytes(content)


async def test_a_drill_finds_a_corrupted_file(new_world: NewWorld, database: PostgresqlWorld) -> None:
    taken = await end(database.backups(verify="read").take("earlier"))
    corrupt(Path(taken.place))
    world = await new_world(changes=drilled(database))
    told = forms.text_of(
        await world.alice.message("@kaeru", "The drill of `orders` of shop failed", timeout=20)
    )
    assert taken.id[:20] in told
    found = await world.read(lambda uow: last_drill(uow, "shop", "orders"))
    assert found is not None
    assert not found.passed
    (kept,) = await database.backups().list()
    assert kept.proof is Proof.NONE
    assert [w.level for w in kept.warnings] == [Level.DANGER]
    assert [name for name in database.databases() if "scratch" in name] == []
    # Once in its span of time, also where kaeru starts again.
    await world.stop()
    await world.start()
    await world.known_good()
    assert await world.read(lambda uow: last_drill(uow, "shop", "orders")) == found


async def test_a_drill_takes_the_first_backup_itself(new_world: NewWorld, database: PostgresqlWorld) -> None:
    world = await new_world(changes=drilled(database))

    async def proven() -> bool:
        found = await world.read(lambda uow: last_drill(uow, "shop", "orders"))
        return found is not None and found.passed

    await world.until(proven, "the drill to pass")
    (kept,) = await database.backups().list()
    assert (kept.proof, kept.tables) == (Proof.RESTORED, 2)


async def test_of_mariadb_too(new_world: NewWorld, mariadb: Mariadb, tmp_path: Path) -> None:
    database = MariadbWorld(mariadb, tmp_path / "backups")
    world = await new_world(changes=described(database, wait="always", verify="restored"))
    await world.bad_deploy()
    room = await world.declare()
    await room.approve()
    await room.status("mitigated", "verified")
    assert "restored and counted" in (await room.incident()).runs[0].step(STEP).detail
    assert len(files(database.folder)) == 2
