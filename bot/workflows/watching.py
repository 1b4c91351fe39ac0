"""Watching that a service stays well after a rollback, until everything in the verdict's table says so."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.catalog import Catalog
from bot.catalog.model import Service
from bot.domain.base import Version
from bot.domain.evidence import Baseline, Finding, Look, Outcome, judge
from bot.domain.incident import Incident, Status
from bot.domain.plan import Plan
from bot.domain.proberows import SOURCE as HTTP
from bot.domain.releases import spoken
from bot.domain.run import WATCH, Run
from bot.domain.verdict import Moment, Row, Verdict, VerdictTable
from bot.store import Store
from bot.usecases.gathering import Evidence, Gathering
from bot.usecases.probing import Probing
from bot.usecases.stretches import Span
from bot.workflows.journal import Journal, already
from bot.workflows.lookout import Lookout
from bot.workflows.proving import switched_at

LOOKS = 10
"""How many looks back the newest probes are judged by."""
_NAMED = 3


class Watching:
    """The step that only watches. It may be done again after a crash."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        probing: Probing,
        gathering: Gathering,
        journal: Journal,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._probing = probing
        self._gathering = gathering
        self._journal = journal
        self._clock = clock

    async def watch(self, run_id: str) -> str:
        """Watch for the window that begins with mitigation; a crash does not begin it anew.

        What has to be measured and could not be is waited for after it, for a bounded time.
        """
        incident, run, plan = await self._journal.load(run_id)
        if (done := already(run, WATCH)) is not None:
            return done
        since = incident.mitigated_at or self._clock()
        await self._journal.started(incident.id, run, WATCH, "all evidence is compared with what was before")
        watch = _Watch(
            service=self._catalog.service(incident.service),
            incident=incident,
            run=run,
            plan=plan,
            since=since,
            evidence=await self._gathering.evidence(incident, run, plan),
        )
        lookout = Lookout(
            watch.evidence,
            since=since,
            longest=watch.service.watch,
            interval=watch.service.watch_interval,
            clock=self._clock,
        )
        async with _beside(lookout.run(), self._first_verdict(watch)) as beside:
            return await self._watch(watch, lookout, beside)

    async def _first_verdict(self, watch: "_Watch") -> None:
        """What is known at the moment of mitigation; it is not waited for."""
        run = watch.run
        if run.verdict(Moment.MITIGATED) is not None:
            return
        evidence = await self._gathering.evidence(watch.incident, run, watch.plan)
        # Until every component had switched, the bad version answered some of it.
        rows = await evidence.rows(Span(min(switched_at(run, watch.plan), watch.since), self._clock()))
        table = VerdictTable(moment=Moment.MITIGATED, at=self._clock(), rows=rows)
        await self._journal.judged(watch.incident.id, run.id, table)

    async def _watch(self, watch: "_Watch", lookout: Lookout, beside: Sequence[asyncio.Task[None]]) -> str:
        service, incident, run = watch.service, watch.incident, watch.run
        until = watch.since + service.watch
        target = spoken(run.to_version)
        # Where kaeru was down for what was left of the window, it has to look before it may say how it went.
        rounds, needed = 0, service.health.consecutive if service.health else 1
        ill_before = again = False
        while True:
            left = until - self._clock()
            over = left <= timedelta(0) and rounds >= needed
            if over:
                if (ended := await self._verdict(watch, lookout, beside, again=again)) is not None:
                    return ended
                again = True
            await asyncio.sleep(_pause(lookout.pause if over else service.watch_interval, left))
            await self._probing.probe(service.name)
            rounds += 1
            _raise_from(beside)
            if not await self._still_watching(incident.id, run.id):
                return Outcome.UNKNOWN.value
            begin = self._clock() - service.watch_interval * LOOKS
            findings = await self._findings(service, watch.plan.baseline, begin, watch.since, Look.LATELY)
            reason = _relapse(findings, target, await self._versions_now(service.name, watch.since))
            if lookout.ill or (reason and ill_before):
                told = "; ".join(part for part in (reason, lookout.reason) if part)
                return await self._relapsed(watch, lookout, told, findings)
            ill_before = bool(reason)

    async def _relapsed(
        self, watch: "_Watch", lookout: Lookout, reason: str, findings: tuple[Finding, ...]
    ) -> str:
        """The table has what was seen bad; of the rest, how it is since the mitigation."""
        probed = await watch.evidence.probed(Span(watch.since, self._clock()))
        rows = (*(_as_found(row, findings) for row in probed), *lookout.rows)
        table = VerdictTable(moment=Moment.RELAPSED, at=self._clock(), rows=rows)
        return await self._journal.relapsed(watch.incident.id, watch.run, reason, findings, table)

    async def _verdict(
        self, watch: "_Watch", lookout: Lookout, beside: Sequence[asyncio.Task[None]], *, again: bool
    ) -> str | None:
        """How it ends now that the window is over; None while something is still waited for.

        Where it is asked `again`, what fails beside the probes is the lookout's to say, which allows for many looks.
        """
        incident, run, baseline = watch.incident, watch.run, watch.plan.baseline
        now = self._clock()
        findings = await self._findings(watch.service, baseline, watch.since, watch.since, Look.OVER_ALL)
        rows = await watch.evidence.rows(Span(watch.since, now), lookout.span(now))
        await asyncio.wait(beside[1:])
        _raise_from(beside)
        table = VerdictTable(moment=Moment.VERIFIED, at=self._clock(), rows=rows)
        deadline = watch.since + watch.service.watch + watch.service.watch_patience
        failed = {row.source for row in rows if row.verdict is Verdict.FAIL}
        if failed and (HTTP in failed or not again or now >= deadline):
            told = "; ".join(f"{row.what}: {row.sentence}" for row in rows if row.verdict is Verdict.FAIL)
            reason = _relapse(findings, spoken(run.to_version), set()) or told
            table = table.model_copy(update={"moment": Moment.RELAPSED})
            return await self._journal.relapsed(incident.id, run, reason, findings, table)
        if table.overall is Verdict.PASS:
            detail = _how_well(table, findings, baseline)
            await self._journal.verified(incident.id, run.id, detail, findings, table)
            return Outcome.SUCCEEDED.value
        if now >= deadline:
            return await self._journal.left_unverified(incident.id, run.id, _missing(table), findings, table)
        await self._journal.judged(incident.id, run.id, table.model_copy(update={"waits_until": deadline}))
        waiting = f"the window is over, and this is not known yet: {_named(table)}"
        await self._journal.started(incident.id, run, WATCH, waiting)
        return None

    async def _still_watching(self, incident_id: str, run_id: str) -> bool:
        incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
        return incident.status is Status.MITIGATED and incident.run is not None and incident.run.id == run_id

    async def _findings(
        self, service: Service, baseline: Baseline, since: datetime, not_before: datetime, look: Look
    ) -> tuple[Finding, ...]:
        begin = max(since, not_before)
        probes = await self._store.read(lambda uow: uow.probes.window(service.name, begin))
        return judge(probes, baseline, look=look)

    async def _versions_now(self, service: str, since: datetime) -> set[str]:
        probes = await self._store.read(lambda uow: uow.probes.window(service, since))
        return {p.version for p in probes[-10:] if p.version}


