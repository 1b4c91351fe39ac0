"""Two components of one service, the shop and its pictures: they go back together, or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.domain import events as e
from bot.ports import Change, Observation, Refused
from integrations.symlink import SymlinkTarget
from sandbox.workspace import forms
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import BAD, GOOD, OLDER

WITHOUT_HEALTH: Mapping[str, Any] = {"services": {"shop": {"health": None}}}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The link to the pictures of the bad version, beside the folders of all three."""
    folder = tmp_path / "pictures"
    for version in (OLDER, GOOD, BAD):
        (folder / "releases" / version).mkdir(parents=True)
    link = folder / "current"
    link.symlink_to(Path("releases", BAD))
    return link


def shown(link: Path) -> str:
    return link.readlink().name


def target_of(link: Path) -> Mapping[str, Any]:
    return {"kind": "symlink", "releases": str(link.parent / "releases"), "link": str(link)}


def pictures_decline(monkeypatch: pytest.MonkeyPatch, *, back: bool = False) -> None:
    """The second component refuses; with `back`, the first one then cannot be put back either."""
    apply = SymlinkTarget.apply

    async def declines(self: SymlinkTarget, change: Change, key: str) -> Observation:
        if change.component == "pictures":
            raise Refused("The disk of the pictures is read-only.", remedy="Mount it again.")
        return await apply(self, change, key)

    async def stays(self: SymlinkTarget, change: Change, key: str) -> Observation:
        raise Refused("The machine of the shop is being moved.")

    monkeypatch.setattr(SymlinkTarget, "apply", declines)
    if back:
        monkeypatch.setattr(SymlinkTarget, "revert", stays)


async def test_the_second_component_declines_and_the_first_goes_back(
    new_world: NewWorld, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await new_world(second=target_of(pictures))
    await world.bad_deploy()
    room = await world.declare()
    with monkeypatch.context() as patched:
        pictures_decline(patched)
        await room.approve(to=GOOD)
        await room.when(lambda i: bool(i.runs) and i.runs[0].ended_at is not None, "the run to end")
    (failed,) = await room.events(e.RollbackFailed)
    assert "read-only" in failed.reason
    assert "Nothing was changed" not in failed.safe_state
    assert f"shop was put back: shop runs {BAD} now." in failed.safe_state
    assert f"pictures is set to {BAD} now." in failed.safe_state
    assert await world.serves() == BAD
    ledger = await world.read(lambda uow: uow.releases.all("shop"))
    assert ledger[GOOD].quarantined_at is None

    await room.approve(to=GOOD)
    await room.status("verified")
    assert (await world.serves(), shown(pictures)) == (GOOD, GOOD)


async def test_what_is_left_halfway_is_finished_and_not_taken_further_back(
    new_world: NewWorld, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await new_world(second=target_of(pictures))
    await world.bad_deploy()
    room = await world.declare()
    with monkeypatch.context() as patched:
        pictures_decline(patched, back=True)
        await room.approve(to=GOOD)
        await room.when(lambda i: bool(i.runs) and i.runs[0].ended_at is not None, "the run to end")
    (failed,) = await room.events(e.RollbackFailed)
    assert "shop could not be put back: The machine of the shop is being moved." in failed.safe_state
    assert f"shop runs {GOOD} now." in failed.safe_state
    assert (await world.serves(), shown(pictures)) == (GOOD, BAD)

    card = forms.text_of(await room.card(of=BAD, to=GOOD))
    assert f"Nothing to do: it runs {GOOD} already" in card
    assert f"shop {GOOD}, pictures {BAD}" in card
    await room.approve(to=GOOD)
    await room.status("verified")
    assert (await world.serves(), shown(pictures)) == (GOOD, GOOD)
    ledger = await world.read(lambda uow: uow.releases.all("shop"))
    assert ledger[GOOD].quarantined_at is None
    assert ledger[BAD].quarantined_at is not None


async def test_without_health_the_end_is_unknown_and_nothing_older_is_offered(new_world: NewWorld) -> None:
    world = await new_world(serves=BAD, changes=WITHOUT_HEALTH)
    room = await world.declare()
    await room.approve(to=GOOD)
    said = await room.sees("how its run ended is not known")
    assert f"shop runs {GOOD} already, where this rollback was heading" in forms.text_of(said)
    assert await world.serves() == GOOD
    await world.alice.command(room.channel, "/rollback shop")
    again = await room.when(lambda i: len(i.plans) == 3 and i.plans[-1].state == "blocked", "another plan")
    assert GOOD in again.plans[-1].note
    await world.bob.command(room.channel, f"/rollback shop {OLDER}")
    await room.approve(to=OLDER)
