"""The errors and warnings of a log: counted per minute, sorted into kinds, and compared with how it was before.

Times are UTC. Of a line only its redacted text is ever kept, and of most lines nothing but that there was one.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.base import Value
from bot.domain.loglines import READ, Level, level_of, shape_of

TEXT = 500
"""Characters of a line that are shown."""
KINDS = 200
"""How many kinds of line are told apart; of more, the rarest are forgotten, and only counted."""
MINUTES = 14 * 24 * 60
"""The longest time that is counted minute by minute."""
MINUTE = timedelta(minutes=1)


class LogLine(Value):
    """One line that is an error or a warning. `source` is where it came from: a pod, a file, a unit.

    `shape` is what it shares with all lines of its kind. Both are without secrets.
    """

    at: datetime
    level: Level
    text: str
    shape: str
    source: str = ""


class Minute(Value):
    """What was written in the minute that begins at `at`."""

    at: datetime
    errors: int = 0
    warnings: int = 0
    total: int = 0


class LineKind(Value):
    """All lines of one shape. `example` is the newest of them."""

    shape: str
    level: Level
    count: int
    first_seen: datetime
    last_seen: datetime
    example: str
    sources: tuple[str, ...] = ()


class LogCounts(Value):
    """What a log said from `since` up to, but not including, `until`.

    `minutes` has every minute of that time, those without a line too. `complete` is False where part of the log
    could not be read; `notes` say which and why. `total` counts lines of any level.
    """

    since: datetime
    until: datetime
    minutes: tuple[Minute, ...]
    kinds: tuple[LineKind, ...] = ()
    complete: bool = True
    notes: tuple[str, ...] = ()

    @property
    def errors(self) -> int:
        return sum(minute.errors for minute in self.minutes)

    @property
    def warnings(self) -> int:
        return sum(minute.warnings for minute in self.minutes)

    @property
    def total(self) -> int:
        return sum(minute.total for minute in self.minutes)

    @property
    def length(self) -> float:
        """Minutes, with the parts of the first and the last one."""
        return (self.until - self.since) / MINUTE

    @property
    def whole(self) -> tuple[Minute, ...]:
        """The minutes that are in this time from their beginning to their end."""
        return tuple(m for m in self.minutes if self.since <= m.at and m.at + MINUTE <= self.until)


@dataclass(frozen=True)
class Finder:
    """Says which lines are errors and warnings. Patterns of one's own replace what is found by itself."""

    redact: Callable[[str], str]
    errors: re.Pattern[str] | None = None
    warnings: re.Pattern[str] | None = None

    def level(self, text: str, otherwise: Level | None = None) -> Level | None:
        """`otherwise` is what the log itself says of the line, for lines that say nothing of it."""
        text = text[:READ]
        if self.errors is None and self.warnings is None:
            return level_of(text, surely=otherwise is not None) or otherwise
        if self.errors is not None and self.errors.search(text):
            return Level.ERROR
        if self.warnings is not None and self.warnings.search(text):
            return Level.WARN
        return Level.OTHER

    def line(
        self, at: datetime, text: str, *, source: str = "", otherwise: Level | None = None
    ) -> LogLine | None:
        """The line as it may be kept and shown; None for one that is neither an error nor a warning."""
        level = self.level(text, otherwise)
        if level is None or level is Level.OTHER:
            return None
        if len(text) > READ:  # never half of a secret, which nothing would know as one
            text = f"{text[:READ].rpartition(' ')[0]} …"
        shown = " ".join(self.redact(text).split())
        # Not the shape of what is redacted: that is no JSON any more.
        shape = self.redact(shape_of(text))
        return LogLine(at=at, level=level, source=source, text=_cut(shown), shape=shape)


