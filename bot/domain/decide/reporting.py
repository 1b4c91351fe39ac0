"""Decisions about what users report: passed on by anybody, taken back, messages that count as a report; and exercises."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.domain import events as e
from bot.domain.base import UserId, Value, refuse
from bot.domain.decide.state import Events, must_be_open
from bot.domain.incident import Incident
from bot.domain.reports import Standing

MOST_USERS = 10_000_000
TEXT = 1000
TWICE = timedelta(minutes=1)
"""The same words of the same person within this time are the same report."""


class Marked(Value):
    """A message of the channel that people have marked as a report; `by` did so first."""

    ts: str
    by: UserId
    author: UserId | None
    text: str
    said_at: datetime


def report_users(
    incident: Incident,
    *,
    by: UserId,
    text: str,
    users: int,
    standing: Standing,
    seen_since: datetime | None,
    now: datetime,
) -> Events:
    """Somebody passes on what users say."""
    must_be_open(incident)
    if not 1 <= users <= MOST_USERS:
        refuse(f"How many users is a number from 1 to {MOST_USERS:,}. Leave it out where nobody knows.")
    if seen_since is not None and seen_since > now:
        refuse("That moment has not come yet. Say since when users see it, or leave it out.")
    words = text.strip()[:TEXT]
    same = (
        one
        for one in incident.reports
        if (one.by, one.text, one.standing, one.users) == (by, words, standing, users)
        and now - one.at < TWICE
    )
    if any(one.slack_ts is None for one in same):
        refuse("You have reported exactly that a moment ago; it counts once. Say what is different.")
    return (
        e.UserReported(
            at=now,
            by=by,
            # The number of the event itself: no other report of this incident has it.
            report_id=f"r{incident.length + 1}",
            text=words,
            users=users,
            standing=standing,
            seen_since=seen_since,
        ),
    )


def withdraw_report(incident: Incident, report_id: str, *, by: UserId, now: datetime) -> Events:
    """It does not count any more. Anybody may take back what anybody has said; the timeline keeps both."""
    must_be_open(incident)
    found = next((one for one in incident.reports if one.id == report_id.strip()), None)
    if found is None:
        known = ", ".join(one.id for one in incident.reports[-10:]) or "none"
        refuse(f"There is no report {report_id.strip()[:40]!r} that counts. Those that do: {known}.")
    if found.slack_ts is not None:
        refuse("That report is a message: take the reaction off the message, and it does not count any more.")
    return (e.UserReportWithdrawn(at=now, by=by, report_id=found.id, text=found.text),)


def mark_exercise(incident: Incident, *, exercise: bool, by: UserId, now: datetime) -> Events:
    """Say that it is an exercise, or none; also after the close. It is left out of the numbers over all incidents."""
    if incident.exercise is exercise:
        refuse("It is an exercise already." if exercise else "It is no exercise.")
    return (e.ExerciseMarked(at=now, by=by, exercise=exercise),)


def messages_marked(
    incident: Incident, marked: Mapping[str, Marked], unmarked_by: Mapping[str, UserId], *, now: datetime
) -> Events:
    """What follows from the reactions as they are: `marked` by the message's ts, each once however many people react.

    Silent where all of it is known already, or the incident is closed.
    """
    if not incident.is_open:
        return ()
    known = {one.slack_ts: one for one in incident.reports if one.slack_ts is not None}
    taken_back = tuple(
        e.UserReportWithdrawn(
            at=now,
            by=unmarked_by.get(ts, one.by),
            report_id=one.id,
            slack_ts=ts,
            text=one.text,
        )
        for ts, one in known.items()
        if ts not in marked
    )
    new = tuple(
        e.UserReported(
            at=now,
            by=one.by,
            report_id=f"m{ts}",
            text=one.text.strip()[:TEXT],
            said_at=min(one.said_at, now),
            slack_ts=ts,
            author=one.author,
        )
        for ts, one in marked.items()
        if ts not in known
    )
    return (*taken_back, *new)
