"""Gathering the evidence of an incident: what is read before the rollback, and the rows of the verdict afterwards.

Everything is asked at once, and nothing is waited for without end: what does not answer in time is unverified, and says so.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.catalog import Catalog
from bot.catalog.model import Service
from bot.domain.glance import Glance
from bot.domain.incident import Incident
from bot.domain.plan import Plan
from bot.domain.run import Run
from bot.domain.verdict import Row
from bot.ports import PortError
from bot.store import Store, UnitOfWork
from bot.usecases.evidence_sources import LogSource, MetricSource, ProbeSource, Source
from bot.usecases.fleet import Fleet
from bot.usecases.glances import Seen, glance_at_log, glance_at_metric
from bot.usecases.stretches import Before, Span, before_of, began_of, during, keep_before

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Case:
    """What a source of evidence may look at."""

    service: Service
    incident: Incident
    plan: Plan
    before: Before
    ill: Span | None


More = Callable[[Case], Sequence[Source]]
"""Further sources of an incident, such as what users report."""


class Evidence:
    """The sources of one incident's rows."""

    def __init__(self, probes: Source, watched: Sequence[Source]) -> None:
        self._probes = probes
        self._watched = tuple(watched)

    @property
    def delay(self) -> timedelta:
        """How long after a moment the last of them can be asked about it."""
        return max((source.delay for source in self._watched), default=timedelta(0))

    @property
    def is_watched(self) -> bool:
        """Whether there is anything beside the probes."""
        return bool(self._watched)

    async def watched(self, after: Span) -> tuple[Row, ...]:
        """What is watched beside the probes, where what is bad lately fails as well."""
        return await _all(self._watched, after, lately=True)

    async def probed(self, after: Span) -> tuple[Row, ...]:
        """The rows of kaeru's own probes."""
        return await self._probes.rows(after)

    async def rows(self, after: Span, watched: Span | None = None) -> tuple[Row, ...]:
        """All rows. `watched` is the time of what is watched beside the probes, where that is another."""
        probed, others = await asyncio.gather(
            self._probes.rows(after), _all(self._watched, watched or after, lately=False)
        )
        return (*probed, *others)


async def _all(sources: Sequence[Source], after: Span, *, lately: bool) -> tuple[Row, ...]:
    if after.since >= after.until:
        after = Span(after.since, after.since + timedelta(milliseconds=1))
    found = await asyncio.gather(*(source.rows(after, lately=lately) for source in sources))
    return tuple(row for rows in found for row in rows)


class Gathering:
    """Reads metrics and logs of services, and makes the evidence of their incidents."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        fleet: Fleet,
        *,
        clock: Callable[[], datetime],
        more: Sequence[More] = (),
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._fleet = fleet
        self._clock = clock
        self._more = more
        self._unsampled: set[tuple[str, str]] = set()

    def sampled(self, service: str) -> dict[str, timedelta]:
        """The metrics of a service that have no history of their own, and how often they want to be sampled."""
        metrics = self._fleet.hands(service).outside.metrics
        return {name: every for name, metric in metrics.items() if (every := metric.sample_every) is not None}

    async def sample(self, service: str, name: str) -> None:
        """Look once. What cannot be had is a gap; the log says why when that begins, and when it is over."""
        try:
            await self._fleet.hands(service).outside.metrics[name].sample()
        except PortError as error:
            if (service, name) not in self._unsampled:
                _log.warning("%s: the metric %s could not be sampled: %s", service, name, error)
            self._unsampled.add((service, name))
        else:
            if (service, name) in self._unsampled:
                _log.info("%s: the metric %s is sampled again", service, name)
            self._unsampled.discard((service, name))

    async def prepare(self, incident: Incident, plan: Plan) -> tuple[Glance, ...]:
        """Read what was before the incident, keep it, and say how things stand. Quick, and never raises a PortError."""
        service, outside = (
            self._catalog.service(incident.service),
            self._fleet.hands(incident.service).outside,
        )
        if not service.outside.metrics and not service.outside.logs:
            return ()
        now = self._clock()
        known = await self._store.read(lambda uow: self._before(uow, incident, plan))
        seen = await asyncio.gather(
            *(
                glance_at_metric(metric, outside.metrics[metric.name], known, now)
                for metric in service.outside.metrics
            ),
            *(glance_at_log(log, outside.logs[log.name], known, now) for log in service.outside.logs),
        )
        await self._keep(incident.service, known, seen)
        return tuple(one.glance for one in seen)

    async def evidence(self, incident: Incident, run: Run, plan: Plan) -> Evidence:
        """The sources for the rollback of `plan`, which is the run's."""
        service, outside = (
            self._catalog.service(incident.service),
            self._fleet.hands(incident.service).outside,
        )
        before = await self._store.read(lambda uow: self._before(uow, incident, plan))
        ill = during(before.began, incident.mitigated_at or run.approved_at)
        case = Case(service, incident, plan, before, ill)
        return Evidence(
            ProbeSource(self._store, service, plan.baseline, ill),
            [
                *(MetricSource(m, outside.metrics[m.name], before, ill) for m in service.outside.metrics),
                *(LogSource(log, outside.logs[log.name], before, ill) for log in service.outside.logs),
                *(source for make in self._more for source in make(case)),
            ],
        )

    @staticmethod
    def _before(uow: UnitOfWork, incident: Incident, plan: Plan) -> Before:
        kept = before_of(uow, incident)
        return kept or Before(incident_id=incident.id, began=began_of(uow, incident, plan))

    async def _keep(self, service: str, known: Before, seen: Sequence[Seen]) -> None:
        """The first that could be read is kept: later, what forgets may know less."""
        metrics = {one.glance.what: one.series for one in seen if one.series is not None}
        logs = {one.glance.what: one.counts for one in seen if one.counts is not None}
        ill = {one.glance.what: one.ill for one in seen if one.ill is not None}
        kept = {
            "metrics": metrics | known.metrics,
            "logs": logs | known.logs,
            "ill_logs": ill | known.ill_logs,
        }
        whole = known.model_copy(update=kept)
        await self._store.write(lambda uow: keep_before(uow, service, whole))
