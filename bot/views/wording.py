"""The words that several views share: what an incident is doing, and what it waits for."""

from collections.abc import Sequence

from bot.domain.base import BOT, Refusal, UserId
from bot.domain.databases import undecided
from bot.domain.decide import backups_in_the_way, expires_at, failed_checks
from bot.domain.incident import Incident, PlanRecord, PlanState, Status
from bot.domain.paging import on_call_users
from bot.domain.plan import Check
from bot.domain.policy import Policy, Tally, adds_nothing, tally
from bot.domain.releases import Release, Standing, choose
from bot.domain.severity import Severity
from bot.views.mrkdwn import clock, code, ended, is_member, line, who, whom
from bot.views.traffic_card import whose_move

SEVERITY_EMOJI = {
    Severity.CRITICAL: ":red_circle:",
    Severity.HIGH: ":large_orange_circle:",
    Severity.MEDIUM: ":large_yellow_circle:",
    Severity.LOW: ":white_circle:",
}

STATUS_WORDS = {
    Status.OPEN: "severity to be chosen",
    Status.FIXING_FORWARD: "fixing forward",
    Status.DECIDING: "deciding on the plan",
    Status.ROLLING_BACK: "rolling back",
    Status.STUCK: "stuck, needs a decision",
    Status.MITIGATED: "mitigated, being watched",
    Status.VERIFIED: "verified",
    Status.CLOSED: "closed",
}

_LEFT = "mitigated, not verified"

_IN_THE_WAY = 3
_LEADS = ("lead", "commander", "incident commander")


def status_words(incident: Incident) -> str:
    """Where it stands, in a few words."""
    return _LEFT if incident.left_unverified else STATUS_WORDS[incident.status]


def severity_words(severity: Severity | None) -> str:
    return f"{SEVERITY_EMOJI[severity]} {severity.label}" if severity else "severity not chosen yet"


def lead(incident: Incident) -> UserId:
    """Who leads: the person with that role, else who declared it; of an alert, who acknowledged the page."""
    given = (incident.roles[r] for r in _LEADS if r in incident.roles)
    declared = () if incident.declared_by == BOT else (incident.declared_by,)
    on_it = (page.acknowledged_by for page in incident.pages if page.acknowledged_by is not None)
    return next(iter((*given, *declared, *on_it)), incident.declared_by)


def lead_words(incident: Incident, nobody: str = "nobody yet") -> str:
    """Who leads, as Slack shows them; `nobody` where an alert has opened it and nobody has taken it on: a bot never leads."""
    leads = lead(incident)
    return nobody if leads == BOT else who(leads)


def versions(incident: Incident) -> tuple[str, str] | None:
    """From and to: of the run under way, else of the newest plan; None while there is no plan."""
    record, run = incident.record, incident.run
    if record is not None and record.plan is not None and record.state is not PlanState.APPROVED:
        return record.plan.from_version, record.plan.to_version
    return (run.from_version, run.to_version) if run else None


def arrow(incident: Incident) -> str:
    """`v1.3.0 → v1.2.9` in code type; empty while there is no plan."""
    pair = versions(incident)
    return f"{code(pair[0])} → {code(pair[1])}" if pair else ""


def may_still_approve(incident: Incident, policy: Policy) -> tuple[UserId, ...]:
    """The approvers who can add to the open plan; empty where the policy names nobody in particular."""
    done = incident.record.approvals if incident.record else ()
    return tuple(
        user
        for user in policy.approvers
        if user not in done
        and (policy.requester_may_approve or user not in incident.requesters)
        and not adds_nothing(policy, user, incident.deciders)
    )


def standing(incident: Incident, policy: Policy) -> Tally:
    """The open plan's approvals as the policy counts them."""
    done = incident.record.approvals if incident.record else ()
    return tally(policy, done, requesters=incident.requesters, deciders=incident.deciders)


def from_whom(incident: Incident, policy: Policy) -> str:
    """Who is asked: `<@U2> or <@U3>`, or in words where everybody may."""
    able = may_still_approve(incident, policy)
    if able:
        return whom(able, last="or")
    if policy.approvers and incident.deciders:
        return "nobody who is left; add another approver in kaeru.yml, or let somebody else decide"
    if policy.approvers:
        return "nobody who is left; break the glass, or lower the quorum in kaeru.yml"
    done = incident.record.approvals if incident.record else ()
    barred = () if policy.requester_may_approve else incident.requesters
    alone = (u for u in incident.deciders if adds_nothing(policy, u, incident.deciders) or u in done)
    but = tuple(dict.fromkeys((*barred, *alone)))
    return f"anyone here but {whom(but, last='and')}" if but else "anyone here"


def approval_missing(incident: Incident, policy: Policy) -> str:
    """`2 approvals needed, from <@U2> or <@U3>`; "nothing more needed" where the quorum is reached."""
    count = standing(incident, policy)
    missing, more = count.missing, " more" if count.approvals else ""
    if not missing:
        return "nothing more needed"
    return f"{missing}{more} approval{'s' if missing != 1 else ''} needed, from {from_whom(incident, policy)}"


