"""Plain text for a terminal or a pipe: no colours, nothing that a terminal would obey."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from bot.domain import events as e
from bot.domain.backups import BackupRecord
from bot.domain.decide import failed_checks
from bot.domain.durations import human
from bot.domain.incident import Incident, Owed, PlanState
from bot.domain.narrate import narrate
from bot.domain.narrate_backups import taken_in_words
from bot.domain.paging import PageRecord
from bot.domain.policy import Policy
from bot.domain.prose import Names, name, plain
from bot.domain.restores import Restore, RestoreState
from bot.domain.timeline import Entry, Kind
from bot.views.mrkdwn import clean
from bot.views.wording import lead, next_step, status_words, versions

_HERE = (
    (
        "Choose that it is to be replaced, if that is meant, or name another one",
        "Use --replace if it is to be replaced, or another name with --into",
    ),
    ("name one to have it all the same", "name one with --backup to have it all the same"),
    (
        "There is no plan for this restore. Press Try again, or choose another backup",
        "There is no plan for this restore. Ask for it again with `kaeru restore`, or for another one with --backup",
    ),
    ("Put it right and press Try again", "Put it right and ask for it again with `kaeru restore`"),
    ("Press Fresh plan", "Ask for it again with `kaeru restore`"),
    ("/incident hold off", "kaeru incident release"),
    ("/incident close unverified", "kaeru incident close --unverified"),
    ("/incident close accept", "kaeru incident close --accept"),
    ("Press Refresh on its card for", "Run `kaeru incident refresh` for"),
    ("Press Refresh for", "Run `kaeru incident refresh` for"),
    (
        "Press Give back or I see to it in the incident's channel",
        "Run `kaeru incident give-back` or `take-over`",
    ),
    ("Press Give back", "Run `kaeru incident give-back`"),
    ("Press Back up again on its card", "Run `kaeru incident back-up`"),
    ("press Back up again", "run `kaeru incident back-up`"),
    ("Press Back up again", "Run `kaeru incident back-up`"),
    (
        "press Use it all the same or Back up again on the backup's card",
        "run `kaeru incident use-backup` or `back-up`",
    ),
    ("press Done by hand", "run `kaeru incident given-back`"),
    ("Use Choose version", "Use `kaeru incident choose`"),
    ("Press Roll back after all first", "Run `kaeru incident rollback` first"),
)
_COMMAND = re.compile(r"(?<![\w/])/(incident|rollback)\b")
_VERBS: Mapping[Kind, str] = {
    Kind.EDIT: "edited a message: ",
    Kind.DELETION: "deleted a message",
    Kind.REACTION_ADDED: "reacted with ",
    Kind.REACTION_REMOVED: "took back ",
    Kind.JOINED: "joined the channel",
    Kind.LEFT: "left the channel",
    Kind.CHANNEL: "changed the channel",
    Kind.MARK: "marked a message: ",
}


def spoken(text: str, names: Names) -> str:
    """A sentence of chat in the words of the command line: people by name, commands as they are typed here."""
    for there, here in _HERE:
        text = text.replace(there, here)
    return shown(_COMMAND.sub(r"kaeru \1", text), names)


def shown(text: str, names: Names) -> str:
    """Slack's text form as plain text, without control characters."""
    return clean(plain(text, names))


