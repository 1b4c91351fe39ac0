"""The same history in every source of metrics: in memory, in a real Prometheus, at an endpoint, in CloudWatch."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Protocol

import boto3

from bot.ports import Unavailable
from bot.ports.metrics import Metrics
from integrations.metrics.cloudwatch import CloudWatch
from integrations.metrics.json_endpoint import JsonEndpoint
from integrations.metrics.prometheus import Prometheus
from integrations.metrics.settings import CloudWatchSettings, JsonSettings, PrometheusSettings
from tests import prometheus
from tests.fakes.metrics import MemoryMetrics

STEP = timedelta(seconds=60)
LATENCY = (101.0, 102.0, None, 104.0, 105.5, 106.0, None, None, 109.0, 110.0)
FAILED = (1.0, None, 3.0, 0.0, None, 2.0, 50.0, 1.0, 1.0, 0.0)
REQUESTS = (100.0, 100.0, 50.0, 10.0, None, 0.0, 50.0, 1000.0, 3.0, 100.0)
CREDENTIALS = {"access_key": "test", "secret_key": "test-secret-key"}


def begin() -> datetime:
    """Of the histories: old enough to be written at once, and at a whole minute."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    return now - timedelta(hours=3)


class World(Protocol):
    """`BEGIN` and one value per minute from there on."""

    begin: datetime

    def latency(self) -> Metrics: ...

    def nothing(self) -> Metrics:
        """A metric of which nothing is known."""
        ...

    def unreachable(self) -> Metrics: ...


class MemoryWorld:
    def __init__(self) -> None:
        self.begin = begin()

    def latency(self) -> Metrics:
        metrics = MemoryMetrics("latency")
        metrics.values = {self.begin + STEP * n: v for n, v in enumerate(LATENCY) if v is not None}
        return metrics

    def nothing(self) -> Metrics:
        return MemoryMetrics("nothing")

    def unreachable(self) -> Metrics:
        metrics = MemoryMetrics("unreachable")
        metrics.down = True
        return metrics


class PrometheusWorld:
    def __init__(self, server: prometheus.Server, began: datetime) -> None:
        self.server, self.begin = server, began

    def made(self, query: str, **more: Any) -> Prometheus:
        given = {"url": self.server.url, "query": query, "step": "60s", "fresh": "60s", "unit": "ms"} | more
        return Prometheus(PrometheusSettings.model_validate(given))

    def latency(self) -> Metrics:
        return self.made("latency_ms")

    def nothing(self) -> Metrics:
        return self.made("nobody_has_this")

    def unreachable(self) -> Metrics:
        return self.made("latency_ms", url="http://127.0.0.1:1")


class Endpoint:
    """An HTTP server that answers with `answer`, or with `status`, to whoever brings `wanted` as Authorization."""

    def __init__(self) -> None:
        self.answer: Any = {}
        self.answers: list[Any] = []
        """What is answered first, one after the other."""
        self.raw: bytes | None = None
        self.status = 200
        self.wanted: str | None = None
        self.heads: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.headers: dict[str, str] = {}
        self.url = ""


@contextlib.contextmanager
def endpoint() -> Iterator[Endpoint]:
    stands = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stands.heads.append(dict(self.headers))
            stands.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            allowed = stands.wanted is None or self.headers.get("Authorization") == stands.wanted
            answer = stands.answers.pop(0) if stands.answers else stands.answer
            body = json.dumps(answer).encode() if stands.raw is None else stands.raw
            self.send_response(stands.status if allowed else 401)
            for name, value in stands.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stands.url = f"http://127.0.0.1:{server.server_port}/stats"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield stands
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class JsonWorld:
    """Its clock is the test's: the history is sampled as it went by."""

    def __init__(self, stands: Endpoint) -> None:
        self.stands, self.begin = stands, begin()
        self.now = self.begin

    def made(self, value: str, **more: Any) -> JsonEndpoint:
        given = {"url": self.stands.url, "value": value, "every": "60s", "unit": "ms"} | more
        return JsonEndpoint(JsonSettings.model_validate(given), clock=lambda: self.now)

    def latency(self) -> Metrics:
        return self.made("/checkout/p95_ms")

    def nothing(self) -> Metrics:
        return self.made("/checkout/p95_ms")

    def unreachable(self) -> Metrics:
        return self.made("/checkout/p95_ms", url="http://127.0.0.1:1/stats")

    async def went_by(self, metrics: Metrics, answers: Sequence[Any], *, at: float = 0.5) -> None:
        """One sample in each step, and a failure where there is no answer: `at` is the place within the step."""
        for n, answer in enumerate(answers):
            self.now = self.begin + STEP * (n + at)
            self.stands.answer, self.stands.status = answer, 200 if answer is not None else 500
            with contextlib.suppress(Unavailable):
                await metrics.sample()
        self.stands.status = 200
        self.now = self.begin + STEP * len(answers)


class CloudWatchWorld:
    def __init__(self, url: str, began: datetime) -> None:
        self.url, self.begin = url, began

    def made(self, name: str, *, of: str | None = None, **more: Any) -> CloudWatch:
        given: dict[str, Any] = {"region": "eu-central-1", "endpoint": self.url, "unit": "ms", **CREDENTIALS}
        given["metric"] = metric(name)
        if of is not None:
            given["of"] = metric(of, stat="Sum")
            given["metric"]["stat"] = "Sum"
        return CloudWatch(CloudWatchSettings.model_validate(given | more))

    def latency(self) -> Metrics:
        return self.made("Latency")

    def nothing(self) -> Metrics:
        return self.made("NobodyHasThis")

    def unreachable(self) -> Metrics:
        return self.made("Latency", endpoint="http://127.0.0.1:1", timeout="1s")


def metric(name: str, *, stat: str = "Average") -> dict[str, Any]:
    return {"namespace": "Shop", "name": name, "dimensions": {"Service": "checkout"}, "stat": stat}


def put(url: str, began: datetime, histories: Mapping[str, Sequence[float | None]]) -> None:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "eu-central-1"}
    client = boto3.client("cloudwatch", endpoint_url=url, **keys)
    for name, values in histories.items():
        dimensions = [{"Name": "Service", "Value": "checkout"}]
        data = [
            {"MetricName": name, "Dimensions": dimensions, "Timestamp": at, "Value": value}
            for at, value in prometheus.steps(began, STEP, values)
        ]
        client.put_metric_data(Namespace="Shop", MetricData=data)
    client.close()


@contextlib.asynccontextmanager
async def closing(metrics: Metrics) -> AsyncIterator[Metrics]:
    try:
        yield metrics
    finally:
        await asyncio.wait_for(metrics.aclose(), 10)
