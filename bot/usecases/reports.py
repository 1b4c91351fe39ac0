"""What users report: messages that people mark with a reaction, and the row of the verdict that comes of it.

Which messages are marked is read from the timeline, where every reaction is kept: so nothing is lost by a crash, and
a reaction that was missed counts as soon as the gap is filled.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from bot.catalog import Catalog
from bot.domain import decide
from bot.domain.base import BOT, Refusal, UserId
from bot.domain.incident import Incident
from bot.domain.reports import rows_of_reports
from bot.domain.timeline import Entry, Kind, messages
from bot.domain.verdict import Row
from bot.store import Store
from bot.store.unit import UnitOfWork
from bot.usecases.desk import Desk
from bot.usecases.gathering import Case, More
from bot.usecases.stretches import Span

_log = logging.getLogger(__name__)

REACTIONS = (Kind.REACTION_ADDED, Kind.REACTION_REMOVED)
MOST = 1000


class UserReports:
    """Counts the messages that people mark."""

    def __init__(self, store: Store, catalog: Catalog, desk: Desk, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._names = frozenset(catalog.workspace.user_reports.reactions)
        self._desk = desk
        self._clock = clock
        self._seen: dict[str, int] = {}

    async def settle(self) -> None:
        """Let every open incident's reports be what its channel's reactions say. Safe to repeat."""
        for incident in await self._store.read(lambda uow: uow.incidents.list(open_only=True, limit=MOST)):
            if incident.channel_id is not None:
                await self._settle(incident)

    async def _settle(self, incident: Incident) -> None:
        length, marked, unmarked_by = await self._store.read(lambda uow: self._look(uow, incident))
        if self._seen.get(incident.id) == length:
            return
        now = self._clock()
        if decide.messages_marked(incident, marked, unmarked_by, now=now):
            try:
                await self._desk.change(
                    incident.id, lambda it: decide.messages_marked(it, marked, unmarked_by, now=now)
                )
            except Refusal as refusal:
                _log.warning("%s: what users report cannot be counted: %s", incident.id, refusal)
                return
        self._seen[incident.id] = length

    def _look(
        self, uow: UnitOfWork, incident: Incident
    ) -> tuple[int, dict[str, decide.Marked], dict[str, UserId]]:
        """How long the timeline is, which messages are marked, and who took the last mark off which."""
        length = uow.timeline.length(incident.id)
        if self._seen.get(incident.id) == length:
            return length, {}, {}
        reactions = [
            entry
            for entry in uow.timeline.entries(incident.id, kinds=REACTIONS)
            if _name(entry) in self._names and entry.slack_ts is not None and entry.actor != BOT
        ]
        about = uow.timeline.about(incident.id, {entry.slack_ts for entry in reactions if entry.slack_ts})
        return length, *marks(reactions, about)


def marks(
    reactions: Iterable[Entry], about: Sequence[Entry]
) -> tuple[dict[str, decide.Marked], dict[str, UserId]]:
    """Which messages are marked by somebody now, and who took the last mark off the others, both by the message's ts.

    `reactions` are those that mark, `about` is everything known of these messages. kaeru's own are no reports.
    """
    holders: dict[str, dict[tuple[UserId, str], UserId]] = {}
    unmarked_by: dict[str, UserId] = {}
    for entry in sorted(reactions, key=lambda entry: (entry.at, entry.seq)):
        ts = entry.slack_ts or ""
        held = holders.setdefault(ts, {})
        key = (entry.actor, str(entry.body.get("name")))
        if entry.kind is Kind.REACTION_ADDED:
            held[key] = entry.actor
        elif held.pop(key, None) is not None and not held:
            unmarked_by[ts] = entry.actor
    known = {message.ts: message for message in messages(about)}
    marked = {
        ts: decide.Marked(
            ts=ts,
            by=next(iter(held.values())),
            author=known[ts].actor or None,
            text=known[ts].text,
            said_at=known[ts].at,
        )
        for ts, held in holders.items()
        if held and ts in known and known[ts].actor != BOT
    }
    return marked, unmarked_by


def _name(entry: Entry) -> str:
    """`sos::skin-tone-2` is the same emoji."""
    return str(entry.body.get("name", "")).partition("::")[0]


class ReportSource:
    """What users report of one incident, as a source of its verdict."""

    delay = timedelta(0)

    def __init__(self, store: Store, incident_id: str) -> None:
        self._store = store
        self._incident_id = incident_id

    async def rows(self, after: Span, *, lately: bool = False) -> tuple[Row, ...]:  # noqa: ARG002 - the newest minutes are always judged by themselves too
        incident = await self._store.read(lambda uow: uow.incidents.get(self._incident_id))
        # All that came since the mitigation counts, however long it is watched: reports do not wear off.
        mitigated = incident.mitigated_at or after.since
        return rows_of_reports(
            incident.reports,
            began=min(incident.declared_at, mitigated),
            mitigated=mitigated,
            until=max(after.until, mitigated),
        )


def user_reports(store: Store) -> More:
    """What users report, for every incident's evidence."""

    def sources(case: Case) -> Sequence[ReportSource]:
        return (ReportSource(store, case.incident.id),)

    return sources
