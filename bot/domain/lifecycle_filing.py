"""What an incident's actions and papers are after an event that concerns their way out. Part of the fold in `lifecycle`."""

from datetime import datetime
from typing import Any

from bot.domain import events as e
from bot.domain.filing import action_id, paper_id
from bot.domain.incident import Accepted, Filing, Incident, Status

FilingEvent = (
    e.ActionFiled
    | e.ActionNotFiled
    | e.PostmortemPublished
    | e.PostmortemNotPublished
    | e.FilingAsked
    | e.DebtAccepted
    | e.QuarantineLifted
    | e.ChannelArchived
)


def filed(incident: Incident, event: FilingEvent) -> dict[str, Any]:
    """What changes in the incident."""
    match event:
        case e.ActionFiled():
            return _action_filed(incident, event)
        case e.PostmortemPublished():
            published = Filing(reference=event.reference, url=event.url, revision=event.revision)
            return _filing(incident, paper_id(event.paper), published)
        case e.ActionNotFiled():
            return _failed(incident, event.action, event.reason, event.again_at)
        case e.PostmortemNotPublished():
            return _failed(incident, paper_id(event.paper), event.reason, event.again_at)
        case e.FilingAsked():
            afresh = {"tries": 0, "again_at": None, "stopped": False}
            filings = {name: filing.model_copy(update=afresh) for name, filing in incident.filings.items()}
            return {"filings": filings, "filing_asked": incident.filing_asked + 1}
        case _:
            return _left(incident, event)


def _left(
    incident: Incident, event: e.DebtAccepted | e.QuarantineLifted | e.ChannelArchived
) -> dict[str, Any]:
    match event:
        case e.DebtAccepted():
            accepted = Accepted(id=event.debt_id, text=event.text, by=event.by, at=event.at)
            return {"accepted": (*incident.accepted, accepted)}
        case e.QuarantineLifted():
            return {"lifted": (*incident.lifted, event.version)}
        case e.ChannelArchived():
            return {"archived_at": event.at}


def with_a_new_revision(incident: Incident, event: e.PostmortemPosted) -> dict[str, Any]:
    """A new text is a new beginning for the papers, also where the one before was given up."""
    afresh = {"tries": 0, "again_at": None, "stopped": False, "trouble": ""}
    filings = {
        name: filing.model_copy(update=afresh) if name.startswith(paper_id("")) else filing
        for name, filing in incident.filings.items()
    }
    posted = {"postmortem_revision": event.revision, "postmortem_sha256": event.sha256}
    return {**posted, "filings": filings}


def _action_filed(incident: Incident, event: e.ActionFiled) -> dict[str, Any]:
    """Once all are filed, the postmortem is written once more where it went out without their links."""
    done = Filing(reference=event.reference, url=event.url)
    changes = _filing(incident, event.action, done)
    filings: dict[str, Filing] = changes["filings"]
    left = [a for a in incident.actions if not filings.get(action_id(a.text), Filing()).reference]
    if incident.status is Status.CLOSED and incident.postmortem_revision > 0 and not left:
        changes["postmortem_wanted"] = incident.postmortem_wanted + 1
    return changes


def _failed(incident: Incident, name: str, reason: str, again_at: datetime | None) -> dict[str, Any]:
    before = incident.filings.get(name, Filing())
    changed = before.model_copy(
        update={
            "tries": before.tries + 1,
            "trouble": reason,
            "again_at": again_at,
            "stopped": again_at is None,
        }
    )
    return _filing(incident, name, changed)


def _filing(incident: Incident, name: str, filing: Filing) -> dict[str, Any]:
    return {"filings": {**incident.filings, name: filing}}
