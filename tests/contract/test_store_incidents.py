"""Incidents are kept whole, one open at a time per service, and never overwritten unseen."""

import asyncio
from collections.abc import Callable
from datetime import date, timedelta

import pytest

from bot.store import AlreadyOpen, Missing, Stale, Store, UnitOfWork
from tests.contract.store_worlds import START, Clock, closed, declared, graver

pytest_plugins = ("tests.postgres", "tests.contract.store_fixtures")


async def test_an_incident_comes_back_as_it_was_kept(store: Store) -> None:
    incident = graver(declared(channel="C1"))
    await store.write(lambda uow: uow.incidents.add(incident))
    assert await store.read(lambda uow: uow.incidents.get("inc-1")) == incident
    assert await store.read(lambda uow: uow.incidents.find("inc-1")) == incident
    assert await store.read(lambda uow: uow.incidents.by_channel("C1")) == incident
    assert await store.read(lambda uow: uow.incidents.open_for("shop")) == incident


async def test_what_is_not_there_is_none_or_missing(store: Store) -> None:
    assert await store.read(lambda uow: uow.incidents.find("inc-9")) is None
    assert await store.read(lambda uow: uow.incidents.by_channel("C9")) is None
    assert await store.read(lambda uow: uow.incidents.open_for("shop")) is None
    with pytest.raises(Missing, match="no incident inc-9"):
        await store.read(lambda uow: uow.incidents.get("inc-9"))
    with pytest.raises(Missing):
        await store.write(lambda uow: uow.incidents.save(declared("inc-9"), expected=1))


async def test_saving_moves_on_from_what_was_read(store: Store) -> None:
    await store.write(lambda uow: uow.incidents.add(declared()))
    await store.write(lambda uow: uow.incidents.save(graver(uow.incidents.get("inc-1"))))
    assert (await store.read(lambda uow: uow.incidents.get("inc-1"))).length == 2


async def test_saving_over_someone_elses_change_is_refused(store: Store) -> None:
    await store.write(lambda uow: uow.incidents.add(declared()))
    mine = await store.read(lambda uow: uow.incidents.get("inc-1"))
    await store.write(lambda uow: uow.incidents.save(graver(uow.incidents.get("inc-1"))))
    with pytest.raises(Stale, match="has 2 events by now, not 1"):
        await store.write(lambda uow: uow.incidents.save(closed(mine), expected=mine.length))
    assert (await store.read(lambda uow: uow.incidents.get("inc-1"))).is_open


async def test_saving_what_was_never_read_is_a_defect_of_the_caller(store: Store) -> None:
    await store.write(lambda uow: uow.incidents.add(declared()))
    with pytest.raises(ValueError, match="was not read in this unit of work"):
        await store.write(lambda uow: uow.incidents.save(graver(declared())))


async def test_a_service_has_one_open_incident_at_most(store: Store) -> None:
    await store.write(lambda uow: uow.incidents.add(declared("inc-1")))
    with pytest.raises(AlreadyOpen, match="inc-1"):
        await store.write(lambda uow: uow.incidents.add(declared("inc-2")))
    await store.write(lambda uow: uow.incidents.add(declared("inc-3", "tea")))
    await store.write(lambda uow: uow.incidents.save(closed(uow.incidents.get("inc-1"))))
    await store.write(lambda uow: uow.incidents.add(declared("inc-4")))
    running = await store.read(lambda uow: uow.incidents.open_for("shop"))
    assert running is not None
    assert running.id == "inc-4"


async def test_two_processes_that_declare_at_once_end_up_with_one_incident(
    store: Store, store_url: str, clock: Clock
) -> None:
    """The database itself refuses the second one, whoever looked first; the loser looks again and joins."""
    other = await Store.open(store_url, clock=clock)
    try:
        for round_ in range(20):
            service = f"service-{round_}"

            async def declare(where: Store, name: str, service: str = service) -> str:
                def work(uow: UnitOfWork) -> str:
                    running = uow.incidents.open_for(service)
                    if running is None:
                        running = declared(f"{service}-{name}", service)
                        uow.incidents.add(running)
                    return running.id

                return await where.write(work)

            ids = await asyncio.gather(declare(store, "a"), declare(other, "b"))
            assert len(set(ids)) == 1, ids
    finally:
        await other.close()


async def test_the_list_is_newest_first(store: Store) -> None:
    for n in range(5):
        incident = declared(f"inc-{n}", f"s{n % 2}", at=START + timedelta(minutes=n))
        finished = closed(incident)
        await store.write(lambda uow, incident=finished if n < 3 else incident: uow.incidents.add(incident))  # type: ignore[misc]  # binds the loop's value

    def ids(*, open_only: bool, limit: int, service: str | None = None) -> Callable[[UnitOfWork], list[str]]:
        return lambda uow: [
            i.id for i in uow.incidents.list(open_only=open_only, limit=limit, service=service)
        ]

    assert await store.read(ids(open_only=False, limit=10)) == ["inc-4", "inc-3", "inc-2", "inc-1", "inc-0"]
    assert await store.read(ids(open_only=False, limit=2)) == ["inc-4", "inc-3"]
    assert await store.read(ids(open_only=True, limit=10)) == ["inc-4", "inc-3"]
    assert await store.read(ids(open_only=False, limit=10, service="s0")) == ["inc-4", "inc-2", "inc-0"]
    assert await store.read(ids(open_only=True, limit=10, service="s1")) == ["inc-3"]


async def test_ids_count_per_service_and_day(store: Store) -> None:
    day = date(2026, 11, 24)
    ids = await asyncio.gather(
        *(store.write(lambda uow: uow.incidents.next_id("shop", day)) for _ in range(20))
    )
    assert sorted(ids, key=lambda i: int(i.rsplit("-", 1)[1])) == [
        f"inc-20261124-shop-{n}" for n in range(1, 21)
    ]
    assert await store.write(lambda uow: uow.incidents.next_id("tea", day)) == "inc-20261124-tea-1"
    assert (
        await store.write(lambda uow: uow.incidents.next_id("shop", date(2026, 11, 25)))
        == "inc-20261125-shop-1"
    )


async def test_ids_make_good_channel_names(store: Store) -> None:
    day = date(2026, 11, 24)
    assert (
        await store.write(lambda uow: uow.incidents.next_id("Täglich Tee!", day))
        == "inc-20261124-t-glich-tee-1"
    )
    long = await store.write(lambda uow: uow.incidents.next_id("x" * 300, day))
    assert len(long) <= 70
    assert await store.write(lambda uow: uow.incidents.next_id("茶", day)) == "inc-20261124-service-1"
