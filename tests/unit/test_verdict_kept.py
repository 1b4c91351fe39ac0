"""The verdict is kept with its raw numbers, and what is drawn and written is made of the same ones."""

from datetime import datetime, timedelta

import pytest

from bot.domain import decide
from bot.domain import events as e
from bot.domain.base import Refusal
from bot.domain.decide.steering import why_unverified
from bot.domain.incident import Incident, Status
from bot.domain.lifecycle import fold
from bot.domain.logjoin import joined
from bot.domain.loglines import Level
from bot.domain.logwatch import LineKind, LogCounts, Minute
from bot.domain.policy import Policy
from bot.domain.verdict import Moment, Row, Verdict
from bot.usecases.gathering import Evidence
from bot.usecases.picture import chart_of
from bot.usecases.stretches import Span
from bot.views.outcome_card import good_card
from bot.views.wording import status_words
from bot.workflows.lookout import Lookout
from tests import story
from tests.unit.views_outline import outline

MITIGATED_AT, VERIFIED_AT, LEFT_AT = story.at("14:13:40"), story.at("14:18:40"), story.at("14:28:40")


def watched(until: datetime = VERIFIED_AT, *more: e.Event) -> Incident:
    """The story up to the watch, with what was said of the evidence meanwhile."""
    every = [event for event in story.events() if event.at < VERIFIED_AT]
    return fold([*every, *(event for event in story.evidence_events() if event.at <= until), *more])


def test_the_incident_keeps_it_without_the_values_over_time() -> None:
    run = watched().run
    assert run is not None
    mitigated, verified = run.verdict(Moment.MITIGATED), run.verdict(Moment.VERIFIED)
    assert mitigated is not None
    assert mitigated.overall is Verdict.UNVERIFIED
    assert [row.what for row in mitigated.missing] == ["failed checkouts"]
    assert verified is not None
    assert verified.overall is Verdict.PASS
    cells = [cell for row in verified.rows for cell in (row.before, row.during, row.after) if cell]
    assert all(cell.series is None for cell in cells)
    assert [cell.numbers for cell in cells][:2] == [{"value": 0.003}, {"value": 0.38}]
    (_, event, _) = story.evidence_events()
    assert isinstance(event, e.VerdictReached)
    kept = e.parse(event.model_dump(mode="json"))
    assert kept == event


def test_the_picture_is_drawn_from_the_same_numbers() -> None:
    (_, event, _) = story.evidence_events()
    assert isinstance(event, e.VerdictReached)
    data = chart_of(story.incident(), story.probes(), [event.table])
    (curve,) = data.curves
    assert (curve.label, curve.share) == ("failed checkouts", True)
    drawn = dict(curve.points)
    for cell in (event.table.rows[0].before, event.table.rows[0].during, event.table.rows[0].after):
        assert cell is not None
        assert cell.series is not None
        for index, value in enumerate(cell.series.values):
            assert drawn[cell.series.ends(index)] == value
    assert list(drawn) == sorted(drawn)
    assert None in drawn.values()


def test_what_is_not_verified_in_the_end_stays_mitigated_and_is_closed_with_a_word() -> None:
    incident = watched(LEFT_AT)
    assert incident.status is Status.MITIGATED
    run = incident.run
    assert run is not None
    assert run.ended_at == LEFT_AT
    shown = outline(good_card(incident, run, watch_s=300))
    assert "It was not verified: <orders>: 1 value is missing." in shown.replace("&lt;", "<").replace(
        "&gt;", ">"
    )
    assert "[Close unverified]" in shown
    assert (status_words(watched()), status_words(incident)) == (
        "mitigated, being watched",
        "mitigated, not verified",
    )
    said = why_unverified(incident)
    assert (
        said
        == "It was watched and could not be verified (<orders>: 1 value is missing). Look at what is missing"
    )
    with pytest.raises(Refusal, match="could not be verified"):
        decide.close(incident, by=story.ALICE, summary="", unverified=False, policy=Policy(), now=LEFT_AT)


