"""Who decided what, and what came of it: severities, plans with their approvals, runs with their steps.

Everything is plain text, people by their names. It is read from the events, because the incident forgets
the approvals of a plan that died.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.domain import events as e
from bot.domain.base import BOT, Value, Version
from bot.domain.durations import step_length
from bot.domain.evidence import Finding
from bot.domain.incident import Incident, PlanRecord, PlanState
from bot.domain.prose import Names, escaped, listed, name, plain
from bot.domain.run import Run


class SeverityChange(Value):
    at: datetime
    who: str
    label: str


class Approval(Value):
    at: datetime
    who: str


class PlanLine(Value):
    """One plan's life. `ended_at`, `ended_by` and `note` say when, by whom and why it ended.

    `glass_broken` is the reason for going ahead alone, or empty.
    """

    number: int
    change: str
    why: str
    state: PlanState
    requested_at: datetime
    ready_at: datetime | None
    approvals: tuple[Approval, ...]
    glass_broken: str
    ended_at: datetime | None
    ended_by: str
    note: str


class StepLine(Value):
    title: str
    state: str
    detail: str
    length: timedelta | None


class RunLine(Value):
    """One run. `outcome` is succeeded, failed, unknown, or under way; `safe_state` what served after a failure."""

    number: int
    plan_number: int
    from_version: Version
    to_version: Version
    approved_at: datetime
    approved_by: str
    glass_broken: str
    outcome: str
    reason: str
    safe_state: str
    ended_at: datetime | None
    steps: tuple[StepLine, ...]
    findings: tuple[Finding, ...]


class DebtLine(Value):
    """Something that was suspended so that the rollback lasts. `repaid_at` is None while it is so still.

    `owner` has said to see to it, or is empty; `repaid_by` is empty where it was found given back.
    """

    id: str
    component: str
    text: str
    until: str
    taken_at: datetime
    owner: str
    repaid_at: datetime | None
    repaid_by: str


class WayLine(Value):
    """What was decided about a database. `loses` says which data that destroys, or is empty."""

    at: datetime
    who: str
    plan_number: int
    database: str
    way: str
    why: str
    loses: str


def ways(events: Sequence[e.Event], names: Names) -> tuple[WayLine, ...]:
    """Every decision about a database, in the order in which they were made."""
    return tuple(
        WayLine(
            at=event.at,
            who=name(event.by, names),
            plan_number=event.number,
            database=event.database,
            way=event.way.value,
            why=_said(event.why, names),
            loses="; ".join(event.loses),
        )
        for event in events
        if isinstance(event, e.WayChosen)
    )


def debts(events: Sequence[e.Event], names: Names) -> tuple[DebtLine, ...]:
    """Everything that was suspended, in the order in which it was; the same thing twice where it was so twice."""
    lines: list[DebtLine] = []
    for event in events:
        match event:
            case e.DebtTaken(debt=debt):
                lines.append(
                    DebtLine(
                        id=debt.id,
                        component=debt.component,
                        text=_said(debt.text, names),
                        until=_said(debt.until, names),
                        taken_at=event.at,
                        owner="",
                        repaid_at=None,
                        repaid_by="",
                    )
                )
            case e.DebtTakenOver():
                lines = _changed(lines, event.debt_id, owner=name(event.by, names))
            case e.DebtRepaid():
                by = "" if event.by == BOT else name(event.by, names)
                lines = _changed(lines, event.debt_id, repaid_at=event.at, repaid_by=by)
    return tuple(lines)


def _changed(lines: Sequence[DebtLine], debt_id: str, **changes: object) -> list[DebtLine]:
    """The same lines; of those that stand open, the one with this id is changed."""
    return [
        one.model_copy(update=changes) if one.id == debt_id and one.repaid_at is None else one
        for one in lines
    ]


def severities(events: Sequence[e.Event], names: Names) -> tuple[SeverityChange, ...]:
    """Every severity that was set, oldest first."""
    return tuple(
        SeverityChange(at=event.at, who=name(event.by, names), label=event.severity.label)
        for event in events
        if isinstance(event, e.SeveritySet)
    )


_ENDINGS = (e.PlanSuperseded, e.PlanExpired, e.PlanRejected, e.PlanBlocked, e.RollbackApproved)


def plans(incident: Incident, events: Sequence[e.Event], names: Names) -> tuple[PlanLine, ...]:
    """Every plan of the incident, in the order of their numbers."""
    return tuple(_plan(record, events, names) for record in incident.plans)


def _plan(record: PlanRecord, events: Sequence[e.Event], names: Names) -> PlanLine:
    ready = [ev for ev in events if isinstance(ev, e.PlanReady) and ev.plan.number == record.number]
    ended = [ev for ev in events if isinstance(ev, _ENDINGS) and ev.number == record.number]
    given = [
        ev for ev in events if isinstance(ev, e.ApprovalGiven | e.GlassBroken) and ev.number == record.number
    ]
    alone = [_said(ev.reason, names) for ev in given if isinstance(ev, e.GlassBroken)]
    plan = ready[-1].plan if ready else None
    return PlanLine(
        number=record.number,
        change=f"{plan.from_version} → {plan.to_version}" if plan else "",
        why=_said(plan.why, names) if plan else "",
        state=record.state,
        requested_at=record.requested_at,
        ready_at=record.ready_at,
        approvals=tuple(Approval(at=ev.at, who=name(ev.by, names)) for ev in given),
        glass_broken=alone[-1] if alone else "",
        ended_at=ended[-1].at if ended else None,
        ended_by=name(ended[-1].by, names) if ended else "",
        note=_said(record.note, names),
    )


def runs(incident: Incident, events: Sequence[e.Event], names: Names) -> tuple[RunLine, ...]:
    """Every run, oldest first; the failed ones too."""
    safe = {ev.run_id: _said(ev.safe_state, names) for ev in events if isinstance(ev, e.RollbackFailed)}
    return tuple(
        _run(run, number, safe.get(run.id, ""), names) for number, run in enumerate(incident.runs, start=1)
    )


def _run(run: Run, number: int, safe_state: str, names: Names) -> RunLine:
    return RunLine(
        number=number,
        plan_number=run.plan_number,
        from_version=run.from_version,
        to_version=run.to_version,
        approved_at=run.approved_at,
        approved_by=listed([name(user, names) for user in run.approved_by]),
        glass_broken=_said(run.break_glass_reason, names),
        outcome=run.outcome.value if run.outcome else "under way",
        reason=_said(run.reason, names),
        safe_state=safe_state,
        ended_at=run.ended_at,
        steps=tuple(
            StepLine(
                title=_said(step.title, names),
                state=step.state.value,
                detail=_said(step.detail, names),
                length=step_length(run, step.id),
            )
            for step in run.steps
        ),
        findings=run.findings,
    )


def _said(text: str, names: Names) -> str:
    return plain(escaped(text), names).strip()
