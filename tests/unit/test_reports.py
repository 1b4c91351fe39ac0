"""What users report: which reports count, their rate, and when they say that a rollback did not help."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import decide
from bot.domain import events as e
from bot.domain.base import BOT, Refusal
from bot.domain.incident import Incident
from bot.domain.lifecycle import evolve, fold
from bot.domain.reports import FLOOR, RELAPSE, Report, Standing, rate, rate_series, rows_of_reports
from bot.domain.timeline import Entry, Kind
from bot.domain.verdict import Row, Verdict
from bot.usecases.reports import marks
from handlers.reports import parse_report

BEGAN = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
MITIGATED = BEGAN + timedelta(minutes=20)


def minute(number: float) -> datetime:
    return BEGAN + timedelta(minutes=number)


def told(*minutes: float, standing: Standing = "still", users: int = 1) -> list[Report]:
    return [
        Report(id=f"{standing}{at}", by="U1", text="500", at=minute(at), standing=standing, users=users)
        for at in minutes
    ]


def row(reports: Sequence[Report], until: float) -> Row:
    (found,) = rows_of_reports(reports, began=BEGAN, mitigated=MITIGATED, until=minute(until))
    return found


def test_nobody_has_ever_reported_anything_and_nothing_is_said() -> None:
    assert rows_of_reports([], began=BEGAN, mitigated=MITIGATED, until=minute(60)) == ()


def test_as_many_as_before_is_a_failure() -> None:
    found = row(told(2, 5, 9, 14, 18, 22, 24, 25), until=26)
    assert (found.verdict, found.required) == (Verdict.FAIL, True)
    assert found.sentence == "3 reports since it was mitigated, 0.6 a minute, before it was 0.25"
    assert found.before is None
    assert found.during is not None
    assert found.during.numbers == {"reports": 5, "users": 5, "minutes": 20}


def test_a_single_one_is_no_relapse_but_is_shown_and_keeps_from_being_verified() -> None:
    found = row(told(22, users=40), until=26)
    assert (found.verdict, found.required) == (Verdict.UNVERIFIED, True)
    assert "one report of 40 users" in found.sentence
    assert found.lines == ("still (40), 14:22:00 UTC: 500",)


def test_two_sentences_of_one_person_are_no_relapse_and_those_of_two_are() -> None:
    one, two = told(22, 22.5)
    alone = row([one, two], until=26)
    assert (alone.verdict, alone.required) == (Verdict.UNVERIFIED, True)
    assert (
        alone.sentence
        == "2 reports since it was mitigated, by one person, which is no relapse yet. Look at them"
    )
    for other in ({"by": "U2"}, {"author": "U2"}):
        assert row([one, two.model_copy(update=other)], until=26).verdict is Verdict.FAIL


def test_fewer_than_before_is_no_relapse() -> None:
    found = row(told(*range(1, 20), 21, 40), until=50)
    assert (found.verdict, found.required) == (Verdict.UNVERIFIED, True)


def test_a_flood_after_a_long_silence_is_a_failure() -> None:
    assert row(told(*range(1, 20, 2), 58, 58.5, 59, 59.5), until=60).verdict is Verdict.FAIL


def test_that_it_is_gone_is_the_last_word_only_if_it_is_the_last() -> None:
    ailing = told(2, 21, 22, 23)
    assert row([*ailing, *told(24, standing="gone")], until=25).verdict is Verdict.UNVERIFIED
    assert not row([*ailing, *told(24, standing="gone")], until=25).required
    assert row([*ailing, *told(22.5, standing="gone")], until=25).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("reports", "until", "verdict", "required"),
    [
        (told(*range(1, 20)), 24, Verdict.PASS, True),
        (told(1, 2, 3), 39, Verdict.UNVERIFIED, False),
        (told(1, 2, 3), 41, Verdict.PASS, True),
        (told(1), 40, Verdict.UNVERIFIED, False),
        (told(1, standing="gone"), 400, Verdict.UNVERIFIED, False),
    ],
)
def test_silence_means_something_after_as_long_as_three_reports_would_have_taken(
    reports: list[Report], until: float, verdict: Verdict, required: bool
) -> None:
    found = row(reports, until)
    assert (found.verdict, found.required) == (verdict, required)
    assert found.after is not None
    assert found.after.shown == "none"


moments = st.floats(min_value=0, max_value=80, allow_nan=False)
reports = st.lists(
    st.builds(
        lambda at, standing, users: told(at, standing=standing, users=users)[0],
        moments,
        st.sampled_from(["still", "again", "gone"]),
        st.integers(1, 500),
    ),
    min_size=1,
    max_size=40,
)


@given(reports=reports, until=st.floats(20, 90))
def test_laws_of_the_verdict(reports: list[Report], until: float) -> None:
    found = row(reports, until)
    ailing = [one for one in reports if one.is_broken and MITIGATED < one.at <= minute(until)]
    if found.verdict is Verdict.FAIL:
        assert len(ailing) >= RELAPSE
    if found.verdict is Verdict.PASS:
        assert not ailing
    # The order in which they are known changes nothing, and how many users they speak of nothing but what is told.
    assert row(list(reversed(reports)), until).verdict is found.verdict
    alone = [one.model_copy(update={"users": 1}) for one in reports]
    assert row(alone, until).verdict is found.verdict


@given(reports=reports, until=st.floats(21, 90), at=st.floats(20.001, 90))
def test_one_more_report_of_trouble_never_makes_it_better(
    reports: list[Report], until: float, at: float
) -> None:
    order = (Verdict.PASS, Verdict.UNVERIFIED, Verdict.FAIL)
    more = [*reports, *told(at)]
    assert order.index(row(more, until).verdict) >= order.index(row(reports, until).verdict)


@given(count=st.integers(0, 1000), seconds=st.integers(0, 100_000))
def test_a_rate_is_over_five_minutes_at_least(count: int, seconds: int) -> None:
    found = rate(count, timedelta(seconds=seconds))
    assert found <= count / (FLOOR / timedelta(minutes=1))
    assert found * max(seconds, 300) / 60 == pytest.approx(count)


@given(
    offsets=st.lists(st.integers(0, 20_000), max_size=60),
    begin=st.integers(0, 86_400),
    length=st.integers(1, 20_000),
)
def test_the_rate_over_time_has_every_report_once(offsets: list[int], begin: int, length: int) -> None:
    since = BEGAN + timedelta(seconds=begin)
    until = since + timedelta(seconds=length)
    given_ = [
        Report(id=str(n), by="U1", text="", at=since + timedelta(seconds=offset))
        for n, offset in enumerate(offsets)
    ]
    series = rate_series(given_, since, until)
    assert series is not None
    assert series.since <= since
    assert series.until >= until
    assert len(series.values) <= 122
    inside = [one for one in given_ if one.at < series.until]
    assert sum(series.known) * (series.step / timedelta(minutes=1)) == pytest.approx(len(inside))


def test_no_time_has_no_rate() -> None:
    assert rate_series([], BEGAN, BEGAN) is None


# The decisions.


def declared() -> Incident:
    return fold([e.IncidentDeclared(at=BEGAN, by="U1", incident_id="i", service="shop", source_channel=None)])


def after(incident: Incident, events: decide.Events) -> Incident:
    for event in events:
        incident = evolve(incident, event)
    return incident


def report(
    incident: Incident, text: str = "500", *, users: int = 1, at: float = 1, by: str = "U1"
) -> decide.Events:
    return decide.report_users(
        incident, by=by, text=text, users=users, standing="still", seen_since=None, now=minute(at)
    )


def test_the_same_click_twice_counts_once() -> None:
    incident = after(declared(), report(declared()))
    with pytest.raises(Refusal, match="counts once"):
        report(incident, at=1.5)
    for other in (report(incident, at=2.5), report(incident, "502"), report(incident, by="U2")):
        assert len(after(incident, other).reports) == 2


@pytest.mark.parametrize("users", [0, -1, 10_000_001])
def test_impossible_numbers_of_users_are_refused(users: int) -> None:
    with pytest.raises(Refusal, match="number from 1"):
        report(declared(), users=users)


def test_a_report_is_taken_back_by_its_name() -> None:
    incident = after(declared(), report(declared()))
    (one,) = incident.reports
    with pytest.raises(Refusal, match=one.id):
        decide.withdraw_report(incident, "r99", by="U2", now=minute(2))
    assert not after(incident, decide.withdraw_report(incident, one.id, by="U2", now=minute(2))).reports


def marked(ts: str, by: str = "U1") -> decide.Marked:
    return decide.Marked(ts=ts, by=by, author="U9", text="broken", said_at=minute(0.5))


def test_a_message_counts_once_and_until_nobody_marks_it() -> None:
    incident = after(
        declared(), decide.messages_marked(declared(), {"1.0": marked("1.0")}, {}, now=minute(1))
    )
    assert [(one.slack_ts, one.at, one.by) for one in incident.reports] == [("1.0", minute(0.5), "U1")]
    assert decide.messages_marked(incident, {"1.0": marked("1.0", "U2")}, {}, now=minute(2)) == ()
    with pytest.raises(Refusal, match="reaction"):
        decide.withdraw_report(incident, "m1.0", by="U2", now=minute(2))
    gone = decide.messages_marked(incident, {}, {"1.0": "U2"}, now=minute(2))
    assert [(type(event), event.by) for event in gone] == [(e.UserReportWithdrawn, "U2")]
    assert not after(incident, gone).reports


def test_a_closed_incident_hears_no_more_reports() -> None:
    closed = after(declared(), (e.IncidentClosed(at=minute(1)),))
    with pytest.raises(Refusal, match="closed"):
        report(closed)
    assert decide.messages_marked(closed, {"1.0": marked("1.0")}, {}, now=minute(2)) == ()


@given(
    states=st.lists(
        st.dictionaries(st.sampled_from(["1.0", "2.0", "3.0"]), st.sampled_from(["U1", "U2"])), max_size=8
    )
)
def test_whatever_people_mark_the_reports_are_what_is_marked_now(states: list[dict[str, str]]) -> None:
    incident = declared()
    for number, state in enumerate(states, start=1):
        now = minute(number)
        wanted = {ts: marked(ts, by) for ts, by in state.items()}
        incident = after(incident, decide.messages_marked(incident, wanted, {}, now=now))
        assert {one.slack_ts for one in incident.reports} == set(state)
        assert decide.messages_marked(incident, wanted, {}, now=now) == ()


@pytest.mark.parametrize("until", [21, 400])
def test_the_row_is_read_back_from_json(until: float) -> None:
    found = row(told(2, 5, 20.5), until=until)
    assert Row.model_validate_json(found.model_dump_json()) == found


# Messages that people mark.


def kept(seq: int, kind: Kind, who: str, *, ts: str = "1764000000.000100", **body: str) -> Entry:
    return Entry(
        incident_id="i", seq=seq, at=minute(seq), recorded_at=minute(seq), kind=kind, actor=who, slack_ts=ts,
        body=body, prev_hash="", hash="",
    )  # fmt: skip


def reacted(seq: int, who: str, *, added: bool = True, name: str = "sos") -> Entry:
    return kept(seq, Kind.REACTION_ADDED if added else Kind.REACTION_REMOVED, who, name=name)


SAID = kept(1, Kind.MESSAGE, "U9", text="broken")


@pytest.mark.parametrize(
    ("reactions", "by", "off"),
    [
        ([reacted(2, "U1"), reacted(3, "U2")], "U1", None),
        ([reacted(2, "U1"), reacted(3, "U2"), reacted(4, "U1", added=False)], "U2", None),
        ([reacted(4, "U1", added=False), reacted(2, "U1")], None, "U1"),
        ([reacted(2, "U1"), reacted(3, "U1", name="help"), reacted(4, "U1", added=False)], "U1", None),
        ([reacted(2, "U1", added=False)], None, None),
    ],
)
def test_who_marks_a_message_now(reactions: list[Entry], by: str | None, off: str | None) -> None:
    found, unmarked_by = marks(reactions, [SAID])
    assert [one.by for one in found.values()] == ([by] if by else [])
    assert ("1764000000.000100" in found) == (by is not None)
    if by is None:
        assert list(unmarked_by.values()) == ([off] if off else [])


def test_kaerus_own_messages_and_unknown_ones_are_no_reports() -> None:
    assert marks([reacted(2, "U1")], [kept(1, Kind.MESSAGE, BOT, text="broken")])[0] == {}
    assert marks([reacted(2, "U1")], [])[0] == {}


@pytest.mark.parametrize(
    ("typed", "text", "users", "standing"),
    [
        ("Checkout fails", "Checkout fails", 1, "still"),
        ('"Checkout fails" --users 12', "Checkout fails", 12, "still"),
        ("“All empty” —users=1,200 --again", "All empty", 1200, "again"),
        ("--gone", "", 1, "gone"),
        ("it's --gone well again", "it's well again", 1, "gone"),
    ],
)
def test_what_was_typed(typed: str, text: str, users: int, standing: str) -> None:
    found = parse_report(typed)
    assert (found.text, found.users, found.standing) == (text, users, standing)


@pytest.mark.parametrize("typed", ["--users many x", "--users", "--again", "x --all", "x --gone=yes"])
def test_what_makes_no_report(typed: str) -> None:
    with pytest.raises(Refusal):
        parse_report(typed)
