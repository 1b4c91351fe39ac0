"""What may be decided about a backup and when, what a plan says of it, and when a drill is due."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from bot.catalog.model import Database, Service
from bot.cli.words import spoken
from bot.domain import decide
from bot.domain import events as e
from bot.domain.backups import FRESH, BackupState, Taken
from bot.domain.base import Refusal
from bot.domain.databases import BackupWish, ChosenWay, DatabasePart
from bot.domain.evidence import Outcome
from bot.domain.incident import Impossible, Incident
from bot.domain.lifecycle import evolve, fold
from bot.domain.plan import Check, Level, Warn
from bot.domain.policy import Policy
from bot.domain.run import Run, Step, StepState, backup_step, migrate_step, steps_for
from bot.domain.severity import Severity
from bot.domain.ways_back import Way
from bot.ports import Refused
from bot.ports.backups import BackupPlan, BackupProgress, Phase
from bot.usecases.backup_wish import backup_wish
from bot.usecases.drills import drill_name
from bot.usecases.due import BACKUP, due_workflows
from bot.usecases.noticed import Noticed
from bot.views.backup_card import backup_card, progress_line
from bot.views.plan_card import plan_card
from bot.workflows.verdict import Stage, stage_of, what_next
from tests.story import ALICE, BOB, CAROL, DAVE, at, plan
from tests.story import BACKUP as DOUBTFUL
from tests.unit.views_outline import outline

POLICY = Policy(quorum=1, approvers=(BOB, CAROL))
NOW = at("14:12:00")
GOOD = DOUBTFUL.model_copy(update={"warnings": (), "at": NOW})


def waiting(way: Way = Way.CODE_ONLY, *, wait: bool = True) -> DatabasePart:
    return DatabasePart(name="orders", way=way, backup=BackupWish(wait=wait, why="because it is so"))


def declared(*parts: DatabasePart) -> Incident:
    """With a plan on the card that has these parts."""
    shown = plan(1).model_copy(update={"databases": parts})
    events = decide.declare(
        incident_id="inc-20261124-shop-1",
        service="shop",
        by=ALICE,
        source_channel=None,
        wanted=None,
        detected_at=None,
        databases=("orders",),
        now=at("14:11:30"),
    )
    severe = e.SeveritySet(at=NOW, by=ALICE, severity=Severity.HIGH)
    return fold((*events, e.PlanReady(at=NOW, plan=shown), severe))


def after(incident: Incident, events: decide.Events) -> Incident:
    for event in events:
        incident = evolve(incident, event)
    return incident


def taken(incident: Incident, backup: Taken = GOOD, number: int = 1) -> Incident:
    return after(incident, decide.backup_taken(incident, "orders", number, backup, now=NOW))


def failed(incident: Incident) -> Incident:
    return after(incident, decide.backup_failed(incident, "orders", 1, "The disk is full.", now=NOW))


def test_it_is_due_until_it_has_ended() -> None:
    incident = declared()
    assert (BACKUP, "backup:inc-20261124-shop-1/orders/1", "inc-20261124-shop-1/orders/1") in due_workflows(
        incident
    )
    for ended in (taken(incident), failed(incident)):
        assert not any(name == BACKUP for name, _, _ in due_workflows(ended))
    again = failed(incident)
    again = after(again, decide.back_up_again(again, "orders", by=BOB, now=NOW))
    assert [argument for name, _, argument in due_workflows(again) if name == BACKUP] == [
        "inc-20261124-shop-1/orders/2"
    ]


def test_it_ends_once() -> None:
    incident = taken(declared())
    assert decide.backup_failed(incident, "orders", 1, "late", now=NOW) == ()
    assert decide.backup_taken(incident, "orders", 1, GOOD, now=NOW) == ()
    with pytest.raises(Impossible):
        evolve(incident, e.BackupFailed(at=NOW, database="orders", number=2, reason="of no try"))


def test_another_try_begins_anew() -> None:
    incident = taken(declared(), DOUBTFUL)
    incident = after(
        incident, decide.use_backup(incident, "orders", number=1, by=BOB, policy=POLICY, now=NOW)
    )
    incident = after(incident, decide.back_up_again(incident, "orders", by=ALICE, now=NOW))
    record = incident.backup("orders")
    assert record is not None
    assert (record.number, record.state, record.accepted_by, record.taken) == (
        2,
        BackupState.UNDER_WAY,
        None,
        None,
    )
    assert decide.back_up_again(incident, "orders", by=BOB, now=NOW) == ()
    assert decide.backup_taken(incident, "orders", 1, GOOD, now=NOW) == ()


def refused(decision: Callable[[], decide.Events]) -> str:
    with pytest.raises(Refusal) as refusal:
        decision()
    return str(refusal.value)


def test_only_what_is_doubtful_is_accepted_and_only_by_who_may() -> None:
    def use(incident: Incident, by: str = BOB, number: int | None = 1) -> decide.Events:
        return decide.use_backup(incident, "orders", number=number, by=by, policy=POLICY, now=NOW)

    doubtful = taken(declared(), DOUBTFUL)
    assert "no backup to rely on" in refused(lambda: use(declared()))
    assert "Nothing is said against" in refused(lambda: use(taken(declared())))
    assert "not among the approvers" in refused(lambda: use(doubtful, DAVE))
    assert "Another backup of orders was begun since" in refused(lambda: use(doubtful, number=7))
    accepted = after(doubtful, use(doubtful))
    record = accepted.backup("orders")
    assert record is not None
    assert (record.accepted_by, record.doubtful) == (BOB, False)
    assert use(accepted) == ()


def test_going_on_without_one_takes_a_plan_that_waits_away() -> None:
    def skip(incident: Incident, by: str = BOB) -> decide.Events:
        return decide.skip_backup(incident, "orders", number=1, by=by, policy=POLICY, now=NOW)

    waits = declared(waiting())
    assert [event.type for event in skip(waits)] == ["backup_skipped", "plan_superseded", "plan_requested"]
    assert [event.type for event in skip(declared(waiting(wait=False)))] == ["backup_skipped"]
    assert "not among the approvers" in refused(lambda: skip(waits, DAVE))
    assert "is there already" in refused(lambda: skip(taken(waits)))
    assert after(waits, skip(waits)).without_backup == ("orders",)
    changes = declared(waiting(Way.DOWN_MIGRATION))
    assert "not done without a backup" in refused(lambda: skip(changes))
    assert "not done without a backup" in refused(lambda: skip(failed(changes)))


def test_a_plan_that_would_stop_at_a_backup_cannot_be_approved() -> None:
    def approve(incident: Incident) -> decide.Events:
        record = incident.record
        assert record is not None
        assert record.plan is not None
        return decide.approve(
            incident, number=1, digest=record.plan.digest, by=BOB, policy=POLICY, steps=(), now=NOW
        )

    waits = declared(waiting(Way.DOWN_MIGRATION))
    doubtful = taken(waits, DOUBTFUL)
    said = refused(lambda: approve(doubtful))
    assert DOUBTFUL.dangers[0] in said
    assert "press Use it all the same or Back up again" in said
    assert "run `kaeru incident use-backup` or `back-up`" in spoken(said, {})
    assert "run `kaeru incident back-up`" in spoken(refused(lambda: approve(failed(waits))), {}).lower()
    card = outline(plan_card(doubtful, doubtful.plans[0], POLICY))
    assert "This cannot be approved yet" in card
    assert "[Approve" not in card
    assert "[Approve" in outline(plan_card(waits, waits.plans[0], POLICY))
    used = decide.use_backup(doubtful, "orders", number=1, by=CAROL, policy=POLICY, now=NOW)
    # What is there, what is still taken, what is relied on, and what nobody waits for.
    for well in (taken(waits), waits, after(doubtful, used), taken(declared(waiting(wait=False)), DOUBTFUL)):
        assert [event.type for event in approve(well)] == ["approval_given", "rollback_approved"]


@pytest.mark.parametrize(
    ("stage", "outcome", "begun", "kept"),
    [
        (Stage.UNTOUCHED, Outcome.FAILED, False, True),
        (Stage.UNTOUCHED, Outcome.FAILED, True, False),
        (Stage.UNTOUCHED, Outcome.UNKNOWN, False, False),
        (Stage.DATA, Outcome.FAILED, True, False),
        (Stage.PROVE, Outcome.FAILED, True, False),
    ],
)
def test_what_was_decided_is_used_up_only_where_something_was_done(
    stage: Stage, outcome: Outcome, *, begun: bool, kept: bool
) -> None:
    way = ChosenWay(database="orders", way=Way.DOWN_MIGRATION, by=BOB, question="q")
    incident = declared(waiting())
    (record,) = incident.plans
    decided = incident.model_copy(update={"plans": (record.model_copy(update={"ways": (way,)}),)})
    step = Step(id=migrate_step("orders"), title="Run it backwards", started_at=NOW if begun else None)
    run = Run.model_construct(to_version="v1.2.9", steps=(step,))
    (asked,) = what_next(decided, run, stage, outcome, now=NOW)
    assert isinstance(asked, e.PlanRequested)
    assert asked.ways == ((way,) if kept else ())


def test_a_rollback_that_waits_begins_one_where_there_is_none_or_an_old_one() -> None:
    incident = declared(waiting())

    def wanted(incident: Incident, after_: timedelta) -> list[int]:
        events = decide.backup_wanted(incident, "orders", approved_at=NOW + after_, now=NOW + after_)
        return [event.number for event in events if isinstance(event, e.BackupBegun)]

    assert wanted(incident, 2 * FRESH) == []  # it is under way
    assert wanted(taken(incident), FRESH) == []
    assert wanted(taken(incident), FRESH + timedelta(seconds=1)) == [2]
    unknown = decide.backup_wanted(incident, "users", approved_at=NOW, now=NOW)
    assert [event.number for event in unknown if isinstance(event, e.BackupBegun)] == [1]


def test_the_step_stands_before_everything_that_changes_something() -> None:
    shown = plan(1).model_copy(update={"databases": (waiting(), DatabasePart(name="users"))})
    ids = [step.id for step in steps_for(shown, watch=timedelta(minutes=5))]
    assert ids == [backup_step("orders"), "apply:web", "prove", "watch"]


@pytest.mark.parametrize("state", [StepState.FAILED, StepState.UNKNOWN])
def test_a_version_is_not_blamed_for_a_backup(state: StepState) -> None:
    shown = plan(1).model_copy(update={"databases": (waiting(),)})
    run = Run(
        id="r",
        plan_number=1,
        digest=shown.digest,
        from_version="v1.3.0",
        to_version="v1.2.9",
        approved_at=NOW,
        approved_by=(BOB,),
        steps=steps_for(shown, watch=timedelta(minutes=5)),
    )
    assert (
        stage_of(run.with_step(backup_step("orders"), state=state, finished_at=NOW), shown) is Stage.UNTOUCHED
    )


class Looked:
    """What `Backups.plan` finds; the rest is not asked for."""

    def __init__(self, found: BackupPlan | Exception) -> None:
        self._found = found

    async def plan(self) -> BackupPlan:
        if isinstance(self._found, Exception):
            raise self._found
        return self._found


FOUND = BackupPlan(
    checks=(Check(name="room", ok=False, detail="3 MB free"), Check(name="rights", ok=True, detail="all")),
    warnings=(Warn(level=Level.WARNING, text="It is a replica."),),
    expected_bytes=100,
    expected_s=2.0,
)


@pytest.mark.parametrize(
    ("setting", "way", "skipped", "waits"),
    [
        ("when it changes", Way.CODE_ONLY, False, False),
        ("when it changes", Way.DOWN_MIGRATION, False, True),
        ("when it changes", Way.RESTORE_BACKUP, True, True),
        ("when it changes", None, False, False),
        ("always", Way.CODE_ONLY, False, True),
        ("always", Way.CODE_ONLY, True, False),
        ("always", Way.DOWN_MIGRATION, True, True),
        ("never", Way.CODE_ONLY, False, False),
        ("never", Way.RESTORE_BACKUP, False, False),
    ],
)
async def test_when_a_rollback_waits(setting: str, way: Way | None, skipped: bool, waits: bool) -> None:
    database = Database(name="orders", backup=None, migrations=None, wait_for_backup=setting)
    noticed, part = Noticed(), DatabasePart(name="orders", way=way)
    wish = await backup_wish(database, part, Looked(FOUND), noticed, skipped=skipped)  # type: ignore[arg-type]  # only `plan` is asked
    assert wish is not None
    assert (wish.wait, wish.expected_bytes, wish.expected_s) == (waits, 100, 2.0)
    assert [(c.name, c.ok, c.required) for c in noticed.checks] == [
        ("backup of orders: room", False, waits),
        ("backup of orders: rights", True, waits),
    ]
    assert [w.text for w in noticed.warnings] == ["Backup of orders: It is a replica."]


async def test_what_cannot_be_found_out_is_in_the_way_only_where_it_is_waited_for() -> None:
    for setting in ("always", "never"):
        database = Database(name="orders", backup=None, migrations=None, wait_for_backup=setting)
        noticed = Noticed()
        error = Refused("The server is not there.", remedy="Start it.")
        wish = await backup_wish(database, DatabasePart(name="orders"), Looked(error), noticed)  # type: ignore[arg-type]  # only `plan` is asked
        assert wish is not None
        (check,) = noticed.checks
        assert (check.ok, check.required, check.detail) == (
            False,
            wish.wait,
            "The server is not there. Start it.",
        )
    assert await backup_wish(database, DatabasePart(name="orders"), None, noticed) is None


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (BackupProgress(phase=Phase.PREPARING), "looking at the database"),
        (
            BackupProgress(
                phase=Phase.DUMPING, expected_bytes=45_000_000, seconds=3.2, detail="PID 7 holds orders."
            ),
            "dumping, about 45.0 MB the last time, for 3 s. PID 7 holds orders.",
        ),
        (
            BackupProgress(phase=Phase.DUMPING, bytes=12_300_000, expected_bytes=45_000_000, seconds=8.9),
            "dumping, 12.3 MB of about 45.0 MB, for 8 s",
        ),
        (
            BackupProgress(phase=Phase.RESTORING, bytes=1000, seconds=0.2),
            "proving it by a restore into a scratch database, 1.0 kB",
        ),
    ],
)
def test_where_it_stands_in_words(progress: BackupProgress, text: str) -> None:
    assert progress_line(progress) == text


def test_the_card_from_its_beginning_to_its_end() -> None:
    incident = declared(waiting())

    def shown(incident: Incident, progress: str = "") -> str:
        record = incident.backup("orders")
        assert record is not None
        return outline(backup_card(incident, record, progress))

    begun = shown(incident, "dumping, <b>")
    assert "Backing up `orders`" in begun
    assert "dumping, &lt;b&gt;" in begun
    assert "The rollback waits for it." in begun
    assert "Go on without it" in begun
    assert "Back up again" not in begun
    assert "Go on without it" not in shown(declared(waiting(Way.DOWN_MIGRATION)))
    assert "The rollback does not wait for it." in shown(declared())
    broken = shown(failed(incident))
    assert "could not be backed up" in broken
    assert "Back up again" in broken
    doubtful = shown(taken(incident, DOUBTFUL))
    assert "suddenly much smaller" in doubtful
    assert "Use it all the same" in doubtful
    good = shown(taken(incident))
    assert "12.3 MB in 4.2 s, restored and counted" in good
    assert not any(label in good for label in ("Use it", "Back up again", "Go on without"))


def test_each_database_is_drilled_once_in_its_span_of_time() -> None:
    every = timedelta(days=7)
    service = Service(
        name="shop", description="", owners=(), responders=(), stakeholders=None, components=(), changes=None,
        health=None, watch=every, watch_interval=every, postmortem_template=None,
    )  # fmt: skip
    databases = [Database(name=name, backup=None, migrations=None) for name in ("orders", "users")]

    def names(hours: int) -> list[str]:
        return [drill_name(service, d, every, NOW + timedelta(hours=hours)) for d in databases]

    hours = range(4 * 7 * 24)
    turns = []
    for place in (0, 1):
        column = [names(hour)[place] for hour in hours]
        assert len(set(column)) == 5  # four weeks begin somewhere within one
        turns.append([hour for hour, (old, new) in enumerate(pairwise(column)) if old != new])
        assert {later - sooner for sooner, later in pairwise(turns[place])} == {7 * 24}
    assert turns[0] != turns[1]
