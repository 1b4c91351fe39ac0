"""What a change prints is read below the checklist while it goes on, and stays in the timeline."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from bot.domain import events as e
from bot.domain.evidence import Outcome
from bot.ports import Change, Observation
from bot.workflows import progress
from integrations.symlink import SymlinkTarget
from sandbox.workspace import forms
from sandbox.workspace.model import Json
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import BAD, GOOD, Room, World


async def thread_below_the_checklist(room: Room, replies: int) -> list[Json]:
    """The checklist's text is asked for as well: it comes first."""
    card = await room.sees("Prove from outside", timeout=60)

    async def there() -> list[Json] | None:
        found = await room.world.alice.thread(room.channel, card["ts"])
        return found if len(found) == 1 + replies else None

    return await room.world.until(there, f"{replies} replies below the checklist", timeout_s=60)


async def test_lines_are_posted_below_the_checklist_and_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PRINT_S", 0.2)
    apply = SymlinkTarget.apply

    async def begun(self: SymlinkTarget, change: Change, key: str) -> Observation:
        seen = await apply(self, change, key)
        return seen.model_copy(
            update={"outcome": Outcome.UNKNOWN, "output": ("Stopping workers", "<!here> 1 left")}
        )

    async def follow(self: SymlinkTarget, change: Change, key: str) -> AsyncGenerator[Observation, None]:
        seen = await self.observe(change, key)
        await asyncio.sleep(0.2)
        lines = tuple(f"host {n} done" for n in range(100))
        yield seen.model_copy(
            update={"outcome": Outcome.UNKNOWN, "detail": "100 of 101 hosts", "output": lines}
        )
        yield seen.model_copy(update={"output": ("All hosts done",)})

    monkeypatch.setattr(SymlinkTarget, "apply", begun)
    monkeypatch.setattr(SymlinkTarget, "follow", follow)
    await world.bad_deploy()
    room = await world.declare()
    await room.approve()
    _, first, second, last = await thread_below_the_checklist(room, 3)
    assert "Stopping workers\n&lt;!here&gt; 1 left" in first["blocks"][0]["text"]["text"]
    assert "60 lines before that left out." in forms.text_of(second)
    assert "host 99 done" in forms.text_of(second)
    assert "host 59 done" not in forms.text_of(second)
    assert "All hosts done" in forms.text_of(last)
    await room.status("verified")
    assert await world.serves() == GOOD
    assert sum(len(x.lines) + x.left_out for x in await room.events(e.StepPrinted)) == 103
    in_channel = [forms.text_of(message) for message in await room.messages()]
    assert not any("Stopping workers" in text for text in in_channel)
    await room.asks(world.carol, "/incident export")
    assert "printed 100 lines, the last: host 99 done" in (await room.file("timeline.md"))[1].decode()


async def test_the_way_back_has_its_line_in_the_checklist(new_world: NewWorld) -> None:
    world = await new_world(serves=BAD, broken=[GOOD])
    room = await world.declare()
    await room.approve(to=GOOD)
    card = await room.sees(f"Put shop back to {BAD}", timeout=60)
    assert "Prove from outside" in forms.text_of(card)
    await room.sees(f":white_check_mark:  Put shop back to {BAD}")
    await room.sees(f"The switch did not succeed. shop was put back: shop runs {BAD} now.")
