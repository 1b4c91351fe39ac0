"""The use cases of chat, on the same database, for one command."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from bot.catalog import Catalog, load_catalog
from bot.cli.database import incident_of, open_store
from bot.cli.deferred import DeferredEngine
from bot.cli.people import Actor, Register
from bot.cli.words import spoken
from bot.clock import now
from bot.domain import decide
from bot.domain import events as e
from bot.domain.base import Refusal
from bot.domain.incident import Incident
from bot.domain.policy import NotAnApprover
from bot.settings import Settings, load_settings
from bot.store import Store
from bot.store.unit import UnitOfWork
from bot.usecases import commands as c
from bot.usecases.desk import Changed, Desk
from integrations import registry


class CommandLineDesk(Desk):
    """The desk that adds, in the same transaction, who was at the keyboard when somebody else's name was given."""

    def __init__(self, store: Store, catalog: Catalog, actor: Actor) -> None:
        # The bot's own id is not known here, and not needed: it is never among the people of kaeru.yml.
        super().__init__(
            store, catalog, DeferredEngine(), clock=now, on_commit=_nobody_to_wake, bot_user="kaeru"
        )
        self._actor = actor

    def _record(self, uow: UnitOfWork, incident: Incident | None, events: decide.Events) -> Changed:
        changed = super()._record(uow, incident, events)
        if not events or not self._actor.is_person:
            return changed
        note = self._typed(", ".join(_what(event) for event in events), events[-1].at)
        # After the rest: the note's own message has to stand behind the opening of its channel.
        noted = super()._record(uow, changed.incident, (note,))
        return Changed(noted.incident, (*events, note))

    def _mark(self, command: c.MarkMessage) -> Callable[[UnitOfWork], None]:
        """A mark is an entry without an event, so its note is added here."""
        mark = super()._mark(command)

        def work(uow: UnitOfWork) -> None:
            before = uow.timeline.length(command.incident_id)
            mark(uow)
            if self._actor.is_person and uow.timeline.length(command.incident_id) > before:
                note = self._typed("message marked", now())
                super(CommandLineDesk, self)._record(uow, uow.incidents.get(command.incident_id), (note,))

        return work

    def _typed(self, what: str, at: datetime) -> e.NoteAdded:
        text = f"{what}: typed on the command line in the name of <@{self._actor.user}>"
        return e.NoteAdded(at=at, by=self._actor.typist, text=text)


def _what(event: e.Event) -> str:
    """What was typed, for people: `incident closed`."""
    match event:
        case e.DebtAccepted():
            return f"accepted that this stays open ({event.text.rstrip('.')})"
        case _:
            return event.type.replace("_", " ")


def _nobody_to_wake() -> None:
    """The delivery looks into the outbox by itself, twice a second."""


@dataclass(frozen=True)
class Office:
    """What a deciding command has to hand. `actor` is who it acts for."""

    settings: Settings
    catalog: Catalog
    store: Store
    desk: Desk
    register: Register
    actor: Actor

    async def find(self, word: str | None) -> Incident:
        """The incident that `word` means. Raises Refusal."""
        return await incident_of(self.store, word)


@asynccontextmanager
async def open_office(as_: str | None, *, make: bool = False) -> AsyncIterator[Office]:
    """Open the database for somebody. With `make` it may be new.

    Raises SettingsInvalid, CatalogInvalid, StoreError, and Refusal, whose sentences are put in this place's words.
    """
    settings = load_settings()
    catalog = load_catalog(settings.config, registry.kinds())
    register = Register.of(catalog)
    actor = register.actor(as_)
    async with open_store(settings, make=make) as store:
        desk = CommandLineDesk(store, catalog, actor)
        try:
            yield Office(settings, catalog, store, desk, register, actor)
        except Refusal as refusal:
            who = (
                " If you are one of them, say so: --as NAME."
                if isinstance(refusal, NotAnApprover) and not actor.is_person
                else ""
            )
            raise Refusal(f"{spoken(str(refusal), register.names)}{who}") from refusal


async def carry_out(
    word: str | None, as_: str | None, command: Callable[[str, Office], c.IncidentCommand]
) -> Incident:
    """Find the incident, make the command for it and carry it out; the incident as it stands then."""
    async with open_office(as_) as office:
        incident = await office.find(word)
        return (await office.desk.handle(command(incident.id, office))).incident
