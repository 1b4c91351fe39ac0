"""What becomes of the step of a run that changes a database: done, untouched, or unknown, and never more than is known."""

import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from bot.clock import now
from bot.domain import events as e
from bot.domain.databases import DatabasePart, Sideways
from bot.domain.evidence import Outcome
from bot.domain.restores import RestorePlan
from bot.domain.run import Step, migrate_step, restore_step
from bot.domain.ways_back import Way
from bot.ports import Conflict, Observation, OutcomeUnknown, PortError, Refused, Unavailable
from bot.ports.backups import BackupProgress, Backups, Phase, Restored
from bot.ports.migrations import Migrations
from bot.store import Store
from bot.usecases.fleet import DatabaseHands, Fleet, Hands
from bot.workflows import migrating, restoring
from bot.workflows.migrating import Migrating
from bot.workflows.restoring import Restoring, brought_back
from tests.contract.test_tiers import World
from tests.unit.data_worlds import migration, part

PLAN = RestorePlan(backup="b-1", into="orders", replaces=True, actions=("Restore it.",), fingerprint="f")
DONE = Restored(backup="b-1", into="orders", rows={"carts": 3}, seconds=0.1)

Look = BackupProgress | Restored | PortError


@dataclasses.dataclass
class ScriptedBackups:
    """Each call of `restore` gives the looks of the next script, and raises the error in it."""

    scripts: list[Sequence[Look]]
    calls: int = 0

    async def restore(self, plan: RestorePlan, key: str) -> AsyncGenerator[BackupProgress | Restored, None]:
        assert (plan, key.rpartition("/")[2]) == (PLAN, restore_step("orders"))
        self.calls += 1
        for look in self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]:
            if isinstance(look, PortError):
                raise look
            yield look


@dataclasses.dataclass
class ScriptedMigrations:
    """The same, for the looks at migrations that run backwards."""

    scripts: list[Sequence[Observation | PortError]]

    async def run_down(self, planned: Sideways, key: str) -> AsyncGenerator[Observation, None]:
        assert planned.about
        assert key.endswith(migrate_step("orders"))
        for look in self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]:
            if isinstance(look, PortError):
                raise look
            yield look


class DataWorld(World):
    """The same service with a database that an approved plan takes back."""

    part: DatabasePart

    async def approved(self) -> str:
        desk_change, part_of_it = self.desk.change, self.part

        async def with_database(incident_id: str, decision: Any, **more: Any) -> Any:
            def decided(incident: Any) -> tuple[e.Event, ...]:
                made = decision(incident)
                return tuple(
                    event.model_copy(
                        update={"plan": event.plan.model_copy(update={"databases": (part_of_it,)})}
                    )
                    if isinstance(event, e.PlanReady)
                    else event
                    for event in made
                )

            return await desk_change(incident_id, decided, **more)

        self.desk.change = with_database  # type: ignore[method-assign]  # the plan of a world without real databases
        return await super().approved()

    def fleet(
        self, *, backups: ScriptedBackups | None = None, migrations: ScriptedMigrations | None = None
    ) -> Fleet:
        hands = DatabaseHands(cast("Backups | None", backups), cast("Migrations | None", migrations))
        return Fleet({"shop": Hands(self.targets, None, None, {"orders": hands})})

    async def migrated(self, run_id: str, *looks: Sequence[Observation | PortError]) -> Step:
        work = Migrating(
            self.store, self.fleet(migrations=ScriptedMigrations(list(looks))), self.steps.journal
        )
        await work.migrate(run_id, "orders")
        return (await self.run()).step(migrate_step("orders"))

    async def restored(self, run_id: str, *looks: Sequence[Look]) -> Step:
        fleet = self.fleet(backups=ScriptedBackups(list(looks)))
        work = Restoring(self.store, fleet, self.desk, self.steps.journal, clock=now)
        await work.restore_in_run(run_id, "orders")
        return (await self.run()).step(restore_step("orders"))


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DataWorld]:
    monkeypatch.setattr(restoring, "INSIST_FOR_S", 0.2)
    monkeypatch.setattr(migrating, "INSIST_FOR_S", 0.2)
    store = await Store.open(f"sqlite:///{tmp_path}/kaeru.sqlite", clock=now)
    yield DataWorld(store, tmp_path)
    await store.close()


def to_migrate() -> DatabasePart:
    return part(migration("0002"), way=Way.DOWN_MIGRATION, by="UCAROL")


def to_restore() -> DatabasePart:
    sideways = Sideways(actions=PLAN.actions, fingerprint="f", about=("b-1",), payload=PLAN.model_dump_json())
    return part(migration("0002"), way=Way.RESTORE_BACKUP, by="UCAROL").model_copy(
        update={"restore": sideways}
    )


RUNNING = Observation(outcome=Outcome.UNKNOWN, detail="alembic is running.", running=None)


