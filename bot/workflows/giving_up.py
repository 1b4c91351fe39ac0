"""The end of a run that did not work: as safe as it can be left, said as it was seen, with the next plan asked for."""

import asyncio
import logging

from bot.domain import events as e
from bot.domain.base import Refusal
from bot.domain.evidence import judge
from bot.domain.incident import Incident, Status
from bot.ports import Change
from bot.workflows.applying import Settled, change_of, settle
from bot.workflows.means import Means
from bot.workflows.verdict import (
    Requests,
    around,
    how_it_ended,
    looked_at_since,
    safest,
    stage_of,
    to_put_back,
    what_next,
)

_log = logging.getLogger(__name__)


class GivingUp:
    """May be done again after a crash: what was put back is found so."""

    def __init__(self, means: Means) -> None:
        self._means = means

    async def give_up(self, run_id: str) -> None:
        """It did not work: leave the service as safe as it can be, say so, and ask for the next plan."""
        incident, run, plan = await self._means.journal.load(run_id)
        if incident.status is not Status.ROLLING_BACK:
            return
        since = looked_at_since(run)
        before, after = around(
            run, await self._means.store.read(lambda uow: uow.probes.window(incident.service, since))
        )
        stage = stage_of(run, plan)
        outcome, reason = how_it_ended(run)
        decision = safest(stage, outcome, Requests.of(before), Requests.of(after))
        back = to_put_back(run, plan) if decision.go_back else ()
        settled: list[Settled] = []
        for tier in reversed(plan.tiers):
            settling = (
                self._settled(incident, change_of(plan, c.component), run_id, back=c.component in back)
                for c in tier
            )
            settled += await asyncio.gather(*settling)
        # What somebody else has taken away says nothing about the version that it was to be.
        overtaken = any(one.overtaken for one in settled)
        said = [one.said for one in settled]
        event = e.RollbackFailed(
            at=self._means.clock(),
            run_id=run_id,
            outcome=outcome,
            reason=reason,
            safe_state=f"{decision.sentence} {' '.join(said)}".strip(),
            findings=judge(after, plan.baseline),
        )

        def ended(now_it_is: Incident) -> tuple[e.Event, ...]:
            if now_it_is.status is not Status.ROLLING_BACK:
                return ()
            asked = what_next(now_it_is, run, stage, outcome, now=self._means.clock(), overtaken=overtaken)
            return (event, *asked)

        await self._means.desk.change(
            incident.id,
            ended,
            also=lambda uow: (
                uow.releases.quarantine(incident.service, run.to_version, incident.id, event.at)
                if decision.target_is_bad and not overtaken
                else None
            ),
        )

    async def _settled(self, incident: Incident, change: Change, run_id: str, *, back: bool) -> Settled:
        try:
            target = self._means.fleet.hands(incident.service).target(change.component)
            return await settle(target, change, f"{run_id}/revert:{change.component}", back=back)
        except Refusal as refusal:
            return Settled(str(refusal))
        except Exception as error:  # noqa: BLE001 - the run has to end, whatever an adapter does
            _log.exception("%s of %s could not be settled", change.component, run_id)
            return Settled(
                f"{change.component}: what runs now could not be established ({type(error).__name__}, see the log)."
            )
