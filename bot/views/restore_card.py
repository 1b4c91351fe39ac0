"""The card of a restore: what it would do, who has agreed, where it stands, and what came of it."""

from bot.domain.evidence import Outcome
from bot.domain.incident import Incident, Status
from bot.domain.restores import PERSONS, Restore, RestorePlan, RestoreState, Shelved
from bot.domain.sizes import size
from bot.views.blocks import (
    Block,
    Card,
    Style,
    actions,
    button,
    card,
    confirm,
    context,
    header,
    note,
    section,
    sections,
)
from bot.views.ids import Action, Ref
from bot.views.mrkdwn import because, code, counted, ended, length, line, said, when, who, whom

_OUTCOME = {
    Outcome.SUCCEEDED: ":white_check_mark: *Restored.*",
    Outcome.FAILED: ":x: *The restore did not succeed.*",
    Outcome.UNKNOWN: ":grey_question: *Whether the restore succeeded is not known.*",
}
_PROOF = {
    "none": "not proven",
    "read": "proven by a full read",
    "restored": "proven by a restore",
}


def restore_card(incident: Incident, restore: Restore) -> Card:  # noqa: PLR0911 - one card per state, a table in match form
    """In its present state."""
    match restore.state:
        case _ if not incident.is_open and restore.state is not RestoreState.ENDED:
            return note(f"Restore {restore.number} of {code(restore.database)} was not carried out.")
        case RestoreState.PLANNING:
            return note(
                f":hourglass_flowing_sand: *Planning the restore of {code(restore.database)}…* {_what(restore)}"
            )
        case RestoreState.READY if restore.plan is not None:
            return _open(incident, restore, restore.plan)
        case RestoreState.BLOCKED:
            text = f":warning: *Restore {restore.number} of {code(restore.database)} cannot be planned.* {said(restore.detail, 1000)}"
            return card(text, [section(text), actions(*_when_blocked(incident, restore))])
        case RestoreState.RUNNING:
            return _running(restore, restore.detail)
        case RestoreState.ENDED:
            return _ended(incident, restore)
        case _:
            return note(
                f":no_entry_sign: Restore {restore.number} of {code(restore.database)} was set aside{because(said(restore.detail, 300))}"
            )


def _what(restore: Restore) -> str:
    which = code(restore.backup) if restore.backup else "The newest proven backup"
    return f"{which} into {code(restore.where)}, asked for by {who(restore.asked_by)}."


def _open(incident: Incident, restore: Restore, plan: RestorePlan) -> Card:
    title = f"Restore {restore.database} into {plan.into}"
    missing = PERSONS - len(set(restore.approvals))
    blocks = [
        header(title),
        *sections(_facts(incident, restore, plan)),
        *sections(
            ["*What will be done*", *(f"{n}.  {line(a, 250)}" for n, a in enumerate(plan.actions, start=1))]
        ),
        *_checks(restore),
        section(_agreed(incident, restore, missing)),
        actions(*_buttons(incident, restore)),
        context(
            f"Restore {restore.number} · {counted(PERSONS, 'person', 'persons')} have to agree, always · asked for by {who(restore.asked_by)}"
        ),
    ]
    return card(f"{line(title)}: {counted(missing, 'agreement')} missing.", blocks)


def _facts(incident: Incident, restore: Restore, plan: RestorePlan) -> list[str]:
    lines = [f"Backup {code(plan.backup, 100)}"]
    if (taken := restore.taken) is not None:
        lines[0] += f", taken {when(taken.at)}, {size(taken.bytes)}, {_PROOF.get(taken.proof, taken.proof)}"
        if taken.at >= incident.declared_at:
            lines.append(
                ":information_source: It was taken in this incident, so whatever went wrong before that is in it. "
                "For an earlier one press *Other backup*."
            )
    if plan.replaces:
        lost = f" Everything written to it since {when(plan.lost_since)} is lost." if plan.lost_since else ""
        lines.append(f":rotating_light: *{code(plan.into)} is there and will be replaced.*{lost}")
    else:
        lines.append(f"{code(plan.into)} is not there yet; nothing else is touched.")
    if plan.expected_s is not None:
        lines.append(f"It takes about {length(plan.expected_s)}, going by how long the backup took.")
    return lines + [f":warning: {line(w.text, 300)}" for w in plan.warnings]


