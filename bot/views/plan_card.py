"""The card that asks for approval, and what is left of it when it is no longer the one to decide on."""

from datetime import datetime

from bot.domain.databases import undecided
from bot.domain.decide import backups_in_the_way, expires_at, failed_checks
from bot.domain.incident import Incident, PlanRecord, PlanState, Status
from bot.domain.plan import Plan
from bot.domain.policy import Policy
from bot.domain.severity import Severity
from bot.views.blocks import Block, Card, actions, button, card, confirm, context, divider, header, section
from bot.views.data_facts import deciding, done_to, obstacle, second_person
from bot.views.hold import held, hold_button
from bot.views.ids import Action, Ref
from bot.views.mrkdwn import because, clock, code, counted, line, said, who, whom
from bot.views.plan_facts import facts
from bot.views.wording import approval_missing, from_whom, in_the_way, selectable, standing


def plan_card(incident: Incident, record: PlanRecord, policy: Policy) -> Card:
    """The card of one plan number in its present state."""
    decides = incident.status is Status.DECIDING and record == incident.record
    match record.state:
        case PlanState.ARMING if decides:
            return _preparing(incident, record, policy)
        case PlanState.READY if decides and record.plan is not None:
            return _open(incident, record, record.plan, policy)
        case PlanState.BLOCKED if decides:
            text = f"No plan could be made: {said(record.note, 1000)}"
            return _stopped(incident, record, ":warning:", text)
        case PlanState.EXPIRED if decides:
            text = (
                "This plan has expired: the approvals did not come in time, and the world may have moved on."
            )
            return _stopped(incident, record, ":hourglass:", text)
        case PlanState.REJECTED if decides:
            text = f"This plan was rejected{because(said(record.note, 1000))}"
            return _stopped(incident, record, ":no_entry_sign:", text)
        case _:
            return _past(incident, record)


def _preparing(incident: Incident, record: PlanRecord, policy: Policy) -> Card:
    service = line(incident.service)
    target = f" to {code(record.wanted)}" if record.wanted else ""
    blocks = [
        section(f":hourglass_flowing_sand: *Preparing the plan to take {service} back{target}…*"),
        context("Checking the target, comparing versions, measuring."),
        context(f"Then {from_whom(incident, policy)} will be asked to approve."),
    ]
    if incident.held_by is not None:
        blocks += [*held(incident), actions(hold_button(incident))]
    return card(f"Preparing a plan to take {service} back{target}.", blocks)


def _open(incident: Incident, record: PlanRecord, plan: Plan, policy: Policy) -> Card:
    service, severity = line(plan.service), incident.severity
    label = f" ({severity.label})" if severity else ""
    way = f"{service} {line(plan.from_version)} → {line(plan.to_version)}{label}"
    if failed_checks(plan):
        text = f"A plan that cannot be approved yet: {way}."
    else:
        asks = "Decide about the database:" if undecided(plan.databases) else "Approve?"
        text = f"{asks} {way}, {approval_missing(incident, policy)}."
    blocks = [
        header(f"Roll {plan.service} back to {plan.to_version}"),
        *facts(plan, incident),
        divider(),
        *held(incident),
        *deciding(incident, plan),
        section(_obstacle(incident, plan) or _approvals(incident, policy)),
        _buttons(incident, record, plan, policy),
        context(_small_print(record, expires_at(incident, policy))),
    ]
    return card(text, blocks)


def _obstacle(incident: Incident, plan: Plan) -> str:
    """Why this plan cannot be approved as it is; empty where nothing is in the way."""
    if (restore := incident.restoring) is not None:
        return (
            f":no_entry: *This cannot be approved yet:* a restore of {code(restore.database)} is under way."
        )
    failed, open_question = failed_checks(plan), obstacle(plan)
    if open_question and not failed:
        return f":no_entry: *This cannot be approved yet:* {open_question}. Then a fresh plan appears."
    if not failed and (waits := backups_in_the_way(incident, plan)):
        return f":no_entry: *This cannot be approved yet:* {in_the_way(waits)}"
    if not failed:
        return ""
    asked = f"{open_question[0].upper()}{open_question[1:]}, too. " if open_question else ""
    return (
        f":no_entry: *This cannot be approved yet:* {in_the_way(failed)} "
        f"{asked}Put it right: a new card comes by itself where kaeru sees the change, else press *Refresh*."
    )


def _approvals(incident: Incident, policy: Policy) -> str:
    count = standing(incident, policy)
    title = f"*Approvals: {len(count.approvals)} of {count.needed}*"
    given = f"\n:white_check_mark: {whom(count.approvals)}" if count.approvals else ""
    missing = approval_missing(incident, policy)
    plan = incident.record.plan if incident.record else None
    second = f"\n{second_person(plan)}" if plan is not None and plan.deciders else ""
    return f"{title}{given}\n{missing[0].upper()}{missing[1:]}.{second}"


