"""A number in the JSON of an endpoint, sampled: the endpoint knows only the present, so the past is kept here."""

import math
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from bot.domain.series import Series, grid
from bot.ports.errors import PortError, Refused
from integrations.metrics.assembling import assembled
from integrations.metrics.http import JsonClient
from integrations.metrics.settings import JsonSettings

LATE = 1.1
"""How many steps old the newest sample may be at the end of a step: whoever samples is never quite on time."""
APART = 1.5
"""How many steps two samples may be apart for the growth between them to be that of one step."""


class _Sample(NamedTuple):
    """`value` is None where it could not be had, which ends what the sample before it says."""

    at: datetime
    value: float | None
    whole: float | None = None


class JsonEndpoint:
    """The Metrics port. Samples are in memory only: what was before a restart is a gap."""

    def __init__(
        self, settings: JsonSettings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings = settings
        self._clock = clock
        # A query of the address may hold a key: it is not shown.
        self._address = settings.url.partition("?")[0]
        self._client = JsonClient(settings, f"the endpoint {self._address}")
        self._samples: deque[_Sample] = deque(maxlen=max(2, math.ceil(settings.keep / settings.every)))

    @property
    def identity(self) -> str:
        own = self._settings
        of = "" if own.of is None else f" of {own.of}"
        return f"json {self._address} {own.value}{of}"

    @property
    def sample_every(self) -> timedelta | None:
        return self._settings.every

    @property
    def delay(self) -> timedelta:
        return timedelta(0)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def sample(self) -> None:
        at = self._clock()
        try:
            value, whole = await self._look()
        except PortError:
            self._samples.append(_Sample(at, None))
            raise
        self._samples.append(_Sample(at, value, whole))

    async def _look(self) -> tuple[float, float | None]:
        own = self._settings
        status, answer = await self._client.ask(own.url)
        if status >= 300:
            raise Refused(
                f"The endpoint {self._address} answers with HTTP {status}.", remedy="Correct `url`."
            )
        if answer is None:
            raise Refused(f"The endpoint {self._address} does not answer with JSON.", remedy="Correct `url`.")
        return self._number(answer, own.value), None if own.of is None else self._number(answer, own.of)

    async def series(self, since: datetime, until: datetime) -> Series:
        own = self._settings
        begin, count = grid(since, until, own.every)
        seen = self._grown() if own.counter else list(self._samples)
        values: list[float | None] = [None] * count
        wholes: list[float | None] = [None] * count
        for sample in seen:
            first = max(0, math.ceil((sample.at - begin) / own.every) - 1)
            for index in range(first, count):
                ends = begin + own.every * (index + 1)
                if sample.at < ends - own.every * LATE:
                    break
                if sample.at <= ends:
                    values[index], wholes[index] = sample.value, sample.whole
        return assembled(
            values,
            None if own.of is None else wholes,
            unit=own.unit,
            since=begin,
            step=own.every,
            known_until=self._clock(),
            # Without counters it is not known how many there were in each step.
            events=1.0 if own.counter else None,
            lookback=own.every * (LATE + APART if own.counter else LATE),
        )

    def _grown(self) -> list[_Sample]:
        """Per second, or the parts and wholes that were added; None across a reset or a sample that is missing."""
        grown = []
        for earlier, later in pairwise(self._samples):
            took = later.at - earlier.at
            value = _added(earlier.value, later.value)
            whole = _added(earlier.whole, later.whole)
            if took <= timedelta(0) or took > self._settings.every * APART:
                value = None
            elif value is not None and self._settings.of is None:
                value /= took.total_seconds()
            grown.append(_Sample(later.at, value, whole))
        return grown

    def _number(self, answer: Any, pointer: str) -> float:
        found = _at(answer, pointer)
        try:
            number = (
                float(found) if isinstance(found, int | float) and not isinstance(found, bool) else math.nan
            )
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise Refused(
                f"The endpoint {self._address} has no number at {pointer}.",
                remedy="Correct the pointer, or let the endpoint give a number.",
            )
        return number


def _added(earlier: float | None, later: float | None) -> float | None:
    """None also where the counter began anew."""
    return later - earlier if earlier is not None and later is not None and later >= earlier else None


def _at(document: Any, pointer: str) -> Any:
    """RFC 6901; None where nothing is."""
    found = document
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found
