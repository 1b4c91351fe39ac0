"""Calling whoever is on call, as durable workflows: one for each page, one to stop it, one to say that it is over.

They go on beside everything else; no rollback waits for them. The key of the alert is the incident, so that a step
may be done again after a crash: the pager makes one alert of it. A relapse resolves the alert before it pages.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from bot.catalog import Catalog
from bot.domain import decide
from bot.domain.base import BOT, Refusal, UserId
from bot.domain.incident import Incident
from bot.domain.paging import PagerAction, PageRecord, PageState
from bot.domain.prose import plain
from bot.ports import OutcomeUnknown, PortError, Unavailable
from bot.ports.engine import Steps, Workflow
from bot.ports.oncall import OnCall, OnCallPerson, Page, Paged
from bot.store import Store, UnitOfWork
from bot.usecases.bounds import reading, writing
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.usecases.paging import on_call_names
from bot.views.project import project_page

_log = logging.getLogger(__name__)

INSIST_FOR_S = 30 * 60.0
"""How long it is tried while the pager cannot be reached."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
CALL_S, WHO_S = 90.0, 20.0
CHANNEL_S = 5.0
"""How long a page waits for the channel that it points to: people are called all the same."""
LOOK_S = 0.5

_MAY_NOT_RING = "The alert before could not be resolved, so the pager may not call again: call them yourself."
_BY_HAND = "Call whoever is on call yourself."


