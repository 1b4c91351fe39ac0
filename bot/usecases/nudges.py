"""Reminders: of what people are asked, of incidents that nobody closes, of what a postmortem lacks, of actions, of debts."""

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot.catalog import Catalog
from bot.domain.incident import Incident, Owed, Status
from bot.domain.run import Run
from bot.ports.chat import INCIDENT_CHANNEL, Post
from bot.store import Store
from bot.store.unit import UnitOfWork
from bot.usecases.desk import Desk
from bot.usecases.owing import owing
from bot.views.blocks import Card
from bot.views.debts import debts_nudge
from bot.views.nudge import nudge_card, unfiled, unwritten
from bot.views.traffic_card import asks_now, traffic_nudge

MOST = 3
DAY = timedelta(days=1)
UNOWNED = timedelta(hours=1)
"""How long something suspended may have no owner before that is said for the first time."""
ASKED_AGAIN = timedelta(minutes=5)
"""How long users are kept waiting for an answer before it is asked for again; the pause doubles each time."""
ASKED_AGAIN_MOST = 6
LOOK_BACK = 200


class Nudges:
    """Level-triggered: looks at what is there and puts what is due into the outbox, each reminder once."""

    def __init__(self, store: Store, catalog: Catalog, desk: Desk, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._after = catalog.nudges.postmortem_after
        self._desk = desk
        self._clock = clock

    async def remind(self) -> None:
        """Put every reminder that is due into the outbox."""
        await self._remind_of_debts()
        await self._remind_of_questions()
        recent = await self._store.read(lambda uow: uow.incidents.list(open_only=False, limit=LOOK_BACK))
        due = [(i, n) for i in recent if (n := due_reminder(i, after=self._after, now=self._clock()))]
        if not due:
            return

        await self._post(
            [(incident, _slot(incident, number), nudge_card(incident)) for incident, number in due]
        )

    async def _remind_of_debts(self) -> None:
        """Whoever is in the channel of an incident that has something suspended, also after it was closed."""
        found = [(i, *due_debts(i, now=self._clock())) for i in await self._store.read(owing)]
        due = [
            (i, f"nudge-debts-{name}", debts_nudge(i, debts))
            for i, name, debts in found
            if debts and i.archived_at is None
        ]
        if due:
            await self._post(due)

    async def _remind_of_questions(self) -> None:
        """Whoever can say whether users come back any further: nothing goes on without them."""
        incidents = await self._store.read(lambda uow: uow.incidents.list(open_only=True, limit=LOOK_BACK))
        due = [
            (i, f"nudge-traffic-{i.run.id}-{i.run.traffic.asks}-{number}", traffic_nudge(i, i.run))
            for i in incidents
            if i.run is not None and (number := due_question(i, i.run, now=self._clock()))
        ]
        if due:
            await self._post(due)

    async def _post(self, due: Sequence[tuple[Incident, str, Card]]) -> None:
        def put(uow: UnitOfWork) -> None:
            for incident, slot, (text, blocks) in due:
                if uow.outbox.get(f"incident:{incident.id}", slot) is None:
                    post = Post(channel=INCIDENT_CHANNEL, text=text, blocks=blocks)
                    uow.outbox.put(f"incident:{incident.id}", slot, post, incident_id=incident.id)

        await self._store.write(put)
        self._desk.wake()


def _slot(incident: Incident, number: int) -> str:
    """One that was taken up again is reminded of anew."""
    again = f"-{len(incident.runs)}" if len(incident.runs) > 1 and incident.is_open else ""
    return f"nudge-{incident.status}-{number}{again}"


def due_debts(incident: Incident, *, now: datetime) -> tuple[str, tuple[Owed, ...]]:
    """The reminder's name, one for each day, and what it is about; nothing where none is due.

    What nobody sees to is named from an hour on, the rest from a day on; then once a day until it is given back.
    """
    if incident.status is Status.ROLLING_BACK:
        return "", ()
    due = tuple(o for o in incident.debts if now - o.since >= (UNOWNED if o.owner is None else DAY))
    if not due:
        return "", ()
    first = min(o.since for o in due) + UNOWNED
    return f"{first:%Y%m%dT%H%M%S}-{int((now - first) / DAY) + 1}", due


def due_question(incident: Incident, run: Run, *, now: datetime) -> int:
    """How often the question about users who come back is due to be asked again; 0 for not yet, or nothing is asked.

    5, 15, 35 … minutes after it was asked.
    """
    since = run.traffic.asked_at
    if since is None or incident.held_by is not None or not asks_now(incident, run):
        return 0
    return min(int(math.log2((now - since) / ASKED_AGAIN + 1)), ASKED_AGAIN_MOST)


def due_reminder(incident: Incident, *, after: timedelta, now: datetime) -> int:
    """Which reminder is due: 1, 2 or 3; 0 for none. One each `after`, three at most.

    After a long time without kaeru it is the last one, once.
    """
    if incident.archived_at is not None:
        return 0
    if incident.status is Status.VERIFIED:
        since = incident.verified_at
    elif incident.left_unverified and incident.run is not None:
        since = incident.run.ended_at
    elif incident.status is Status.CLOSED and (unwritten(incident) or unfiled(incident)):
        since = incident.closed_at
    else:
        since = None
    if since is None or after <= timedelta(0):
        return 0
    return min(int((now - since) / after), MOST)
