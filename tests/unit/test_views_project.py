"""Which messages an incident has, when they change, and that no button outlives its use."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from syrupy.assertion import SnapshotAssertion

from bot.domain import decide
from bot.domain import events as e
from bot.domain.base import Refusal
from bot.domain.incident import Incident, Status
from bot.domain.lifecycle import fold
from bot.domain.policy import Policy, alone
from bot.domain.run import steps_for
from bot.domain.severity import Severity
from bot.domain.ways_back import Way
from bot.ports.chat import INCIDENT_CHANNEL, DescribeChannel, Invite, OpenChannel, Post, slot_of_thread
from bot.views.ids import Action, Ref
from bot.views.limits import validate
from bot.views.project import Context, Slot, project, project_event
from bot.views.wording import may_still_approve
from tests.story import ALICE, BOB, CAROL, DAVE, ID, SERVICE, at, events, plan, rough_events
from tests.unit.views_worlds import World, worlds

POLICY = Policy(quorum=2, approvers=(BOB, CAROL, ALICE), break_glass=True)
CONTEXT = Context(
    policy=POLICY,
    responders=(ALICE, DAVE),
    stakeholders="C0STATUS",
    watch_s=300.0,
    critical=("/checkout",),
    bot_user="U0KAERU",
)


def transcript(happened: tuple[e.Event, ...]) -> list[str]:
    """Per event: which slots appear (+) or change (~)."""
    shown: dict[tuple[str, str], Any] = {}
    told = []
    for count, event in enumerate(happened, start=1):
        incident = fold(happened[:count])
        news = []
        for slot in (*project_event(incident, event, count, CONTEXT), *project(incident, CONTEXT)):
            place = (slot.lane, slot.slot)
            if shown.get(place) != slot.operation:
                lane = slot.lane.replace(incident.id, "").replace("incident:", "").strip(":") or "channel"
                news.append(f"{'~' if place in shown else '+'}{lane}/{slot.slot}")
                shown[place] = slot.operation
        told.append(f"{event.type} -> {incident.status}: {' '.join(news)}".rstrip(": "))
    return told


def test_a_good_day_is_told_in_this_order(snapshot: SnapshotAssertion) -> None:
    assert transcript(events()) == snapshot


def test_a_rough_day_is_told_in_this_order(snapshot: SnapshotAssertion) -> None:
    assert transcript(rough_events()) == snapshot


def slots(incident: Incident) -> dict[str, Slot]:
    return {f"{slot.lane}/{slot.slot}": slot for slot in project(incident, CONTEXT)}


def posts(incident: Incident) -> dict[str, Post]:
    return {s.slot: s.operation for s in project(incident, CONTEXT) if isinstance(s.operation, Post)}


def buttons(thing: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(thing, Mapping):
        if thing.get("type") == "button":
            yield thing
        for value in thing.values():
            yield from buttons(value)
    elif isinstance(thing, (list, tuple)):
        for value in thing:
            yield from buttons(value)


def test_the_channel_comes_first_and_everything_else_waits_for_it() -> None:
    declared = fold(events()[:2])
    first = project(declared, CONTEXT)[0]
    assert isinstance(first.operation, OpenChannel)
    assert first.operation.name == ID
    assert [s for s in slots(declared) if ":setup/" in s or ":source/" in s] == []
    opened = slots(fold(events()[:3]))
    describe = opened[f"incident:{ID}:setup/describe"].operation
    assert isinstance(describe, DescribeChannel)
    assert describe.topic == f"{SERVICE} · severity to be chosen · lead <@{ALICE}>"
    source = opened[f"incident:{ID}:source/source"].operation
    assert isinstance(source, Post)
    assert source.channel == "C0GENERAL"
    assert f"<@{ALICE}> opened <#C0INC1> for *shop*" in source.text


def test_people_are_invited_once_each_and_approvers_with_the_severity() -> None:
    before = slots(fold(events()[:3]))[f"incident:{ID}:setup/invite"].operation
    assert isinstance(before, Invite)
    assert before.users == (ALICE, DAVE)
    after = slots(fold(events()[:9]))[f"incident:{ID}:setup/invite"].operation
    assert isinstance(after, Invite)
    assert after.users == (ALICE, DAVE, BOB, CAROL)


def topics(story: Sequence[e.Event]) -> list[str]:
    said: list[str] = []
    for length in range(1, len(story) + 1):
        describe = slots(fold(story[:length])).get(f"incident:{ID}:setup/describe")
        if describe is not None and isinstance(describe.operation, DescribeChannel):
            topic = describe.operation.topic
            said += [topic] if topic not in said else []
    return said


def test_the_topic_says_what_holds_and_changes_rarely() -> None:
    assert topics(events()) == [
        f"shop · severity to be chosen · lead <@{ALICE}>",
        f"HIGH · shop · lead <@{ALICE}>",
        f"CRITICAL · shop · lead <@{ALICE}>",
        f"CLOSED · CRITICAL · shop · lead <@{ALICE}>",
    ]


def test_without_a_severity_there_is_no_plan_card() -> None:
    shown = posts(fold(events()[:5]))
    assert not any(name.startswith("plan-") for name in shown)
    assert "The plan is ready meanwhile: back to `v1.2.9`" in str(shown["severity"].blocks)


def test_progress_edits_the_checklist_and_nothing_else() -> None:
    so_far = [*events()[:18]]
    run_id = f"{ID}-run-1"
    changed = []
    for second, detail in ((4, "2 of 5 in a row well"), (5, "3 of 5 in a row well")):
        before = project(fold(so_far), CONTEXT)
        moment = at("14:13:00") + timedelta(seconds=second)
        so_far.append(e.StepStarted(at=moment, run_id=run_id, step_id="prove", detail=detail))
        after = project(fold(so_far), CONTEXT)
        changed.append([b.slot for a, b in zip(before, after, strict=True) if a != b])
    assert changed == [["run-1"], ["run-1"]]


def test_what_a_step_prints_goes_into_the_thread_below_the_checklist() -> None:
    lines = (*(f"line {n} `x` <!here>" for n in range(38)), "y" * 5000, "the end")
    event = e.StepPrinted(
        at=at("14:13:05"), run_id=f"{ID}-run-1", step_id="apply:web", lines=lines, left_out=7
    )
    incident = fold((*events()[:18], event))
    (slot,) = project_event(incident, event, 21, CONTEXT)
    post = slot.operation
    assert isinstance(post, Post)
    assert (slot.lane, post.channel) == (f"incident:{ID}:output", INCIDENT_CHANNEL)
    assert slot_of_thread(post.thread_ts) == (f"incident:{ID}", "run-1")
    assert validate(post) == []
    text = post.blocks[0]["text"]["text"]
    assert text.startswith("```\nline 0 ˋxˋ &lt;!here&gt;\n")
    assert text.endswith("…\nthe end\n```")
    assert post.blocks[1]["elements"][0]["text"] == "7 lines before that left out."
    assert project(incident, CONTEXT) == project(fold(events()[:18]), CONTEXT)


def test_of_what_does_not_fit_into_a_message_the_end_is_shown() -> None:
    lines = tuple(f"{n:02} {'z' * 300}" for n in range(40))
    event = e.StepPrinted(at=at("14:13:05"), run_id=f"{ID}-run-1", step_id="apply:web", lines=lines)
    (slot,) = project_event(fold((*events()[:18], event)), event, 21, CONTEXT)
    assert isinstance(slot.operation, Post)
    assert validate(slot.operation) == []
    assert slot.operation.blocks[0]["text"]["text"].startswith("```\n31 zzz")
    assert slot.operation.blocks[1]["elements"][0]["text"] == "31 lines before that left out."


def test_a_second_look_at_the_same_step_changes_nothing() -> None:
    step = e.StepStarted(
        at=at("14:13:05"), run_id=f"{ID}-run-1", step_id="prove", detail="3 of 5 in a row well"
    )
    later = step.model_copy(update={"at": at("14:13:09")})
    once = fold((*events()[:18], step))
    assert project(fold((*events()[:18], step, later)), CONTEXT) == project(once, CONTEXT)


def test_a_superseded_card_loses_its_buttons_where_it_is() -> None:
    before, after = posts(fold(events()[:9])), posts(fold(events()[:11]))
    card = next(name for name in before if name.startswith("plan-1"))
    assert list(buttons(before[card].blocks))
    assert not list(buttons(after[card].blocks))
    assert "web was deployed again" in after[card].text


def test_a_plan_that_is_taken_up_again_appears_below_what_was_said_since() -> None:
    low = e.SeveritySet(
        at=at("14:12:00"), by=ALICE, severity=Severity.LOW, owner=ALICE, forward_fix_due_at=at("14:42:00")
    )
    critical = posts(fold(events()[:9]))
    forward = posts(fold((*events()[:9], low)))
    again = posts(fold((*events()[:9], low, e.RollbackChosen(at=at("14:20:00"), by=BOB))))
    first, second = (next(n for n in p if n.startswith("plan-1")) for p in (critical, again))
    assert "set aside" in forward[first].text
    assert not list(buttons(forward[first].blocks))
    assert first != second
    assert next(buttons(again[second].blocks))["action_id"] == Action.ROLLBACK_APPROVE
    assert not list(buttons(again["forward-fix-0"].blocks))


def test_on_hold_there_is_no_approve_and_a_way_to_go_on() -> None:
    held = e.HoldPlaced(at=at("14:12:30"), by=CAROL, reason="the database is being dumped")
    card = posts(fold((*events()[:12], held)))["plan-2"]
    drawn = [b["action_id"] for b in buttons(card.blocks)]
    assert drawn == [Action.ROLLBACK_RELEASE, Action.ROLLBACK_REJECT, Action.ROLLBACK_CHOOSE]
    assert "the database is being dumped" in str(card.blocks)


def test_break_glass_is_drawn_for_critical_only_and_only_where_the_policy_has_it() -> None:
    def drawn(count: int, policy: Policy) -> list[str]:
        context = CONTEXT.model_copy(update={"policy": policy})
        shown = [s for s in project(fold(events()[:count]), context) if s.slot == "plan-2"]
        return [b["action_id"] for b in buttons(shown[0].operation.model_dump())]

    assert Action.ROLLBACK_BREAK_GLASS not in drawn(12, POLICY)  # High
    assert Action.ROLLBACK_BREAK_GLASS in drawn(13, POLICY)  # Critical
    assert Action.ROLLBACK_BREAK_GLASS not in drawn(13, POLICY.model_copy(update={"break_glass": False}))


def test_choose_version_is_drawn_only_where_there_is_another() -> None:
    alone = plan(2, fingerprint="91bc").model_copy(update={"candidates": plan().candidates[:1]})
    ready = e.PlanReady(at=at("14:12:06.1"), plan=alone)
    card = posts(fold((*events()[:11], ready)))["plan-2"]
    assert Action.ROLLBACK_CHOOSE not in [b["action_id"] for b in buttons(card.blocks)]


def test_stuck_offers_the_next_good_version_with_one_tap() -> None:
    stuck = fold(rough_events()[:23])
    assert stuck.status is Status.STUCK
    first = next(buttons(posts(stuck)["stuck-1"].blocks))
    assert first["text"]["text"] == "Go back to v1.2.8 instead"
    assert Ref.decode(first["value"]).arg == "v1.2.8"


def test_what_a_card_shows_is_not_announced_and_the_rest_is() -> None:
    def announced(count: int, happened: tuple[e.Event, ...] = events()) -> list[str]:
        told = project_event(fold(happened[:count]), happened[count - 1], count, CONTEXT)
        return [f"{s.lane.split(':')[0]}: {s.operation.text}" for s in told if isinstance(s.operation, Post)]

    assert announced(2) == announced(12) == announced(16) == announced(17) == []
    assert announced(14) == [
        f"incident: :white_check_mark: <@{BOB}> approved plan 2 (1 of 2). 1 more approval needed, from <@{CAROL}>."
    ]
    assert [told.split(":")[0] for told in announced(27)] == ["incident", "stakeholders"]
    failed = announced(23, rough_events())
    assert "*What serves now:* v1.3.0 serves as before." in failed[0]


def test_the_last_approval_is_told_by_the_checklist_alone() -> None:
    incident = fold(events()[:16])
    assert project_event(incident, events()[14], 15, CONTEXT) == ()


def test_nobody_outside_is_told_where_nobody_wants_to_be() -> None:
    quiet = CONTEXT.model_copy(update={"stakeholders": None})
    for count, event in enumerate(events(), start=1):
        incident = fold(events()[:count])
        every = (*project(incident, quiet), *project_event(incident, event, count, quiet))
        assert not any(slot.lane.startswith("stakeholders") for slot in every)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds(most=18))
def test_every_button_that_is_left_anywhere_does_something(world: World) -> None:
    """Slots that vanished keep their last content: even there nothing is left that could only be refused."""
    incident = world.incident
    assert incident is not None
    for slot in world.shown.values():
        drawn = list(buttons(slot.operation.model_dump()))
        if slot.slot.startswith("event-"):
            assert drawn == []
        for each in drawn:
            action, ref = Action(each["action_id"].split(":")[0]), Ref.decode(each["value"])
            assert ref.incident_id == incident.id
            assert_works(world, incident, action, ref)


def assert_works(world: World, incident: Incident, action: Action, ref: Ref) -> None:
    """Raises AssertionError where pressing the button would only be refused."""
    policy, now = world.context.policy, world.clock
    by = next(iter(policy.approvers), "U0FRESH")
    wanted = ref.arg or None
    commands: dict[Action, Callable[[], object]] = {
        Action.ROLLBACK_APPROVE: lambda: _approve(world, incident, action, ref),
        Action.ROLLBACK_BREAK_GLASS: lambda: _approve(world, incident, action, ref),
        Action.ROLLBACK_REJECT: lambda: decide.reject(
            incident, number=ref.number, by=by, reason="", policy=policy, now=now
        ),
        Action.ROLLBACK_HOLD: lambda: decide.hold(incident, by=by, reason="", policy=policy, now=now),
        Action.ROLLBACK_RELEASE: lambda: decide.release(incident, by=by, policy=policy, steps=(), now=now),
        Action.ROLLBACK_REFRESH: lambda: decide.request_plan(incident, by=by, now=now),
        Action.ROLLBACK_CHOOSE: lambda: decide.choose_version(
            incident, wanted=None, by=by, now=now, reason="", policy=policy
        ),
        Action.WAY_CHOOSE: lambda: _choose_way(incident, ref, by, policy, now),
        Action.NEXT_VERSION: lambda: decide.choose_version(
            incident, wanted=wanted, by=by, now=now, reason="", policy=policy
        ),
        Action.DEBT_GIVE_BACK: lambda: decide.give_back(incident, ref.arg, by=by, policy=policy, now=now),
        Action.DEBT_TAKE_OVER: lambda: decide.take_over_debt(incident, ref.arg, by="U0FRESH", now=now),
        Action.DEBT_DONE: lambda: decide.given_back_by_hand(incident, ref.arg, by=by, policy=policy, now=now),
        Action.RESTORE_OPEN: lambda: decide.ask_restore(
            incident, database=ref.arg, backup="", into="", replace=False, by=by, policy=policy, now=now
        ),
        Action.RESTORE_APPROVE: lambda: _agree(world, incident, ref),
        Action.RESTORE_REJECT: lambda: decide.reject_restore(
            incident, number=ref.number, by=by, policy=policy, now=now
        ),
        Action.RESTORE_AGAIN: lambda: decide.ask_again(
            incident, ref.number, backup=None, by=by, policy=policy, now=now
        ),
        Action.RESTORE_OTHER: lambda: decide.ask_again(
            incident, ref.number, backup="another", by=by, policy=policy, now=now
        ),
        Action.PAGE_ACKNOWLEDGE: lambda: decide.acknowledge_page(incident, by="U0FRESH", now=now),
        Action.BACKUP_AGAIN: lambda: decide.back_up_again(incident, ref.arg, by="U0FRESH", now=now),
        Action.BACKUP_USE: lambda: decide.use_backup(
            incident, ref.arg, number=ref.number, by=by, policy=policy, now=now
        ),
        Action.BACKUP_SKIP: lambda: decide.skip_backup(
            incident, ref.arg, number=ref.number, by=by, policy=policy, now=now
        ),
        Action.ROLLBACK_AFTER_ALL: lambda: decide.roll_back_after_all(incident, by=by, now=now),
        Action.CLOSE_OPEN: lambda: decide.close(
            incident,
            by=by,
            summary="",
            unverified=True,
            accept=(decide.ALL,),
            policy=policy,
            now=now,
        ),
        Action.REPORT_OPEN: lambda: decide.report_users(
            incident, by="U0FRESH", text="500", users=1, standing="still", seen_since=None, now=now
        ),
        Action.LEFT_ACCEPT: lambda: decide.accept_left(incident, (ref.arg,), by=by, now=now),
        Action.FILE_AGAIN: lambda: decide.file_again(incident, by=by, now=now),
        Action.SEVERITY_PICK: lambda: _pick_severity(incident, Severity(ref.arg)),
        Action.SEVERITY_CHANGE: lambda: _pick_severity(
            incident, next(s for s in Severity if s != incident.severity)
        ),
        Action.LESSONS_OPEN: lambda: None,  # lessons can be written at any time
    }
    try:
        commands[action]()
    except Refusal as refusal:
        raise AssertionError(f"{action} is drawn while {incident.status}, but: {refusal}") from refusal


def _pick_severity(incident: Incident, severity: Severity) -> None:
    decide.set_severity(
        incident,
        severity,
        by=BOB,
        policy=POLICY,
        policy_so_far=POLICY,
        forward_fix_after=timedelta(minutes=30),
        steps=(),
        now=at("14:30:00"),
    )


def _choose_way(incident: Incident, ref: Ref, by: str, policy: Policy, now: datetime) -> None:
    database, _, way = ref.arg.partition(" ")
    decide.choose_way(
        incident,
        number=ref.number,
        digest=ref.digest,
        database=database,
        way=Way(way),
        by=by,
        policy=policy,
        forward_fix_after=timedelta(minutes=30),
        now=now,
    )


def _agree(world: World, incident: Incident, ref: Ref) -> None:
    """Whoever has not agreed yet; once the plan's time is over the refusal says what to press instead."""
    policy, restore = world.context.policy, incident.restore(ref.number)
    assert restore.ready_at is not None
    able = [u for u in policy.approvers or ("U0FRESH",) if u not in restore.approvals]
    if able:
        now = min(world.clock, restore.ready_at + policy.expires_after - timedelta(seconds=1))
        decide.approve_restore(
            incident, number=ref.number, digest=ref.digest, by=able[0], policy=policy, now=now
        )


def _approve(world: World, incident: Incident, action: Action, ref: Ref) -> None:
    policy, record = world.context.policy, incident.record
    assert record is not None
    assert record.plan is not None
    due = decide.expires_at(incident, policy)
    assert due is not None
    now = min(
        world.clock, due - timedelta(seconds=1)
    )  # once due, the card dies with the PlanExpired that follows
    steps = steps_for(record.plan, watch=timedelta(minutes=5))
    # Whoever decided about a database breaks no glass alone; somebody else can.
    deciders = record.plan.deciders
    by = next((u for u in policy.approvers if not alone((*record.approvals, u), deciders)), "U0FRESH")
    able = may_still_approve(incident, policy) if policy.approvers else ("U0FRESH",)
    pressed: dict[str, Any] = {
        "number": ref.number,
        "digest": ref.digest,
        "policy": policy,
        "steps": steps,
        "now": now,
    }
    if action is Action.ROLLBACK_BREAK_GLASS:
        decide.break_glass(incident, by=by, reason="nobody else is awake", **pressed)
    elif able:
        decide.approve(incident, by=able[0], **pressed)
