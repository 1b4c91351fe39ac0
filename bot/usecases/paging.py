"""Which calls of people an incident's state asks for, and who of those on call is known in Slack."""

from collections.abc import Iterable

from bot.catalog import Catalog
from bot.domain import decide
from bot.domain import events as e
from bot.domain.base import BOT
from bot.domain.incident import Incident
from bot.domain.paging import OnCallName, PageState
from bot.ports.oncall import OnCallPerson

PAGE, PAGE_ACKNOWLEDGE, PAGE_RESOLVE = "page.v1", "page-acknowledge.v1", "page-resolve.v1"


def due_pages(incident: Incident) -> tuple[tuple[str, str, str], ...]:
    """The workflows: (name, workflow id, argument `INCIDENT/NUMBER`)."""
    record = incident.page
    if record is None:
        return ()
    page_id = f"{incident.id}/{record.number}"
    if record.state is PageState.CALLING:
        return ((PAGE, f"page:{page_id}", page_id),)
    if not record.may_ring:
        return ()
    # Each ends where it is not wanted any more. With another plan it may be wanted again, and an id runs once.
    this_time = f"{page_id}/{len(incident.plans)}"
    if decide.is_over(incident):
        return ((PAGE_RESOLVE, f"page-resolve:{this_time}", page_id),)
    if record.acknowledged_by is not None and not record.told:
        return ((PAGE_ACKNOWLEDGE, f"page-acknowledge:{this_time}", page_id),)
    return ()


def calls(catalog: Catalog, before: Incident | None, after: Incident, events: decide.Events) -> decide.Events:
    """What follows `events`, which led from `before` to `after`, where people are to be called."""
    service = catalog.services.get(after.service)
    if service is None or service.outside.on_call is None:
        return ()
    alerts = (event.worse for event in events if isinstance(event, e.AlertReceived))
    severity = next((worse for worse in alerts if worse is not None), after.severity)
    wanted = catalog.policy(after.service, severity).pages(severity)
    if not catalog.workspace.alerts.page and _alert_calls(before, after, events):
        return ()
    return decide.page_due(after, events, wanted=wanted)


def _alert_calls(before: Incident | None, after: Incident, events: decide.Events) -> bool:
    """Whether it is an alert that would call people: by itself, or by the severity that its label sets.

    Where an alert's label says nothing of how bad it is, people do, and then nobody has been called yet.
    """
    if any(isinstance(event, e.AlertReceived) for event in events):
        return True
    chosen = [event for event in events if isinstance(event, e.SeveritySet)]
    known = before is not None and before.severity is not None
    return bool(chosen) and after.declared_by == BOT and (known or chosen[-1].by == BOT)


def on_call_names(catalog: Catalog, people: Iterable[OnCallPerson]) -> tuple[OnCallName, ...]:
    """The same people as kaeru.yml knows them: by their Slack id, their e-mail, or a name that only one has."""
    return tuple(
        OnCallName(name=one.name, level=one.level, user=one.slack or _user(catalog, one)) for one in people
    )


def _user(catalog: Catalog, person: OnCallPerson) -> str | None:
    known = catalog.emails.get(person.email.casefold()) if person.email else None
    if known is not None:
        return known
    named = [user for user, name in catalog.people.items() if name.casefold() == person.name.casefold()]
    return named[0] if len(named) == 1 else None
