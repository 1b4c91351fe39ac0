"""What users report, as people of the incident pass it on: each report, their rate, and what they say of a rollback.

People report late, twice, and not at all: a report is evidence that something is wrong, silence is hardly evidence
that it is right. The rule, over the reports that it is still, or again, broken:

    fail         two or more of different people, or three of one, came since the mitigation, and not at a lower rate
                 than before it, over all of the time since or over its newest five minutes; and nobody has said since
                 the last of them that it is gone
    unverified   at least one came since, but not so. It keeps the whole from being verified until it is taken back,
                 or somebody reports that it is gone
    pass         none came since, and the silence is long enough to mean something: at the rate of before, three
                 would have come by now, and no report at all then has a chance below one in twenty
    unverified   none came since, in a time too short for that. Nothing waits for it

Rates are reports a minute, over at least five minutes: the first report of a minute is no flood. How many users a
report speaks of is told and not judged by; two people may well speak of the same users.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from bot.domain.base import UserId, Value
from bot.domain.series import Series
from bot.domain.verdict import Cell, Row, Verdict

SOURCE = "user reports"
WHAT = "reports that it is broken"
UNIT = "/min"
MINUTE = timedelta(minutes=1)
FLOOR = timedelta(minutes=5)
"""Rates are over at least this much time, and the newest stretch that is judged by itself is as long."""
RELAPSE = 2
"""So many reports of different people can be a relapse; a single one never is."""
ALONE = 3
"""So many of one person can be: two may be two sentences about the same thing."""
SILENCE = 3.0
"""So many reports have to be missing for a silence to mean something: exp(-3) is 0.05."""
MOST_STEPS = 120
_SHOWN = 3
_LINE = 200

Standing = Literal["still", "again", "gone"]


class Report(Value):
    """One report that counts. `id` is unique within the incident.

    `users` is how many it speaks of; `at` is when it was said, `since` since when users see it, where that is known.
    `slack_ts` is the message that it is, `author` who wrote that one; `by` passed it on.
    """

    id: str
    by: UserId
    text: str
    users: int = 1
    standing: Standing = "still"
    at: datetime
    since: datetime | None = None
    slack_ts: str | None = None
    author: UserId | None = None

    @property
    def is_broken(self) -> bool:
        return self.standing != "gone"


def broken(reports: Iterable[Report]) -> tuple[Report, ...]:
    """Those that say it is still, or again, broken; oldest first."""
    return tuple(sorted((one for one in reports if one.is_broken), key=_moment))


def since(reports: Iterable[Report], moment: datetime) -> tuple[Report, ...]:
    """Those that were said after `moment`."""
    return tuple(one for one in reports if one.at > moment)


def rate(count: int, length: timedelta) -> float:
    """Reports a minute, over `FLOOR` at least."""
    return count / (max(length, FLOOR) / MINUTE)


def rows_of_reports(
    reports: Sequence[Report], *, began: datetime, mitigated: datetime, until: datetime
) -> tuple[Row, ...]:
    """One row, or none where nobody has ever reported anything: that is not measured then.

    `began` is when people could begin to report; nothing is known of the time before.
    """
    if not reports:
        return ()
    ailing = broken(reports)
    ill = tuple(one for one in ailing if one.at <= mitigated)
    after = tuple(one for one in ailing if mitigated < one.at <= until)
    before_rate, after_rate = rate(len(ill), mitigated - began), rate(len(after), until - mitigated)
    verdict, sentence, required = _judged(reports, after, before_rate, mitigated, until)
    return (
        Row(
            source=SOURCE,
            what=WHAT,
            before=None,
            during=_cell(ill, began, mitigated),
            after=_cell(after, mitigated, until),
            verdict=verdict,
            sentence=sentence,
            numbers={
                "rate_before": before_rate,
                "rate_since": after_rate,
                "reports_since": float(len(after)),
            },
            required=required,
            lines=tuple(_told(one) for one in reversed(after[-_SHOWN:])),
        ),
    )


def _judged(
    reports: Sequence[Report], after: Sequence[Report], was: float, mitigated: datetime, until: datetime
) -> tuple[Verdict, str, bool]:
    """The verdict, why, and whether it keeps the whole from passing. `was` is the rate before the mitigation."""
    if not after:
        expected = was * ((until - mitigated) / MINUTE)
        missing = f"at the rate of before {expected:.1f} would have come by now"
        if expected >= SILENCE:
            return Verdict.PASS, f"none since it was mitigated; {missing}", True
        return Verdict.UNVERIFIED, f"none since it was mitigated, which means little yet: {missing}", False
    gone = [one.at for one in reports if not one.is_broken and after[-1].at < one.at <= until]
    told = f"{counted(after)} since it was mitigated"
    if gone:
        last = f"{max(gone).astimezone(UTC):%H:%M} UTC"
        return Verdict.UNVERIFIED, f"{told}; the last word, of {last}, is that it is gone", False
    if weak := _weak(after):
        return Verdict.UNVERIFIED, f"{told}{weak}", True
    newest = rate(len(since(after, until - FLOOR)), FLOOR)
    now = max(rate(len(after), until - mitigated), newest)
    if now >= was:
        return Verdict.FAIL, f"{told}, {now:.2g} a minute, before it was {was:.2g}", True
    return Verdict.UNVERIFIED, f"{told}, {now:.2g} a minute, fewer than the {was:.2g} before", True


def _weak(after: Sequence[Report]) -> str:
    """Why so few are no relapse; empty where they may be one."""
    if len(after) < RELAPSE:
        return "; a single one is no relapse. Look at it"
    if len(after) < ALONE and len({one.author or one.by for one in after}) < RELAPSE:
        return ", by one person, which is no relapse yet. Look at them"
    return ""


def counted(reports: Sequence[Report]) -> str:
    """`one report`, `3 reports of 45 users`."""
    users = sum(one.users for one in reports)
    many = "one report" if len(reports) == 1 else f"{len(reports)} reports"
    return many if users == len(reports) else f"{many} of {users} users"


def _cell(reports: Sequence[Report], begin: datetime, end: datetime) -> Cell | None:
    if begin >= end:
        return None
    return Cell(
        shown=f"{counted(reports)}, {rate(len(reports), end - begin):.2g}/min" if reports else "none",
        numbers={
            "reports": float(len(reports)),
            "users": float(sum(one.users for one in reports)),
            "minutes": (end - begin) / MINUTE,
        },
        series=rate_series(reports, begin, end),
    )


def rate_series(reports: Iterable[Report], begin: datetime, end: datetime) -> Series | None:
    """Reports a minute, step by step, from the whole minute before `begin` until `end`; None for no time.

    Nothing reported is a zero: the channel was there to be written in.
    """
    if begin >= end:
        return None
    minutes = max(1, -int(-((end - begin) / MINUTE) // MOST_STEPS))
    step = MINUTE * minutes
    first = begin.replace(second=0, microsecond=0)
    steps = int((end - first) / step) + 1
    counts = [0] * steps
    for one in reports:
        place = (one.at - first) // step
        if 0 <= place < steps:
            counts[place] += 1
    return Series(unit=UNIT, since=first, step=step, values=tuple(count / minutes for count in counts))


def _told(one: Report) -> str:
    text = " ".join(one.text.split())
    return f"{one.standing} ({one.users}), {one.at.astimezone(UTC):%H:%M:%S} UTC: {text[:_LINE]}"


def _moment(one: Report) -> datetime:
    return one.at
