"""What good looked like: the measurements that the health after a rollback is compared with."""

from datetime import datetime, timedelta

from bot.catalog.model import Service
from bot.domain.base import Version
from bot.domain.evidence import Baseline, BaselineSource, summarize
from bot.store import Store
from bot.usecases.offer import Span

BASELINE_DAYS = 14


async def baseline_of(
    store: Store,
    service: Service,
    version: Version,
    *,
    running: Version,
    now: datetime,
    well: Span | None = None,
) -> Baseline:
    """Probes of `version` while it was well, else of the last version that was.

    Where `running` calls itself the same, only the time tells the two apart: `well` is when the target's
    own shape was well.
    """
    if version == running and well is not None:
        found = await _measured(store, service, version, since=well.since, until=well.until)
        if found is not None:
            return found
    ledger = await store.read(lambda uow: uow.releases.all(service.name))
    good = [(r.last_good_at, r.version) for r in ledger.values() if r.last_good_at and r.version != running]
    names = [name for _, name in sorted(good, reverse=True)]
    names.sort(key=lambda name: name != version)
    since = now - timedelta(days=BASELINE_DAYS)
    for name in names:
        found = await _measured(store, service, name, since=since, until=now)
        if found is not None:
            return found
    return Baseline(source=BaselineSource.THRESHOLDS, thresholds=service.thresholds)


async def _measured(
    store: Store, service: Service, version: Version, *, since: datetime, until: datetime
) -> Baseline | None:
    """None where nothing was measured."""
    probes = await store.read(
        lambda uow: uow.probes.baseline(service.name, version, since=since, until=until)
    )
    if not probes:
        return None
    return Baseline(
        source=BaselineSource.PROBES,
        version=version,
        since=min(p.at for p in probes),
        until=max(p.at for p in probes),
        endpoints=summarize(probes),
        thresholds=service.thresholds,
    )
