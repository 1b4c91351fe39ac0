"""What each audience may know: nothing that is not theirs gets into any notice."""

import logging
from datetime import UTC
from pathlib import Path

import pytest

from bot.domain import decide
from bot.domain import events as e
from bot.domain.audiences import Audience, Moment, Telling
from bot.domain.base import BOT, Refusal
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident
from bot.domain.lifecycle import evolve, fold
from bot.domain.notices import Known, concerns, known, moment_of, notice_key, notices_due
from bot.domain.severity import Severity
from bot.views.notices import notice, notice_strictly
from tests import story

NAMES = {"U0ALICE": "Alice", "U0BOB": "Bob", "U0CAROL": "Carol", "U0DAVE": "Dave"}


def told(audience: Audience, events: tuple[e.Event, ...] | None = None) -> list[Known]:
    """What `audience` may know at every moment of the story."""
    found: list[Known] = []
    incident: Incident | None = None
    for event in story.events() if events is None else events:
        incident = evolve(incident, event)
        if moment_of(event) is not None and concerns(incident, event, audience):
            found.append(known(incident, event, audience, public_name="Tea orders", names=NAMES, zone=UTC))
    return found


@pytest.mark.parametrize("audience", Audience)
def test_every_moment_has_words_for_every_audience(audience: Audience) -> None:
    update = e.UpdateWritten(at=story.at("14:20:00"), by=story.BOB, audience=audience, text="Half is back.")
    everything = [*told(audience), *told(audience, story.rough_events())]
    everything += told(audience, (*story.events(), update))[-1:]
    everything += told(audience, (*story.events(), e.ExerciseMarked(at=story.at("14:20:00"))))[-1:]
    assert {one.moment for one in everything} == set(Moment)
    for one in everything:
        made = notice(one)
        assert made.subject.strip()
        assert "\n" not in made.subject
        assert made.text.strip()


@pytest.mark.parametrize("events", [story.events(), story.rough_events()], ids=["plain", "rough"])
def test_customers_learn_no_name_no_version_and_nothing_that_anybody_wrote(
    events: tuple[e.Event, ...],
) -> None:
    incident = None
    for event in events:
        incident = evolve(incident, event)
    assert incident is not None
    secret = [incident.id, incident.service, *NAMES, *NAMES.values(), "v1.2.", "v1.3."]
    written = [incident.summary, incident.root_cause, incident.lessons, incident.impact]
    secret += [text for text in written if text.strip()]
    notices = [notice(one) for one in told(Audience.CUSTOMERS, events)]
    assert notices
    for made in notices:
        for hidden in secret:
            assert hidden not in made.subject + made.text, hidden
        assert "Tea orders" in made.subject


def test_engineers_learn_versions_and_people() -> None:
    text = "\n".join(notice(one).text for one in told(Audience.ENGINEERS))
    assert "v1.2.9" in text
    assert "Alice" in text


def test_a_template_of_ones_own_that_does_not_work_costs_no_notice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "customers.txt.j2").write_text("{% block subject %}{{ k.nothing.at.all }}{% endblock %}")
    first = told(Audience.CUSTOMERS)[0]
    with pytest.raises(ValueError, match=r"customers\.txt\.j2 does not work"):
        notice_strictly(first, tmp_path)
    with caplog.at_level(logging.WARNING):
        assert notice(first, tmp_path) == notice(first)
    assert "The built-in one is used." in caplog.text


def test_the_story_in_moments() -> None:
    usual = ["begun", "assessed", "assessed", "rolling back", "mitigated", "verified"]
    assert [one.moment for one in told(Audience.SUPPORT)] == [*usual, "closed"]
    # For customers it is over once; and what was not verified ends with the close.
    assert [one.moment for one in told(Audience.CUSTOMERS)] == usual
    assert told(Audience.CUSTOMERS, story.rough_events())[-1].moment is Moment.CLOSED


def test_an_update_reaches_its_audience_alone() -> None:
    update = e.UpdateWritten(
        at=story.at("14:20:00"), by=story.BOB, audience=Audience.CUSTOMERS, text="Half is back."
    )
    events = (*story.events(), update)
    assert notice(told(Audience.CUSTOMERS, events)[-1]).text == "Half is back."
    assert told(Audience.SUPPORT, events)[-1].moment is Moment.CLOSED


class Wants:
    def __init__(self, audience: Audience, *moments: Moment) -> None:
        self.audience = audience
        self.moments = frozenset(moments or Moment)


def test_who_is_due_to_be_told() -> None:
    declared = story.events()[0]
    incident = evolve(None, declared)
    everybody = {
        "page": Wants(Audience.CUSTOMERS),
        "boss": Wants(Audience.EXECUTIVES, Moment.ASSESSED, Moment.CLOSED),
    }
    due = notices_due(incident, declared, everybody)
    assert due is not None
    assert (due.number, due.moment, [one.name for one in due.addressees]) == (1, Moment.BEGUN, ["page"])
    assert notices_due(incident, story.events()[1], everybody) is None
    assert notices_due(incident, declared, {"boss": everybody["boss"]}) is None


