"""What a monitoring system says becomes incidents: opened once for each outbreak, told of ever after.

Every notification is in the inbox before the monitoring system is answered, and it is carried out from there, in
order: what a crash interrupts is carried out at the next start.
"""

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import Field

from bot.catalog import Catalog
from bot.domain import decide
from bot.domain.alerts import Alert
from bot.domain.base import BOT, Refusal, Value
from bot.domain.incident import Incident
from bot.domain.severity import Severity
from bot.store import Store, StoreError, UnitOfWork
from bot.store.inbox import InboxItem
from bot.usecases import commands as c
from bot.usecases.desk import Desk
from bot.usecases.fleet import NO_HANDS, Fleet
from bot.usecases.repeated import count_again, is_same, last_heard
from bot.usecases.suspects import suspects
from bot.usecases.wakeful import Wakeful

_log = logging.getLogger(__name__)

KIND = "alert"
"""Of the inbox's rows."""
BATCH = 100
OUTBREAKS = "alert:"
"""Facts: the outbreaks that are known, by `SERVICE:GROUP`."""
REMEMBERED = 200
"""How many outbreaks of one group are told apart."""


class Notification(Value):
    """What was said of one service in one notification. `severity` is what the alerts' own label says.

    `outbreaks` name each alert that fires, together with when it began.
    """

    service: str
    alert: Alert
    severity: str = ""
    outbreaks: tuple[str, ...] = Field(default=(), max_length=1000)


class Alerts:
    """Carries out the notifications in the inbox."""

    def __init__(
        self, store: Store, catalog: Catalog, fleet: Fleet, desk: Desk, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._fleet = fleet
        self._desk = desk
        self._clock = clock
        self._wakeful = Wakeful(self.carry_out, "Alerts wait for the database", trouble=StoreError)

    def wake(self) -> None:
        """Something was put into the inbox."""
        self._wakeful.wake()

    async def run(self) -> None:
        """Carry out whenever woken, and look every few seconds in case nobody did. Ends by cancellation.

        Raises StoreClosed.
        """
        await self._wakeful.run()

    async def carry_out(self) -> None:
        """Everything that waits in the inbox, oldest first. What cannot be done is tried a few times."""
        for item in await self._store.read(lambda uow: uow.inbox.pending(BATCH, kinds=(KIND,))):
            try:
                await self._one(Notification.model_validate(item.body), item)
            except StoreError:
                raise
            except Refusal as refusal:
                _log.warning("an alert is not followed: %s", refusal)
                reason = str(refusal)[:500]
                await self._store.write(lambda uow, i=item.id, why=reason: uow.inbox.give_up(i, why))  # type: ignore[misc]  # binds the loop's values
            except Exception as error:  # noqa: BLE001 - one alert must not keep the others from being heard
                _log.exception("the alert in request %s could not be carried out", item.id)
                reason = f"{type(error).__name__}: {error}"[:500]
                await self._store.write(lambda uow, i=item.id, why=reason: uow.inbox.fail(i, why))  # type: ignore[misc]  # binds the loop's values

    async def _one(self, said: Notification, item: InboxItem) -> None:
        """Each of its writes looks before it acts: after a crash all of it is done again."""
        known = await self._store.read(lambda uow: _outbreaks(uow, said))
        running = await self._store.read(lambda uow: uow.incidents.open_for(said.service))
        if running is None and said.alert.state == "firing" and set(said.outbreaks) - set(known):
            running = await self._open(said, item)
        elif running is not None:
            await self._tell(running, said, item, fresh=bool(set(said.outbreaks) - set(known)))
        else:
            _log.info("%s: the alert %s opens no incident", said.service, said.alert.title)
            await self._store.write(lambda uow: _remember(uow, said, self._clock()))
        if running is not None:
            await self._choose_severity(running.id, said)
        await self._store.write(lambda uow: uow.inbox.done(item.id))

    async def _tell(self, incident: Incident, said: Notification, item: InboxItem, *, fresh: bool) -> None:
        """One more entry in the timeline of what is open already, where it says something new."""
        now, severity = self._clock(), self._severity(said)
        if not fresh and await self._store.write(lambda uow: _is_repeated(uow, incident.id, said, item, now)):
            self._desk.wake()
            return
        await self._desk.change(
            incident.id,
            lambda now_it_is: decide.alert_heard(
                now_it_is, said.alert, fresh=fresh, now=now, severity=severity
            ),
            also=lambda uow: _remember(uow, said, now),
            once=_once(item),
        )

    async def _open(self, said: Notification, item: InboxItem) -> Incident:
        rules = self._catalog.workspace.alerts
        began = said.alert.at or self._clock()
        likely = await suspects(
            self._store,
            said.service,
            # An incident opens also for a service that kaeru cannot act for.
            self._fleet.services.get(said.service, NO_HANDS),
            alert_at=began,
            recent=rules.recent,
        )
        command = c.RollBack(by=BOT, service=said.service, alert=said.alert, suspects=likely)

        def also(uow: UnitOfWork) -> None:
            _remember(uow, said, self._clock())
            # As `once` of Desk.change: the same request done again adds nothing.
            uow.facts.set(f"once:{_once(item)}", value=True)

        return (await self._desk.roll_back(command, also=also)).incident

    def _severity(self, said: Notification) -> Severity | None:
        """As kaeru.yml maps it."""
        wanted = self._catalog.workspace.alerts.severities.get(said.severity)
        return None if wanted is None else Severity(wanted)

    async def _choose_severity(self, incident_id: str, said: Notification) -> None:
        """As kaeru.yml maps it, while nobody has chosen one."""
        wanted = self._severity(said)
        incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
        if wanted is None or incident.severity is not None or said.alert.state != "firing":
            return
        try:
            await self._desk.handle(c.SetSeverity(by=BOT, incident_id=incident_id, severity=wanted))
        except Refusal as refusal:
            _log.info("%s: the severity of the alert is not taken: %s", incident_id, refusal)


def _is_repeated(
    uow: UnitOfWork, incident_id: str, said: Notification, item: InboxItem, at: datetime
) -> bool:
    """Whether it is nothing new; then it is counted, once for each notification."""
    found = last_heard(uow, incident_id, said.alert.group)
    if found is None or not is_same(found[1].alert, said.alert):
        return False
    if not uow.facts.get(f"once:{_once(item)}"):
        uow.facts.set(f"once:{_once(item)}", value=True)
        _remember(uow, said, at)
        count_again(uow, uow.incidents.get(incident_id), *found, at)
    return True


def _once(item: InboxItem) -> str:
    return f"alert:{item.id}"


def _fact(said: Notification) -> str:
    digest = hashlib.sha256(said.alert.group.encode()).hexdigest()[:32]
    return f"{OUTBREAKS}{said.service}:{digest}"


def _outbreaks(uow: UnitOfWork, said: Notification) -> list[Any]:
    kept = uow.facts.get(_fact(said)) or ()
    return list(kept["known"] if isinstance(kept, dict) else kept)


def _remember(uow: UnitOfWork, said: Notification, at: datetime) -> None:
    """What has been heard of, and when for the last time: an alert that goes on firing is never forgotten."""
    merged = list(dict.fromkeys((*_outbreaks(uow, said), *said.outbreaks)))
    uow.facts.set(_fact(said), {"known": merged[-REMEMBERED:], "at": at.isoformat()})
