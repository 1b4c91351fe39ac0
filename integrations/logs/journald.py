"""systemd's journal, by journalctl."""

import json
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.loglines import Level
from bot.ports.errors import AuthFailed, Refused, Unavailable
from integrations.logs.reader import AHEAD, BATCH, LogReader, Raw, Span
from integrations.logs.settings import JournaldLogSettings
from integrations.process import Finished, TimedOut, run

FIELDS = "MESSAGE,PRIORITY,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER"


class Journal:
    """What some units or identifiers told the journal."""

    def __init__(self, settings: JournaldLogSettings) -> None:
        self._settings = settings
        self.most = settings.max_lines

    @property
    def identity(self) -> str:
        settings = self._settings
        where = f" in {settings.directory}" if settings.directory else ""
        space = f" of the namespace {settings.namespace}" if settings.namespace else ""
        return f"the journal{space}{where}: {', '.join(settings.units or settings.identifiers)}"

    async def past(self, span: Span) -> AsyncGenerator[list[Raw], None]:
        times = f"--since=@{span.since.timestamp():.6f}", f"--until=@{span.until.timestamp():.6f}"
        # From a time on, the first lines are shown; the newest ones only from the end back.
        found = (await self.entries("--reverse", *times))[::-1]
        if len(found) >= self.most:
            span.missing(
                f"The journal has more than {len(found)} lines of that time; only the newest were read."
            )
        raws = [raw for entry in found if (raw := raw_of(entry)) is not None]
        for begin in range(0, len(raws), BATCH):
            yield raws[begin : begin + BATCH]

    def tail(self, since: datetime) -> "JournalTail":
        return JournalTail(self, since)

    async def aclose(self) -> None:
        """Nothing is open."""

    async def entries(self, *which: str) -> list[dict[str, Any]]:
        """The first entries that `which` selects. Raises Refused, AuthFailed, Unavailable."""
        settings = self._settings
        argv = [str(settings.journalctl), "--no-pager", "--all", "--output=json", f"--output-fields={FIELDS}"]
        argv += [f"--unit={unit}" for unit in settings.units]
        argv += [f"--identifier={name}" for name in settings.identifiers]
        argv += [f"--namespace={settings.namespace}"] if settings.namespace else []
        argv += [f"--directory={settings.directory}"] if settings.directory else []
        argv += [f"--lines={self.most}", *which]
        try:
            done = await run(argv, timeout_s=settings.timeout.total_seconds())
        except TimedOut as error:
            raise Unavailable(
                f"The journal was not read within {settings.timeout.total_seconds():g} s.",
                remedy="Lower max_lines, or raise timeout in kaeru.yml.",
            ) from error
        self._check(done)
        return list(_entries(done.stdout))

    def _check(self, done: Finished) -> None:
        said = " ".join(done.said).rstrip(".")
        if "not seeing messages" in said or "ermission denied" in said or "insufficient permissions" in said:
            raise AuthFailed(
                "kaeru's user may not read the journal.",
                remedy="Add it to the group systemd-journal, and start kaeru again.",
            )
        if done.code != 0:
            raise Refused(
                f"journalctl ended with {done.code}: {said or 'it said nothing'}.",
                remedy="Try it by hand, as kaeru's user; correct the names or the folder in kaeru.yml.",
            )


class JournalTail:
    """Reads on from the last entry that was read: the journal itself knows where that is."""

    def __init__(self, journal: Journal, since: datetime) -> None:
        self.behind = False
        self._journal = journal
        self._since = since
        self._cursor = ""

    async def more(self) -> list[Raw]:
        after = (
            f"--after-cursor={self._cursor}" if self._cursor else f"--since=@{self._since.timestamp():.6f}"
        )
        found = await self._journal.entries(after)
        self.behind = len(found) >= self._journal.most
        if found:
            self._cursor = str(found[-1].get("__CURSOR") or self._cursor)
        return [raw for entry in found if (raw := raw_of(entry)) is not None and raw.at >= self._since]

    async def aclose(self) -> None:
        """Nothing is open."""


def raw_of(entry: dict[str, Any]) -> Raw | None:
    """None for an entry without a text, or without a time."""
    text = _text(entry.get("MESSAGE"))
    try:
        at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(entry["__REALTIME_TIMESTAMP"]))
    except (KeyError, ValueError, OverflowError):
        return None
    if not text or at > datetime.now(UTC) + AHEAD:
        return None
    source = _text(entry.get("_SYSTEMD_UNIT")) or _text(entry.get("SYSLOG_IDENTIFIER"))
    return Raw(at, text, source, _level(entry.get("PRIORITY")))


def _entries(printed: bytes) -> Iterator[dict[str, Any]]:
    for line in printed.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:  # "-- No entries --"
            continue
        if isinstance(entry, dict):
            yield entry


def _text(value: Any) -> str:
    """A text that is not UTF-8 comes as the numbers of its bytes, and several of one field as a list."""
    if isinstance(value, list) and value:
        if all(isinstance(one, int) for one in value):
            return bytes(one & 0xFF for one in value).decode("utf-8", errors="replace")
        return _text(value[0])
    return value if isinstance(value, str) else ""


def _level(priority: Any) -> Level | None:
    """What a program prints is "info" to the journal unless it says otherwise: that says nothing."""
    if not isinstance(priority, str) or not priority.isdigit():
        return None
    number = int(priority)
    return Level.ERROR if number <= 3 else Level.WARN if number == 4 else None


def make(settings: JournaldLogSettings) -> LogReader:
    return LogReader(Journal(settings), settings)
