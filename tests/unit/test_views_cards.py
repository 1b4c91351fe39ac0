"""Every card, form and page as people read it. A change here is a change of what people see."""

from collections.abc import Callable
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.lifecycle import fold
from bot.domain.plan import Check, Commit, FileChange, Level, Plan, Warn
from bot.domain.policy import Policy
from bot.domain.releases import Release, Standing
from bot.views import home, modals, status
from bot.views.blocks import Card
from bot.views.plan_card import plan_card
from bot.views.plan_facts import facts
from bot.views.project import Context, project, project_event
from tests.story import ALICE, BOB, CAROL, at, events, plan, rough_events
from tests.unit.views_outline import lines, outline, outline_view

POLICY = Policy(quorum=2, approvers=(BOB, CAROL, ALICE), break_glass=True)
CONTEXT = Context(
    policy=POLICY,
    responders=(ALICE,),
    stakeholders="C0STATUS",
    watch_s=300.0,
    critical=("/checkout",),
    bot_user="U0KAERU",
)


def grave_plan(*, required: bool = True) -> Plan:
    """A plan with everything that can be on it."""
    calm = plan(2, fingerprint="91bc", ready="14:12:06.1")
    more = ("Show <b>prices</b>", "Bump deps & rebuild", "Retry the rates call", "Remove a dead flag")
    commits = (Commit(sha=f"aa{n}", author="Mara", at=at("09:00:00"), subject=s) for n, s in enumerate(more))
    changes = calm.changes.model_copy(
        update={
            "commits": (*calm.changes.commits, *commits),
            "commit_count": 9,
            "file_count": 31,
            "migrations": ("db/0042_currency.sql", "db/0043_rates.sql"),
        }
    )
    web = calm.components[0]
    bad = Release(version="v1.2.7", standing=Standing.QUARANTINED, quarantined_by="inc-20261101-shop-1")
    return calm.model_copy(
        update={
            "components": (web, web.model_copy(update={"component": "worker"})),
            "changes": changes,
            "warnings": (
                Warn(level=Level.INFO, text="Argo CD also owns web."),
                Warn(level=Level.DANGER, text="One node is being drained."),
                *calm.warnings,
            ),
            "checks": (
                *calm.checks,
                Check(name="backup", ok=False, detail="26 h old", required=required),
            ),
            "candidates": (*calm.candidates, bad),
        }
    )


def deciding(*, required: bool = True) -> tuple[e.Event, ...]:
    """Critical, the grave plan open, one approval given. It cannot be approved where its failed check is `required`."""
    grave = grave_plan(required=required)
    ready = e.PlanReady(at=at("14:12:06.1"), plan=grave)
    given = e.ApprovalGiven(at=at("14:12:41"), by=BOB, number=2, digest=grave.digest)
    return (*events()[:11], ready, events()[12], given)


def held() -> tuple[e.Event, ...]:
    reason = "the database is being dumped"
    return (*deciding(), e.HoldPlaced(at=at("14:12:50"), by=ALICE, reason=reason))


STATES: dict[str, Callable[[], Incident]] = {
    "asked for a severity": lambda: fold(events()[:5]),
    "no plan could be made": lambda: fold(
        (*events()[:4], e.PlanBlocked(at=at("14:11:33"), number=1, reason="The host does not answer."))
    ),
    "preparing": lambda: fold(events()[:11]),
    "deciding": lambda: fold(deciding()),
    "held": lambda: fold(held()),
    "rejected": lambda: fold(rough_events()[:10]),
    "blocked": lambda: fold(rough_events()[:12]),
    "expired": lambda: fold(rough_events()[:15]),
    "rolling back": lambda: fold(
        (
            *events()[:18],
            e.StepStarted(
                at=at("14:13:08"),
                run_id=fold(events()[:18]).runs[0].id,
                step_id="prove",
                detail="3 of 5 in a row well",
            ),
        )
    ),
    "mitigated": lambda: fold(events()[:22]),
    "verified": lambda: fold(events()[:27]),
    "closed": lambda: fold(events()),
    "fixing forward": lambda: fold(rough_events()[:5]),
    "fixing forward, reminded and held": lambda: fold(rough_events()[:7]),
    "stuck": lambda: fold(rough_events()[:23]),
    "relapsed": lambda: fold(rough_events()[:31]),
    "closed without success": lambda: fold(rough_events()),
}


@pytest.mark.parametrize("state", STATES)
def test_the_messages_of_a_state(state: str, snapshot: SnapshotAssertion) -> None:
    shown = []
    for slot in project(STATES[state](), CONTEXT):
        operation = slot.operation
        told = outline(Card(operation.text, operation.blocks)) if operation.type == "post" else str(operation)
        shown.append(f"== {slot.lane} / {slot.slot}\n{told}")
    assert "\n".join(shown) == snapshot


