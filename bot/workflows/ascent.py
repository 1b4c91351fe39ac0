"""One ramp on its way: looks at the balancer and at probes, decides by `bot.domain.ramp`, sets the share, says so."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from bot.catalog.model import Service
from bot.domain import decide
from bot.domain.afterwards import UNSEEN, is_all, kept_users
from bot.domain.base import Refusal
from bot.domain.evidence import Finding, Outcome, judge, overall
from bot.domain.incident import Incident, Status
from bot.domain.plan import Plan
from bot.domain.ramp import (
    ROUNDED,
    Action,
    Decision,
    Look,
    Ramp,
    Said,
    Stage,
    Standing,
    arrived,
    begun,
    next_step,
)
from bot.domain.run import RAMP, Run
from bot.domain.served import Served, percent
from bot.ports import PortError
from bot.ports.traffic import Split, Traffic
from bot.store import Store
from bot.usecases.bounds import reading
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.usecases.probing import Probing
from bot.workflows.journal import Journal
from bot.workflows.progress import Progress
from bot.workflows.settling import repaid_everywhere
from bot.workflows.shifting import LOOK_S, WHAT, looked, set_share, traffic_of

_log = logging.getLogger(__name__)

INSIST_FOR_S = 15.0
SHORTEST = timedelta(minutes=1)
"""Over how long probes are judged at least, once a stage lasts so long."""
UNSTEERED_S = 1.0
TELL_AFTER = timedelta(seconds=5)
ASK_AFTER = timedelta(seconds=30)
"""For how long a balancer that cannot be looked at is waited for before people are called."""
LOG_AT_MOST_S = 300.0


class Ascent:
    """From wherever traffic is to all of it, or to where people stop it."""

    def __init__(
        self,
        store: Store,
        desk: Desk,
        probing: Probing,
        journal: Journal,
        *,
        clock: Callable[[], datetime],
        fleet: Fleet,
        service: Service,
        run: Run,
        plan: Plan,
    ) -> None:
        if plan.traffic is None:
            raise Refusal(f"The plan of {run.id} says nothing of how users come back.")
        self._store = store
        self._desk = desk
        self._probing = probing
        self._journal = journal
        self._clock = clock
        self._fleet = fleet
        self._service = service
        self._run_id = run.id
        self._incident_id = run.id.rpartition("-run-")[0]
        self._plan = plan
        self._ramp: Ramp = plan.traffic.ramp
        self._standing: Standing | None = None
        self._continued = run.traffic.continued
        self._trouble_since: datetime | None = None
        self._waved = self._continued  # while in trouble: it counts once there is something to go on with
        self._kept_as: tuple[Action, bool, bool] | None = None
        self._logged = ""
        self._log_from = 0.0
        self._log_pause_s = UNSTEERED_S
        self._findings: tuple[Finding, ...] = ()
        self._pending: tuple[Standing, Decision] | None = None
        self._pending_heard = self._continued
        self._progress = Progress(journal, self._incident_id, run, RAMP)

    async def go(self) -> str:
        """Until it is over. Gives the outcome's value."""
        while True:
            incident = await self._store.read(lambda uow: uow.incidents.get(self._incident_id))
            run = incident.find_run(self._run_id)
            if incident.status is not Status.ROLLING_BACK or run.ended_at is not None:
                return Outcome.UNKNOWN.value
            if run.traffic.stopped_by is not None:
                return await self._stopped(run)
            try:
                if (ended := await self._look(incident, run)) is not None:
                    return ended
            except PortError as error:
                await self._in_trouble(run, error)
            await asyncio.sleep(self._pause_s)

    @property
    def _pause_s(self) -> float:
        return self._service.health.interval.total_seconds() if self._service.health else UNSTEERED_S

    async def _look(self, incident: Incident, run: Run) -> str | None:
        """One look, and what follows from it. The outcome's value once it is over. Raises PortError."""
        traffic = traffic_of(self._fleet, self._service.name)
        await self._probing.probe(self._service.name)
        split = await looked(traffic)
        self._recovered()
        if self._standing is None:
            if not run.traffic.moves and is_all(split.share):
                return await self._done(run, f"{_in_words(split)} already: nothing was ramped down")
            await self._begin(run, traffic, split)
        elif (
            self._pending is not None
            and split.share is not None
            and abs(split.share - self._pending[1].share) <= ROUNDED
        ):
            # It could not be seen when it was set.
            await self._arrive(traffic, *self._pending)
        standing = self._here.model_copy(update={"held": incident.held_by is not None})
        # A later hold comes first; what was allowed before waits until it is released.
        free = incident.held_by is None
        said = Said.CONTINUE if free and run.traffic.continued > self._continued else None
        look = Look(
            at=self._clock(),
            share=split.share,
            ready=split.ready,
            wanted=split.wanted,
            served=await _served(traffic),
            findings=await self._probed(standing),
            said=said,
        )
        after, decision = next_step(self._ramp, standing, look)
        self._findings = look.findings
        if decision.moves:
            await self._move(run, traffic, after, decision)
            return None
        if free:
            self._continued = run.traffic.continued
        self._standing = after
        if decision.action is Action.DONE:
            return await self._done(run, decision.sentence)
        if decision.action is Action.ASK:
            await self._ask(decision.sentence)
        # What is kept must not say "hold" once it is released, nor "unknown" once it is seen.
        kept_as = (decision.action, not free, UNSEEN in run.step(RAMP).detail)
        said_now = f"{_in_words(split)}: {decision.sentence}{_measured(decision)}"
        await self._progress.say(said_now, keep=kept_as != self._kept_as)
        self._kept_as = kept_as
        return None

    @property
    def _here(self) -> Standing:
        if self._standing is None:
            raise RuntimeError("the ramp has not begun")
        return self._standing

    async def _begin(self, run: Run, traffic: Traffic, split: Split) -> None:
        """From wherever it is. Where the bot was killed meanwhile, what was soaked so far does not count."""
        now = self._clock()
        # A balancer that can be looked at again is no question any more.
        asked = "" if UNSEEN in run.traffic.asked else run.traffic.asked
        self._ramp, stage = starting_at(self._ramp, split.share)
        here = begun(now).model_copy(
            update={"failures": run.traffic.failures, "asked": bool(asked), "why": asked}
        )
        decision = Decision(
            action=Action.WAIT, stage=stage, share=self._ramp.share(stage), sentence="it begins here"
        )
        if stage >= 0:
            here = arrived(here, decision, now, await _served(traffic, since=now))
        self._standing = here
        if split.share is not None:
            await self._shifted(split.share, "users are brought back from here on", before=split.share)

    async def _probed(self, standing: Standing) -> tuple[Finding, ...]:
        """What probes of the service found at this stage; not over so long that what begins is lost in it."""
        soak = self._ramp.stages[standing.stage].soak if standing.stage >= 0 else timedelta(0)
        since = max(standing.since, self._clock() - max(soak, SHORTEST))
        probes = await self._store.read(lambda uow: uow.probes.window(self._service.name, since))
        return judge(probes, self._plan.baseline)

    async def _move(self, run: Run, traffic: Traffic, after: Standing, decision: Decision) -> None:
        """Raises PortError where the share could not be set; what was decided is then decided anew."""
        await self._progress.say(decision.sentence)
        key = f"{self._run_id}/{RAMP}:{run.traffic.moves}:{decision.share:.4f}"
        self._pending = (after, decision)
        self._pending_heard = run.traffic.continued
        await set_share(traffic, decision.share, key, insist_s=INSIST_FOR_S, replans=False)
        await self._arrive(traffic, after, decision)

    async def _arrive(self, traffic: Traffic, after: Standing, decision: Decision) -> None:
        now = self._clock()
        self._standing = arrived(after, decision, now, await _served(traffic, since=now))
        self._pending = None
        # What people allowed is used up by the move, not by the attempt.
        self._continued = self._pending_heard
        back = decision.action is Action.STEP_BACK
        await self._shifted(decision.share, f"{decision.sentence}{_measured(decision)}", back=back)
        if after.asked:
            await self._ask(decision.sentence)
        await self._progress.say(f"{percent(decision.share)} of the traffic reaches the service", keep=True)

    async def _shifted(
        self, share: float, sentence: str, *, before: float | None = None, back: bool = False
    ) -> None:
        await self._desk.change(
            self._incident_id,
            lambda incident: decide.traffic_shifted(
                incident, self._run_id, share, sentence, before=before, back=back, now=self._clock()
            ),
        )

    async def _ask(self, sentence: str) -> None:
        await self._desk.change(
            self._incident_id,
            lambda incident: decide.traffic_asked(incident, self._run_id, sentence, now=self._clock()),
        )

    async def _in_trouble(self, run: Run, error: PortError) -> None:
        """What steers the traffic cannot be looked at or set. It is tried for a while, and then people are asked."""
        self._log_trouble(error)
        now = self._clock()
        if run.traffic.continued > self._waved:
            self._waved, self._trouble_since = run.traffic.continued, now
        since = self._trouble_since = self._trouble_since or now
        if now - since < TELL_AFTER:
            return
        said = f"Since {since:%H:%M:%S} UTC {UNSEEN}: {error.advice}"
        await self._progress.say(said, keep=UNSEEN not in run.step(RAMP).detail)
        if now - since >= min(ASK_AFTER, self._ramp.patience):
            await self._ask(said)

    def _log_trouble(self, error: PortError) -> None:
        """Once per change, and seldomer the longer it lasts."""
        now, said = asyncio.get_running_loop().time(), str(error)
        if said != self._logged:
            self._log_pause_s = UNSTEERED_S
        elif now < self._log_from:
            return
        self._log_pause_s = min(self._log_pause_s * 4, LOG_AT_MOST_S)
        self._logged, self._log_from = said, now + self._log_pause_s
        _log.warning("the traffic of %s: %s", self._run_id, error)

    def _recovered(self) -> None:
        self._trouble_since, self._logged = None, ""

    async def _stopped(self, run: Run) -> str:
        at = run.traffic.share
        where = "at an unknown share" if at is None else f"at {percent(at)}"
        ill = overall(self._findings) is Outcome.FAILED
        told = "; ".join(f"{f.endpoint}: {f.sentence}" for f in self._findings if f.verdict is Outcome.FAILED)
        await self._journal.finished(
            self._incident_id,
            run,
            RAMP,
            outcome=Outcome.FAILED,
            detail=f"somebody stopped it {where}{f': {told}' if told else ''}",
            findings=self._findings if ill else (),
        )
        return Outcome.FAILED.value

    async def _done(self, run: Run, sentence: str) -> str:
        owed = kept_users(self._service.name, None).id
        await repaid_everywhere(
            self._store,
            self._desk,
            self._service.name,
            lambda one: decide.debt_repaid(one, owed, now=self._clock()),
        )
        await self._journal.finished(self._incident_id, run, RAMP, outcome=Outcome.SUCCEEDED, detail=sentence)
        return Outcome.SUCCEEDED.value


