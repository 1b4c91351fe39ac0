"""Decisions about how users come back: let it go on, or leave it as it is; and what is written down of it."""

from datetime import datetime

from bot.domain import events as e
from bot.domain.afterwards import UNSEEN
from bot.domain.base import UserId, refuse
from bot.domain.debts import Debt
from bot.domain.decide.state import Events, must_be_open
from bot.domain.incident import Incident, Status
from bot.domain.policy import Policy, check_may_decide
from bot.domain.run import RAMP, Run, StepState


def continue_traffic(incident: Incident, *, by: UserId, policy: Policy, now: datetime) -> Events:
    """Let it go on, and stand for what could not be verified. It does not overrule what fails."""
    run = _coming_back(incident)
    check_may_decide(policy, by)
    if run.traffic.stopped_by is not None:
        refuse("It was stopped already; the run is about to end.")
    if incident.held_by is not None:
        refuse("The incident is on hold. Release that first: `/incident hold off`.")
    if not run.traffic.asked:
        refuse("Nobody has to say so: it goes on by itself as long as it goes well.")
    return (e.TrafficContinued(at=now, by=by, run_id=run.id),)


def stop_traffic(incident: Incident, *, by: UserId, policy: Policy, now: datetime) -> Events:
    """Leave traffic as it is; the run ends with that. Silent where somebody has said so already."""
    run = _coming_back(incident)
    check_may_decide(policy, by)
    return () if run.traffic.stopped_by else (e.TrafficStopped(at=now, by=by, run_id=run.id),)


def traffic_shifted(
    incident: Incident,
    run_id: str,
    share: float,
    sentence: str,
    *,
    now: datetime,
    before: float | None = None,
    back: bool = False,
) -> Events:
    """So much was set, and observed. Silent where that is known. `before` is what was found before the first time."""
    run = incident.find_run(run_id)
    if run.ended_at is not None or run.traffic.share == share:
        return ()
    return (
        e.TrafficShifted(at=now, run_id=run_id, share=share, sentence=sentence, before=before, back=back),
    )


def traffic_asked(incident: Incident, run_id: str, sentence: str, *, now: datetime) -> Events:
    """Silent where people are asked already."""
    run = incident.find_run(run_id)
    asked = run.traffic.asked
    known = asked and not (UNSEEN in asked and UNSEEN not in sentence)
    if run.ended_at is not None or known or run.traffic.stopped_by:
        return ()
    return (e.TrafficAsked(at=now, run_id=run_id, sentence=sentence),)


def still_owed(incident: Incident, debts: tuple[Debt, ...], *, now: datetime) -> Events:
    """Debts as they are now: one that is known is told again only where it says something else."""
    known = {owed.debt.id: owed.debt for owed in incident.debts}
    return tuple(e.DebtTaken(at=now, debt=debt) for debt in debts if known.get(debt.id) != debt)


def is_coming_back(incident: Incident) -> bool:
    """Whether users are being brought back at this moment."""
    run = incident.run
    if run is None or incident.status is not Status.ROLLING_BACK or not run.has(RAMP):
        return False
    return run.step(RAMP).state is StepState.RUNNING


def _coming_back(incident: Incident) -> Run:
    must_be_open(incident)
    if incident.run is None or not is_coming_back(incident):
        refuse("Users are not being brought back here at the moment; look at the newest card.")
    return incident.run
