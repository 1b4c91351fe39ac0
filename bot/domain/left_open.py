"""What an incident leaves open when it is closed: each is settled first, or somebody accepts it by name."""

import hashlib
from enum import StrEnum

from bot.domain.backups import BackupRecord, BackupState
from bot.domain.base import Value
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident
from bot.domain.quarantine import left_by, unhelpful
from bot.domain.run import Run


class LeftKind(StrEnum):
    OWED = "owed"
    QUARANTINE = "quarantine"
    BACKUP = "backup"


class Left(Value):
    """One such thing. `text` says what it is, `settle` how to settle it: both are sentences."""

    id: str
    kind: LeftKind
    text: str
    settle: str

    @property
    def key(self) -> str:
        """12 hex digits that stand for the id where there is no room for it; of what is owed, the debt's own."""
        return hashlib.sha256(self.id.encode()).hexdigest()[:12]


def left_open(incident: Incident) -> tuple[Left, ...]:
    """All that is neither settled nor accepted: what is owed and has no owner, then backups, then versions."""
    accepted = {one.id for one in incident.accepted}
    owed = (
        Left(id=o.debt.id, kind=LeftKind.OWED, text=o.debt.text, settle=o.debt.until)
        for o in incident.unowned
    )
    rest = (one for one in (*_backups(incident), *_quarantined(incident)) if one.id not in accepted)
    return (*owed, *rest)


def _backups(incident: Incident) -> tuple[Left, ...]:
    """Where nothing was changed, nothing rests on a backup."""
    if not incident.runs:
        return ()
    found = ((record, _doubt(record)) for record in incident.backups)
    return tuple(
        Left(
            id=f"backup:{record.database}/{record.number}",
            kind=LeftKind.BACKUP,
            text=doubt,
            settle=f"Back {record.database} up once more, and let that be verified.",
        )
        for record, doubt in found
        if doubt
    )


def _doubt(record: BackupRecord) -> str:
    """Why nobody should rely on it; empty where it is proven, or somebody has said that they rely on it."""
    name = record.database
    if record.state is BackupState.FAILED:
        return f"There is no backup of {name} from before the rollback: {record.reason}"
    if record.taken is None:
        return f"The backup of {name} is still being taken, so nobody knows whether it can be relied on."
    if record.accepted_by is not None:
        return ""
    if record.taken.dangers:
        return f"The backup of {name} is doubtful: {record.taken.dangers[0]}"
    return f"The backup of {name} is not verified." if record.taken.proof == "none" else ""


def _quarantined(incident: Incident) -> tuple[Left, ...]:
    versions = dict.fromkeys(version for run in incident.runs for version in _kept_out(incident, run))
    return tuple(
        Left(
            id=f"quarantine:{version}",
            kind=LeftKind.QUARANTINE,
            text=f"{version} is quarantined: kaeru does not go back to it.",
            settle=f"Whoever vouches for it lifts that: `kaeru quarantine lift {incident.service} {version}`.",
        )
        for version in versions
        if version not in incident.lifted
    )


def _kept_out(incident: Incident, run: Run) -> tuple[str, ...]:
    """What this run has put into quarantine: what it left, and what it went back to in vain."""
    plan = next((record.plan for record in incident.plans if record.number == run.plan_number), None)
    bad = [left_by(run, plan)]
    if plan is not None and run.outcome is Outcome.FAILED and run.took_place and not run.proven:
        bad.append(unhelpful(run, plan))
    return tuple(name for one in bad for name in (*one.versions, *(shape.version for shape in one.shapes)))
