"""`python -m sandbox.shop.load`: a gentle crowd that browses and buys, and says each second how it fared.

It ends by itself and only visits this machine.
"""

import argparse
import asyncio
import collections
import dataclasses
import json
import random
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

import httpx

MAX_RPS, MAX_SECONDS, MAX_IN_FLIGHT = 200, 3600, 100
PATHS = (("GET", "/products"), ("GET", "/cart"), ("POST", "/checkout"))
WEIGHTS = (55, 25, 20)


class LoadError(Exception):
    """The load cannot run like this; the message says what to change."""


@dataclasses.dataclass
class Second:
    """What happened to the requests that ended within one second."""

    ok: int = 0
    failed: int = 0
    latencies_ms: list[float] = dataclasses.field(default_factory=list)
    versions: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    errors: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def as_dict(self) -> dict[str, Any]:
        ordered = sorted(self.latencies_ms)
        p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] if ordered else None
        return {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "ok": self.ok,
            "failed": self.failed,
            "p95_ms": None if p95 is None else round(p95, 1),
            "versions": dict(self.versions),
            "errors": dict(self.errors),
        }


class Load:
    """`rps` requests a second, started evenly whether or not earlier ones have been answered.

    With `fresh` each has a connection of its own, as customers have: a few kept ones would all stay with one replica.
    """

    def __init__(self, url: str, *, rps: float, seconds: float, seed: int = 0, fresh: bool = False) -> None:
        """Raises LoadError for an address that is not this machine's, and for too much load."""
        if urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1"):
            raise LoadError(f"The load only visits this machine; {url} is elsewhere. Use 127.0.0.1.")
        if not (0 < rps <= MAX_RPS and 0 < seconds <= MAX_SECONDS):
            raise LoadError(f"Choose at most {MAX_RPS} requests a second for at most {MAX_SECONDS} s.")
        self.url = url
        self.rps = rps
        self.seconds = seconds
        self.fresh = fresh
        self.stopped = asyncio.Event()
        self._random = random.Random(seed)
        self._second = Second()

    async def run(self, report: TextIO) -> None:
        """Visit until the time is over or `stopped` is set; write one line of JSON per second to `report`."""
        # A connection that was idle for half a second is not used again, because a shop that is being
        # replaced closes its idle ones after a second: nothing is ever sent into a closing connection.
        limits = httpx.Limits(
            max_connections=MAX_IN_FLIGHT,
            max_keepalive_connections=0 if self.fresh else None,
            keepalive_expiry=0.5,
        )
        async with (
            httpx.AsyncClient(base_url=self.url, limits=limits, timeout=10, trust_env=False) as client,
            asyncio.TaskGroup() as group,
        ):
            begun = time.monotonic()
            writing = group.create_task(self._write(report))
            visits: set[asyncio.Task[None]] = set()
            for number in range(round(self.rps * self.seconds)):
                await self._until(begun + number / self.rps)
                if self.stopped.is_set():
                    break
                if len(visits) < MAX_IN_FLIGHT:
                    visit = group.create_task(self._visit(client))
                    visits.add(visit)
                    visit.add_done_callback(visits.discard)
                else:
                    self._fail("no answer to earlier requests")
            if visits:
                await asyncio.wait(visits)
            writing.cancel()
        self._write_second(report)

    async def _until(self, moment: float) -> None:
        delay = moment - time.monotonic()
        if delay > 0:
            try:
                async with asyncio.timeout(delay):
                    await self.stopped.wait()
            except TimeoutError:
                return

    async def _visit(self, client: httpx.AsyncClient) -> None:
        ((method, path),) = self._random.choices(PATHS, WEIGHTS)
        customer = self._random.randint(1, 10)
        begun = time.perf_counter()
        try:
            response = await client.request(method, path, params={"customer": customer})
        except httpx.TransportError as error:
            self._fail(type(error).__name__)
            return
        self._second.latencies_ms.append((time.perf_counter() - begun) * 1000)
        self._second.versions[response.headers.get("X-Version", "unknown")] += 1
        if response.is_success:
            self._second.ok += 1
        else:
            self._fail(f"{response.status_code} {path}")

    def _fail(self, kind: str) -> None:
        self._second.failed += 1
        self._second.errors[kind] += 1

    async def _write(self, report: TextIO) -> None:
        while True:
            await asyncio.sleep(1)
            self._write_second(report)

    def _write_second(self, report: TextIO) -> None:
        second, self._second = self._second, Second()
        report.write(json.dumps(second.as_dict()) + "\n")
        report.flush()


async def _run(asked: argparse.Namespace) -> None:
    load = Load(asked.url, rps=asked.rps, seconds=asked.seconds, seed=asked.seed, fresh=asked.fresh)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, load.stopped.set)
    if asked.report is None:
        await load.run(sys.stdout)
    else:
        with asked.report.open("a", encoding="utf-8") as report:
            await load.run(report)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.shop.load", description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--rps", type=float, default=20, help="requests a second (default 20)")
    parser.add_argument("--seconds", type=float, default=600, help="ends after so many (default 600)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="appended to; default: the terminal")
    parser.add_argument("--seed", type=int, default=0, help="another order of visits")
    parser.add_argument("--fresh", action="store_true", help="a connection of its own for every request")
    try:
        asyncio.run(_run(parser.parse_args()))
    except LoadError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