def test_customers_hear_of_an_alert_when_somebody_has_decided_something() -> None:
    page = {"page": Wants(Audience.CUSTOMERS)}
    declared = story.events()[0].model_copy(update={"by": BOT})
    incident = evolve(None, declared)
    for by, heard in ((BOT, False), (story.BOB, True)):
        chosen = e.SeveritySet(at=story.at("14:12:00"), by=by, severity=Severity.HIGH)
        due = notices_due(evolve(incident, chosen), chosen, page)
        assert (due is not None) is heard
        # They have just heard that it begins; a label of an alert adds nobody's judgement to it.
        desk = {"desk": Wants(Audience.SUPPORT)}
        assert (notices_due(evolve(incident, chosen), chosen, desk) is not None) is heard
    assert notices_due(incident, declared, page) is None
    assert notices_due(incident, declared, {"desk": Wants(Audience.SUPPORT)}) is not None
    ended = e.IncidentClosed(at=story.at("14:13:00"), by=story.BOB)
    assert notices_due(evolve(incident, ended), ended, page) is None
    # Whoever is on it has seen that it is something.
    incident = evolve(incident, e.PageBegun(at=story.at("14:12:00"), number=1))
    on_it = e.PageAcknowledged(at=story.at("14:12:10"), by=story.BOB, number=1)
    incident = evolve(incident, on_it)
    due = notices_due(incident, on_it, page)
    assert due is not None
    assert due.moment is Moment.BEGUN
    incident = evolve(incident, due)
    assert notices_due(evolve(incident, ended), ended, page) is not None


def test_nobody_hears_of_an_exercise_and_who_has_is_told_once_that_it_was_one() -> None:
    everybody = {"support": Wants(Audience.SUPPORT, Moment.BEGUN), "boss": Wants(Audience.EXECUTIVES)}
    incident = fold((*story.events()[:1], *story.notice_events()))
    marked = e.ExerciseMarked(at=story.at("14:11:50"), by=story.BOB)
    incident = evolve(incident, marked)
    due = notices_due(incident, marked, everybody)
    assert due is not None
    assert (due.moment, [one.name for one in due.addressees]) == (Moment.EXERCISE, ["support"])
    incident = evolve(incident, due)
    assessed = e.SeveritySet(at=story.at("14:12:00"), by=story.BOB, severity=Severity.HIGH)
    assert notices_due(evolve(incident, assessed), assessed, everybody) is None
    for event in (marked.model_copy(update={"exercise": False}), marked):
        incident = evolve(incident, event)
        assert notices_due(incident, event, everybody) is None
    update = e.UpdateWritten(
        at=story.at("14:12:00"), by=story.BOB, audience=Audience.EXECUTIVES, text="A drill."
    )
    told_of = notices_due(evolve(incident, update), update, everybody)
    assert told_of is not None
    assert [one.name for one in told_of.addressees] == ["boss"]


def test_what_became_of_it_is_kept_once() -> None:
    incident = fold((*story.events()[:1], *story.notice_events()))
    (record,) = incident.notices
    assert [one.state for one in record.to] == [Telling.TOLD, Telling.UNKNOWN]
    assert record.to[0].subject == "Tea orders has a problem"
    again = story.notice_events()[1]
    assert isinstance(again, e.NoticeSent)
    assert decide.notice_settled(incident, again) == ()
    assert decide.notice_broken(incident, 1, 1, "A defect.", now=story.at("14:12:00")) == ()


@pytest.mark.parametrize("text", ["", "   ", "x" * 2001])
def test_an_update_needs_words_and_not_too_many(text: str) -> None:
    with pytest.raises(Refusal):
        decide.write_update(Audience.SUPPORT, text, by="U1", now=story.at("14:12:00"))


def test_the_key_is_the_same_for_the_same_people_alone() -> None:
    assert notice_key("inc", 3, "a") == notice_key("inc", 3, "a") != notice_key("inc", 3, "b")
    assert notice_key("inc", 3, "a") != notice_key("inc", 4, "a")


def closed_after(*events: e.Event) -> dict[Audience, str]:
    """What each audience is told when it is closed after `events`."""
    ended = e.IncidentClosed(at=story.at("14:30:00"), by=story.BOB)
    made = {audience: notice(told(audience, (*events, ended))[-1]) for audience in Audience}
    return {audience: f"{one.subject}\n{one.text}" for audience, one in made.items()}


def test_nobody_is_told_that_it_is_solved_where_the_rollback_did_not_solve_it() -> None:
    events = story.events()
    place = next(n for n, event in enumerate(events) if isinstance(event, e.IncidentMitigated))
    mitigated = events[place]
    assert isinstance(mitigated, e.IncidentMitigated)
    stopped = e.RollbackFailed(
        at=mitigated.at,
        run_id=mitigated.run_id,
        outcome=Outcome.FAILED,
        reason="Stopped.",
        safe_state="It is in place.",
        took_place=False,
    )
    relapsed = e.IncidentRelapsed(at=story.at("14:25:00"), run_id=mitigated.run_id, reason="Ill again.")
    for before in ((*events[:place], stopped), (*events[: place + 1], relapsed)):
        words = closed_after(*before)
        assert "solved: problem" not in words[Audience.CUSTOMERS].lower()
        assert "We have not confirmed that it is solved." in words.pop(Audience.CUSTOMERS)
        assert all("nothing shows that shop works again" in text for text in words.values()), words
    half = closed_after(*events[: place + 1])
    assert "is solved." in half.pop(Audience.CUSTOMERS)
    assert all("closed without being verified." in text for text in half.values()), half
    by_word = closed_after(events[0])
    assert "is solved." in by_word.pop(Audience.CUSTOMERS)
    assert all("on the word of the team" in text for text in by_word.values()), by_word
