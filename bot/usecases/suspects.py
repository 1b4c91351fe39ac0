"""Which deploy is likely behind an alert: what changed in the last hours, as far as kaeru and the targets know."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.alerts import Suspect
from bot.domain.base import Version
from bot.domain.releases import spoken
from bot.ports import Inspection, PortError
from bot.store import Store, UnitOfWork
from bot.store.releases import ReleaseRecord
from bot.usecases.fleet import Hands
from bot.usecases.looking import between, inspect_all

_log = logging.getLogger(__name__)

LOOK_S = 5.0
"""How long the world and the repository are looked at, each: an incident opens without their answer, too."""
LATE = timedelta(minutes=2)
"""By so much a deploy may be noticed after the alert that it caused."""
SUBJECTS, MOST = 5, 5

Came = tuple[datetime, Version | None]
"""When a version came, and what was there before it."""


@dataclass(frozen=True)
class Known:
    """What kaeru remembers of a service. `shapes` is since when each component has been as it is, by component."""

    ledger: Mapping[Version, ReleaseRecord]
    shapes: Mapping[str, Came] = field(default_factory=dict)


async def suspects(
    store: Store, service: str, hands: Hands, *, alert_at: datetime, recent: timedelta
) -> tuple[Suspect, ...]:
    """What came within `recent` before the alert, newest first. What cannot be seen in time is left out."""
    try:
        async with asyncio.timeout(LOOK_S):
            worlds = await inspect_all(hands.targets)
    except (PortError, TimeoutError) as error:
        _log.warning("what was deployed of %s lately is known from its answers alone: %s", service, error)
        worlds = {}
    known = await store.read(lambda uow: _known(uow, service, worlds))
    found = came_lately(worlds, known, alert_at=alert_at, recent=recent)
    return tuple([await _with_changes(hands, one) for one in found[:MOST]])


def came_lately(
    worlds: Mapping[str, Inspection], known: Known, *, alert_at: datetime, recent: timedelta
) -> tuple[Suspect, ...]:
    """The same without the repository."""
    first, last = alert_at - recent, alert_at + LATE
    found = []
    current = {name: seen.current for name, seen in worlds.items()} or _answering(known)
    for component, version in current.items():
        for since, before in _times(component, version, worlds.get(component), known):
            if first <= since <= last:
                where = component if len(worlds) > 1 else ""
                found.append(Suspect(component=where, version=version, since=since, before=before))
                break
    return tuple(sorted(found, key=lambda one: one.since, reverse=True))


def _known(uow: UnitOfWork, service: str, worlds: Mapping[str, Inspection]) -> Known:
    shapes: dict[str, Came] = {}
    for component, seen in worlds.items():
        since = uow.shapes.since(service, component, seen.current_ref) if seen.current_ref else None
        others = [s for s in uow.shapes.all(service, component) if s.ref != seen.current_ref]
        # The only shape ever seen came before kaeru did.
        if since is not None and others:
            shapes[component] = (since, others[0].version)
    return Known(uow.releases.all(service), shapes)


def _answering(known: Known) -> dict[str, Version]:
    """What answered last, where the targets could not be looked at."""
    seen = [record for record in known.ledger.values() if record.last_seen is not None]
    return {"": max(seen, key=_last_seen).version} if seen else {}


def _times(component: str, version: Version, seen: Inspection | None, known: Known) -> Iterator[Came]:
    """When it may have come, the surest first."""
    if component in known.shapes:
        yield known.shapes[component]
        return
    record = known.ledger.get(version) or known.ledger.get(spoken(version))
    if record is not None and record.first_seen is not None:
        before = _before(known.ledger, version, record.first_seen)
        # The only version ever seen came before kaeru did.
        if before is not None:
            yield record.first_seen, before
    placed = next((a.since for a in seen.available if a.version == version), None) if seen else None
    if placed is not None:
        yield placed, _before(known.ledger, version, placed)


def _before(ledger: Mapping[Version, ReleaseRecord], version: Version, since: datetime) -> Version | None:
    """What answered last until then."""
    same = {version, spoken(version)}
    earlier = [
        record
        for record in ledger.values()
        if record.version not in same and record.first_seen is not None and record.first_seen < since
    ]
    return max(earlier, key=_last_seen).version if earlier else None


def _last_seen(record: ReleaseRecord) -> float:
    seen = record.last_seen or record.first_seen
    return seen.timestamp() if seen is not None else 0.0


async def _with_changes(hands: Hands, one: Suspect) -> Suspect:
    if one.before is None or hands.changes is None:
        return one
    try:
        async with asyncio.timeout(LOOK_S):
            changes = await between(hands.changes, spoken(one.before), spoken(one.version))
    except TimeoutError:
        return one
    if not changes.known:
        return one
    subjects = tuple(commit.subject for commit in changes.commits[:SUBJECTS])
    told = {"commits": changes.commit_count, "subjects": subjects, "migrations": len(changes.migrations)}
    return one.model_copy(update=told)
