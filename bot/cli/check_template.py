"""Trying a postmortem template out, on two incidents that never happened: one with everything, one with nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.domain import events as e
from bot.domain.backups import Taken
from bot.domain.debts import Debt
from bot.domain.evidence import Baseline, BaselineSource, Outcome, Probe, judge, summarize
from bot.domain.lifecycle import fold
from bot.domain.plan import Changes, ComponentChange, Level, Plan, Warn
from bot.domain.postmortem import Postmortem, build
from bot.domain.run import PROVE, WATCH, apply_step, steps_for
from bot.domain.severity import Severity
from bot.domain.timeline import GENESIS, Completeness, Entry, Kind, seal, verify
from bot.views.postmortem import render_strictly

_ID, _SERVICE, _ASKED, _APPROVED = "inc-20260102-example-1", "example", "U0ASKED", "U0APPROVED"
_BEGAN = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
_BAD, _GOOD = "v2.0.0", "v1.9.0"


def try_template(template: Path | None) -> None:
    """Raises ValueError with a sentence where the template (None: kaeru's own) does not work."""
    for written in (_written(_whole(), _probes()), _written(_bare(), ())):
        render_strictly(written, template)


def _at(seconds: float) -> datetime:
    return _BEGAN + timedelta(seconds=seconds)


def _written(events: Sequence[e.Event], probes: Sequence[Probe]) -> Postmortem:
    incident, entries = fold(events), _sealed(events)
    return build(
        incident,
        entries,
        probes,
        kept=Completeness.of(entries),
        expected_messages=0,
        verification=verify(entries, head=entries[-1].hash, length=len(entries)),
        names={_ASKED: "Somebody who asked", _APPROVED: "Somebody who approved"},
        zone=UTC,
        now=_at(600),
    )


def _sealed(events: Sequence[e.Event]) -> list[Entry]:
    entries: list[Entry] = []
    for seq, event in enumerate(events, start=1):
        body = event.model_dump(mode="json")
        before = entries[-1].hash if entries else GENESIS
        digest = seal(
            incident_id=_ID, seq=seq, at=event.at, recorded_at=event.at, kind=Kind.EVENT, actor=event.by,
            slack_ts=None, body=body, prev_hash=before,
        )  # fmt: skip
        entries.append(
            Entry(
                incident_id=_ID,
                seq=seq,
                at=event.at,
                recorded_at=event.at,
                kind=Kind.EVENT,
                actor=event.by,
                body=body,
                prev_hash=before,
                hash=digest,
            )
        )
    return entries


def _declared() -> tuple[e.Event, ...]:
    declared = e.IncidentDeclared(
        at=_at(0), by=_ASKED, incident_id=_ID, service=_SERVICE, source_channel=None, detected_at=_at(-30)
    )
    return (declared, e.PlanRequested(at=_at(0), by=_ASKED, number=1))


def _bare() -> tuple[e.Event, ...]:
    """Declared and closed: whatever can be missing is."""
    return (*_declared(), e.IncidentClosed(at=_at(60), by=_ASKED))


def _whole() -> tuple[e.Event, ...]:
    plan, run_id = _plan(), f"{_ID}-run-1"
    found = judge([p for p in _probes() if p.ok and p.version == _GOOD], plan.baseline)
    steps = steps_for(plan, watch=timedelta(minutes=1))
    ran = [
        event
        for n, step_id in enumerate((apply_step("web"), PROVE))
        for event in (
            e.StepStarted(at=_at(30 + n), run_id=run_id, step_id=step_id),
            e.StepFinished(
                at=_at(30.5 + n),
                run_id=run_id,
                step_id=step_id,
                outcome=Outcome.SUCCEEDED,
                detail="As planned.",
            ),
        )
    ]
    return (
        *_declared(),
        e.PlanReady(at=_at(2), plan=plan),
        *_backups(),
        e.SeveritySet(at=_at(5), by=_ASKED, severity=Severity.CRITICAL),
        e.RoleAssigned(at=_at(6), by=_ASKED, role="lead", user=_ASKED),
        e.NoteAdded(at=_at(7), by=_ASKED, text="A note"),
        e.ActionAdded(at=_at(8), by=_ASKED, text="An open action", owner=_APPROVED),
        e.DeliveryFailed(at=_at(9), what="a bookmark", reason="Slack refused it."),
        e.ApprovalGiven(at=_at(20), by=_APPROVED, number=1, digest=plan.digest),
        e.RollbackApproved(
            at=_at(20), by=_APPROVED, run_id=run_id, number=1, digest=plan.digest,
            approved_by=(_APPROVED,), steps=steps,
        ),
        *ran,
        e.IncidentMitigated(at=_at(32), run_id=run_id, findings=found),
        e.StepStarted(at=_at(32), run_id=run_id, step_id=WATCH),
        *_debts(),
        e.IncidentVerified(at=_at(92), run_id=run_id, findings=found),
        e.LessonsRecorded(at=_at(95), by=_ASKED, root_cause="A cause", lessons="A lesson", impact="An impact"),
        e.IncidentClosed(at=_at(100), by=_ASKED, summary="Rolled back"),
    )  # fmt: skip


def _backups() -> tuple[e.Event, ...]:
    """One that is there although something is said against it, and one that could not be taken."""
    warned = (Warn(level=Level.DANGER, text="It is much smaller than usual."),)
    taken = Taken(
        id="b-1", at=_at(2), bytes=1000, sha256="0" * 64, seconds=1.0, proof="read", warnings=warned
    )
    return (
        e.BackupBegun(at=_at(2), by=_ASKED, database="orders", number=1),
        e.BackupBegun(at=_at(2), by=_ASKED, database="users", number=1),
        e.BackupFinished(at=_at(3), database="orders", number=1, backup=taken),
        e.BackupFailed(at=_at(3), database="users", number=1, reason="The disk is full. Make room."),
        e.BackupAccepted(at=_at(4), by=_APPROVED, database="orders", number=1),
        e.BackupSkipped(at=_at(4), by=_APPROVED, database="users", number=1),
    )


def _debts() -> tuple[e.Event, ...]:
    """One that was given back, and one that somebody sees to."""
    back, kept = (
        Debt(
            id=f"example:{name}", component="web", text=f"Sync of {name} is suspended.", until="Give it back."
        )
        for name in ("first", "second")
    )
    return (
        e.DebtTaken(at=_at(33), debt=back),
        e.DebtTaken(at=_at(33), debt=kept),
        e.DebtRepaid(at=_at(80), by=_APPROVED, debt_id=back.id, text=back.text),
        e.DebtTakenOver(at=_at(81), by=_APPROVED, debt_id=kept.id),
    )


def _plan() -> Plan:
    good = [p for p in _probes() if p.at < _at(-30)]
    return Plan(
        number=1,
        service=_SERVICE,
        from_version=_BAD,
        to_version=_GOOD,
        why="the last version that was seen serving well",
        components=(
            ComponentChange(
                component="web", kind="example", from_version=_BAD, to_version=_GOOD, fingerprint="0",
                actions=("An action",), expected_s=1.0,
            ),
        ),
        changes=Changes(known=False, note="No repository is configured."),
        warnings=(),
        checks=(),
        baseline=Baseline(
            source=BaselineSource.PROBES, version=_GOOD, since=good[0].at, until=good[-1].at,
            endpoints=summarize(good),
        ),
        candidates=(),
        created_at=_at(2),
    )  # fmt: skip


def _probes() -> tuple[Probe, ...]:
    """Well, ill from half a minute before the declaration until the rollback, then well again."""
    return tuple(
        Probe(
            endpoint="/example", at=_at(second), ok=not -30 <= second < 30, latency_ms=20.0,
            status=500 if -30 <= second < 30 else 200, version=_BAD if -30 <= second < 30 else _GOOD,
        )
        for second in range(-90, 92, 2)
    )  # fmt: skip