def test_while_it_waits_the_card_says_for_what_and_until_when() -> None:
    table = story.table(Moment.VERIFIED, "14:18:40")
    row = table.rows[0].model_copy(update={"verdict": Verdict.UNVERIFIED})
    waiting = table.model_copy(update={"rows": (row,), "waits_until": LEFT_AT})
    reached = e.VerdictReached(at=VERIFIED_AT, run_id=f"{story.ID}-run-1", table=waiting)
    incident = watched(MITIGATED_AT, reached)
    run = incident.run
    assert run is not None
    shown = outline(good_card(incident, run, watch_s=300))
    assert "It was watched for 5 min. Not verified yet: kaeru waits until " in shown
    assert "`failed checkouts`" in shown


class Nothing:
    delay = timedelta(0)

    async def rows(self, after: Span, *, lately: bool = False) -> tuple[Row, ...]:
        raise AssertionError(after, lately)


def lookout() -> Lookout:
    evidence = Evidence(Nothing(), ())
    interval = timedelta(seconds=5)
    return Lookout(
        evidence, since=MITIGATED_AT, longest=interval * 60, interval=interval, clock=lambda: MITIGATED_AT
    )


def failing(what: str, **numbers: float) -> Row:
    return Row(
        source="logs", what=what, before=None, during=None, after=None, verdict=Verdict.FAIL,
        sentence="more", numbers=numbers,
    )  # fmt: skip


def at(seconds: int) -> datetime:
    return MITIGATED_AT + timedelta(seconds=seconds)


def test_what_fails_twice_in_a_row_is_ill() -> None:
    looking = lookout()
    looking.notice((failing("a"), failing("b")))
    assert looking.ill == ()
    looking.notice((failing("b"),))
    assert [row.what for row in looking.ill] == ["b"]
    assert looking.reason == "b: more"
    looking.notice(())
    looking.notice((failing("a"),))
    assert looking.ill == ()


def test_an_old_burst_of_errors_is_not_a_second_time() -> None:
    looking = lookout()
    burst = at(3).timestamp()
    looking.notice((failing("errors", last_seen=burst),))
    looking.notice((failing("errors", last_seen=burst),))
    looking.notice((failing("errors", last_seen=burst),))
    assert looking.ill == ()
    looking.notice((failing("errors", last_seen=at(18).timestamp()),))
    assert [row.what for row in looking.ill] == ["errors"]


def counts(since: datetime, until: datetime, *kinds: LineKind, complete: bool = True) -> LogCounts:
    begin = since.replace(second=0)
    length = int((until - begin) / timedelta(minutes=1)) + 1
    minutes = [begin + timedelta(minutes=n) for n in range(length) if begin + timedelta(minutes=n) < until]
    return LogCounts(
        since=since,
        until=until,
        minutes=tuple(Minute(at=minute, errors=1, warnings=2, total=5) for minute in minutes),
        kinds=kinds,
        complete=complete,
        notes=() if complete else ("a file is gone",),
    )


def kind(count: int, first: datetime, last: datetime) -> LineKind:
    return LineKind(
        shape="no rate", level=Level.ERROR, count=count, first_seen=first, last_seen=last,
        example=f"no rate {count}", sources=(f"pod-{count}",),
    )  # fmt: skip


def test_counts_that_follow_one_upon_the_other_are_one_count() -> None:
    a, b, c = story.at("14:00:30"), story.at("14:02:30"), story.at("14:03:00")
    parts = counts(a, b, kind(2, a, a)), counts(b, c, kind(3, b, b), complete=False)
    both = joined(parts)
    assert (both.since, both.until, both.length) == (a, c, 2.5)
    assert (both.errors, both.warnings, both.total) == (4, 8, 20)
    assert [minute.total for minute in both.minutes] == [5, 5, 10]
    assert [minute.at for minute in both.whole] == [story.at("14:01:00"), story.at("14:02:00")]
    (found,) = both.kinds
    assert (found.count, found.first_seen, found.last_seen) == (5, a, b)
    assert (found.example, found.sources) == ("no rate 3", ("pod-2", "pod-3"))
    assert (both.complete, both.notes) == (False, ("a file is gone",))
    with pytest.raises(ValueError, match="do not follow"):
        joined(parts[::-1])
    with pytest.raises(ValueError, match="nothing"):
        joined(())
