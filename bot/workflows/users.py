"""Where users are when a run gives up: brought back where the service is as it was before, or kept away and owed."""

from collections.abc import Callable
from datetime import datetime

from bot.domain import decide
from bot.domain.afterwards import is_all, kept_users
from bot.domain.debts import Debt
from bot.domain.evidence import Outcome, overall
from bot.domain.incident import Incident
from bot.domain.plan import Plan
from bot.domain.run import OFF, RAMP, Run
from bot.ports import PortError
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.workflows.shifting import looked, set_share, traffic_of
from bot.workflows.verdict import Safest

INSIST_FOR_S = 30.0


class Users:
    """May be done again after a crash."""

    def __init__(self, fleet: Fleet, desk: Desk, *, clock: Callable[[], datetime]) -> None:
        self._fleet = fleet
        self._desk = desk
        self._clock = clock

    async def left(
        self, incident: Incident, run: Run, plan: Plan, *, as_before: bool
    ) -> tuple[tuple[str, ...], tuple[Debt, ...]]:
        """Sentences about where they are now, and what is owed to them. Nothing where this run never steered them.

        `as_before`: the service is as it was before the run, so that those whom it has taken off come back.
        """
        if plan.traffic is None or not _steered(run):
            return (), ()
        try:
            traffic = traffic_of(self._fleet, incident.service)
            share = (await looked(traffic)).share
            wanted = run.traffic.before
            took_off = run.traffic.share == 0 and share is not None and share == 0
            if as_before and took_off and wanted:
                key = f"{run.id}/on"
                share = (await set_share(traffic, wanted, key, insist_s=INSIST_FOR_S)).share
                await self._written_down(incident, run, wanted)
        except PortError as error:
            debt = kept_users(incident.service, run.traffic.share if _are_kept(run) else None)
            return (f"{debt.text} {error.advice}",), (debt,)
        if is_all(share):
            return ("All traffic reaches the service.",), ()
        debt = kept_users(incident.service, share)
        return (debt.text,), (debt,)

    async def _written_down(self, incident: Incident, run: Run, share: float) -> None:
        said = "the service is as it was before the rollback"
        await self._desk.change(
            incident.id,
            lambda now_it_is: decide.traffic_shifted(now_it_is, run.id, share, said, now=self._clock()),
        )


def _steered(run: Run) -> bool:
    return any(run.has(name) and run.step(name).started_at is not None for name in (OFF, RAMP))


def _are_kept(run: Run) -> bool:
    return run.traffic.share is not None and not is_all(run.traffic.share)


def while_coming_back(run: Run, outcome: Outcome) -> Safest:
    """Of a run that ended while users were being brought back: nothing is moved, and only probes can blame the version."""
    if outcome is Outcome.UNKNOWN:
        sentence = "Nothing was moved any further, because it is not known what has happened."
        return Safest(go_back=False, target_is_bad=False, sentence=sentence)
    if overall(run.findings) is Outcome.FAILED:
        sentence = f"{run.to_version} became ill while users came back to it, and was left in place."
        return Safest(go_back=False, target_is_bad=True, sentence=sentence)
    sentence = f"{run.to_version} is in place; not all users were brought back to it."
    return Safest(go_back=False, target_is_bad=False, sentence=sentence)
