"""Open actions become issues and postmortems go among other papers, once an incident is closed.

Nothing waits for it. Each thing is tried by itself; what fails is said on the closed card and tried again, later
each time, until only people have it tried again.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from bot.catalog import Catalog
from bot.domain import events as e
from bot.domain.base import Refusal
from bot.domain.filing import Item, action_id, again_at, pending
from bot.domain.incident import Action, Incident
from bot.domain.prose import mentioned, name, plain
from bot.ports import Chat, Conflict, OutcomeUnknown, PortError, Unavailable
from bot.ports.trackers import Filed, Paper, Papers, Task, Tracker
from bot.store import Missing, Store
from bot.usecases.bounds import writing
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.usecases.names import display_names
from bot.usecases.turns import Turns
from bot.usecases.unfinished import Chore, unfinished

_log = logging.getLogger(__name__)

PATIENCE_S = 5 * 60.0
SETTLE_S = 10.0
_TITLE = 200
_BY_HAND = "Then type `/incident file`."


class Filing:
    """What the steps and the clock do. `file` may be called again with the same argument, `INCIDENT/KEY/TRY`."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        fleet: Fleet,
        desk: Desk,
        *,
        chat: Chat,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._fleet = fleet
        self._desk = desk
        self._chat = chat
        self._clock = clock
        self._turns = Turns()

    async def sweep(self) -> None:
        """Start what is due by now. What has been started already is not started again."""
        for incident in await self._store.read(lambda uow: unfinished(uow, Chore.FILE)):
            await self._desk.start_due(incident, now=self._clock())

    async def settled(self, incident_id: str) -> None:
        """Wait until every action was tried at least once, for a few seconds at most."""
        deadline = asyncio.get_running_loop().time() + SETTLE_S
        while asyncio.get_running_loop().time() < deadline:
            incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
            ends = self._desk.ends(incident)
            if not any(i.is_due(None) for i in pending(incident, tracker=ends.tracker, papers=())):
                return
            await asyncio.sleep(0.1)

    async def file(self, argument: str) -> None:
        """Try one thing once, and write down what came of it."""
        incident_id, key, _ = argument.rsplit("/", 2)
        # The same thing is never tried twice at once: neither would find what the other is about to make.
        async with self._turns.of(f"{incident_id}/{key}"):
            incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
            ends = self._desk.ends(incident)
            items = pending(incident, tracker=ends.tracker, papers=ends.papers)
            item = next((one for one in items if one.key == key), None)
            if item is None:
                return
            if item.paper is None:
                await self._file_action(incident, item)
            else:
                await self._publish(incident, item, item.paper)

    # An action.

    async def _file_action(self, incident: Incident, item: Item) -> None:
        action = next(a for a in incident.actions if action_id(a.text) == item.id)
        where = "the tracker"
        settles = timedelta(0)
        try:
            tracker = self._tracker(incident)
            where, settles = tracker.identity, tracker.settles
            filed = await self._filed(tracker, await self._task(incident, action))
        except (PortError, Refusal) as error:
            reason, again = self._trouble(item, error, settles)
            event: e.Event = not_filed(incident, item, reason, again, now=self._clock(), where=where)
        else:
            event = e.ActionFiled(
                at=self._clock(),
                action=item.id,
                text=action.text,
                where=where,
                reference=filed.reference,
                url=filed.url,
                note=filed.note,
            )
        await self._note(incident, item, event)

    async def _filed(self, tracker: Tracker, task: Task) -> Filed:
        """File it, not before an earlier try that nobody knows the end of could be found."""
        fact = f"filing:{task.marker}"
        begun = await self._store.read(lambda uow: uow.facts.get(fact))
        if begun is not None:
            left = datetime.fromisoformat(begun) + tracker.settles - self._clock()
            await asyncio.sleep(min(max(left, timedelta(0)), tracker.settles).total_seconds())
        now = self._clock().isoformat()
        await self._store.write(lambda uow: uow.facts.set(fact, now))
        try:
            filed = await writing(tracker.file(task), f"Filing with {tracker.identity}", PATIENCE_S)
        except OutcomeUnknown:
            raise
        except PortError:
            await self._store.write(lambda uow: uow.facts.set(fact, None))
            raise
        return filed

    async def _task(self, incident: Incident, action: Action) -> Task:
        people = mentioned(action.text) | ({action.owner} if action.owner else set())
        names = await display_names(self._chat, self._catalog.people, people)
        text = plain(action.text, names).strip()
        title = " ".join(text.split())
        return Task(
            incident_id=incident.id,
            action=action_id(action.text),
            title=title if len(title) <= _TITLE else f"{title[: _TITLE - 1]}…",
            text=f"{text}\n\nAn open action of the incident {incident.id} of {incident.service}, "
            f"declared {incident.declared_at:%Y-%m-%d %H:%M} UTC.",
            since=incident.declared_at,
            owner=name(action.owner, names) if action.owner else "",
        )

    def _tracker(self, incident: Incident) -> Tracker:
        tracker = self._fleet.hands(incident.service).outside.tracker
        if tracker is None:
            raise Refusal(f"{incident.service} has no `tracker` in kaeru.yml any more.")
        return tracker

    # A paper.

    async def _publish(self, incident: Incident, item: Item, where: str) -> None:
        try:
            papers = self._papers(incident, where)
            paper = await self._paper(incident, item)
            filed = await writing(papers.publish(paper), f"Publishing to {where}", PATIENCE_S)
        except (PortError, Refusal) as error:
            reason, again = self._trouble(item, error, timedelta(0))
            event: e.Event = not_filed(incident, item, reason, again, now=self._clock())
        else:
            event = e.PostmortemPublished(
                at=self._clock(),
                revision=item.revision,
                paper=where,
                reference=filed.reference,
                url=filed.url,
                note=filed.note,
            )
        await self._note(incident, item, event)

    async def _paper(self, incident: Incident, item: Item) -> Paper:
        try:
            content = await self._store.read(lambda uow: uow.documents.get(incident.postmortem_sha256))
        except Missing as error:
            raise Refusal(
                f"Revision {item.revision} of the postmortem is not kept in the database. "
                "Record root cause and lessons to have it written again."
            ) from error
        return Paper(
            incident_id=incident.id,
            name=incident.id,
            title=f"Postmortem {incident.id}: {incident.service}",
            markdown=content.decode(),
            revision=item.revision,
            known=item.filing.reference,
        )

    def _papers(self, incident: Incident, where: str) -> Papers:
        papers = self._fleet.hands(incident.service).outside.papers.get(where)
        if papers is None:
            raise Refusal(f"{incident.service} has no papers called {where} in kaeru.yml any more.")
        return papers

    # Both.

    def _trouble(
        self, item: Item, error: PortError | Refusal, settles: timedelta
    ) -> tuple[str, datetime | None]:
        """What is said of it, and when it is tried again."""
        if isinstance(error, Refusal):
            return str(error), None
        if isinstance(error, Conflict):
            return (
                f"{error.advice} Bring the text of the incident's channel into it by hand, or put it back as kaeru "
                f"wrote it, or move it out of the way. {_BY_HAND}"
            ), None
        at_least = settles
        if isinstance(error, Unavailable):
            at_least = max(settles, timedelta(seconds=error.retry_after_s))
        again = again_at(item.filing.tries + 1, now=self._clock(), at_least=at_least)
        return (error.advice if again is not None else f"{error.advice} {_BY_HAND}"), again

    async def _note(self, incident: Incident, item: Item, event: e.Event) -> None:
        """Write it down, unless that has happened: a step may be done again after a crash."""
        if isinstance(event, e.ActionNotFiled | e.PostmortemNotPublished):
            _log.warning("%s: %s", incident.id, event.reason)

        def decision(now_it_is: Incident) -> tuple[e.Event, ...]:
            now_pending = pending(now_it_is, tracker=True, papers=[item.paper] if item.paper else [])
            return (event,) if any(one.id == item.id for one in now_pending) else ()

        await self._desk.change(incident.id, decision)


def not_filed(
    incident: Incident,
    item: Item,
    reason: str,
    again: datetime | None,
    *,
    now: datetime,
    where: str = "the tracker",
) -> e.ActionNotFiled | e.PostmortemNotPublished:
    """The event of a try that failed."""
    if item.paper is not None:
        return e.PostmortemNotPublished(
            at=now, revision=item.revision, paper=item.paper, reason=reason, again_at=again
        )
    text = next((a.text for a in incident.actions if action_id(a.text) == item.id), "")
    return e.ActionNotFiled(at=now, action=item.id, text=text, where=where, reason=reason, again_at=again)
