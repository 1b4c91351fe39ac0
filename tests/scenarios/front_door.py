"""What users come in by: a small real HTTP proxy, a process of its own, so that nobody waits for what a test does.

`python -m tests.scenarios.front_door URL …` passes on to these in turn, or shows a maintenance page with a 503, as the
weights say. Where the service takes no connection it answers 502. It says what it served: as ingress-nginx does under
/metrics, by what answered and with which status under /door/counts.
"""

import contextlib
import http.client
import itertools
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PROJECT = Path(__file__).parents[2]
REQUESTS = "nginx_ingress_controller_requests"
DURATION = "nginx_ingress_controller_request_duration_seconds_bucket"
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, float("inf"))
SERVICE, PAGE = "service", "page"

_OWN = ("connection", "content-length", "transfer-encoding", "server", "date")
Answer = tuple[int, Mapping[str, str], bytes]
_PLAIN, _JSON = {"Content-Type": "text/plain"}, {"Content-Type": "application/json"}
_MAINTENANCE: Answer = (503, {"Content-Type": "text/html", "Retry-After": "5"}, b"<h1>Back soon</h1>")


def served(status: int) -> str:
    """The name of a counter under /metrics."""
    return f'{REQUESTS}{{ingress="shop",status="{status}"}}'


def took(bound: float) -> str:
    return f'{DURATION}{{ingress="shop",le="{"+Inf" if bound == BOUNDS[-1] else f"{bound:g}"}"}}'


class FrontDoor:
    """The process, as a test sees it. `url` is where users come in."""

    def __init__(self, url: str) -> None:
        self.url = url

    def set(self, mine: int, others: int) -> None:
        """The weights of the service and of the maintenance page."""
        self._ask(f"/door/weights?mine={mine}&others={others}")

    def counts(self) -> Mapping[tuple[str, int], int]:
        """How many requests were answered by the service or the page, with which status."""
        found = self._ask("/door/counts")
        return {(who, status): count for who, status, count in found}

    def _ask(self, path: str) -> list[tuple[str, int, int]]:
        connection = http.client.HTTPConnection(str(urlsplit(self.url).netloc), timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            found: list[tuple[str, int, int]] = json.loads(connection.getresponse().read())
            return found


@contextlib.contextmanager
def front_door(*services: str) -> Iterator[FrontDoor]:
    """Lets everybody in to the service at first. It dies with this process, whatever happens to it."""
    argv = ["setpriv", "--pdeathsig", "TERM", sys.executable, "-m", "tests.scenarios.front_door", *services]
    with subprocess.Popen(argv, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:"), url
            yield FrontDoor(url)
        finally:
            process.terminate()
            process.wait(timeout=15)


class _Door:
    """In the process itself."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = itertools.cycle(services)
        self._weights = (1, 0)
        self._owed = 0.0
        self._counts: Counter[tuple[str, int]] = Counter()
        self._took: Counter[float] = Counter()
        self._lock = threading.Lock()

    def answer(self, method: str, path: str) -> Answer:
        asked = urlsplit(path)
        match asked.path:
            case "/metrics":
                return 200, _PLAIN, self._metrics().encode()
            case "/door/counts":
                with self._lock:
                    found = [(who, status, count) for (who, status), count in self._counts.items()]
                return 200, _JSON, json.dumps(found).encode()
            case "/door/weights":
                query = parse_qs(asked.query)
                with self._lock:
                    self._weights = int(query["mine"][0]), int(query["others"][0])
                return 200, _JSON, b"[]"
        return self._passed_on(method, path)

    def _passed_on(self, method: str, path: str) -> Answer:
        begun = time.perf_counter()
        service = self._next()
        answer = _MAINTENANCE if service is None else _forwarded(service, method, path)
        seconds = time.perf_counter() - begun
        with self._lock:
            self._counts[PAGE if service is None else SERVICE, answer[0]] += 1
            self._took.update(bound for bound in BOUNDS if seconds <= bound)
        return answer

    def _next(self) -> str | None:
        """As evenly as the weights allow: of four requests at 25 %, one. None: the maintenance page."""
        with self._lock:
            mine, others = self._weights
            self._owed += mine / (mine + others)
            if self._owed < 1:
                return None
            self._owed -= 1
            return next(self._services)

    def _metrics(self) -> str:
        with self._lock:
            counts, seconds = dict(self._counts), dict(self._took)
        statuses: Counter[int] = Counter()
        for (_, status), count in counts.items():
            statuses[status] += count
        lines = [f"{served(status)} {count}" for status, count in sorted(statuses.items())]
        lines += [f"{took(bound)} {count}" for bound, count in sorted(seconds.items())]
        return "\n".join([f"# TYPE {REQUESTS} counter", *lines, ""])


def _forwarded(service: str, method: str, path: str) -> Answer:
    connection = http.client.HTTPConnection(str(urlsplit(service).netloc), timeout=10)
    with contextlib.closing(connection):
        try:
            connection.request(method, path, headers={"Connection": "close"})
            answer = connection.getresponse()
            kept = {n: v for n, v in answer.getheaders() if n.lower() not in _OWN}
            return answer.status, kept, answer.read()
        except (OSError, http.client.HTTPException):
            return 502, {}, b"{}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Users hang up."""


def main() -> None:
    door = _Door(sys.argv[1:])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def serve(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, body = door.answer(self.command, self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = serve  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
