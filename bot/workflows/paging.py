"""Calling whoever is on call, as durable workflows: one for each page, one to stop it, one to say that it is over.

They go on beside everything else; no rollback waits for them. The key of the alert is the incident, so that a step
may be done again after a crash: the pager makes one alert of it. A relapse resolves the alert before it pages.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial

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
from bot.usecases.bounds import reading
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.usecases.paging import on_call_names
from bot.usecases.turns import Turns
from bot.views.project import project_page
from bot.workflows.insisting import LOOK_S, NotNeeded, insistently

WHO_S = 20.0
CHANNEL_S = 5.0
"""How long a page waits for the channel that it points to: people are called all the same."""

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
        self._turns = Turns()

    async def clear(self, argument: str) -> None:
        """Resolve the alert of an earlier page: while it is open, the pager calls nobody anew."""
        incident, record = await self._load(argument)
        before = next((one for one in incident.pages[-2::-1] if one.may_ring), None)
        if record.state is PageState.CALLING and before is not None:
            await self._tell(incident, before, "resolve", BOT, beneath=record)

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
            done = await insistently(
                lambda: self._send(argument, pager, page),
                f"The page of {incident.id} through {through}",
                turn=self._turns.of(incident.id),
                look=partial(self._is_needed, incident.id, record),
                show=partial(self._show, incident.id, record),
            )
        except NotNeeded as enough:
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
        # By the alert, until people have said that it is worse.
        chosen = incident.severity
        severity = chosen if record.severity is None or (chosen and chosen.rolls_back) else record.severity
        how_bad = f" ({severity.label})" if severity else ""
        again = {"declared": " is ill", "relapsed": " is ill again", "worse": " is worse"}[record.why]
        channel = incident.channel_id or ""
        return Page(
            incident_id=incident.id,
            service=incident.service,
            summary=f"{incident.service}{again}{how_bad}: incident {incident.id}",
            severity=severity,
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

    async def _tell(
        self,
        incident: Incident,
        record: PageRecord,
        action: PagerAction,
        by: UserId,
        *,
        beneath: PageRecord | None = None,
    ) -> None:
        """Acknowledge or resolve, and write down that it was done, or that people have to do it there.

        Not where that would silence a newer page: all pages of an incident have one key. `beneath` is the newer page
        for whose sake an older one is resolved.
        """
        through = record.through
        name = plain(f"<@{by}>", self._catalog.people) if by != BOT else "kaeru"
        try:
            pager = self._pager(incident)
            through = pager.identity
            telling = pager.acknowledge if action == "acknowledge" else pager.resolve
            await insistently(
                lambda: telling(incident.id, by=name),
                f"Telling {through} of {incident.id}: {action}",
                turn=self._turns.of(incident.id),
                look=partial(self._is_to_be_told, incident.id, record, action, beneath),
                show=None if beneath is None else partial(self._show, incident.id, beneath),
            )
        except NotNeeded:
            return
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

    async def _is_needed(self, incident_id: str, record: PageRecord) -> None:
        """Raises NotNeeded."""
        incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
        if incident.pages[-1].number != record.number:
            raise NotNeeded("people are being called anew.")
        if incident.exercise:
            raise NotNeeded("it is an exercise.")
        if decide.is_over(incident):
            raise NotNeeded("it was over before anybody could be called.")
        by = incident.pages[record.number - 1].acknowledged_by
        if by is not None:
            raise NotNeeded(f"<@{by}> was on it before anybody could be called.")

    async def _is_to_be_told(
        self, incident_id: str, record: PageRecord, action: PagerAction, beneath: PageRecord | None
    ) -> None:
        """Raises NotNeeded."""
        incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
        newer = None if beneath is None else beneath.number
        if not decide.may_tell_pager(incident, record.number, action, beneath=newer):
            raise NotNeeded("the pager has to be told something else by now.")

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
