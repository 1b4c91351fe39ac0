"""The quarantine of exact shapes, and how databases get it that have known names only."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import inspect

from bot.domain.evidence import Baseline, BaselineSource
from bot.domain.incident import PlanRecord, PlanState
from bot.domain.plan import Changes, ComponentChange, Plan
from bot.domain.quarantine import BadShape
from bot.domain.releases import shape_name
from bot.store import Store, UnitOfWork
from bot.store import schema as store_schema
from bot.store.bad_shapes import BadShapeRecord
from bot.store.database import Database
from tests.contract.store_worlds import START, Clock, declared

pytest_plugins = ("tests.postgres", "tests.contract.store_fixtures")

ONE = BadShape(component="web", ref="aa", version=shape_name("v1", "aa"))
OTHER = BadShape(component="worker", ref="aa", version=ONE.version)
LATER = START + timedelta(hours=1)


async def bad(store: Store, service: str = "shop") -> tuple[BadShapeRecord, ...]:
    return await store.read(lambda uow: uow.bad_shapes.all(service))


async def test_a_bad_shape_stays_in_quarantine_until_it_is_lifted(store: Store) -> None:
    await store.write(lambda uow: uow.bad_shapes.quarantine("shop", ONE, "inc-1", START))
    await store.write(lambda uow: uow.bad_shapes.quarantine("shop", ONE, "inc-2", LATER))
    await store.write(lambda uow: uow.bad_shapes.quarantine("shop", OTHER, "inc-2", LATER))
    assert await bad(store) == (BadShapeRecord(ONE, START, "inc-1"), BadShapeRecord(OTHER, LATER, "inc-2"))
    assert await bad(store, "tea") == ()
    await store.write(lambda uow: uow.bad_shapes.lift("shop", ONE, "U7", LATER))
    await store.write(lambda uow: uow.bad_shapes.lift("shop", ONE, "U8", LATER))
    assert await bad(store) == (BadShapeRecord(OTHER, LATER, "inc-2"),)
    await store.write(lambda uow: uow.bad_shapes.quarantine("shop", ONE, "inc-3", LATER))
    assert await bad(store) == (BadShapeRecord(ONE, LATER, "inc-3"), BadShapeRecord(OTHER, LATER, "inc-2"))


async def test_it_outlives_what_is_remembered_of_the_shape(store: Store) -> None:
    await store.write(lambda uow: uow.shapes.keep("shop", "web", "aa", "v1", "{}", at=START))
    await store.write(lambda uow: uow.bad_shapes.quarantine("shop", ONE, "inc-1", START))
    for n in range(3):
        await store.write(
            lambda uow, n=n: uow.shapes.keep("shop", "web", f"b{n}", "v1", "{}", at=LATER)  # type: ignore[misc]  # binds the loop's value
        )
    assert await store.write(lambda uow: uow.shapes.prune(LATER, keep=2)) == 2
    assert [record.shape for record in await bad(store)] == [ONE]


def rolled_back(name: str, ref: str, to: str, to_ref: str) -> PlanRecord:
    """An approved plan that takes `web` from one shape to another."""
    change = ComponentChange(
        component="web",
        kind="kubernetes",
        from_version=name,
        to_version=to,
        fingerprint="f",
        actions=(),
        expected_s=1.0,
        from_ref=ref,
        to_ref=to_ref,
    )
    plan = Plan(
        number=1,
        service="shop",
        from_version=name,
        to_version=to,
        why="",
        components=(change,),
        changes=Changes(known=False),
        warnings=(),
        checks=(),
        baseline=Baseline(source=BaselineSource.THRESHOLDS),
        candidates=(),
        created_at=START,
    )
    return PlanRecord(number=1, state=PlanState.APPROVED, requested_at=START, to_version=to, plan=plan)


async def test_quarantined_names_of_shapes_become_the_shapes_that_they_meant(
    store_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, did_not_help = "v2+r4", "v1+r3"

    def before() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(store_schema, "STEPS", store_schema.STEPS[:2])
            patched.setattr(store_schema, "VERSION", 2)
            database = Database(store_url)
            store_schema.prepare(database.writer)
            assert not inspect(database.writer).has_table("kaeru_bad_shape")
            with database.writer.begin() as connection:
                uow = UnitOfWork(connection, clock, writes=True)
                record = rolled_back(left, "cc", did_not_help, "aa")
                uow.incidents.add(declared("inc-1").model_copy(update={"plans": (record,)}))
                uow.incidents.add(declared("inc-2", service="tea"))
                for version in (left, did_not_help, "v2"):
                    uow.releases.quarantine("shop", version, "inc-1", START)
                uow.releases.quarantine("tea", "v5+r1", "inc-2", START)
                uow.releases.saw("shop", "v1", START, good=True)
            database.dispose()

    await asyncio.to_thread(before)
    store = await Store.open(store_url, clock=clock)
    try:
        assert {(r.shape.ref, r.shape.version, r.quarantined_by) for r in await bad(store)} == {
            ("cc", shape_name("v2", "cc"), "inc-1"),
            ("aa", shape_name("v1", "aa"), "inc-1"),
        }
        ledger = await store.read(lambda uow: uow.releases.all("shop"))
        assert {v for v, known in ledger.items() if known.quarantined_at} == {"v2"}
        assert ledger["v1"].last_good_at == START
        # Of what its incident does not know nothing is made up; it is still on the list, to be lifted.
        tea = await store.read(lambda uow: uow.releases.all("tea"))
        assert tea["v5+r1"].quarantined_by == "inc-2"
        assert await bad(store, "tea") == ()
    finally:
        await store.close()
