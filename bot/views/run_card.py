"""The live checklist of a run. It is edited in place, so nothing in it changes by the mere passing of time."""

from bot.domain.decide import is_coming_back
from bot.domain.evidence import Outcome
from bot.domain.incident import Incident, Status
from bot.domain.run import PROVE, WATCH, Run, Step, StepState
from bot.views.blocks import Card, actions, card, context, header, sections
from bot.views.debts import owed
from bot.views.hold import held, hold_button
from bot.views.limits import CONTEXT_TEXT, clip
from bot.views.mrkdwn import because, code, length, line, said, when, whom
from bot.views.traffic_card import stop_button

_EMOJI = {
    StepState.PENDING: ":white_circle:",
    StepState.RUNNING: ":hourglass_flowing_sand:",
    StepState.SUCCEEDED: ":white_check_mark:",
    StepState.FAILED: ":x:",
    StepState.UNKNOWN: ":grey_question:",
    StepState.SKIPPED: ":heavy_minus_sign:",
}
_DETAIL = 220
_NAMED = 2
_ROOMY = 15
"""Up to this many steps every one shows its detail; beyond it only those that run or went wrong."""


def run_card(incident: Incident, run: Run) -> Card:
    title = _title(incident, run)
    roomy = len(run.steps) <= _ROOMY
    shown = [_step(step, roomy=roomy) for step in run.steps]
    blocks = [header(title), *sections(shown or ["Beginning…"]), context(_approved(run))]
    if incident.status is Status.ROLLING_BACK and run == incident.run:
        blocks += [*held(incident), *owed(incident)]
        coming_back = is_coming_back(incident)
        if incident.held_by is not None or coming_back or _can_wait(run):
            label = "Hold at this share" if coming_back else "Hold before the next step"
            stop = stop_button(incident) if coming_back else None
            blocks.append(actions(hold_button(incident, label=label), stop))
    return card(_text(title, run), blocks)


def _can_wait(run: Run) -> bool:
    """A hold stops components that are still to be taken back; proving and watching go on in any case."""
    return any(s.state is StepState.PENDING and s.id not in (PROVE, WATCH) for s in run.steps)


def _title(incident: Incident, run: Run) -> str:
    match run.outcome:
        case Outcome.SUCCEEDED:
            return f"{incident.service} is back on {run.to_version}"
        case Outcome.FAILED | Outcome.UNKNOWN:
            return f"The rollback to {run.to_version} did not succeed"
        case None if run.ended_at is not None:
            return f"The rollback to {run.to_version} was ended"
        case _:
            return f"Rolling {incident.service} back to {run.to_version}"


def _text(title: str, run: Run) -> str:
    running = [line(step.title, 120) for step in run.steps if step.state is StepState.RUNNING]
    done = sum(step.state is StepState.SUCCEEDED for step in run.steps)
    more = f" and {len(running) - _NAMED} more" if len(running) > _NAMED else ""
    now = f": {', '.join(running[:_NAMED])}{more}" if running else ""
    return f"{line(title)} ({done} of {len(run.steps)} steps done){now}"


def _step(step: Step, *, roomy: bool) -> str:
    name = line(step.title, 120)
    running = step.state is StepState.RUNNING
    title = f"*{name}*" if running else f"~{name}~" if step.state is StepState.SKIPPED else name
    took = ""
    if step.started_at is not None and step.finished_at is not None:
        took = f" · {length(step.finished_at - step.started_at)}"
    matters = running or step.state in (StepState.FAILED, StepState.UNKNOWN)
    detail = line(step.detail, _DETAIL) if step.detail.strip() and (roomy or matters) else ""
    return f"{_EMOJI[step.state]}  {title}{took}" + (f"\n>{detail}" if detail else "")


def _approved(run: Run) -> str:
    by = f"approved by {whom(run.approved_by)}"
    text = f"{code(run.from_version)} → {code(run.to_version)} · plan {run.plan_number} · {by} · begun {when(run.approved_at)}"
    if run.break_glass_reason:
        text += f"\n:rotating_light: *Glass was broken*{because(said(run.break_glass_reason, 500))}"
    return clip(text, CONTEXT_TEXT)
