"""kaeru's own light probes of every service: the memory of what good looks like.

A version counts as seen good only after a whole window of rounds passed: against the measured baseline of
the version before it where there is one, else against the thresholds. One lucky answer proves nothing.
"""

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from bot.catalog import Catalog
from bot.domain.base import BOT
from bot.domain.evidence import Baseline, BaselineSource, Outcome, Probe, judge, overall, summarize
from bot.domain.timeline import Kind
from bot.ports import HealthProbe, Unavailable
from bot.store import Store
from bot.store.unit import UnitOfWork
from bot.usecases.bounds import reading
from bot.usecases.fleet import Fleet

_log = logging.getLogger(__name__)

ROUNDS = 8
"""How many rounds in a row must have passed before a version counts as good."""


class Probing:
    """Probes services and keeps the ledger of versions."""

    def __init__(
        self, store: Store, catalog: Catalog, fleet: Fleet, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._fleet = fleet
        self._clock = clock
        self._recent: dict[str, deque[tuple[Probe, ...]]] = {}

    async def probe(self, service: str) -> tuple[Probe, ...]:
        """One round of one service, kept. Returns the probes."""
        health = self._fleet.hands(service).health
        if health is None:
            return ()
        probes = await self._round(service, health)
        version = version_of(probes)
        window = self._recent.setdefault(service, deque(maxlen=ROUNDS))
        if window and version_of(window[-1]) != version:
            window.clear()
        window.append(probes)
        good = await self._is_good(service, version, window) if version else None
        now = self._clock()

        def keep(uow: UnitOfWork) -> None:
            running = uow.incidents.open_for(service)
            uow.probes.add(service, probes, running.id if running else None)
            if running is not None:
                _seal(uow, running.id, probes)
            if version:
                uow.releases.saw(service, version, now, good=good)

        await self._store.write(keep)
        return probes

    def recent(self, service: str, since: datetime) -> list[tuple[Probe, ...]]:
        """The last rounds in a row that this process saw begin at or after `since`, the oldest first."""
        rounds = self._recent.get(service, ())
        return [probes for probes in rounds if all(probe.at >= since for probe in probes)]

    async def _round(self, service: str, health: HealthProbe) -> tuple[Probe, ...]:
        try:
            return await reading(health.round(), service)
        except Unavailable as error:
            # Whatever kept the answer away: as far as anybody can see, the service does not answer.
            _log.warning("probing hung: %s", error)
            asked = self._catalog.service(service).critical or ("/",)
            at = self._clock()
            return tuple(Probe(endpoint=name, at=at, ok=False, error="timeout") for name in asked)

    async def _is_good(self, service: str, version: str, window: deque[tuple[Probe, ...]]) -> bool | None:
        """True or False after a full window, None while there is not enough to tell."""
        if len(window) < ROUNDS:
            return None
        probes = [probe for round_ in window for probe in round_]
        if not all(probe.ok for probe in probes):
            return False
        thresholds = self._catalog.service(service).thresholds
        now = self._clock()

        def earlier(uow: UnitOfWork) -> tuple[str | None, tuple[Probe, ...]]:
            ledger = uow.releases.all(service)
            others = [r for r in ledger.values() if r.version != version and r.last_good_at is not None]
            if not others:
                return None, ()
            before = max(others, key=lambda r: r.last_good_at or now)
            since = now - timedelta(days=14)
            return before.version, uow.probes.baseline(service, before.version, since=since, until=now)

        before, seen = await self._store.read(earlier)
        source = BaselineSource.PROBES if seen else BaselineSource.THRESHOLDS
        baseline = Baseline(source=source, version=before, endpoints=summarize(seen), thresholds=thresholds)
        return overall(judge(probes, baseline)) is Outcome.SUCCEEDED


def _seal(uow: UnitOfWork, incident_id: str, probes: tuple[Probe, ...]) -> None:
    """The evidence of an incident belongs into its chain: what was measured cannot be changed afterwards either."""
    if not probes:
        return
    at = min(probe.at for probe in probes)
    said = [probe.model_dump(mode="json", exclude={"at"}, exclude_defaults=True) for probe in probes]
    uow.timeline.append(
        incident_id, at=at, kind=Kind.PROBE, actor=BOT, body={"round": said}, source=f"probe:{at.isoformat()}"
    )


def version_of(probes: tuple[Probe, ...]) -> str | None:
    """The one version that a round answered with; None where none or several did."""
    versions = {probe.version for probe in probes if probe.version}
    return versions.pop() if len(versions) == 1 else None
