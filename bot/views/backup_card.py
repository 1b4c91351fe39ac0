"""The backup of a database within an incident: one small message, edited from its beginning to its end."""

from datetime import timedelta

from bot.domain.backups import BackupRecord, BackupState
from bot.domain.decide import plan_in_question
from bot.domain.durations import human
from bot.domain.incident import Incident
from bot.domain.sizes import size
from bot.ports.backups import BackupProgress, Phase
from bot.views.blocks import Block, Card, actions, button, card, confirm, context, section
from bot.views.ids import Action, Ref
from bot.views.mrkdwn import code, ended, length, line, when, who

_PHASES = {
    Phase.PREPARING: "looking at the database",
    Phase.DUMPING: "dumping",
    Phase.READING: "proving it by reading it to its end",
    Phase.RESTORING: "proving it by a restore into a scratch database",
    Phase.SWITCHING: "switching",
}
_PROGRESS = 400
_REASON = 1500
_DANGER = 600


def progress_line(progress: BackupProgress) -> str:
    """Where it stands, in plain text: `dumping, 12.3 MB of about 45.0 MB, for 8 s. orders is locked by …`."""
    parts = [_PHASES[progress.phase]]
    if progress.bytes:
        of = f" of about {size(progress.expected_bytes)}" if progress.expected_bytes else ""
        parts.append(f"{size(progress.bytes)}{of}")
    elif progress.expected_bytes:
        parts.append(f"about {size(progress.expected_bytes)} the last time")
    if progress.seconds >= 1:
        parts.append(f"for {human(timedelta(seconds=int(progress.seconds)))}")
    said = ", ".join(parts)
    return f"{said}. {progress.detail}" if progress.detail.strip() else said


def backup_card(incident: Incident, record: BackupRecord, progress: str = "") -> Card:
    """`progress` is where it stands now, in plain text; kept nowhere."""
    name = code(record.database)
    match record.state:
        case BackupState.UNDER_WAY:
            text = f":floppy_disk: *Backing up {name}*: {line(progress, _PROGRESS) or 'begun'}…"
            small = f"Since {when(record.begun_at)}. {_who_waits(incident, record)}"
        case BackupState.FAILED:
            text = f":x: *{name} could not be backed up*: {ended(line(record.reason, _REASON))}"
            small = _who_waits(incident, record)
        case BackupState.TAKEN:
            text, small = _taken(incident, record)
    blocks = [section(text), context(small)]
    row = _buttons(incident, record) if incident.is_open else []
    return card(text, [*blocks, *([actions(*row)] if row else [])])


def _taken(incident: Incident, record: BackupRecord) -> tuple[str, str]:
    backup, name = record.taken, code(record.database)
    if backup is None:
        return f"The backup of {name} is not known.", _who_waits(incident, record)
    facts = f"{size(backup.bytes)} in {length(backup.seconds)}, {backup.proven}"
    if backup.dangers:
        text = f":rotating_light: *The backup of {name} may not be what it should be* ({facts}): "
        text += " ".join(ended(line(danger, _DANGER)) for danger in backup.dangers)
        by = f" {who(record.accepted_by)} relies on it all the same." if record.accepted_by else ""
        text += by or " Look at the database before anything relies on it."
    else:
        text = f":white_check_mark: *Backup of {name}*: {facts}."
    where = f"{line(backup.place, 300)} · " if backup.place else ""
    return text, f"As of {when(backup.at)} · {where}SHA-256 {code(backup.sha256[:12])}"


def _who_waits(incident: Incident, record: BackupRecord) -> str:
    if record.skipped_by is not None:
        return f"{who(record.skipped_by)} decided that the rollback does not wait for it."
    if _waited_for(incident, record):
        return "The rollback waits for it."
    return "The rollback does not wait for it."


def _waited_for(incident: Incident, record: BackupRecord) -> bool:
    plan = plan_in_question(incident)
    parts = plan.databases if plan is not None else ()
    return any(p.name == record.database and p.backup is not None and p.backup.wait for p in parts)


def _changed(incident: Incident, record: BackupRecord) -> bool:
    plan = plan_in_question(incident)
    parts = plan.databases if plan is not None else ()
    return any(p.name == record.database and p.changes_data for p in parts)


def _buttons(incident: Incident, record: BackupRecord) -> list[Block]:
    ref = Ref(incident_id=incident.id, number=record.number, arg=record.database)
    suffix = f"{record.database}-{record.number}"
    found = []
    if record.doubtful:
        found.append(
            button("Use it all the same", Action.BACKUP_USE, ref, suffix=suffix, confirm=_asks_to_use())
        )
    if record.state is BackupState.FAILED or record.doubtful:
        found.append(button("Back up again", Action.BACKUP_AGAIN, ref, suffix=suffix))
    if record.taken is not None and incident.restoring is None:
        found.append(button("Restore", Action.RESTORE_OPEN, ref, suffix=suffix))
    is_there = record.taken is not None and not record.doubtful
    waits = _waited_for(incident, record) and not _changed(incident, record)
    if waits and not is_there and record.skipped_by is None:
        found.append(
            button("Go on without it", Action.BACKUP_SKIP, ref, suffix=suffix, confirm=_asks_to_skip(record))
        )
    return found


def _asks_to_use() -> Block:
    return confirm(
        "Rely on this backup?",
        "A rollback that waits for a backup will go on with this one. That you said so is kept in the timeline.",
        yes="Use it",
        no="Not yet",
        style="danger",
    )


def _asks_to_skip(record: BackupRecord) -> Block:
    return confirm(
        "Go on without a backup?",
        f"The rollback will not wait for a backup of {code(record.database)}. That you said so is kept in the "
        "timeline; approvals of the plan that waits for it have to be given again.",
        yes="Go on",
        no="Wait",
        style="danger",
    )