def _small_print(record: PlanRecord, expires: datetime | None) -> str:
    until = f" · can be approved until {clock(expires)}" if expires else ""
    return (
        f"Plan {record.number}{until} · if anything changes meanwhile, this plan dies and a new one appears"
    )


def _buttons(incident: Incident, record: PlanRecord, plan: Plan, policy: Policy) -> Block:
    """Only what can work now: no Approve on hold, no other version where there is none."""
    ref = Ref(incident_id=incident.id, number=record.number, digest=plan.digest)
    others = [r for r in selectable(record) if r.version != plan.to_version]
    choose = button("Choose version", Action.ROLLBACK_CHOOSE, ref) if others else None
    reject = button("Reject", Action.ROLLBACK_REJECT, ref)
    if incident.held_by is not None:
        return actions(hold_button(incident), reject, choose)
    if failed_checks(plan):
        return actions(button("Refresh", Action.ROLLBACK_REFRESH, ref, style="primary"), reject, choose)
    if undecided(plan.databases) or incident.restoring is not None or backups_in_the_way(incident, plan):
        return actions(reject, choose, hold_button(incident))
    approve = button(
        "Approve", Action.ROLLBACK_APPROVE, ref, style="primary", confirm=_question(incident, plan, policy)
    )
    alone = policy.break_glass and incident.severity is Severity.CRITICAL
    glass = button("Break glass", Action.ROLLBACK_BREAK_GLASS, ref, style="danger") if alone else None
    return actions(approve, reject, choose, hold_button(incident), glass)


def _question(incident: Incident, plan: Plan, policy: Policy) -> Block:
    """What exactly a press on Approve does."""
    first = plan.components[:2]
    moves = ", ".join(f"{line(c.component, 40)} to {code(c.to_version, 30)}" for c in first)
    if len(plan.components) > len(first):
        moves += f" and {len(plan.components) - len(first)} more"
    on_data = [p for p in plan.databases if done_to(p)]
    if on_data:
        names = ", ".join(f"{line(p.name, 30)}: {p.way.value if p.way else ''}" for p in on_data[:2])
        moves = f"{names}. {moves}"
    after = standing(incident, policy).missing - 1
    when = f"It begins after {counted(after, 'more approval')}." if after > 0 else "It begins at once."
    title = f"Roll {plan.service} back to {plan.to_version}?"
    return confirm(title, f"{moves}. {when}", yes="Approve", no="Not yet")


def _stopped(incident: Incident, record: PlanRecord, emoji: str, text: str) -> Card:
    """No plan to approve, and what can be done about it."""
    ref = Ref(incident_id=incident.id, number=record.number)
    rejected = record.state is PlanState.REJECTED
    refresh = button("Refresh", Action.ROLLBACK_REFRESH, ref, style=None if rejected else "primary")
    choose = button("Choose version", Action.ROLLBACK_CHOOSE, ref, style="primary" if rejected else None)
    row = (choose, refresh) if rejected else (refresh, choose)
    blocks = [
        section(f"{emoji} *Plan {record.number}*{_towards(record)}\n{text}"),
        *held(incident),
        actions(*row, hold_button(incident) if incident.held_by else None),
        context("Refresh makes a new plan from the world as it is now."),
    ]
    return card(f"Plan {record.number}: {text}", blocks)


def _past(incident: Incident, record: PlanRecord) -> Card:
    """One line, nothing to press."""
    match record.state:
        case PlanState.APPROVED:
            run = next((r for r in incident.runs if r.plan_number == record.number), None)
            by = f" by {whom(run.approved_by)}" if run else ""
            text = f":white_check_mark: *Plan {record.number}*{_towards(record)} was approved{by}."
        case PlanState.SUPERSEDED:
            reason = because(said(record.note, 500))
            text = (
                f":leftwards_arrow_with_hook: Plan {record.number}{_towards(record)} is out of date{reason}"
            )
        case PlanState.REJECTED:
            reason = because(said(record.note, 500))
            text = f":no_entry_sign: Plan {record.number}{_towards(record)} was rejected{reason}"
        case PlanState.EXPIRED:
            text = f":hourglass: Plan {record.number}{_towards(record)} expired without enough approvals."
        case PlanState.BLOCKED:
            text = f":warning: Plan {record.number} could not be made: {said(record.note, 500)}"
        case _ if not incident.is_open:
            text = f"Plan {record.number}{_towards(record)} was not carried out; the incident is closed."
        case _ if incident.status is Status.FIXING_FORWARD:
            owner = f" {who(incident.forward_fix.owner)} fixes forward." if incident.forward_fix else ""
            text = f"Plan {record.number}{_towards(record)} is set aside.{owner}"
        case _:
            text = f"Plan {record.number}{_towards(record)} is no longer open."
    return card(text, [context(text)])


def _towards(record: PlanRecord) -> str:
    version = record.to_version or record.wanted
    return f" (back to {code(version)})" if version else ""
