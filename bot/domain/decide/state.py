"""What several decisions ask of an incident before they begin."""

from bot.domain import events as e
from bot.domain.backups import BackupState
from bot.domain.base import Refusal, refuse
from bot.domain.databases import waited_for
from bot.domain.incident import Incident, PlanRecord, PlanState, Status
from bot.domain.plan import Check, Plan

Events = tuple[e.Event, ...]

LIFELESS = {
    PlanState.ARMING: "The plan is still being made; wait a moment.",
    PlanState.BLOCKED: "There is no plan to decide on. Use Choose version, or fix forward.",
    PlanState.SUPERSEDED: "This plan is out of date; a newer one is below.",
    PlanState.EXPIRED: "This plan has expired. Press Refresh for a new one.",
    PlanState.REJECTED: "This plan was rejected. Use Choose version or /rollback for a new one.",
    PlanState.APPROVED: "This plan is approved already and under way.",
}

ALIVE = (PlanState.ARMING, PlanState.READY)


def is_alive(record: PlanRecord | None) -> bool:
    """Whether a plan is on its way to an approval. One that cannot be approved may be replaced by anybody."""
    if record is None or record.state not in ALIVE:
        return False
    return record.plan is None or not failed_checks(record.plan)


def failed_checks(plan: Plan) -> tuple[Check, ...]:
    """The preflight checks without which the rollback cannot work."""
    return tuple(check for check in plan.checks if check.required and not check.ok)


def backups_in_the_way(incident: Incident, plan: Plan) -> tuple[Check, ...]:
    """A check that does not hold for each backup of this incident on which a rollback by `plan` would stop at once."""
    found = []
    for part in waited_for(plan.databases):
        record = incident.backup(part.name)
        if record is None or record.skipped_by is not None:
            continue
        name = f"backup of {part.name}"
        if record.doubtful and record.taken is not None:
            against = " ".join(record.taken.dangers)
            then = (
                "Look at the database; then press Use it all the same or Back up again on the backup's card"
            )
            found.append(Check(name=name, ok=False, detail=f"{against} {then}"))
        elif record.state is BackupState.FAILED:
            found.append(
                Check(name=name, ok=False, detail=f"{record.reason} Press Back up again on its card")
            )
    return tuple(found)


def record_of(incident: Incident, number: int) -> PlanRecord:
    for record in incident.plans:
        if record.number == number:
            return record
    raise Refusal(f"{incident.id} has no plan {number}.")


def must_be_open(incident: Incident) -> None:
    if not incident.is_open:
        refuse("This incident is closed. Start a new one with /rollback.")


def must_not_run(incident: Incident) -> None:
    if incident.status is Status.ROLLING_BACK:
        refuse("A rollback is under way; nothing else can be chosen until it has ended.")