def starting_at(ramp: Ramp, share: float | None) -> tuple[Ramp, int]:
    """The ramp, and the stage of it that `share` is; one of its own where it is none of them. -1: before the first."""
    if share is None or share <= ROUNDED:
        return ramp, -1
    for number, stage in enumerate(ramp.stages):
        if abs(stage.share - share) <= ROUNDED:
            return ramp, number
    soak = next((stage.soak for stage in ramp.stages if stage.share > share), ramp.stages[-1].soak)
    stages = sorted((*ramp.stages, Stage(share=share, soak=soak)), key=lambda stage: stage.share)
    number = next(n for n, stage in enumerate(stages) if stage.share == share)
    return ramp.model_copy(update={"stages": tuple(stages)}), number


async def _served(traffic: Traffic, *, since: datetime | None = None) -> Served | None:
    """None where it is not counted, or cannot be read now: then nothing is verified.

    Some count late: what they say at first is of the time before `since`, and does not belong to what began then.
    """
    if not traffic.capabilities.measures:
        return None
    try:
        served = await reading(traffic.served(), WHAT, LOOK_S)
    except PortError as error:
        _log.warning("what is served could not be counted: %s", error)
        return None
    return None if served is None or (since is not None and served.at < since) else served


def _measured(decision: Decision) -> str:
    """What was really served, where that is known and not said already."""
    measured = [part for part in decision.parts if part.name == "share served"]
    said = [part.sentence for part in measured if part.sentence not in decision.sentence]
    return f" ({said[0]})" if said else ""


def _in_words(split: Split) -> str:
    said = "an unknown part" if split.share is None else percent(split.share)
    return f"{said} of the traffic reaches the service"
