"""What comes in at once is written together: in order, each thing once, and one bad thing keeps nothing else out."""

import asyncio
import math
from typing import Any

import pytest

from bot.store import Arrival, Store
from handlers.intake import Intake

pytest_plugins = ("tests.postgres", "tests.contract.store_fixtures")


async def test_a_crowd_is_kept_in_order_and_each_once(store: Store) -> None:
    intake = Intake(store)
    keys = [f"k{n}" for n in range(1200)]
    rows = await asyncio.gather(*(intake.receive(key, "event", {"of": key}) for key in keys))
    assert len(set(rows)) == len(keys)
    assert None not in rows
    kept = await store.read(lambda uow: uow.inbox.pending(2000))
    assert [(item.id, item.key, item.body) for item in kept] == [
        (row, key, {"of": key}) for row, key in zip(rows, keys, strict=True)
    ]
    assert await asyncio.gather(*(intake.receive(key, "event", {}) for key in keys)) == [None] * len(keys)


async def test_the_second_of_two_at_once_is_a_repetition(store: Store) -> None:
    arrivals = [Arrival(key=key, kind="event", body={"n": n}) for n, key in enumerate(("a", "b", "a"))]
    first, other, second = await store.write(lambda uow: uow.inbox.receive_many(arrivals))
    assert first is not None
    assert other is not None
    assert second is None
    assert [item.body for item in await store.read(lambda uow: uow.inbox.pending(9))] == [{"n": 0}, {"n": 1}]


async def test_one_that_cannot_be_kept_keeps_no_other_out(store: Store) -> None:
    intake = Intake(store)
    bodies: list[dict[str, Any]] = [{"n": 1}, {"n": math.nan}, {"n": 3}]
    results = await asyncio.gather(
        *(intake.receive(f"k{n}", "event", body) for n, body in enumerate(bodies)), return_exceptions=True
    )
    assert isinstance(results[1], ValueError)
    assert [item.body for item in await store.read(lambda uow: uow.inbox.pending(9))] == [{"n": 1}, {"n": 3}]
    assert await intake.receive("later", "event", {}) is not None


async def test_one_who_gave_up_waiting_disturbs_nobody(store: Store) -> None:
    intake = Intake(store)
    gone = asyncio.create_task(intake.receive("a", "event", {}))
    stays = asyncio.create_task(intake.receive("b", "event", {}))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays is not None
    with pytest.raises(asyncio.CancelledError):
        await gone
