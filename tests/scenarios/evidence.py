"""What the shop would be measured by: an exporter of its numbers for Prometheus, the same as JSON, and a log file."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests import prometheus

REQUESTS_PER_S = 2000
GOOD_SHARE, BAD_SHARE = 0.002, 0.3
HOUR_S = 3600


@dataclass
class Exporter:
    """Counts requests by the clock. `share` says how many of them fail now; `silent`: nothing is told."""

    url: str = ""
    share: Callable[[], float] = lambda: GOOD_SHARE
    silent: bool = False
    _at: float = field(default_factory=time.monotonic)
    _requests: float = 0.0
    _failed: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def numbers(self) -> tuple[float, float]:
        with self._lock:
            now = time.monotonic()
            made, self._at = (now - self._at) * REQUESTS_PER_S, now
            self._requests += made
            self._failed += made * self.share()
            return self._requests, self._failed

    def answer(self, path: str) -> tuple[int, str]:
        requests, failed = self.numbers()
        if self.silent:
            return 503, ""
        if path == "/metrics":
            lines = f"shop_requests_total {requests}", f"shop_failed_total {failed}"
            kinds = "# TYPE shop_requests_total counter", "# TYPE shop_failed_total counter"
            return 200, "\n".join((*kinds, *lines, ""))
        ill = self.share() > GOOD_SHARE
        told = {"checkout": {"p95_ms": 900 if ill else 120}, "orders": {"per_min": 40 if ill else 240}}
        return 200, json.dumps(told)


class _Handler(BaseHTTPRequestHandler):
    exporter: Exporter

    def do_GET(self) -> None:
        status, text = self.exporter.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if self.path == "/metrics" else "application/json")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def exporting() -> Iterator[Exporter]:
    exporter = Exporter()
    handler = type("Handler", (_Handler,), {"exporter": exporter})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        exporter.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield exporter
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def measured(exporter: Exporter) -> Iterator[str]:
    """The address of a Prometheus that knows an hour of good numbers, and scrapes the exporter each second."""
    begin = datetime.now(UTC) - timedelta(seconds=HOUR_S + 60)
    history = {
        name: [(begin + timedelta(seconds=s), s * REQUESTS_PER_S * share) for s in range(HOUR_S)]
        for name, share in (("shop_requests_total", 1.0), ("shop_failed_total", GOOD_SHARE))
    }
    scraping = (
        "scrape_configs: [{job_name: shop, "
        f"static_configs: [{{targets: ['{exporter.url.removeprefix('http://')}']}}], "
        "metric_relabel_configs: [{action: labeldrop, regex: 'job|instance'}]}]"
    )
    with prometheus.running(history, config=scraping) as server:
        yield server.url


def failed_requests(url: str) -> dict[str, object]:
    """The metric, as it stands in kaeru.yml."""
    queries = {
        "query": "sum(rate(shop_failed_total[3s]))",
        "of": "sum(rate(shop_requests_total[3s]))",
    }
    return {"source": {"kind": "prometheus", "url": url, "step": "1s", "fresh": "5s", **queries}}


def checkout(exporter: Exporter) -> dict[str, object]:
    """A number that is there only now, so that kaeru has to sample it."""
    source = {"kind": "json", "url": f"{exporter.url}/stats", "value": "/checkout/p95_ms", "every": "1s"}
    return {"source": {**source, "unit": "ms"}, "no_worse": False, "at_most": 500}


def orders(exporter: Exporter) -> dict[str, object]:
    """What the business looks at."""
    source = {"kind": "json", "url": f"{exporter.url}/stats", "value": "/orders/per_min", "every": "1s"}
    return {
        "source": {**source, "unit": "orders/min"},
        "better": "higher",
        "no_worse": False,
        "at_least": 200,
    }


@dataclass
class LogFile:
    """A log that goes back an hour: a line every ten seconds, and now and then a warning of a known kind."""

    path: Path

    def begin(self) -> None:
        now = datetime.now(UTC)
        with self.path.open("w", encoding="utf-8") as log:
            for second in range(HOUR_S, 0, -10):
                at = now - timedelta(seconds=second)
                known = second % 300 == 0
                log.write(
                    _line(at, "WARN", "slow query 812 ms") if known else _line(at, "INFO", "order 7 paid")
                )

    def write(self, level: str, text: str) -> None:
        with self.path.open("a", encoding="utf-8") as log:
            log.write(_line(datetime.now(UTC), level, text))

    @property
    def configured(self) -> dict[str, object]:
        """As it stands in kaeru.yml."""
        return {"source": {"kind": "file", "path": str(self.path)}}


def _line(at: datetime, level: str, text: str) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z {level} {text}\n"