@dataclass(frozen=True)
class _Watch:
    """What is watched, since when, and by what."""

    service: Service
    incident: Incident
    run: Run
    plan: Plan
    since: datetime
    evidence: Evidence


@asynccontextmanager
async def _beside(*work: Coroutine[None, None, None]) -> AsyncIterator[tuple[asyncio.Task[None], ...]]:
    """Work that goes on beside, until this is left."""
    tasks = tuple(asyncio.create_task(each) for each in work)
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _raise_from(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Whatever ended one of them."""
    for task in tasks:
        if task.done():
            task.result()


def _relapse(findings: Sequence[Finding], version: Version, versions: set[str]) -> str:
    if versions and version not in versions:
        return f"{', '.join(sorted(versions))} answers now instead of {version}: someone deployed"
    return "; ".join(f"{f.endpoint}: {f.sentence}" for f in findings if f.verdict is Outcome.FAILED)


def _as_found(row: Row, findings: Sequence[Finding]) -> Row:
    """The row of an endpoint that is ill lately, whatever it was on the whole."""
    ill = next((f for f in findings if f.endpoint == row.what and f.verdict is Outcome.FAILED), None)
    if ill is None:
        return row
    return row.model_copy(update={"verdict": Verdict.FAIL, "sentence": f"lately: {ill.sentence}"})


def _how_well(table: VerdictTable, findings: Sequence[Finding], baseline: Baseline) -> str:
    count = sum(finding.stats.count for finding in findings)
    others = sum(row.verdict is Verdict.PASS and row.source != HTTP for row in table.rows)
    beside = f"; {others} more of metrics and logs pass" if others else ""
    return f"{count} probes, all within {baseline.limits}{beside}"


def _missing(table: VerdictTable) -> str:
    """What keeps it from being verified, with reasons."""
    told = [f"{row.what}: {row.sentence}" for row in table.missing[:_NAMED]]
    if len(table.missing) > _NAMED:
        told.append(f"and {len(table.missing) - _NAMED} more")
    return "; ".join(told) or "nothing could be measured"


def _named(table: VerdictTable) -> str:
    return ", ".join(row.what for row in table.missing) or "anything at all"


def _pause(interval: timedelta, left: timedelta) -> float:
    """Seconds until the next look: the last one is at the window's end, and later ones keep the interval."""
    return (min(interval, left) if left > timedelta(0) else interval).total_seconds()