def next_step(incident: Incident, policy: Policy) -> str:  # noqa: C901, PLR0911 - one sentence per status
    """What the incident waits for, in one sentence: whose move it is."""
    if incident.held_by is not None:
        return f"On hold by {who(incident.held_by)}; nothing new begins until it is released."
    match incident.status:
        case Status.OPEN:
            return "Someone has to choose a severity; it decides what happens next."
        case Status.FIXING_FORWARD:
            fix = incident.forward_fix
            return (
                f"{who(fix.owner)} is fixing forward, due {clock(fix.due_at)}." if fix else "Fixing forward."
            )
        case Status.DECIDING:
            return _decision(incident, policy)
        case Status.ROLLING_BACK:
            return whose_move(incident) or "The rollback is under way; nothing to do but watch it."
        case Status.STUCK:
            return (
                "The rollback did not help. Choose another version, or fix forward."
                if incident.run is None or incident.run.took_place
                else "The rollback did not take its course. Look at what runs now, and choose what is next."
            )
        case Status.MITIGATED if incident.left_unverified:
            return "Nothing was seen ill, and not everything could be measured: look at it, then close it."
        case Status.MITIGATED:
            return "Users are well again; kaeru watches whether it stays so."
        case Status.VERIFIED:
            return _verified(incident)
        case Status.CLOSED:
            return (
                "Closed."
                if incident.lessons or incident.root_cause
                else "Closed; the lessons are still to be written."
            )


def _verified(incident: Incident) -> str:
    since = f", {clock(incident.verified_at)}" if incident.verified_at else ""
    well = f"It was well when it was verified{since}."
    if incident.unowned:
        return f"{well} Something is still suspended: give it back, or say who sees to it; then it can be closed."
    return f"{well} Close it with `/incident close`; if it is ill again, type `/rollback {line(incident.service)}`."


def _decision(incident: Incident, policy: Policy) -> str:
    record = incident.record
    state = record.state if record else PlanState.ARMING
    match state:
        case PlanState.ARMING:
            return "The plan is being prepared."
        case PlanState.READY:
            return _open(incident, policy)
        case PlanState.BLOCKED:
            kept = next((o.debt.id for o in incident.debts if o.debt.id == f"traffic:{incident.service}"), "")
            owed = (
                f"Users are kept from the service ({line(kept)}): see that the balancer answers, and give it back. "
                if kept
                else ""
            )
            return f"{owed}No plan could be made. Choose a version, or fix forward."
        case PlanState.EXPIRED:
            return "The plan has expired. Press Refresh on its card for a new one."
        case PlanState.REJECTED:
            return "The plan was rejected. Choose another version, or fix forward."
        case _:
            return "A new plan is on its way."


def _open(incident: Incident, policy: Policy) -> str:
    due = expires_at(incident, policy)
    until = f", until {clock(due)}" if due else ""
    plan = incident.record.plan if incident.record else None
    names = ", ".join(line(part.name, 60) for part in undecided(plan.databases if plan else ()))
    if names:
        return f"Somebody has to decide which way the database goes ({names}), on the plan card{until}."
    if plan is not None and (waits := failed_checks(plan) or backups_in_the_way(incident, plan)):
        return f"The plan cannot be approved yet: {in_the_way(waits)}"
    return f"{approval_missing(incident, policy)}{until}."


def in_the_way(failed: Sequence[Check]) -> str:
    """The checks that keep a plan from being approved, as the end of a sentence; at least one."""
    shown = [f"{line(c.name, 80)}, {line(c.detail, 300)}" for c in failed[:_IN_THE_WAY]]
    more = f"; and {len(failed) - len(shown)} more" if len(failed) > len(shown) else ""
    return ended(f"{'; '.join(shown)}{more}")


def selectable(record: PlanRecord | None) -> tuple[Release, ...]:
    """The versions that could be gone back to instead, newest first."""
    if record is None or record.plan is None:
        return ()
    plan = record.plan
    return tuple(
        r
        for r in plan.candidates
        if r.standing is not Standing.QUARANTINED and r.version != plan.from_version
    )


def next_good(incident: Incident) -> Release | None:
    """The best version that no run of this incident has come from or gone to in vain."""
    record = incident.record
    if record is None or record.plan is None:
        return None
    tried = {run.from_version for run in incident.runs}
    tried |= {run.to_version for run in incident.runs if run.took_place}
    left = [
        r.model_copy(update={"standing": Standing.QUARANTINED}) if r.version in tried else r
        for r in record.plan.candidates
    ]
    try:
        chosen = choose(left, current=record.plan.to_version).version
    except Refusal:
        return None
    return next(r for r in record.plan.candidates if r.version == chosen)


def about_release(release: Release, *, target: str | None = None) -> str:
    """Half a sentence about a version: `planned now`, `seen serving well …`."""
    if release.standing is Standing.QUARANTINED:
        by = f" by {line(release.quarantined_by, 60)}" if release.quarantined_by else ""
        return f"quarantined{by}"
    if release.last_good_at is not None:
        said = "seen serving well"
    else:
        said = "known good" if release.standing is Standing.GOOD else "nobody saw it serve yet"
    return f"the plan now; {said}" if release.version == target else said


def invited(
    incident: Incident, responders: tuple[UserId, ...], approvers: tuple[UserId, ...]
) -> tuple[UserId, ...]:
    """Who belongs in the channel, each once."""
    fixer = (incident.forward_fix.owner,) if incident.forward_fix else ()
    everyone = (
        incident.declared_by,
        *responders,
        *approvers,
        *incident.joined,
        *incident.roles.values(),
        *fixer,
        *on_call_users(incident.pages),
    )
    return tuple(user for user in dict.fromkeys(everyone) if is_member(user))
