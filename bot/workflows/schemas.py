"""Where a run that gives up leaves the databases' schemas, and why newer code may not be put back on them."""

from bot.domain.databases import DatabasePart
from bot.domain.plan import Plan
from bot.domain.run import Run, Step, StepState, apply_step, migrate_step, restore_step
from bot.domain.ways_back import Way


def taken_back(run: Run) -> tuple[str, ...]:
    """The databases that this run has taken back: the newer code does not fit them any more."""
    prefixes = (migrate_step(""), restore_step(""))
    return tuple(
        step.id.partition(":")[2]
        for step in run.steps
        if step.id.startswith(prefixes) and step.state is StepState.SUCCEEDED
    )


def touched(run: Run) -> bool:
    """Whether a step on a database went wrong after it may have changed something."""
    prefixes = (migrate_step(""), restore_step(""))
    return any(
        step.id.startswith(prefixes)
        and step.state in (StepState.FAILED, StepState.UNKNOWN)
        and not step.untouched
        for step in run.steps
    )


def on_schemas(run: Run, plan: Plan) -> tuple[str, ...]:
    """A sentence about each database that this run was to take back, by its migrations or by a backup."""
    switched = all(run.step(apply_step(c.component)).state is StepState.SUCCEEDED for c in plan.components)
    said = []
    for part in plan.databases:
        if part.way is Way.DOWN_MIGRATION and run.has(migrate_step(part.name)):
            said.append(_on(part, run.step(migrate_step(part.name)), plan, switched=switched))
        elif part.way is Way.RESTORE_BACKUP and run.has(restore_step(part.name)):
            said.append(_on_restored(part, run.step(restore_step(part.name)), plan, switched=switched))
    return tuple(said)


def _on_restored(part: DatabasePart, step: Step, plan: Plan, *, switched: bool) -> str:
    name, newer, older = part.name, plan.from_version, plan.to_version
    backup = ", ".join(part.restore.about) if part.restore and part.restore.about else "the backup"
    if step.state is StepState.SUCCEEDED:
        said = f"The database {name} is the one of {backup} now, which {older} fits."
        runs = (
            f" Where {newer} still runs, it runs on that older database and may fail on it or write what {older} cannot "
            "read: take the next plan at once, or bring what was there before back."
        )
        return said if switched else said + runs
    if step.state is StepState.PENDING or (step.state is StepState.FAILED and step.untouched):
        return f"The database {name} is as it was."
    return (
        f"What has become of the database {name} is not known: look at it, and bring it to what {newer} or {older} "
        "needs, before the next plan is approved."
    )


def _on(part: DatabasePart, step: Step, plan: Plan, *, switched: bool) -> str:
    name, newer, older = part.name, plan.from_version, plan.to_version
    undone = part.down.about if part.down else ()
    if step.state is StepState.SUCCEEDED:
        said = f"The schema of {name} is the one of {older} now: {', '.join(undone)} undone."
        needs = (
            f" {newer} needs them: where it still runs, run them forward again or take the next plan at once."
        )
        return said if switched else said + needs
    if step.state is StepState.UNKNOWN:
        return (
            f"What has become of the schema of {name} is not known: look at its list of migrations, and bring it to "
            f"the one of {newer} or of {older}, before the next plan is approved."
        )
    if step.state is StepState.FAILED and not step.untouched:
        return (
            f"The schema of {name} is between the one of {newer} and the one of {older}: bring it to either by hand. "
            "The next plan goes by what the database lists then."
        )
    return f"The schema of {name} is as it was."
