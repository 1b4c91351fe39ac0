"""What was really served, counted by CloudWatch: requests by target group, and answers of 500 and above."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.ports.errors import AuthFailed
from bot.ports.traffic import Served
from integrations.aws.arns import arn
from integrations.aws.calls import Calls
from integrations.aws.settings import AlbSettings

NAMESPACE = "AWS/ApplicationELB"
_DAY, _HOUR, _MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
_MINE, _OTHERS, _FAILED, _OTHERS_FAILED = "a", "b", "c", "d"  # what the ids of the queries begin with
Queries = list[dict[str, Any]]


class Counts:
    """Sums since the beginning of the UTC day before. At midnight they begin anew, and are smaller then.

    CloudWatch has whole minutes only, some time later: `at` is the end of the last whole one. It knows no zero: a
    metric without requests has no data.
    """

    def __init__(
        self, settings: AlbSettings, calls: Calls, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._settings, self._calls, self._now = settings, calls, now
        self.denied = ""
        """Why CloudWatch may not be read, in a sentence; empty where it may, or was not asked yet."""

    async def read(self) -> Served | None:
        """None where the right is missing. Raises Unavailable, Refused, and AuthFailed over anything but the right."""
        end = _floor(self._now() - self._settings.metrics_delay, _MINUTE)
        begin, hour = _floor(end, _DAY) - _DAY, _floor(end, _HOUR)
        sums: dict[str, float] = {}
        try:
            await self._add(sums, begin, hour, _HOUR)
            if hour < end:
                await self._add(sums, hour, end, _MINUTE)
        except AuthFailed as error:
            if "cloudwatch:" not in str(error):
                raise
            self.denied = error.advice
            return None
        self.denied = ""
        mine, others = round(sums.get(_MINE, 0.0)), round(sums.get(_OTHERS, 0.0))
        failed, others_failed = round(sums.get(_FAILED, 0.0)), round(sums.get(_OTHERS_FAILED, 0.0))
        return Served(
            at=end,
            to_service=mine,
            total=mine + others,
            errors=failed + others_failed,
            service_errors=failed,
        )

    async def _add(self, sums: dict[str, float], begin: datetime, end: datetime, period: timedelta) -> None:
        token: dict[str, str] = {}
        while True:
            answer = await self._calls.read(
                "get_metric_data",
                MetricDataQueries=self._queries(period),
                StartTime=begin,
                EndTime=end,
                **token,
            )
            for one in answer["MetricDataResults"]:
                kind = one["Id"][0]
                sums[kind] = sums.get(kind, 0.0) + sum(one["Values"])
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}

    def _queries(self, period: timedelta) -> Queries:
        own = self._settings
        balancers = sorted({arn(text).balancer for text in (*own.listeners, *own.rules)})
        queries: Queries = []

        def ask(kind: str, metric: str, balancer: str, group: str | None = None) -> None:
            dimensions = [{"Name": "LoadBalancer", "Value": balancer}]
            if group is not None:
                dimensions.append({"Name": "TargetGroup", "Value": arn(group).resource})
            seconds = int(period.total_seconds())
            found = {"Namespace": NAMESPACE, "MetricName": metric, "Dimensions": dimensions}
            stat = {"Metric": found, "Period": seconds, "Stat": "Sum"}
            queries.append({"Id": f"{kind}{len(queries)}", "MetricStat": stat})

        for balancer in balancers:
            ask(_MINE, "RequestCount", balancer, own.target_group)
            ask(_OTHERS, "RequestCount", balancer, own.other_group)
            ask(_FAILED, "HTTPCode_Target_5XX_Count", balancer, own.target_group)
            ask(_OTHERS_FAILED, "HTTPCode_Target_5XX_Count", balancer, own.other_group)
            if own.balancer_errors:
                ask(_FAILED, "HTTPCode_ELB_5XX_Count", balancer)
            else:
                ask(_FAILED, "TargetConnectionErrorCount", balancer, own.target_group)
        return queries


def _floor(moment: datetime, step: timedelta) -> datetime:
    seconds = step.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)
