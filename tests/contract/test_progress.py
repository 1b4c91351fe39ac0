"""What becomes of a step's looks: the checklist shows them all, the timeline keeps a few, what is printed is bounded."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from bot.clock import now
from bot.domain import events as e
from bot.domain.evidence import Outcome
from bot.domain.timeline import Kind
from bot.ports import Change, Observation
from bot.ports.chat import slot_of_thread
from bot.store import Store
from bot.workflows import progress
from tests.contract.test_tiers import World

COLOURED = "\x1b[32mMigrating\x1b[0m orders"


@dataclasses.dataclass
class Scripted:
    """The looks that are to be had while web is taken back or put back, one after the other; then what it is like."""

    looks: list[Observation]
    pause_s: float = 0.0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store = await Store.open(f"sqlite:///{tmp_path}/kaeru.sqlite", clock=now)
    yield World(store, tmp_path)
    await store.close()


def under_way(detail: str, *output: str) -> Observation:
    return Observation(outcome=Outcome.UNKNOWN, detail=detail, running="v1.3.0", output=output)


def scripted(world: World, script: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """`web` begins to change, and is then seen as the script says."""
    target = world.targets["web"]
    apply, revert, follow = target.apply, target.revert, target.follow

    async def begun(change: Change, key: str) -> Observation:
        return (await apply(change, key)).model_copy(update={"outcome": Outcome.UNKNOWN})

    async def begun_back(change: Change, key: str) -> Observation:
        return (await revert(change, key)).model_copy(update={"outcome": Outcome.UNKNOWN})

    async def looks(change: Change, key: str) -> AsyncGenerator[Observation, None]:
        while script.looks:
            yield script.looks.pop(0)
            await asyncio.sleep(script.pause_s)
        async with aclosing(follow(change, key)) as rest:
            async for seen in rest:
                yield seen

    monkeypatch.setattr(target, "apply", begun)
    monkeypatch.setattr(target, "revert", begun_back)
    monkeypatch.setattr(target, "follow", looks)


async def happened(world: World) -> list[e.Event]:
    entries = await world.store.read(lambda uow: uow.timeline.entries(world.id, kinds=(Kind.EVENT,)))
    return [e.parse(entry.body) for entry in entries]


async def printed(world: World) -> list[e.StepPrinted]:
    return [event for event in await happened(world) if isinstance(event, e.StepPrinted)]


async def checklist(world: World) -> str:
    item = await world.store.read(lambda uow: uow.outbox.get(f"incident:{world.id}", "run-1"))
    assert item is not None
    return json.dumps(item.operation.model_dump(mode="json"), ensure_ascii=False)


async def test_counts_are_shown_as_they_come_and_kept_now_and_then(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SHOW_S", 0.0)
    counts = [f"{n} of 9 ready" for n in range(1, 10)]
    scripted(world, Scripted([under_way(text) for text in counts]), monkeypatch)
    shown: list[str] = []
    put = progress.Journal.shown

    async def noticed(*arguments: Any) -> None:
        await put(*arguments)
        shown.append(await checklist(world))

    monkeypatch.setattr(progress.Journal, "shown", noticed)
    run_id = await world.approved()
    assert await world.steps.switching.apply_tier(run_id, ["web"]) == "succeeded"
    assert [next(c for c in counts if c in text) for text in shown] == counts[-len(shown) :]
    assert len(shown) >= 8
    started = [x for x in await happened(world) if isinstance(x, e.StepStarted)]
    assert len(started) == 2, "its beginning, and the first of the counts"
    assert "of 9 ready" not in await checklist(world)


async def test_what_is_over_is_not_shown_as_under_way(world: World) -> None:
    run_id = await world.approved()
    assert await world.steps.switching.apply_tier(run_id, ["web"]) == "succeeded"
    before = await checklist(world)
    await world.steps.journal.shown(world.id, run_id, "apply:web", "1 of 9 ready")
    assert await checklist(world) == before


async def test_lines_are_kept_once_and_posted_below_the_checklist(world: World) -> None:
    world.targets["web"].prints += [COLOURED, "10 %\r55 %\r100 %\r", "x" * 900]
    run_id = await world.approved()
    assert await world.steps.switching.apply_tier(run_id, ["web"]) == "succeeded"
    (event,) = await printed(world)
    assert event.lines == ("Migrating orders", "100 %", "x" * progress.LINE)
    assert event.left_out == 0
    order = [type(x) for x in await happened(world) if getattr(x, "step_id", "") == "apply:web"]
    assert order[-2:] == [e.StepPrinted, e.StepFinished]
    lane = f"incident:{world.id}:output"
    entries = await world.store.read(lambda uow: uow.timeline.entries(world.id, kinds=(Kind.EVENT,)))
    (seq,) = [entry.seq for entry in entries if entry.body["type"] == "step_printed"]
    item = await world.store.read(lambda uow: uow.outbox.get(lane, f"event-{seq}"))
    assert item is not None
    assert slot_of_thread(item.operation.model_dump()["thread_ts"]) == (f"incident:{world.id}", "run-1")


async def test_a_flood_is_bounded_and_says_how_much_is_missing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    flood = [under_way("1 of 2 ready", *(f"{n}-{m}" for m in range(30))) for n in range(10)]
    scripted(world, Scripted(flood), monkeypatch)
    run_id = await world.approved()
    assert await world.steps.switching.apply_tier(run_id, ["web"]) == "succeeded"
    first, last = await printed(world)
    assert (first.lines[0], len(first.lines), first.left_out) == ("0-0", 30, 0)
    assert (last.lines[-1], len(last.lines), last.left_out) == (
        "9-29",
        progress.LINES,
        9 * 30 - progress.LINES,
    )


async def test_the_way_back_is_a_step_of_its_own_with_counts_and_lines(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = world.targets["web"]
    target.broken = frozenset({"v1.2.9"})
    run_id = await world.approved()
    assert await world.steps.switching.apply_tier(run_id, ["web"]) == "failed"
    script = Scripted([under_way("1 of 2 back", "Stopping v1.2.9"), under_way("2 of 2 back")])
    scripted(world, script, monkeypatch)
    await world.steps.giving_up.give_up(run_id)
    step = (await world.run()).step("revert:web")
    assert (step.title, step.state.value) == ("Put web back to v1.3.0", "succeeded")
    assert step.detail == "web was put back: web runs v1.3.0 now."
    told = [x for x in await happened(world) if getattr(x, "step_id", "") == "revert:web"]
    assert [type(x) for x in told] == [
        e.StepAdded,
        e.StepStarted,
        e.StepPrinted,
        e.StepStarted,
        e.StepFinished,
    ]
    assert [x.detail for x in told if isinstance(x, e.StepStarted)][-1] == "1 of 2 back"
    assert "Put web back to v1.3.0" in await checklist(world)
    failed = await world.failed()
    assert failed.outcome is Outcome.FAILED
    assert "Put web back" not in failed.reason
    assert "web was put back: web runs v1.3.0 now." in failed.safe_state