def test_the_announcements(snapshot: SnapshotAssertion) -> None:
    told = []
    for happened in (events(), rough_events()):
        for count, event in enumerate(happened, start=1):
            for slot in project_event(fold(happened[:count]), event, count, CONTEXT):
                operation = slot.operation
                assert operation.type == "post"
                told.append(f"{slot.lane} {event.type}: {operation.text}")
    assert told == snapshot


@pytest.mark.parametrize("state", STATES)
def test_status(state: str, snapshot: SnapshotAssertion) -> None:
    assert outline(status.status_card(STATES[state](), POLICY)) == snapshot


def test_list(snapshot: SnapshotAssertion) -> None:
    many = [STATES[name]() for name in ("deciding", "fixing forward", "asked for a severity")]
    assert outline(status.list_card(many, [POLICY] * 3)) == snapshot
    assert outline(status.list_card([], [])) == snapshot


def test_help(snapshot: SnapshotAssertion) -> None:
    assert outline(status.rollback_help()) == snapshot
    assert outline(status.incident_help()) == snapshot


def test_a_dry_run_shows_the_facts_of_the_card() -> None:
    facts = status.dry_run_card(grave_plan()).blocks[1:-1]
    incident = fold(deciding())
    assert incident.record is not None
    card = plan_card(incident, incident.record, POLICY).blocks
    assert card[1 : 1 + len(facts)] == facts


MODALS: dict[str, Callable[[], dict[str, Any]]] = {
    "picker": lambda: modals.picker({"shop": "The tea shop", "search": ""}, channel="C0GENERAL"),
    "picker of one": lambda: modals.picker({"shop": "The tea shop"}),
    "picker of none": lambda: modals.picker({}),
    "choose version": lambda: modals.choose_version(fold(deciding())),
    "choose version, nothing known": lambda: modals.choose_version(STATES["blocked"]()),
    "reject": lambda: modals.reject(fold(deciding()), number=2, digest="0123456789abcdef"),
    "break glass": lambda: modals.break_glass(
        fold(deciding()), number=2, digest="0123456789abcdef", to_version="v1.2.9"
    ),
    "hold": lambda: modals.hold(fold(deciding())),
    "severity": lambda: modals.severity(fold(deciding())),
    "note": lambda: modals.note(fold(deciding())),
    "role": lambda: modals.role(fold(deciding()), by=BOB),
    "close, mitigated": lambda: modals.close(STATES["mitigated"]()),
    "close, verified": lambda: modals.close(STATES["verified"]()),
    "close, no rollback": lambda: modals.close(STATES["fixing forward"]()),
    "lessons": lambda: modals.lessons(STATES["closed"]()),
    "add to timeline": lambda: modals.add_to_timeline(
        fold(deciding()),
        message_ts="1795529496.000100",
        author=BOB,
        text="Checkouts fail <!here>",
        at=at("14:11:36"),
    ),
}


@pytest.mark.parametrize("form", MODALS)
def test_forms(form: str, snapshot: SnapshotAssertion) -> None:
    assert outline_view(MODALS[form]()) == snapshot


@pytest.mark.parametrize(
    ("most", "count", "said"),
    [(5, 5, "`f4.py`"), (5, 6, "`f4.py` and 1 more"), (8, 40, "`f4.py` and 35 more")],
)
def test_the_first_five_files_are_named(most: int, count: int, said: str) -> None:
    files = tuple(FileChange(path=f"f{n}.py", added=1, deleted=0) for n in range(most))
    calm = plan(1)
    changes = calm.changes.model_copy(update={"files": files, "file_count": count})
    shown = "\n".join(lines(facts(calm.model_copy(update={"changes": changes}))))
    assert f"Files: `f0.py`, `f1.py`, `f2.py`, `f3.py`, {said}" in shown.splitlines()


def test_home(snapshot: SnapshotAssertion) -> None:
    unlearned = fold(events()).model_copy(update={"root_cause": "", "lessons": ""})
    mine = STATES["fixing forward"]()
    assert mine.forward_fix is not None
    mine = mine.model_copy(update={"forward_fix": mine.forward_fix.model_copy(update={"owner": ALICE})})
    known = [home.Known(incident=i, policy=POLICY) for i in (fold(held()), mine, unlearned)]
    services = [
        home.ServiceNow(name="shop", version="v1.3.0", seen_at=at("14:12:00"), description="The tea shop"),
        home.ServiceNow(name="search"),
    ]
    assert outline_view(home.home(ALICE, known, services)) == snapshot
    waiting = [home.Known(incident=fold(deciding(required=False)), policy=POLICY)]
    assert outline_view(home.home(CAROL, waiting, services)) == snapshot
    stopped = [home.Known(incident=fold(deciding()), policy=POLICY)]
    assert "your approval can be" not in outline_view(home.home(CAROL, stopped, services))
    assert outline_view(home.home(BOB, [], [])) == snapshot
