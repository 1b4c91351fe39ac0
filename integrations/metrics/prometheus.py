"""A query of Prometheus over time, by its HTTP API (`query_range`).

What only looks like a value is none: NaN (a division by nothing), infinities, and samples that are older than `fresh`,
which Prometheus would repeat for five minutes where it no longer scrapes.
"""

import asyncio
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from bot.domain.series import Series, grid
from bot.ports.errors import Refused, Unavailable
from integrations.metrics.assembling import assembled
from integrations.metrics.http import JsonClient, said
from integrations.metrics.settings import PrometheusSettings

MOST_POINTS = 11_000
"""Prometheus declines more."""
_SHOWN_LABELS = 5
_SELECTOR = re.compile(r"[A-Za-z_:][\w:]*\s*(?:\{[^{}]*\})?|\{[^{}]*\}")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`')
_RANGE = re.compile(r"\[\s*((?:\d+(?:ms|[smhdwy]))+)\s*(:[^\]]*)?\]")
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}


class Prometheus:
    """The Metrics port."""

    def __init__(
        self, settings: PrometheusSettings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings = settings
        self._clock = clock
        headers = {} if settings.tenant is None else {"X-Scope-OrgID": settings.tenant}
        self._client = JsonClient(settings, f"Prometheus at {settings.url}", headers=headers)
        queries = [query for query in (settings.query, settings.of) if query is not None]
        self._reach = settings.looks_back or max(self._looks_back(query) for query in queries)

    @property
    def identity(self) -> str:
        own = self._settings
        of = "" if own.of is None else f" of {own.of}"
        return f"prometheus {own.url} {own.query}{of}"

    @property
    def sample_every(self) -> timedelta | None:
        return None

    @property
    def delay(self) -> timedelta:
        return timedelta(0)

    async def sample(self) -> None:
        pass

    async def aclose(self) -> None:
        await self._client.aclose()

    async def series(self, since: datetime, until: datetime) -> Series:
        own = self._settings
        begin, count = grid(since, until, own.step)
        if count > MOST_POINTS:
            raise Refused(
                f"{count} values are more than Prometheus gives at once.",
                remedy=f"Ask for a shorter time, or set a longer step than {own.step.total_seconds():g} s.",
            )
        asked = [own.query] if own.of is None else [own.query, own.of]
        answers = await asyncio.gather(*(self._range(query, begin, count) for query in asked))
        return assembled(
            answers[0].values,
            None if own.of is None else answers[1].values,
            unit=own.unit,
            since=begin,
            step=own.step,
            known_until=self._clock(),
            absent=own.absent,
            events=own.step.total_seconds() if own.counts == "per second" else 1.0,
            lookback=self._reach,
            partial=any(answer.partial for answer in answers),
            notes=[note for answer in answers for note in answer.notes],
        )

    async def _range(self, query: str, begin: datetime, count: int) -> "_Answer":
        if not count:
            return _Answer((), partial=False, notes=())
        own = self._settings
        step = own.step.total_seconds()
        first = begin.timestamp() + step
        form = {
            "query": self._fresh(query),
            "start": f"{first:.3f}",
            "end": f"{first + (count - 1) * step:.3f}",
            "step": f"{step:.3f}",
            "lookback_delta": f"{own.fresh.total_seconds():g}s",  # newer servers obey it, older ones ignore it
        }
        status, answer = await self._client.ask(f"{own.url}/api/v1/query_range", form)
        result = self._checked(status, answer, query)
        values, odd = _placed(result[0] if result else {}, first, step, count)
        notes = [*_strings(answer.get("warnings")), *_strings(answer.get("infos"))]
        if not result:
            notes.append(f"the query gives nothing: {_short(query)}")
        if odd:
            notes.append(f"{odd} values are no numbers: {_short(query)}")
        if _SELECTOR.fullmatch(query.strip()) is None and not _RANGE.search(_STRING.sub("", query)):
            notes.append("a gap shorter than Prometheus's own lookback may look like a value in this query")
        partial = bool(_strings(answer.get("warnings"))) or answer.get("isPartial") is True
        return _Answer(values, partial=partial, notes=tuple(notes))

    def _checked(self, status: int, answer: Any, query: str) -> list[Mapping[str, Any]]:
        name = f"Prometheus at {self._settings.url}"
        if not isinstance(answer, dict) or answer.get("status") not in ("success", "error"):
            raise Refused(
                f"What answers at {self._settings.url} is not the HTTP API of Prometheus: HTTP {status}.",
                remedy="Give the address up to the part before /api/v1.",
            )
        if answer["status"] == "error":
            if answer.get("errorType") in ("timeout", "canceled", "unavailable", "internal"):
                raise Unavailable(f"{name} could not answer{said(answer)}.", retry_after_s=5.0)
            raise Refused(
                f"{name} declines the query {_short(query)}{said(answer)}.", remedy="Correct the query."
            )
        data = answer.get("data")
        result = data.get("result") if isinstance(data, dict) else None
        if not isinstance(result, list) or not all(isinstance(one, dict) for one in result):
            raise Refused(f"{name} answers with something else than series over time.")
        if len(result) > 1:
            raise Refused(
                f"The query {_short(query)} gives {len(result)} series{_apart(result)}.",
                remedy="Put sum(…) or the like around it, so that it gives one.",
            )
        return result

    def _fresh(self, query: str) -> str:
        """A plain selector as a range, which no value outlives; other queries say themselves what they look at."""
        if _SELECTOR.fullmatch(query.strip()) is None:
            return query
        return f"last_over_time({query.strip()}[{self._settings.fresh // timedelta(milliseconds=1)}ms])"

    def _looks_back(self, query: str) -> timedelta:
        """The longest range, and all subqueries around it."""
        if _SELECTOR.fullmatch(query.strip()) is not None:
            return self._settings.fresh
        found = _RANGE.findall(_STRING.sub('""', query))
        plain = [_seconds(length) for length, resolution in found if not resolution]
        around = [_seconds(length) for length, resolution in found if resolution]
        if not found:
            return self._settings.fresh
        return timedelta(seconds=max(plain, default=0.0) + sum(around))


class _Answer(NamedTuple):
    values: tuple[float | None, ...]
    partial: bool
    notes: tuple[str, ...]


def _placed(
    one: Mapping[str, Any], first: float, step: float, count: int
) -> tuple[tuple[float | None, ...], int]:
    """The values at their steps, and how many of them were no numbers."""
    values: list[float | None] = [None] * count
    odd = 0
    for pair in one.get("values", ()):
        try:
            at, value = float(pair[0]), float(pair[1])
        except (TypeError, ValueError, IndexError, KeyError):
            odd += 1
            continue
        index = round((at - first) / step)
        if 0 <= index < count:
            odd += not math.isfinite(value)
            values[index] = value if math.isfinite(value) else None
    return tuple(values), odd


def _apart(result: list[Mapping[str, Any]]) -> str:
    """By which labels several series differ."""
    metrics = [one.get("metric") for one in result]
    labels = [metric for metric in metrics if isinstance(metric, dict)]
    names = sorted({name for metric in labels for name in metric})
    differing = [name for name in names if len({str(metric.get(name)) for metric in labels}) > 1]
    return f", by {', '.join(differing[:_SHOWN_LABELS])}" if differing else ""


def _seconds(length: str) -> float:
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(length))


def _strings(said: Any) -> list[str]:
    return (
        [" ".join(text.split())[:200] for text in said if isinstance(text, str)]
        if isinstance(said, list)
        else []
    )


def _short(query: str) -> str:
    text = " ".join(query.split())
    return text if len(text) <= 120 else f"{text[:119]}…"
