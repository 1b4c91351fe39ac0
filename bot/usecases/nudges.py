"""Reminders: of incidents that are verified and never closed, and of postmortems without a root cause."""

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.catalog import Catalog
from bot.domain.incident import Incident, Status
from bot.ports.chat import INCIDENT_CHANNEL, Post
from bot.store import Store
from bot.store.unit import UnitOfWork
from bot.usecases.desk import Desk
from bot.views.nudge import nudge_card

MOST = 3
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
        recent = await self._store.read(lambda uow: uow.incidents.list(open_only=False, limit=LOOK_BACK))
        due = [(i, n) for i in recent if (n := due_reminder(i, after=self._after, now=self._clock()))]
        if not due:
            return

        def put(uow: UnitOfWork) -> None:
            for incident, number in due:
                text, blocks = nudge_card(incident)
                slot = f"nudge-{incident.status}-{number}"
                if uow.outbox.get(f"incident:{incident.id}", slot) is None:
                    post = Post(channel=INCIDENT_CHANNEL, text=text, blocks=blocks)
                    uow.outbox.put(f"incident:{incident.id}", slot, post, incident_id=incident.id)

        await self._store.write(put)
        self._desk.wake()


def due_reminder(incident: Incident, *, after: timedelta, now: datetime) -> int:
    """Which reminder is due: 1, 2 or 3; 0 for none. One each `after`, three at most.

    After a long time without kaeru it is the last one, once.
    """
    if incident.status is Status.VERIFIED:
        since = incident.verified_at
    elif incident.status is Status.CLOSED and not incident.root_cause.strip():
        since = incident.closed_at
    else:
        since = None
    if since is None or after <= timedelta(0):
        return 0
    return min(int((now - since) / after), MOST)
