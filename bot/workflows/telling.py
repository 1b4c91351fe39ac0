"""Telling people outside, as a durable workflow: one for each notice and each way to tell it.

Nothing waits for it. What is sent is said to be so before it is, in the store: a bot that is killed in between
knows afterwards that they may have been told, and tells them again only where the other side recognises that.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from bot.catalog import Catalog
from bot.domain import decide
from bot.domain import events as e
from bot.domain.audiences import Addressee, Audience, NoticeRecord, Telling
from bot.domain.base import Refusal
from bot.domain.durations import human
from bot.domain.incident import Incident
from bot.domain.notices import Notice, notice_key
from bot.ports import OutcomeUnknown, PortError, Unavailable
from bot.ports.chat import Chat
from bot.ports.engine import Steps, Workflow
from bot.ports.notices import Notifier, Sent
from bot.store import Store, UnitOfWork
from bot.usecases.bounds import writing
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.usecases.names import display_names
from bot.usecases.telling import at_that_time, in_words, newer_than, trouble_key

_log = logging.getLogger(__name__)

INSIST_FOR = timedelta(minutes=30)
"""How long what may pass by itself, such as a server that is down, is tried again."""
SEND_S = 120.0
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
LOOK_S = 2.0
"""How often, while it waits, it looks whether there is something newer to tell."""

Outcome = TypeVar("Outcome", e.NoticeSent, e.NoticeFailed)
_LOOK = "Look there whether it arrived before you tell them again."
_NEWER = "What is newer is told instead."


class Teller:
    """What the step does. May be called again with the same argument, `INCIDENT/NUMBER/PLACE`."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        fleet: Fleet,
        desk: Desk,
        chat: Chat,
        *,
        clock: Callable[[], datetime],
        insist_for: timedelta = INSIST_FOR,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._fleet = fleet
        self._desk = desk
        self._chat = chat
        self._clock = clock
        self._insist_for = insist_for

    async def tell(self, argument: str) -> None:
        """Tell them, and write down what came of it."""
        incident_id, number, place = argument.rsplit("/", 2)
        incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
        found = _asked(incident, int(number), int(place))
        if found is None:
            return
        record, one = found
        try:
            notifier = self._notifier(incident, one)
        except Refusal as error:
            await self._settle(incident.id, _failed(record, one, str(error)))
            return
        notice = await self._words(incident, record, one)
        attempt = _Attempt(
            self._store, notifier, argument, notice_key(incident.id, record.number, notifier.identity)
        )
        await self._settle(incident.id, await self._told(incident.id, record, one, notice, attempt))

    async def _told(
        self, incident_id: str, record: NoticeRecord, one: Addressee, notice: Notice, attempt: "_Attempt"
    ) -> e.NoticeSent | e.NoticeFailed:
        """Try until it is settled one way or the other."""
        give_up_at = self._clock() + self._insist_for
        pause, known = SHORTEST_PAUSE_S, {"whom": attempt.notifier.identity, "subject": notice.subject}
        while True:
            try:
                sent = await attempt.send(notice)
            except PortError as error:
                trouble = error
            else:
                return self._stamped(_sent(record, one, notice, sent), known)
            _log.warning("%s of %s: %s", one.name, incident_id, trouble)
            await attempt.not_yet(trouble)
            wait = max(getattr(trouble, "retry_after_s", None) or 0.0, pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)
            over = self._clock() + timedelta(seconds=wait) >= give_up_at
            end = self._end(trouble, one, over=over, again=attempt.notifier.recognises)
            if end is None and await self._is_old_news(incident_id, record, one, wait):
                unsure = isinstance(trouble, OutcomeUnknown)
                end = (Telling.UNKNOWN, _LOOK) if unsure else (Telling.OUTDATED, _NEWER)
            if end is not None:
                state, what_now = end
                return self._stamped(_failed(record, one, f"{trouble.advice} {what_now}", state), known)

    def _end(
        self, trouble: PortError, one: Addressee, *, over: bool, again: bool
    ) -> tuple[Telling, str] | None:
        """What it comes to, and what to do; None where it is tried once more."""
        if isinstance(trouble, OutcomeUnknown):
            return (Telling.UNKNOWN, _LOOK) if over or not again else None
        if isinstance(trouble, Unavailable):
            tried = f"It was tried for {human(self._insist_for)}."
            return (Telling.FAILED, f"{tried} {_by_hand(one)}") if over else None
        return Telling.FAILED, _by_hand(one)

    async def _is_old_news(
        self, incident_id: str, record: NoticeRecord, one: Addressee, wait_s: float
    ) -> bool:
        """Wait; whether there is something newer to tell by then. As soon as there is, nothing is waited for."""
        while True:
            incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
            if newer_than(incident, record, one.name):
                return True
            if wait_s <= 0:
                return False
            await asyncio.sleep(min(LOOK_S, wait_s))
            wait_s -= LOOK_S

    def _stamped(self, event: Outcome, known: dict[str, str]) -> Outcome:
        return event.model_copy(update={"at": self._clock(), **known})

    async def _settle(self, incident_id: str, event: e.NoticeSent | e.NoticeFailed) -> None:
        await self._desk.change(incident_id, lambda now_it_is: decide.notice_settled(now_it_is, event))

    def _notifier(self, incident: Incident, one: Addressee) -> Notifier:
        found = self._fleet.hands(incident.service).outside.notices.get(one.name)
        if found is None:
            raise Refusal(f"{one.name} is not among the notices of kaeru.yml any more. {_by_hand(one)}")
        return found

    async def _words(self, incident: Incident, record: NoticeRecord, one: Addressee) -> Notice:
        """As things were when it happened, however much later it is told."""
        then = await self._store.read(lambda uow: at_that_time(uow, incident.id, record.number))
        names = dict(self._catalog.people)
        if one.audience is Audience.ENGINEERS:
            people = {then[0].declared_by, *then[0].roles.values(), *then[0].joined}
            names = await display_names(self._chat, names, people)
        return in_words(self._catalog, then, one, names)


