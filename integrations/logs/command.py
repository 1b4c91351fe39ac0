"""What a program prints that reads the log, wherever that is."""

import hashlib
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from bot.ports.errors import Unavailable
from integrations.logs.parts import Dated, text_of
from integrations.logs.reader import BATCH, Again, LogReader, Raw, Span
from integrations.logs.settings import CommandLogSettings
from integrations.process import TimedOut, run


class CommandLog:
    """Runs the program for each stretch of time that is to be read."""

    def __init__(self, settings: CommandLogSettings) -> None:
        self._settings = settings
        self._name = settings.argv[0].rpartition("/")[2]

    @property
    def identity(self) -> str:
        # Its arguments may hold what is not to be shown.
        digest = hashlib.sha256("\0".join(self._settings.argv).encode()).hexdigest()
        return f"what {self._name} prints ({digest[:8]})"

    async def past(self, span: Span) -> AsyncGenerator[list[Raw], None]:
        settings = self._settings
        begin = span.begin(self._name)
        argv = [_filled(argument, begin, min(span.until, datetime.now(UTC))) for argument in settings.argv]
        try:
            done = await run(argv, timeout_s=settings.timeout.total_seconds())
        except TimedOut as error:
            raise Unavailable(f"{self._name} did not print the log in time.", retry_after_s=5.0) from error
        if done.code != 0:
            said = f": {done.last_line.rstrip('.')}" if done.last_line else ""
            raise Unavailable(
                f"{self._name} ended with {done.code} instead of printing the log{said}.",
                retry_after_s=5.0,
                remedy="Try it by hand, as kaeru's user.",
            )
        printed = done.stdout
        if len(printed) > settings.max_read:
            span.missing(
                f"{self._name} printed more than {settings.max_read} bytes; only the last were read."
            )
            printed = printed[-settings.max_read :].partition(b"\n")[2]
        dated = Dated(ZoneInfo(settings.timezone), datetime.now(UTC))
        raws: list[Raw] = []
        undated = 0
        for line in printed.splitlines():
            if not (text := text_of(line)):
                continue
            at = dated(text)
            if at is None:
                undated += 1
                continue
            raws.append(Raw(at, text, self._name))
            if len(raws) == BATCH:
                yield raws
                raws = []
        if undated:
            span.missing(f"{undated} lines that {self._name} printed have no time that kaeru can read.")
        if raws:
            yield raws

    def tail(self, since: datetime) -> Again:
        return Again(self, since)

    async def aclose(self) -> None:
        """Nothing is open."""


def _filled(argument: str, since: datetime, until: datetime) -> str:
    for name, at in (("since", since), ("until", until)):
        stamp = at.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
        argument = argument.replace(f"{{{name}}}", stamp)
        argument = argument.replace(f"{{{name}_s}}", str(int(at.timestamp())))
    return argument


def make(settings: CommandLogSettings) -> LogReader:
    return LogReader(CommandLog(settings), settings)