def _checks(restore: Restore) -> list[Block]:
    checks = restore.plan.checks if restore.plan else ()
    bad = [f":x: *{line(c.name, 60)}*: {line(c.detail, 250)}" for c in checks if not c.ok]
    good = [f":white_check_mark: {line(c.name, 60)}: {line(c.detail, 120)}" for c in checks if c.ok]
    return [*sections(bad), *([context("\n".join(good))] if good else [])]


def _agreed(incident: Incident, restore: Restore, missing: int) -> str:
    if failed := restore.failed_checks:
        return f":no_entry: *Nobody can agree to this yet:* {line(failed[0].detail, 300)} Put it right and press *Try again*."
    if incident.status is Status.ROLLING_BACK:
        return ":double_vertical_bar: A rollback is under way; agree when it has ended."
    if incident.held_by is not None:
        return f":double_vertical_bar: {who(incident.held_by)} put this on hold; agree when it is released."
    given = f"\n:white_check_mark: {whom(restore.approvals)}" if restore.approvals else ""
    return f"*Agreed: {PERSONS - missing} of {PERSONS}*{given}"


def _buttons(incident: Incident, restore: Restore) -> tuple[Block | None, ...]:
    if incident.restoring is not None:
        return _reject(incident, restore)
    others = button("Other backup", Action.RESTORE_OTHER, _ref(incident, restore)) if restore.others else None
    if restore.failed_checks or incident.status is Status.ROLLING_BACK or incident.held_by is not None:
        return (_again(incident, restore), *_reject(incident, restore), others)
    agree = button(
        "Agree", Action.RESTORE_APPROVE, _ref(incident, restore),
        style="danger" if restore.replaces else "primary",
        confirm=_question(restore),
    )  # fmt: skip
    return (agree, *_reject(incident, restore), _again(incident, restore, "Fresh plan"), others)


def _question(restore: Restore) -> Block:
    """What exactly a press on Agree does."""
    last = len(set(restore.approvals)) + 1 >= PERSONS
    what = f"Backup {code(restore.plan.backup, 80) if restore.plan else ''} goes into {code(restore.where)}."
    replaced = " What is there now is replaced." if restore.replaces else ""
    then = " It begins at once." if last else " It begins when a second person has agreed."
    return confirm(
        f"Restore {restore.database}?", f"{what}{replaced}{then}", yes="Agree", no="Not yet",
        style="danger" if restore.replaces else "primary",
    )  # fmt: skip


def _when_blocked(incident: Incident, restore: Restore) -> tuple[Block | None, ...]:
    again = _again(incident, restore) if incident.restoring is None else None
    return (again, *_reject(incident, restore))


def _again(incident: Incident, restore: Restore, label: str = "Try again") -> Block:
    style: Style | None = "primary" if label == "Try again" else None
    return button(label, Action.RESTORE_AGAIN, _ref(incident, restore), style=style)


def _reject(incident: Incident, restore: Restore) -> tuple[Block]:
    return (button("Set aside", Action.RESTORE_REJECT, _ref(incident, restore)),)


def _ref(incident: Incident, restore: Restore) -> Ref:
    return Ref(incident_id=incident.id, number=restore.number, digest=restore.digest)


def _running(restore: Restore, progress: str) -> Card:
    agreed = f"agreed to by {whom(restore.approvals)}"
    where = f"\n>{line(progress, 220)}" if progress.strip() else ""
    text = f":hourglass_flowing_sand: *Restoring {code(restore.database)} into {code(restore.where)}*{where}"
    return card(
        f"Restoring {line(restore.database)}.",
        [section(text), context(f"Restore {restore.number} · {agreed}")],
    )


def _ended(incident: Incident, restore: Restore) -> Card:
    outcome = _OUTCOME[restore.outcome or Outcome.UNKNOWN]
    text = (
        f"{outcome} {code(restore.database)} into {code(restore.where)}: {ended(line(restore.detail, 1500))}"
    )
    again = restore.outcome is not Outcome.SUCCEEDED and incident.is_open and incident.restoring is None
    blocks = [section(text), context(f"Restore {restore.number} · agreed to by {whom(restore.approvals)}")]
    return card(text, [*blocks, *([actions(_again(incident, restore))] if again else [])])


def on_the_shelf(backup: Shelved) -> str:
    """One backup in a list of choices, in plain text."""
    proof = _PROOF.get(backup.proof, backup.proof)
    doubt = ", doubtful" if backup.dangers else ""
    return f"{backup.at:%Y-%m-%d %H:%M} UTC, {size(backup.bytes)}, {proof}{doubt}"
