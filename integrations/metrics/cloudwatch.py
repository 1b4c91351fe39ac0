"""A metric of CloudWatch (GetMetricData), asked in a thread: boto3 blocks."""

import asyncio
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.series import Series, grid
from bot.ports.errors import AuthFailed, Refused, Unavailable
from integrations.aws_errors import Asking, told
from integrations.aws_session import AwsSession
from integrations.metrics.assembling import assembled
from integrations.metrics.settings import CloudWatchMetric, CloudWatchSettings

MOST_POINTS = 50_000
"""Of one metric; CloudWatch gives twice that in one answer."""
MOST_PAGES = 100


class CloudWatch:
    """The Metrics port."""

    def __init__(
        self, settings: CloudWatchSettings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings = settings
        self._clock = clock
        access = settings.access()
        self._session = AwsSession(access)
        self._asking = Asking(
            service="CloudWatch",
            who=access.who,
            region=settings.region,
            rights="integrations/metrics/README.md says which rights are needed.",
        )
        self._client: Any = None

    @property
    def identity(self) -> str:
        own = self._settings
        of = "" if own.of is None else f" of {_named(own.of)}"
        who = own.role_arn or own.profile or ""
        return " ".join(f"cloudwatch {own.region} {who} {_named(own.metric)}{of}".split())

    @property
    def sample_every(self) -> timedelta | None:
        return None

    @property
    def delay(self) -> timedelta:
        return self._settings.settles

    async def sample(self) -> None:
        pass

    async def aclose(self) -> None:
        if self._client is not None:
            await asyncio.to_thread(self._client.close)

    async def series(self, since: datetime, until: datetime) -> Series:
        own = self._settings
        begin, count = grid(since, until, own.period)
        if count > MOST_POINTS:
            raise Refused(
                f"{count} values are more than CloudWatch is asked for at once.",
                remedy="Ask for a shorter time, or set a longer period.",
            )
        asked = {"part": own.metric} if own.of is None else {"part": own.metric, "whole": own.of}
        found = _Found(begin, own.period, count)
        if count:
            await asyncio.to_thread(self._fill, asked, found)
        return assembled(
            found.values("part"),
            None if own.of is None else found.values("whole"),
            unit=own.unit,
            since=begin,
            step=own.period,
            known_until=self._clock() - own.settles,
            absent=own.absent,
            partial=found.partial,
            notes=found.notes,
        )

    def _fill(self, asked: Mapping[str, CloudWatchMetric], found: "_Found") -> None:
        request = {
            "MetricDataQueries": [self._query(name, metric) for name, metric in asked.items()],
            "StartTime": found.begin,
            "EndTime": found.begin + found.period * found.count,
            "ScanBy": "TimestampAscending",
        }
        with told(self._asking):
            if self._client is None:
                self._client = self._session.client("cloudwatch")
            for _ in range(MOST_PAGES):
                answer = self._client.get_metric_data(**request)
                found.take(answer, self._asking)
                token = answer.get("NextToken")
                if not token:
                    break
                request["NextToken"] = token
            else:
                found.cut_short()

    def _query(self, name: str, metric: CloudWatchMetric) -> dict[str, Any]:
        dimensions = [{"Name": key, "Value": value} for key, value in metric.dimensions.items()]
        return {
            "Id": name,
            "MetricStat": {
                "Metric": {
                    "Namespace": metric.namespace,
                    "MetricName": metric.name,
                    "Dimensions": dimensions,
                },
                "Period": int(self._settings.period.total_seconds()),
                "Stat": metric.stat,
            },
            "ReturnData": True,
        }


class _Found:
    """What came, page by page."""

    def __init__(self, begin: datetime, period: timedelta, count: int) -> None:
        self.begin, self.period, self.count = begin, period, count
        self.notes: list[str] = []
        self._values: dict[str, dict[int, float]] = {}
        self._complete: dict[str, bool] = {}
        self._cut = False

    @property
    def partial(self) -> bool:
        return self._cut or not all(self._complete.values())

    def cut_short(self) -> None:
        self._cut = True

    def take(self, answer: Mapping[str, Any], asking: Asking) -> None:
        self._note(answer.get("Messages"))
        for result in answer.get("MetricDataResults", ()):
            code, name = result.get("StatusCode", "Complete"), str(result["Id"])
            if code == "Forbidden":
                raise AuthFailed(
                    f"CloudWatch does not show this metric to {asking.who}.", remedy=asking.rights
                )
            if code == "InternalError":
                raise Unavailable("CloudWatch failed at this metric.", retry_after_s=5.0)
            self._complete[name] = code == "Complete"
            self._note(result.get("Messages"))
            values = self._values.setdefault(name, {})
            for at, value in zip(result["Timestamps"], result["Values"], strict=True):
                if math.isfinite(value):
                    values[(at - self.begin) // self.period] = float(value)

    def values(self, name: str) -> tuple[float | None, ...]:
        known = self._values.get(name, {})
        return tuple(known.get(index) for index in range(self.count))

    def _note(self, messages: Any) -> None:
        for message in messages or ():
            text = f"CloudWatch says: {message.get('Code', '')} {message.get('Value', '')}"
            self.notes.append(" ".join(text.split())[:200])


def _named(metric: CloudWatchMetric) -> str:
    dimensions = ",".join(f"{key}={value}" for key, value in sorted(metric.dimensions.items()))
    return f"{metric.namespace}/{metric.name}{{{dimensions}}} {metric.stat}"
