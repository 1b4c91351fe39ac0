"""Counts of a log that follow one upon the other, put together."""

from collections.abc import Sequence
from itertools import pairwise

from bot.domain.logwatch import KINDS, LineKind, LogCounts, Minute


def joined(parts: Sequence[LogCounts]) -> LogCounts:
    """One count of all of that time; each begins where the one before it ends. Raises ValueError where one does not."""
    if not parts:
        raise ValueError("there is nothing to put together")
    if any(later.since != earlier.until for earlier, later in pairwise(parts)):
        raise ValueError("these counts do not follow one upon the other")
    kinds: dict[tuple[str, str], LineKind] = {}
    for kind in (kind for part in parts for kind in part.kinds):
        key = kind.shape, kind.level.value
        kinds[key] = _both(kinds[key], kind) if key in kinds else kind
    commonest = sorted(kinds.values(), key=lambda kind: (-kind.count, kind.shape))
    return LogCounts(
        since=parts[0].since,
        until=parts[-1].until,
        minutes=_minutes(parts),
        kinds=tuple(commonest[:KINDS]),
        complete=all(part.complete for part in parts),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _minutes(parts: Sequence[LogCounts]) -> tuple[Minute, ...]:
    """A minute in which two of them touch is that of both."""
    found: dict[object, Minute] = {}
    for minute in (minute for part in parts for minute in part.minutes):
        known = found.get(minute.at)
        found[minute.at] = minute if known is None else Minute(
            at=minute.at,
            errors=known.errors + minute.errors,
            warnings=known.warnings + minute.warnings,
            total=known.total + minute.total,
        )  # fmt: skip
    return tuple(found.values())


def _both(earlier: LineKind, later: LineKind) -> LineKind:
    return later.model_copy(
        update={
            "count": earlier.count + later.count,
            "first_seen": min(earlier.first_seen, later.first_seen),
            "last_seen": max(earlier.last_seen, later.last_seen),
            "sources": tuple(dict.fromkeys((*earlier.sources, *later.sources)))[:5],
        }
    )