@dataclass
class Tally:
    """Counts lines as they come, in any order."""

    finder: Finder
    since: datetime
    until: datetime
    _minutes: dict[datetime, list[int]] = field(default_factory=dict)
    _kinds: dict[tuple[str, Level], LineKind] = field(default_factory=dict)
    _notes: list[str] = field(default_factory=list)
    _nameless: int = 0
    _complete: bool = True

    def add(
        self, at: datetime, text: str, *, source: str = "", otherwise: Level | None = None
    ) -> LogLine | None:
        """Count a line, and give it back if it matters. One of another time is not counted."""
        if not self.since <= at < self.until:
            return None
        counts = self._minutes.setdefault(minute_of(at), [0, 0, 0])
        counts[2] += 1
        line = self.finder.line(at, text, source=source, otherwise=otherwise)
        if line is not None:
            counts[0 if line.level is Level.ERROR else 1] += 1
            self._sort(line)
        return line

    def missing(self, note: str) -> None:
        """Part of the log could not be read; `note` is a sentence."""
        self._complete = False
        if note not in self._notes:
            self._notes.append(note)

    def counts(self) -> LogCounts:
        notes = list(self._notes)
        if self._nameless:
            notes.append(
                f"There are more than {KINDS} kinds of line: {self._nameless} lines are only counted, and sorted into none."
            )
        return LogCounts(
            since=self.since,
            until=self.until,
            minutes=tuple(self._all_minutes()),
            kinds=tuple(sorted(self._kinds.values(), key=lambda kind: (-kind.count, kind.shape))),
            complete=self._complete,
            notes=tuple(notes),
        )

    def _all_minutes(self) -> Iterator[Minute]:
        at = minute_of(self.since)
        while at < self.until:
            errors, warnings, total = self._minutes.get(at, (0, 0, 0))
            yield Minute(at=at, errors=errors, warnings=warnings, total=total)
            at += MINUTE

    def _sort(self, line: LogLine) -> None:
        key = line.shape, line.level
        known = self._kinds.get(key)
        if known is None:
            if len(self._kinds) >= KINDS:
                rarest = min(
                    self._kinds, key=lambda one: (self._kinds[one].count, self._kinds[one].last_seen)
                )
                self._nameless += self._kinds.pop(rarest).count
            self._kinds[key] = LineKind(
                shape=key[0], level=line.level, count=1, first_seen=line.at, last_seen=line.at,
                example=line.text, sources=_sources((), line.source),
            )  # fmt: skip
            return
        newest = line.at >= known.last_seen
        self._kinds[key] = known.model_copy(
            update={
                "count": known.count + 1,
                "first_seen": min(known.first_seen, line.at),
                "last_seen": max(known.last_seen, line.at),
                "example": line.text if newest else known.example,
                "sources": _sources(known.sources, line.source),
            }
        )


def bounded(since: datetime, until: datetime) -> datetime:
    """`since`, or the earliest moment that is still counted up to `until`. Raises ValueError where it is not before it."""
    if since >= until:
        raise ValueError(f"a log is read from a time to a later one, not from {since} to {until}")
    return max(since, until - MINUTES * MINUTE)


def minute_of(at: datetime) -> datetime:
    """The beginning of its minute."""
    return at.replace(second=0, microsecond=0)


def newest_kinds(counts: LogCounts, before: LogCounts | None = None, limit: int = 3) -> tuple[LineKind, ...]:
    """The kinds that appeared last; those that were there `before` come after those that were not."""
    known = {(kind.shape, kind.level) for kind in before.kinds} if before is not None else set()
    ranked = sorted(counts.kinds, key=lambda kind: (-kind.count, kind.shape))
    ranked.sort(key=lambda kind: kind.first_seen, reverse=True)
    ranked.sort(key=lambda kind: (kind.shape, kind.level) in known)
    return tuple(ranked[:limit])


def counted(
    lines: Iterable[tuple[datetime, str]], *, finder: Finder, since: datetime, until: datetime
) -> LogCounts:
    """The counts of lines that are all at hand."""
    tally = Tally(finder, since, until)
    for at, text in lines:
        tally.add(at, text)
    return tally.counts()


def _sources(known: Sequence[str], one: str) -> tuple[str, ...]:
    return tuple(known) if not one or one in known or len(known) >= 5 else (*known, one)


def _cut(text: str) -> str:
    return text if len(text) <= TEXT else f"{text[: TEXT - 1]}…"