class _Attempt:
    """Sends one notice. `key` is the same for every try, also after a crash; so is `argument`, which names the mark."""

    def __init__(self, store: Store, notifier: Notifier, argument: str, key: str) -> None:
        self.notifier = notifier
        self._store = store
        self._key = key
        self._mark = f"telling:{argument}"
        self._trouble = trouble_key(argument)

    async def send(self, notice: Notice) -> Sent:
        """Raises OutcomeUnknown also where kaeru was ended while it sent, and it cannot be sent again."""
        under_way = await self._store.read(lambda uow: uow.facts.get(self._mark))
        if under_way and not self.notifier.recognises:
            raise OutcomeUnknown("kaeru was ended in the very moment in which it told them.")
        await self._under_way(now=True)
        try:
            return await writing(self.notifier.send(notice, self._key), self.notifier.identity, SEND_S)
        except OutcomeUnknown:
            raise
        except PortError:
            await self._under_way(now=False)
            raise

    async def not_yet(self, trouble: PortError) -> None:
        """For whoever asks meanwhile."""
        await self._store.write(lambda uow: uow.facts.set(self._trouble, trouble.advice))

    async def _under_way(self, *, now: bool) -> None:
        def work(uow: UnitOfWork) -> None:
            uow.facts.set(self._mark, now)

        await self._store.write(work)


def _asked(incident: Incident, number: int, place: int) -> tuple[NoticeRecord, Addressee] | None:
    record = next((one for one in incident.notices if one.number == number), None)
    return None if record is None else decide.still_pending(incident, number, record.to[place].name)


def _sent(record: NoticeRecord, one: Addressee, notice: Notice, sent: Sent) -> e.NoticeSent:
    return e.NoticeSent(
        at=record.at,
        number=record.number,
        moment=record.moment,
        name=one.name,
        audience=one.audience,
        whom="",
        subject=notice.subject,
        text=notice.text,
        reference=sent.reference,
        url=sent.url,
        already=sent.already,
        declined=tuple(f"{d.recipient}: {d.reason}" for d in sent.declined),
        note=sent.note,
    )


def _failed(
    record: NoticeRecord, one: Addressee, reason: str, state: Telling = Telling.FAILED
) -> e.NoticeFailed:
    return e.NoticeFailed.model_validate(
        {
            "at": record.at,
            "number": record.number,
            "moment": record.moment,
            "name": one.name,
            "audience": one.audience,
            "whom": "",
            "reason": reason,
            "state": state,
        }
    )


def _by_hand(one: Addressee) -> str:
    return f"Tell {one.audience} by hand, or once it works with `/incident tell {one.audience} …`."


def bind(work: Teller) -> Workflow:
    """The workflow as the engine takes it. Its argument is `INCIDENT/NUMBER/PLACE`."""

    async def body(steps: Steps, argument: str) -> None:
        await steps.run("tell", lambda: work.tell(argument))

    return body
