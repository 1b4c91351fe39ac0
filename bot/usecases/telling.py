"""Who is due to be told when something happens, and the words that they are told with."""

from collections.abc import Mapping
from pathlib import Path

from bot.catalog import Catalog
from bot.catalog.telling import ToldSettings
from bot.domain import decide
from bot.domain import events as e
from bot.domain.audiences import Addressee, NoticeRecord, Telling
from bot.domain.base import Refusal
from bot.domain.incident import Incident
from bot.domain.lifecycle import evolve, fold
from bot.domain.notices import Notice, known, moment_of, notices_due
from bot.domain.timeline import Kind
from bot.store import UnitOfWork
from bot.views.notices import notice

TELL = "tell.v1"


def those_told(catalog: Catalog, service: str) -> Mapping[str, ToldSettings]:
    """Who is told about the service, by their names in kaeru.yml."""
    found = catalog.services.get(service)
    adapters = found.outside.notices if found is not None else {}
    return {name: a.settings for name, a in adapters.items() if isinstance(a.settings, ToldSettings)}


def with_notices(catalog: Catalog, before: Incident | None, events: decide.Events) -> decide.Events:
    """`events`, and after each that people outside are told of the one that says who is due to be told.

    Raises Refusal for an update that would reach nobody.
    """
    if not any(moment_of(event) for event in events):
        return events
    incident, following = before, list[e.Event]()
    for event in events:
        incident = evolve(incident, event)
        following.append(event)
        due = notices_due(incident, event, those_told(catalog, incident.service))
        if due is not None:
            incident = evolve(incident, due)
            following.append(due)
        elif isinstance(event, e.UpdateWritten):
            raise Refusal(
                f"Nobody would read that: no notice of {incident.service} in kaeru.yml is for {event.audience}. "
                "Add one under `notices`."
            )
    return tuple(following)


def due_notices(incident: Incident) -> tuple[tuple[str, str, str], ...]:
    """The workflows that tell people. Each of them hears one thing after the other, in the order of the events."""
    due, busy = [], set[str]()
    for record in incident.notices:
        for place, one in enumerate(record.to):
            if one.state is not Telling.PENDING:
                continue
            if one.name not in busy:
                argument = f"{incident.id}/{record.number}/{place}"
                due.append((TELL, f"tell:{argument}", argument))
            busy.add(one.name)
    return tuple(due)


def trouble_key(argument: str) -> str:
    """The fact that says why the last try of a notice, `INCIDENT/NUMBER/PLACE`, has not told them."""
    return f"telling:{argument}/trouble"


def with_troubles(uow: UnitOfWork, incident: Incident) -> Incident:
    """The same, and with each notice that is still to be told why the last try of it has not."""

    def told(record: NoticeRecord, place: int, one: Addressee) -> Addressee:
        if one.state is not Telling.PENDING:
            return one
        trouble = uow.facts.get(trouble_key(f"{incident.id}/{record.number}/{place}"))
        return one.model_copy(update={"detail": f"{trouble} It is tried again."}) if trouble else one

    notices = tuple(
        record.model_copy(update={"to": tuple(told(record, n, one) for n, one in enumerate(record.to))})
        for record in incident.notices
    )
    return incident.model_copy(update={"notices": notices})


def newer_than(incident: Incident, record: NoticeRecord, name: str) -> bool:
    """Whether something has happened since that makes this notice old news for `name`. Updates never are."""
    return not record.is_update and any(
        later.number > record.number and not later.is_update and any(a.name == name for a in later.to)
        for later in incident.notices
    )


def at_that_time(uow: UnitOfWork, incident_id: str, number: int) -> tuple[Incident, e.Event]:
    """The incident as it was after its event `number`, and that event."""
    entries = uow.timeline.entries(incident_id, kinds=(Kind.EVENT,), limit=number)
    events = tuple(e.parse(entry.body) for entry in entries)
    return fold(events), events[number - 1]


def templates_of(catalog: Catalog) -> Path | None:
    """The folder of a team's own templates."""
    folder = catalog.workspace.notice_templates
    return None if folder is None else catalog.path.parent / folder.expanduser()


def in_words(
    catalog: Catalog, then: tuple[Incident, e.Event], one: Addressee, names: Mapping[str, str]
) -> Notice:
    """What `one` is told of it. `names` are display names by id."""
    incident, event = then
    service = catalog.services.get(incident.service)
    told = known(
        incident,
        event,
        one.audience,
        public_name=service.public_name if service else "",
        names=names,
        zone=catalog.timezone,
    )
    return notice(told, templates_of(catalog))
