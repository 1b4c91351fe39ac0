"""What was measured, for as long as it is wanted."""

import contextlib
import itertools
from collections import Counter
from collections.abc import Generator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, select

from bot.domain.base import Version
from bot.domain.evidence import Probe
from bot.store import codec
from bot.store.scope import Scope
from bot.store.tables import ProbeRow, table

_T = table(ProbeRow)
_OF_NO_INCIDENT = _T.c.incident_id.is_(None)
_INSERT = insert(_T)


WELL_AGAIN = 20
"""Good rounds in a row that end a bad stretch: a version that fails three times in ten seldom has so many."""


class Probes:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def add(self, service: str, probes: Sequence[Probe], incident_id: str | None = None) -> None:
        """Keep one round. Probes of an incident are its evidence and are never pruned."""
        if not probes:
            return
        shared = {
            "service": service,
            "incident_id": incident_id,
            "round": codec.microseconds(min(probe.at for probe in probes)),
        }
        self._scope.connection.execute(_INSERT, [{**shared, **probe.model_dump()} for probe in probes])

    def window(
        self, service: str, since: datetime, until: datetime | None = None, limit: int = 50_000
    ) -> tuple[Probe, ...]:
        """All probes from `since` up to `until` (both included), oldest first; the newest `limit` if there are more."""
        statement = select(_T).where(_T.c.service == service, _T.c.at >= since)
        if until is not None:
            statement = statement.where(_T.c.at <= until)
        return self._newest(statement, limit)

    def baseline(
        self, service: str, version: Version, *, since: datetime, until: datetime, per_endpoint: int = 200
    ) -> tuple[Probe, ...]:
        """What `version` answered in that time: the newest probes of each endpoint, oldest first.

        A good answer that names no version counts where all that named one in its round named this one. What
        failed does not: that may have been something else.
        """
        of_version = (_T.c.service == service, _T.c.version == version)
        found: list[Row[Any]] = []
        endpoint: str | None = ""
        while True:
            # Endpoints are few, probes are many: hop from one endpoint to the next along the index.
            following = select(func.min(_T.c.endpoint)).where(*of_version, _T.c.endpoint > endpoint)
            endpoint = self._scope.connection.execute(following).scalar()
            if endpoint is None:
                break
            within = select(_T).where(*of_version, _T.c.endpoint == endpoint)
            found += self._rows(within.where(_T.c.at >= since, _T.c.at <= until), per_endpoint)
        own = Counter(row.endpoint for row in found)
        rounds = sorted({row.round for row in found})[-per_endpoint:]
        beside: dict[str, list[Probe]] = {}
        for probe in self._beside(service, version, rounds):
            if since <= probe.at <= until:
                beside.setdefault(probe.endpoint, []).append(probe)
        for name, probes in beside.items():
            # What names the version itself comes first.
            room = per_endpoint - own[name]
            beside[name] = probes[-room:] if room > 0 else []
        return (*map(_probe, found), *itertools.chain.from_iterable(beside.values()))

    def _beside(self, service: str, version: Version, rounds: Sequence[int]) -> Generator[Probe, None, None]:
        """The good answers without a version, in those of the rounds in which nothing but `version` was named."""
        if not rounds:
            return
        in_them = select(_T).where(_T.c.service == service, _T.c.round.in_(rounds))
        rows = self._scope.connection.execute(in_them.order_by(_T.c.round, _T.c.id)).all()
        for _, together in itertools.groupby(rows, key=lambda row: row.round):
            probes = [_probe(row) for row in together]
            if {probe.version for probe in probes if probe.version} == {version}:
                yield from (probe for probe in probes if not probe.version and probe.ok)

    def first_bad(self, service: str, after: datetime) -> datetime | None:
        """Since when the service is ill: when the first probe of the present bad stretch failed, after `after`.

        A stretch ends where `WELL_AGAIN` rounds in a row were good, and none is older than the version that is
        served: what ailed the one before it is another story. Failures between good rounds are one stretch.
        None where the service is well.
        """
        of_now: set[str] = set()
        stretch: datetime | None = None
        first: datetime | None = None
        good = 0
        # From the newest round back, as far as need be.
        with contextlib.closing(self._backwards(service, after)) as rounds:
            for probes in rounds:
                versions = {probe.version for probe in probes if probe.version}
                if versions and of_now and not versions & of_now:
                    break
                bad = min((probe.at for probe in probes if not probe.ok), default=None)
                good = good + 1 if bad is None else 0
                if good == WELL_AGAIN:
                    break
                stretch = bad or stretch
                if versions:
                    of_now = of_now or versions
                    first = stretch
        return first if of_now else stretch

    def _backwards(self, service: str, after: datetime) -> Generator[tuple[Probe, ...], None, None]:
        """The rounds since `after`, newest first."""
        since = codec.microseconds(after)
        statement = select(_T).where(_T.c.service == service, _T.c.round > since)
        newest_first = statement.order_by(_T.c.round.desc()).execution_options(yield_per=500)
        with self._scope.connection.execute(newest_first) as rows:
            for _, round_ in itertools.groupby(rows, key=lambda row: row.round):
                yield tuple(_probe(row) for row in round_)

    def prune(self, before: datetime, *, limit: int = 10_000) -> int:
        """Forget what was measured before `before` outside of incidents. Returns how many, `limit` at most."""
        old = select(_T.c.id).where(_T.c.at < before, _OF_NO_INCIDENT).order_by(_T.c.at).limit(limit)
        return self._scope.connection.execute(delete(_T).where(_T.c.id.in_(old))).rowcount

    def _newest(self, statement: Select[Any], limit: int) -> tuple[Probe, ...]:
        return tuple(map(_probe, self._rows(statement, limit)))

    def _rows(self, statement: Select[Any], limit: int) -> Sequence[Row[Any]]:
        newest_first = statement.order_by(_T.c.at.desc(), _T.c.id.desc()).limit(limit)
        return self._scope.connection.execute(newest_first).all()[::-1]


def _probe(row: Row[Any]) -> Probe:
    return Probe(
        endpoint=row.endpoint,
        at=row.at,
        ok=row.ok,
        status=row.status,
        latency_ms=row.latency_ms,
        version=row.version,
        error=row.error,
    )