def stamp(at: datetime, zone: tzinfo) -> str:
    """With date and zone."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def told(entry: Entry, incident: Incident, names: Names) -> str:
    """What one entry says happened."""
    if entry.kind is Kind.EVENT:
        return shown(narrate(e.parse(entry.body), incident), names)
    who = clean(name(entry.actor, names))
    text = shown(str(entry.body.get("text") or ""), names)
    if entry.kind is Kind.MESSAGE:
        return f"{who}: {text or '(no text)'}"
    if entry.kind is Kind.PROBE:
        answers = entry.body["round"]
        return f"Probed: {sum(a['ok'] for a in answers)} of {len(answers)} endpoints answered well"
    if entry.kind in (Kind.REACTION_ADDED, Kind.REACTION_REMOVED):
        return f"{who} {_VERBS[entry.kind]}:{clean(str(entry.body.get('name') or ''))}:"
    text = "" if entry.kind in (Kind.DELETION, Kind.JOINED, Kind.LEFT, Kind.CHANNEL) else text
    return f"{who} {_VERBS[entry.kind]}{text}"


def line_of(at: datetime, text: str, zone: tzinfo) -> str:
    """One entry; what has more lines goes on below itself."""
    return f"{stamp(at, zone)}  {indented(text)}"


def indented(text: str) -> str:
    return text.replace("\n", "\n    ")


def about(incident: Incident, policy: Policy | None, names: Names, zone: tzinfo) -> list[str]:
    """Where an incident stands and whose move it is. Without a `policy` the latter is not known."""
    pair = versions(incident)
    rows = [
        ("service", incident.service),
        ("status", status_words(incident)),
        ("severity", incident.severity.label if incident.severity else "not chosen yet"),
        ("declared", f"{stamp(incident.declared_at, zone)} by {name(incident.declared_by, names)}"),
        ("lead", name(lead(incident), names)),
        ("channel", f"#{incident.channel_name}" if incident.channel_name else "not open yet"),
        ("versions", f"{pair[0]} → {pair[1]}" if pair else "no plan yet"),
        ("plan", _plan_state(incident, names)),
        *_moments(incident, zone),
        *[(role, name(user, names)) for role, user in incident.roles.items()],
        *_steps(incident, names),
        *[("suspended", _owed(o, names, zone)) for o in incident.debts],
        *[("page", _page(one, names)) for one in incident.pages],
        *[("backup", _backup(one, names)) for one in incident.backups],
        *[("restore", _restore(one, names)) for one in incident.restores],
        *[
            ("to do", f"{a.text} ({name(a.owner, names) if a.owner else 'nobody yet'})")
            for a in incident.actions
        ],
        *[("accepted", f"{one.text} ({name(one.by, names)})") for one in incident.accepted],
        *([("next", spoken(next_step(incident, policy), names))] if policy else []),
    ]
    return [incident.id, *(f"  {label:<10} {indented(shown(text, names))}" for label, text in rows)]


def _page(record: PageRecord, names: Names) -> str:
    """Who was called, or why nobody was, and who is on it."""
    people = ", ".join(f"{one.name} (level {one.level})" for one in record.people)
    told = (
        f"{record.state.value}: {record.reason or people}" if record.reason or people else record.state.value
    )
    on_it = f". {name(record.acknowledged_by, names)} is on it" if record.acknowledged_by else ""
    trouble = f". The pager could not be told: {record.trouble}" if record.trouble else ""
    return spoken(f"{told}{on_it}{trouble}", names)


def _backup(record: BackupRecord, names: Names) -> str:
    """Which database, how far it is, and what somebody decided about it."""
    if record.taken is not None:
        told = taken_in_words(record.taken)
    else:
        told = f"{record.state.value}: {record.reason}" if record.reason else record.state.value
    accepted = f" {name(record.accepted_by, names)} relies on it." if record.accepted_by else ""
    skipped = f" {name(record.skipped_by, names)} decided not to wait for it." if record.skipped_by else ""
    return spoken(f"{record.database}: {told}{accepted}{skipped}", names)


def _restore(restore: Restore, names: Names) -> str:
    """What goes where, how far it is, who has agreed, and what came of it."""
    state = restore.outcome.value if restore.outcome else restore.state.value
    agreed = (
        f", agreed to by {', '.join(name(u, names) for u in restore.approvals)}" if restore.approvals else ""
    )
    digest = f" {restore.digest}" if restore.digest else ""
    detail = f": {restore.detail}" if restore.detail else ""
    said = f"{restore.number}{digest} of {restore.database} into {restore.where}: {state}{agreed}{detail}"
    if (
        restore.state is RestoreState.RUNNING
        and restore.replaces
        and restore.plan
        and not restore.plan.at_once
    ):
        said += (
            f". THE DATABASE {restore.where} MAY NOT BE WHOLE until this has ended, and it goes on only while kaeru runs: "
            "keep the service away from it, and see that `kaeru run` is running"
        )
    return spoken(said, names)


def _owed(owed: Owed, names: Names, zone: tzinfo) -> str:
    """What is suspended and until when, since when, and who sees to it."""
    whose = f"{name(owed.owner, names)} sees to it" if owed.owner else "nobody sees to it yet"
    if owed.asked_by is not None:
        whose = f"{name(owed.asked_by, names)} asked to give it back; kaeru is at it"
    note = f" It could not be given back: {owed.note}" if owed.note else ""
    return (
        f"{owed.debt.text} {owed.debt.until} (since {stamp(owed.since, zone)}; {whose}; {owed.debt.id}){note}"
    )


def _plan_state(incident: Incident, names: Names) -> str:
    record = incident.record
    if record is None:
        return "none"
    given = f", approved by {', '.join(name(u, names) for u in record.approvals)}" if record.approvals else ""
    digest = f" {record.plan.digest}" if record.plan else ""
    stopped = record.plan is not None and record.state is PlanState.READY and failed_checks(record.plan)
    given = f"{', cannot be approved yet' if stopped else ''}{given}"
    return f"{record.number}{digest}: {record.state.value}{given}{f' ({record.note})' if record.note else ''}"


def _moments(incident: Incident, zone: tzinfo) -> Sequence[tuple[str, str]]:
    named = (
        ("mitigated", incident.mitigated_at),
        ("verified", incident.verified_at),
        ("closed", incident.closed_at),
    )
    return [(label, stamp(at, zone)) for label, at in named if at is not None]


def _steps(incident: Incident, names: Names) -> Sequence[tuple[str, str]]:
    run = incident.run
    if run is None:
        return ()
    rows = []
    for step in run.steps:
        took = step.finished_at - step.started_at if step.finished_at and step.started_at else None
        after = f" after {human(took)}" if took is not None else ""
        detail = f": {spoken(step.detail, names)}" if step.detail else ""
        rows.append(("step", f"{step.title}: {step.state.value}{after}{detail}"))
    return rows


def listed(incidents: Sequence[Incident], names: Names, zone: tzinfo) -> list[str]:
    """One line per incident: id, status, severity, when, by whom."""
    width = max((len(incident.id) for incident in incidents), default=0)
    return [
        clean(
            f"{i.id:<{width}}  {i.severity.label if i.severity else '-':<8}  {status_words(i):<25}"
            f"  {stamp(i.declared_at, zone)} by {name(i.declared_by, names)}"
        )
        for i in incidents
    ]