class Paging:
    """What the steps do. May be called again with the same argument, `INCIDENT/NUMBER`."""

    def __init__(
        self, store: Store, catalog: Catalog, fleet: Fleet, desk: Desk, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._fleet = fleet
        self._desk = desk
        self._clock = clock

    async def clear(self, argument: str) -> None:
        """Resolve the alert of the page before this one: while it is open, the pager calls nobody anew."""
        incident, record = await self._load(argument)
        before = next((one for one in incident.pages if one.number == record.number - 1), None)
        if record.state is PageState.CALLING and before is not None and before.may_ring:
            await self._tell(incident, before, "resolve", BOT)

    async def call(self, argument: str) -> None:
        """Call people, and write down who, or why not."""
        incident, record = await self._load(argument)
        if record.state is not PageState.CALLING:
            return
        through = ""
        try:
            pager = self._pager(incident)
            through = pager.identity
            incident = await self._with_channel(incident)
            page = self._page(incident, record)
            done = await self._insistently(
                incident, record, lambda: self._send(argument, pager, page), f"The page through {through}"
            )
        except _NotNeeded as enough:
            reason, may_ring = str(enough), await self._is_out(argument)
            await self._desk.change(
                incident.id,
                lambda now_it_is: decide.page_spared(
                    now_it_is, record.number, reason=reason, unknown=may_ring, now=self._clock()
                ),
            )
        except (Refusal, PortError) as error:
            said = error.advice if isinstance(error, PortError) else str(error)
            reason, unknown = f"{said} {_BY_HAND}", isinstance(error, OutcomeUnknown)
            await self._desk.change(
                incident.id,
                lambda now_it_is: decide.page_failed(
                    now_it_is,
                    record.number,
                    through=through,
                    reason=reason,
                    unknown=unknown,
                    now=self._clock(),
                ),
            )
        else:
            await self._called(incident, record, pager, done)

    async def acknowledge(self, argument: str) -> None:
        """Stop the pager."""
        incident, record = await self._load(argument)
        if record.acknowledged_by is not None and not record.told:
            await self._tell(incident, record, "acknowledge", record.acknowledged_by)

    async def resolve(self, argument: str) -> None:
        """Say that it is over."""
        incident, record = await self._load(argument)
        if record.may_ring:
            await self._tell(incident, record, "resolve", incident.closed_by or BOT)

    async def _load(self, argument: str) -> tuple[Incident, PageRecord]:
        incident_id, _, number = argument.rpartition("/")
        incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
        return incident, incident.pages[int(number) - 1]

    def _pager(self, incident: Incident) -> OnCall:
        pager = self._fleet.hands(incident.service).outside.on_call
        if pager is None:
            raise Refusal(f"{incident.service} has no `on_call` in kaeru.yml any more.")
        return pager

    def _page(self, incident: Incident, record: PageRecord) -> Page:
        how_bad = f" ({incident.severity.label})" if incident.severity else ""
        again = " is ill again" if record.why == "relapsed" else " is ill"
        channel = incident.channel_id or ""
        return Page(
            incident_id=incident.id,
            service=incident.service,
            summary=f"{incident.service}{again}{how_bad}: incident {incident.id}",
            severity=incident.severity,
            at=record.begun_at,
            link=f"https://slack.com/app_redirect?channel={channel}" if channel else "",
            channel=channel,
            details={"declared_at": incident.declared_at.isoformat(), "page": str(record.number)},
        )

    async def _send(self, argument: str, pager: OnCall, page: Page) -> Paged:
        """Page. While it is on its way that is written down: after a crash somebody may have been called."""
        await self._store.write(lambda uow: uow.facts.set(_out(argument), value=True))
        try:
            return await pager.page(page)
        except Unavailable:
            await self._store.write(lambda uow: uow.facts.set(_out(argument), value=False))
            raise

    async def _is_out(self, argument: str) -> bool:
        return bool(await self._store.read(lambda uow: uow.facts.get(_out(argument))))

    async def _with_channel(self, incident: Incident) -> Incident:
        """The same incident, with the channel that is just being opened."""
        loop, incident_id = asyncio.get_running_loop(), incident.id
        deadline = loop.time() + CHANNEL_S
        while incident.channel_id is None and loop.time() < deadline:
            await asyncio.sleep(LOOK_S)
            incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
        return incident

    async def _called(self, incident: Incident, record: PageRecord, pager: OnCall, done: Paged) -> None:
        before = next((one for one in incident.pages if one.number == record.number - 1), None)
        unsure = before is not None and before.trouble
        note = f"{done.note} {_MAY_NOT_RING}".strip() if unsure else done.note
        people: tuple[OnCallPerson, ...] = ()
        try:
            people = await reading(pager.who(), f"Who is on call ({pager.identity})", WHO_S)
        except PortError as error:
            note = f"{note} Who is on call is not known: {error.advice}".strip()
        names = on_call_names(self._catalog, people)
        await self._desk.change(
            incident.id,
            lambda now_it_is: decide.paged(
                now_it_is,
                record.number,
                through=pager.identity,
                people=names,
                note=note,
                now=self._clock(),
            ),
        )

    async def _tell(self, incident: Incident, record: PageRecord, action: PagerAction, by: UserId) -> None:
        """Acknowledge or resolve, and write down that it was done, or that people have to do it there."""
        through = record.through
        name = plain(f"<@{by}>", self._catalog.people) if by != BOT else "kaeru"
        try:
            pager = self._pager(incident)
            through = pager.identity
            telling = pager.acknowledge if action == "acknowledge" else pager.resolve
            await self._insistently(
                incident, None, lambda: telling(incident.id, by=name), f"The pager {through}"
            )
        except (Refusal, PortError) as error:
            said = error.advice if isinstance(error, PortError) else str(error)
            reason = f"{said} Do it there."
            await self._desk.change(
                incident.id,
                lambda now_it_is: decide.pager_not_told(
                    now_it_is, record.number, action, through=through, reason=reason, now=self._clock()
                ),
            )
        else:
            await self._desk.change(
                incident.id,
                lambda now_it_is: decide.pager_told(
                    now_it_is, record.number, action, through=through, now=self._clock()
                ),
            )

    async def _insistently(
        self, incident: Incident, record: PageRecord | None, work: Callable[[], Awaitable[Paged]], what: str
    ) -> Paged:
        """`work`, again and again while that may help: it is safe to repeat, also where its outcome is unknown.

        With the `record` of a page it is said where people see it, and given up once nobody has to be called.
        Raises PortError, and _NotNeeded.
        """
        loop = asyncio.get_running_loop()
        give_up_at, pause = loop.time() + INSIST_FOR_S, FIRST_PAUSE_S
        while True:
            if record is not None:
                await self._is_needed(incident.id, record)
            try:
                return await writing(work(), what, CALL_S)
            except (Unavailable, OutcomeUnknown) as error:
                wait = max(pause, error.retry_after_s) if isinstance(error, Unavailable) else pause
                if loop.time() + wait >= give_up_at:
                    raise
                _log.warning("%s of %s: %s", what, incident.id, error)
                if record is not None:
                    await self._show(incident.id, record, error.advice)
                await self._pause(wait, incident.id, record)
                pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _pause(self, seconds: float, incident_id: str, record: PageRecord | None) -> None:
        """Shorter where nobody has to be called any more."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (left := until - loop.time()) > 0:
            await asyncio.sleep(min(LOOK_S, left))
            if record is not None:
                await self._is_needed(incident_id, record)

    async def _is_needed(self, incident_id: str, record: PageRecord) -> None:
        """Raises _NotNeeded."""
        incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
        if decide.is_over(incident):
            raise _NotNeeded("it was over before anybody could be called.")
        by = incident.pages[record.number - 1].acknowledged_by
        if by is not None:
            raise _NotNeeded(f"<@{by}> was on it before anybody could be called.")

    async def _show(self, incident_id: str, record: PageRecord, trouble: str) -> None:
        """Let the page's card say what is in the way. Kept nowhere, and replaced by what comes next."""

        def work(uow: UnitOfWork) -> None:
            incident = uow.incidents.get(incident_id)
            now_it_is = incident.pages[record.number - 1]
            if now_it_is.state is PageState.CALLING:
                for slot in project_page(incident, now_it_is, trouble):
                    uow.outbox.put(slot.lane, slot.slot, slot.operation, incident_id=incident_id)

        await self._store.write(work)
        self._desk.wake()


def _out(argument: str) -> str:
    """The fact that a page may have reached the pager."""
    return f"page-out:{argument}"


class _NotNeeded(Exception):
    """Nobody has to be called any more; `str` says why."""


def bind(work: Paging) -> Workflow:
    """The workflow of a page. Its argument is `INCIDENT/NUMBER`."""

    async def body(steps: Steps, argument: str) -> None:
        await steps.run("clear", lambda: work.clear(argument))
        await steps.run("call", lambda: work.call(argument))

    return body


def bind_acknowledge(work: Paging) -> Workflow:
    """The workflow that stops the pager."""

    async def body(steps: Steps, argument: str) -> None:
        await steps.run("acknowledge", lambda: work.acknowledge(argument))

    return body


def bind_resolve(work: Paging) -> Workflow:
    """The workflow that tells the pager that it is over."""

    async def body(steps: Steps, argument: str) -> None:
        await steps.run("resolve", lambda: work.resolve(argument))

    return body
