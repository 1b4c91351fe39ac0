"""The end of a run that did not work: as safe as it can be left, said as it was seen, with the next plan asked for."""

import logging
from collections.abc import Callable
from datetime import datetime

from bot.domain import decide
from bot.domain import events as e
from bot.domain.base import Refusal
from bot.domain.evidence import Outcome, judge
from bot.domain.incident import Incident, Status
from bot.domain.plan import Plan
from bot.domain.quarantine import unhelpful
from bot.domain.run import Run, apply_step, revert_step
from bot.ports import Change
from bot.store import Store
from bot.store.errors import StoreError
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.usecases.quarantine import keep_out
from bot.workflows.applying import Settled, Tell, change_of, settle, to_nobody, was_taken_away
from bot.workflows.journal import Journal
from bot.workflows.progress import Progress
from bot.workflows.schemas import on_schemas, taken_back
from bot.workflows.together import together
from bot.workflows.users import Users, while_coming_back
from bot.workflows.verdict import (
    NOT_TRIED,
    Requests,
    Stage,
    around,
    changing,
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

    def __init__(
        self, store: Store, fleet: Fleet, desk: Desk, journal: Journal, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._desk = desk
        self._users = Users(fleet, desk, clock=clock)
        self._journal = journal
        self._clock = clock

    async def give_up(self, run_id: str) -> None:
        """It did not work: leave the service as safe as it can be, say so, and ask for the next plan."""
        incident, run, plan = await self._journal.load(run_id)
        if incident.status is not Status.ROLLING_BACK:
            return
        since = looked_at_since(run)
        before, after = around(
            run, await self._store.read(lambda uow: uow.probes.window(incident.service, since))
        )
        stage = stage_of(run, plan)
        outcome, reason = how_it_ended(run)
        measured = Requests.of(before), Requests.of(after)
        decision = safest(stage, outcome, *measured, schemas=taken_back(run), version=run.to_version)
        if stage is Stage.RAMP:
            decision = while_coming_back(run, outcome)
        back = to_put_back(run, plan) if decision.go_back else ()
        # What somebody else has taken away says nothing about the version that it was to be.
        overtaken = await self._taken_away(incident.service, run, plan, stage)
        settled: list[Settled] = []
        for tier in reversed(plan.tiers):
            settling = (
                self._put_back(incident, run, change_of(plan, c.component))
                if c.component in back
                else self._settled(incident, change_of(plan, c.component), run_id)
                for c in tier
            )
            settled += await together(settling)
        overtaken = overtaken or any(one.overtaken for one in settled)
        if stage is Stage.RAMP and not decision.target_is_bad:
            overtaken = True  # nothing was learned of the target: it is not blamed
        ended_well = outcome is Outcome.FAILED and all(o.outcome is Outcome.SUCCEEDED for o in settled)
        of_use = not before or Requests.of(before).serves
        as_before = ended_well and of_use and (decision.go_back or stage is Stage.UNTOUCHED)
        about_users, owed = await self._users.left(incident, run, plan, as_before=as_before)
        said = [*(one.said for one in settled), *on_schemas(run, plan), *about_users]
        event = e.RollbackFailed(
            at=self._clock(),
            run_id=run_id,
            outcome=outcome,
            reason=reason,
            safe_state=f"{decision.sentence} {' '.join(said)}".strip(),
            findings=judge(after, plan.baseline),
            took_place=outcome is Outcome.UNKNOWN or not (overtaken or stage in NOT_TRIED),
        )

        def ended(now_it_is: Incident) -> tuple[e.Event, ...]:
            if now_it_is.status is not Status.ROLLING_BACK:
                return ()
            asked = what_next(now_it_is, run, stage, outcome, now=self._clock(), overtaken=overtaken)
            return (event, *decide.still_owed(now_it_is, owed, now=event.at), *asked)

        await self._desk.change(
            incident.id,
            ended,
            also=lambda uow: (
                keep_out(uow, incident, unhelpful(run, plan), event.at)
                if decision.target_is_bad and event.took_place
                else None
            ),
        )

    async def _taken_away(self, service: str, run: Run, plan: Plan, stage: Stage) -> bool:
        """Whether somebody else has undone what was to be proven; kaeru's own way back, begun before a crash, is not that."""
        if stage is not Stage.PROVE:
            return False

        async def one(name: str) -> bool:
            try:
                target = self._fleet.hands(service).target(name)
                return await was_taken_away(target, change_of(plan, name), f"{run.id}/{apply_step(name)}")
            except Refusal:
                return False  # it is not in kaeru.yml any more
            except Exception:  # noqa: BLE001 - the run has to end, whatever an adapter does
                _log.exception("%s of %s could not be looked at", name, run.id)
                return False

        ours = [c.component for c in changing(plan) if not run.has(revert_step(c.component))]
        return any(await together(one(name) for name in ours))

    async def _put_back(self, incident: Incident, run: Run, change: Change) -> Settled:
        """Put one component back as a step of its own, which joins the checklist."""
        step_id = revert_step(change.component)
        title = f"Put {change.component} back to {change.from_version}"
        detail = f"putting {change.component} back to {change.from_version}"
        await self._journal.started(incident.id, run, step_id, detail, title=title)
        progress = Progress(self._journal, incident.id, run, step_id)
        settled = await self._settled(incident, change, run.id, back=True, tell=progress.tell)
        await progress.print()
        await self._journal.finished(incident.id, run, step_id, outcome=settled.outcome, detail=settled.said)
        return settled

    async def _settled(
        self, incident: Incident, change: Change, run_id: str, *, back: bool = False, tell: Tell = to_nobody
    ) -> Settled:
        key = f"{run_id}/{revert_step(change.component)}"
        try:
            target = self._fleet.hands(incident.service).target(change.component)
            return await settle(target, change, key, back=back, tell=tell)
        except Refusal as refusal:
            return Settled(str(refusal), Outcome.UNKNOWN)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - the run has to end, whatever an adapter does
            _log.exception("%s of %s could not be settled", change.component, run_id)
            said = f"what runs now could not be established ({type(error).__name__}, see the log)."
            return Settled(f"{change.component}: {said}", Outcome.UNKNOWN)