@pytest.mark.parametrize(
    ("looks", "outcome", "untouched"),
    [
        ([[Conflict("The list has moved.")]], "failed", True),
        ([[Refused("alembic is not there.")]], "failed", True),
        ([[Unavailable("The database is busy.", retry_after_s=0.1)]], "failed", True),
        ([[RUNNING, Refused("The folder of runs is gone.")]], "unknown", False),
        ([[RUNNING, Conflict("The list has moved.")]], "unknown", False),
        ([[RUNNING, Unavailable("No answer.", retry_after_s=0.1)], [Refused("It is gone.")]], "unknown", False),
        ([[RUNNING, Unavailable("No answer.", retry_after_s=0.1)], [Unavailable("No answer.", retry_after_s=0.1)]], "unknown", False),
    ],
    ids=["conflict", "refused", "unavailable", "refused-later", "conflict-later", "refused-at-the-next-try", "never-seen-again"],
)  # fmt: skip
async def test_once_migrations_run_backwards_nothing_that_is_declined_says_that_nothing_was_changed(
    world: DataWorld, looks: list[list[Observation | PortError]], outcome: str, untouched: bool
) -> None:
    world.part = to_migrate()
    step = await world.migrated(await world.approved(), *looks)
    assert (step.state, step.untouched) == (outcome, untouched)


async def test_migrations_that_another_life_of_the_bot_had_begun_are_unknown_where_they_are_declined_now(
    world: DataWorld,
) -> None:
    world.part = to_migrate()
    run_id = await world.approved()
    run = await world.run()
    await world.steps.journal.started(world.id, run, migrate_step("orders"), "running them backwards")
    step = await world.migrated(run_id, [Refused("alembic is not there.")])
    assert (step.state, step.untouched) == ("unknown", False)


HALF = OutcomeUnknown(
    "orders may not be whole.", retry_after_s=0.1, remedy="It is kept as backup b-before. Bring it back."
)


@pytest.mark.parametrize(
    ("looks", "outcome", "untouched"),
    [
        ([[Conflict("orders has moved.")]], "failed", True),
        ([[Refused("There is no backup b-1 any more.")]], "failed", True),
        ([[Unavailable("The server does not answer.", retry_after_s=0.1)]], "failed", True),
        ([[HALF]], "unknown", False),
        ([[HALF], [Refused("There is no room.")]], "unknown", False),
        ([[HALF], [Conflict("orders has moved.")]], "unknown", False),
        ([[HALF], [DONE]], "succeeded", False),
    ],
    ids=["conflict", "refused", "unavailable", "half", "half-refused", "half-conflict", "half-done"],
)
async def test_a_restore_that_changed_nothing_is_untouched_and_one_that_began_is_not(
    world: DataWorld, looks: list[list[Look]], outcome: str, untouched: bool
) -> None:
    world.part = to_restore()
    step = await world.restored(await world.approved(), *looks)
    assert (step.state, step.untouched) == (outcome, untouched)
    if outcome == "unknown":
        assert "orders may not be whole" in step.detail
        assert "kept as backup b-before" in step.detail


def at(phase: Phase, count: int = 0) -> BackupProgress:
    return BackupProgress(phase=phase, bytes=count)


def gone() -> Unavailable:
    return Unavailable("The client was killed.", retry_after_s=0.12)


KEY = f"run/{restore_step('orders')}"


async def test_a_restore_that_comes_further_each_time_is_not_given_up(world: DataWorld) -> None:
    del world  # its patience of 0.2 s
    tries = [[at(Phase.RESTORING, 10 * n), gone()] for n in range(1, 4)]
    backups = ScriptedBackups([*tries, [at(Phase.SWITCHING), gone()], [DONE]])
    assert await brought_back(cast("Backups", backups), PLAN, KEY, _nobody) == DONE
    assert backups.calls == 5


async def test_one_that_falls_over_at_the_same_place_every_time_is(world: DataWorld) -> None:
    del world
    backups = ScriptedBackups([[at(Phase.RESTORING), at(Phase.SWITCHING, 10), gone()]])
    with pytest.raises(Unavailable, match="was killed"):
        await brought_back(cast("Backups", backups), PLAN, KEY, _nobody)
    assert 2 <= backups.calls <= 3


async def _nobody(_detail: str) -> None:
    """For whoever does not want to be told."""


async def test_that_newer_code_runs_on_the_older_database_is_said_where_the_switch_declines(
    world: DataWorld,
) -> None:
    world.part = to_restore()
    run_id = await world.approved()
    assert (await world.restored(run_id, [DONE])).state == "succeeded"
    for target in world.targets.values():
        target.trouble = Refused("The disk is read-only.")
    assert await world.steps.switching.apply_tier(run_id, list(world.targets)) == "failed"
    await world.steps.giving_up.give_up(run_id)
    told = (await world.failed()).safe_state
    assert "The database orders is the one of b-1 now, which v1.2.9 fits." in told
    assert "Where v1.3.0 still runs, it runs on that older database" in told
