"""When a reminder is due: of an incident that nobody closed, and of a postmortem without a root cause."""

from datetime import datetime, timedelta

import pytest

from bot.domain import events as e
from bot.domain.filing import action_id
from bot.domain.incident import Action, Filing, Incident, Status
from bot.domain.lifecycle import evolve, fold
from bot.usecases.nudges import MOST, due_reminder
from bot.views.nudge import nudge_card
from tests import story

DAY = timedelta(days=1)
EVENTS = story.events()


def _until(kind: type[e.Happened]) -> Incident:
    """The story up to the first event of this kind."""
    (first, *_) = (n for n, event in enumerate(EVENTS) if isinstance(event, kind))
    return fold(EVENTS[: first + 1])


VERIFIED = _until(e.IncidentVerified)
WRITTEN = _until(e.IncidentClosed).model_copy(update={"actions": ()})
CLOSED = WRITTEN.model_copy(update={"root_cause": ""})


def _since(incident: Incident) -> datetime:
    since = incident.verified_at if incident.status is Status.VERIFIED else incident.closed_at
    assert since is not None
    return since


@pytest.mark.parametrize("incident", [VERIFIED, CLOSED], ids=["verified", "closed"])
@pytest.mark.parametrize(
    ("days", "number"), [(0, 0), (0.99, 0), (1, 1), (1.99, 1), (2, 2), (3, 3), (3.99, 3), (400, 3)]
)
def test_one_is_due_after_each_interval(incident: Incident, days: float, number: int) -> None:
    assert due_reminder(incident, after=DAY, now=_since(incident) + days * DAY) == number


@pytest.mark.parametrize("incident", [VERIFIED, CLOSED], ids=["verified", "closed"])
def test_there_are_three_at_most(incident: Incident) -> None:
    due = {due_reminder(incident, after=DAY, now=_since(incident) + n * DAY) for n in range(400)}
    assert due == set(range(MOST + 1))


def test_what_was_left_unverified_is_reminded_of() -> None:
    mitigated = _until(e.IncidentMitigated)
    assert mitigated.run is not None
    ended = mitigated.declared_at + timedelta(minutes=10)
    left = evolve(mitigated, e.IncidentLeftUnverified(at=ended, run_id=mitigated.run.id, reason="No answer."))
    assert due_reminder(mitigated, after=DAY, now=ended + DAY) == 0
    assert [due_reminder(left, after=DAY, now=ended + n * DAY) for n in (0.99, 1, 2, 9)] == [0, 1, 2, 3]
    assert "could not be verified" in nudge_card(left).text


def test_a_close_counts_anew() -> None:
    assert CLOSED.verified_at is not None
    assert CLOSED.closed_at is not None
    assert CLOSED.verified_at < CLOSED.closed_at
    assert due_reminder(CLOSED, after=DAY, now=CLOSED.verified_at + DAY) == 0


@pytest.mark.parametrize("root_cause", ["The pool was too small.", " x "])
def test_a_root_cause_ends_it(root_cause: str) -> None:
    told = CLOSED.model_copy(update={"root_cause": root_cause})
    assert due_reminder(told, after=DAY, now=_since(told) + DAY) == 0


def test_blanks_are_no_root_cause() -> None:
    blank = CLOSED.model_copy(update={"root_cause": " \n"})
    assert due_reminder(blank, after=DAY, now=_since(blank) + DAY) == 1


@pytest.mark.parametrize("kind", [e.IncidentDeclared, e.RollbackApproved, e.IncidentMitigated])
def test_an_incident_under_way_is_left_in_peace(kind: type[e.Happened]) -> None:
    incident = _until(kind)
    assert due_reminder(incident, after=DAY, now=EVENTS[-1].at + 30 * DAY) == 0


def test_no_interval_means_no_reminder() -> None:
    assert due_reminder(VERIFIED, after=timedelta(0), now=_since(VERIFIED) + 30 * DAY) == 0


@pytest.mark.parametrize("what", ["root_cause", "lessons", "impact"])
def test_each_part_of_the_postmortem_is_reminded_of_and_named(what: str) -> None:
    assert due_reminder(WRITTEN, after=DAY, now=_since(WRITTEN) + DAY) == 0
    lacking = WRITTEN.model_copy(update={what: ""})
    assert due_reminder(lacking, after=DAY, now=_since(lacking) + DAY) == 1
    assert f"has no {what.replace('_', ' ')} yet" in nudge_card(lacking).text


def test_an_open_action_is_reminded_of_until_the_tracker_has_it() -> None:
    action = Action(text="Add a <timeout>", owner=story.BOB)
    still_open = WRITTEN.model_copy(update={"actions": (action,)})
    assert due_reminder(still_open, after=DAY, now=_since(still_open) + DAY) == 1
    assert (
        f"1 action of the incident of shop is still open (with <@{story.BOB}>)" in nudge_card(still_open).text
    )
    filed = still_open.model_copy(update={"filings": {action_id(action.text): Filing(reference="#7")}})
    assert due_reminder(filed, after=DAY, now=_since(filed) + DAY) == 0


def test_nothing_is_said_in_an_archived_channel() -> None:
    archived = CLOSED.model_copy(update={"archived_at": _since(CLOSED)})
    assert due_reminder(archived, after=DAY, now=_since(CLOSED) + DAY) == 0
