"""App Home: what waits for the person who looks, what is going on, and what runs."""

from collections.abc import Sequence
from datetime import datetime

from bot.domain.backups import Drill
from bot.domain.base import UserId, Value, Version
from bot.domain.databases import undecided
from bot.domain.decide import backups_in_the_way, expires_at, failed_checks
from bot.domain.incident import Incident, PlanState, Status
from bot.domain.plan import Plan
from bot.domain.policy import Policy, adds_nothing
from bot.views.blocks import Block, actions, button, context, divider, header, section, sections
from bot.views.debts import in_a_line, look_at
from bot.views.drill import drill_line
from bot.views.ids import Action, Ref
from bot.views.limits import VIEW_BLOCKS, fit
from bot.views.mrkdwn import clock, code, ended, line, when
from bot.views.wording import arrow, next_step, severity_words, standing

_SHOWN = 10
_OWED = 3
_SERVICES = 40


class Known(Value):
    """An incident with the policy of its severity."""

    incident: Incident
    policy: Policy


class ServiceNow(Value):
    """A service and the version it was last seen with; None where it was never seen.

    `good` says whether that version was seen serving well; None where that has not been measured yet. `due` are the
    versions that are set to run by now and are not what answers, as far as the targets were seen. `drills` are what
    the last drill of each database's backup found.
    """

    name: str
    version: Version | None = None
    seen_at: datetime | None = None
    good: bool | None = None
    due: tuple[Version, ...] = ()
    description: str = ""
    drills: tuple[Drill, ...] = ()


def home(me: UserId, incidents: Sequence[Known], services: Sequence[ServiceNow]) -> Block:
    """`incidents` are the open ones and the recently closed ones, newest first."""
    going_on = [known for known in incidents if known.incident.is_open]
    blocks = [
        *_mine(me, incidents),
        *_open(going_on),
        *_suspended(incidents),
        *_running(services),
        divider(),
        context(
            "`/rollback SERVICE` takes a service back · `/incident status` says where things stand · "
            "`/rollback help` and `/incident help` say the rest"
        ),
    ]
    return {"type": "home", "blocks": list(fit(blocks, most=VIEW_BLOCKS))}


def _mine(me: UserId, incidents: Sequence[Known]) -> list[Block]:
    waiting = [block for place, known in enumerate(incidents) for block in _waits(me, known, place)]
    if not waiting:
        return [header("Nothing waits for you")]
    return [header("Waiting for you"), *waiting[: 2 * _SHOWN], divider()]


def _waits(me: UserId, known: Known, place: int) -> list[Block]:
    """What this incident wants of me, if anything."""
    incident, name = known.incident, f"*{line(known.incident.service)}* {_where(known.incident)}"
    found: list[Block] = []
    if _may_approve(me, known):
        due = expires_at(incident, known.policy)
        until = f", until {clock(due)}" if due else ""
        count = standing(incident, known.policy)
        found.append(
            section(
                f":ballot_box_with_check: {name}: your approval can be the {_ordinal(len(count.approvals) + 1)} "
                f"of {count.needed} for {arrow(incident)}{until}."
            )
        )
    fix = incident.forward_fix
    if incident.status is Status.FIXING_FORWARD and fix is not None and fix.owner == me:
        found.append(section(f":hammer_and_wrench: {name}: you own the forward fix, due {when(fix.due_at)}."))
    found += [
        section(f":electric_plug: {name}: you see to what is suspended. {ended(line(o.debt.until, 300))}")
        for o in incident.debts
        if o.owner == me
    ][:_OWED]
    if incident.held_by == me:
        release = button(
            "Release hold", Action.ROLLBACK_RELEASE, Ref(incident_id=incident.id), suffix=str(place)
        )
        found.append(section(f":double_vertical_bar: {name}: you put it on hold.", accessory=release))
    if not incident.is_open and me in (incident.declared_by, incident.closed_by) and not _learned(incident):
        write = button("Write them", Action.LESSONS_OPEN, Ref(incident_id=incident.id), suffix=str(place))
        found.append(section(f":memo: {name}: root cause and lessons are missing.", accessory=write))
    return found


def _learned(incident: Incident) -> bool:
    return bool(incident.root_cause.strip() or incident.lessons.strip())


def _may_approve(me: UserId, known: Known) -> bool:
    incident, policy, record = known.incident, known.policy, known.incident.record
    return (
        incident.status is Status.DECIDING
        and incident.held_by is None
        and record is not None
        and record.state is PlanState.READY
        and policy.allows(me)
        and me not in record.approvals
        and (policy.requester_may_approve or me not in incident.requesters)
        and not adds_nothing(policy, me, incident.deciders)
        and not (record.plan is not None and _is_stopped(incident, record.plan))
    )


def _is_stopped(incident: Incident, plan: Plan) -> bool:
    """Whether approving would be refused, whoever does."""
    return bool(undecided(plan.databases) or failed_checks(plan) or backups_in_the_way(incident, plan))


def _ordinal(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")


def _where(incident: Incident) -> str:
    return f"<#{incident.channel_id}>" if incident.channel_id else code(incident.id)


def _open(incidents: Sequence[Known]) -> list[Block]:
    if not incidents:
        return [section(":white_check_mark: No incident is open.")]
    shown = [
        section(
            f"*{line(k.incident.service)}*  {severity_words(k.incident.severity)}  {_where(k.incident)}\n"
            f"{next_step(k.incident, k.policy)}"
        )
        for k in incidents[:_SHOWN]
    ]
    if len(incidents) > _SHOWN:
        shown.append(context(f"and {len(incidents) - _SHOWN} more; `/incident list` shows them"))
    return [header("Open incidents"), *shown]


def _suspended(incidents: Sequence[Known]) -> list[Block]:
    """What is to be given back, of closed incidents too; nothing where there is nothing."""
    first = {each.debt.id: k.incident.id for k in reversed(incidents) for each in k.incident.debts}
    found = [
        section(
            f":electric_plug: *{line(k.incident.service)}* {_where(k.incident)}\n{in_a_line(each)}",
            accessory=look_at(k.incident, each, f"{place}-{number}"),
        )
        for place, k in enumerate(incidents)
        for number, each in enumerate(k.incident.debts)
        # A newer incident of the service may owe the same thing: it is listed there.
        if first[each.debt.id] == k.incident.id
    ]
    if not found:
        return []
    more = [context(f"and {len(found) - _SHOWN} more")] if len(found) > _SHOWN else []
    return [header("Suspended, to be given back"), *found[:_SHOWN], *more]


def _running(services: Sequence[ServiceNow]) -> list[Block]:
    if not services:
        return [header("Services"), section("None is configured yet. Add one to kaeru.yml.")]
    lines = [
        text
        for service in services[:_SERVICES]
        for text in (_service(service), *map(drill_line, service.drills))
    ]
    if len(services) > _SERVICES:
        lines.append(f"and {len(services) - _SERVICES} more")
    start = actions(button("Roll a service back", Action.PICKER_OPEN))
    return [header("Services"), *sections(lines), start]


def _service(service: ServiceNow) -> str:
    about = f"  {line(service.description, 120)}" if service.description.strip() else ""
    if service.version is None:
        return f"*{line(service.name, 80)}*  never seen serving{about}"
    health = {True: "seen serving well", False: "*not serving well*", None: "not measured long enough"}
    seen = f", {health[service.good]} {when(service.seen_at)}" if service.seen_at else ""
    due = f", but *{those} is set to run*" if (those := " and ".join(map(code, service.due[:3]))) else ""
    return f"*{line(service.name, 80)}*  {code(service.version)}{seen}{due}{about}"
