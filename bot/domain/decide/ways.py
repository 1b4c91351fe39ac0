"""The decision about a database that migrations have changed: which way back, or none."""

from datetime import datetime, timedelta

from bot.domain import events as e
from bot.domain.base import BOT, UserId, refuse
from bot.domain.databases import ChosenWay, DatabasePart
from bot.domain.decide.planning import replan
from bot.domain.decide.state import LIFELESS, Events, must_be_open, record_of
from bot.domain.incident import Incident, PlanState, Status
from bot.domain.plan import Plan
from bot.domain.policy import Policy, check_may_decide
from bot.domain.prose import listed
from bot.domain.ways_back import Way


def choose_way(
    incident: Incident,
    *,
    number: int,
    digest: str,
    database: str,
    way: Way,
    by: UserId,
    policy: Policy,
    forward_fix_after: timedelta,
    now: datetime,
) -> Events:
    """Decide which way the database goes within plan `number`. The plan dies, and a fresh one goes that way.

    A forward fix sets the plan aside instead; its clock runs for `forward_fix_after`.
    """
    plan = _plan_of(incident, number=number, digest=digest)
    check_may_decide(policy, by)
    part = _part_of(plan, database)
    if way not in part.offered:
        refuse(
            f"{way.value.capitalize()} is no way for the database {database} here. "
            f"There is {listed([one.value for one in part.offered])}."
        )
    if part.way is way and part.chosen_by is not None:
        refuse(f"That is decided already: {way.value} for the database {database}, by <@{part.chosen_by}>.")
    why = part.verdict.why if part.verdict else ""
    if way is Way.FORWARD_FIX:
        fix = e.WayChosen(
            at=now,
            by=by,
            number=number,
            database=database,
            way=way,
            why=why,
            owner=incident.roles.get("fixer") or incident.declared_by,
            forward_fix_due_at=now + forward_fix_after,
        )
        return (fix,)
    chosen = e.WayChosen(
        at=now, by=by, number=number, database=database, way=way, why=why, loses=_loses(part, way)
    )
    others = tuple(
        one for one in (incident.record.ways if incident.record else ()) if one.database != database
    )
    mine = ChosenWay(database=database, way=way, by=by, question=part.question)
    wanted = incident.record.wanted if incident.record else None
    # By kaeru: who chose the version is somebody else's matter, and stays so.
    reason = f"{way.value} was chosen for the database {database}"
    return (
        chosen,
        *replan(incident, wanted=wanted, by=BOT, now=now, reason=reason, ways=(*others, mine)),
    )


def _loses(part: DatabasePart, way: Way) -> tuple[str, ...]:
    done = {Way.DOWN_MIGRATION: part.down, Way.RESTORE_BACKUP: part.restore}.get(way)
    return done.loses if done is not None else ()


def _plan_of(incident: Incident, *, number: int, digest: str) -> Plan:
    must_be_open(incident)
    record = record_of(incident, number)
    if record.state is not PlanState.READY or record.plan is None:
        refuse(LIFELESS[record.state])
    if record.plan.digest != digest:
        refuse("This button belongs to an older plan. Look at the newest plan card and decide there.")
    if incident.status is Status.FIXING_FORWARD:
        refuse("A forward fix is under way. Press Roll back after all first.")
    if incident.status is not Status.DECIDING:
        refuse("Choose a severity first; it decides who may decide.")
    if incident.held_by is not None:
        refuse(f"<@{incident.held_by}> put this on hold. Release it first.")
    return record.plan


def _part_of(plan: Plan, database: str) -> DatabasePart:
    for part in plan.databases:
        if part.name == database and part.verdict is not None:
            return part
    concerned = [part.name for part in plan.databases if part.verdict is not None]
    which = f"There is {listed(concerned)}." if concerned else "There is none of which that can be said."
    return refuse(f"Nothing is to be decided about a database {database!r} here. {which}")
