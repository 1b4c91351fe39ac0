"""A database is backed up as soon as a rollback is asked for, and waited for only where that was wanted."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.domain import events as e
from bot.domain.backups import BackupState
from bot.domain.incident import Incident
from bot.domain.run import StepState, backup_step
from sandbox.workspace import forms
from sandbox.workspace.model import Json
from tests.contract.backup_worlds import MariadbWorld, PostgresqlWorld, files
from tests.databases import Mariadb, mariadb
from tests.postgres import Server, postgres
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import GOOD, Room, buttons

__all__ = ["mariadb", "postgres"]

pytestmark = pytest.mark.xdist_group("backups-in-incidents")
STEP = backup_step("orders")


@pytest.fixture
def database(postgres: Server, tmp_path: Path) -> PostgresqlWorld:
    return PostgresqlWorld(postgres, tmp_path / "backups")


def described(database: PostgresqlWorld | MariadbWorld, *, wait: str = "never", **backup: Any) -> dict[str, Any]:
    """What kaeru.yml says of it: the shop's database `orders`."""
    settings = {"kind": database.kind, **database.settings(**backup)}
    return {"services": {"shop": {"databases": {"orders": {"backup": settings, "wait_for_backup": wait}}}}}


def ended(incident: Incident) -> bool:
    record = incident.backup("orders")
    return record is not None and record.state is not BackupState.UNDER_WAY


async def card(room: Room, text: str, *, by_number: int = 1) -> Json:
    """The one message about the backup."""
    return await room.sees(lambda m: text in forms.text_of(m) and "`orders`" in forms.text_of(m))


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
    assert buttons(shown) == []
    plan = forms.text_of(await room.card())
    assert "orders" in plan
    assert "the rollback does not wait for it" in plan
    await room.approve()
    await room.status("mitigated", "verified")
    assert not (await room.incident()).runs[0].has(STEP)
    told = [m for m in await room.messages() if "`orders`" in forms.text_of(m) and "acking up" in forms.text_of(m)]
    assert told == []
