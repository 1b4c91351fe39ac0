"""How soon after the watch the verdict is posted, and how often watching alone raises a false alarm."""

import asyncio
import contextlib
import json
import random
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from bot.domain import no_worse
from bot.domain.verdict import Verdict
from sandbox.workspace.person import Person
from tests import prometheus
from tests.bench.baseline import LOADS, SEED, Load
from tests.bench.database import Looking
from tests.bench.result import Result, at_most, percentile, spread
from tests.bench.world import NEW, OLD, BotWorld, Incident
from tests.scenarios.evidence import Exporter, LogFile, checkout, exporting, failed_requests, measured

NAMES = ("verdict_delay_s", "watch_false_alarm_rate")
SERVICES = tuple(f"tea-{n}" for n in range(8))
WATCH_S = 15
WATCHES = 60
WATCHED_MIN = 15


async def measure(data: Path) -> list[Result]:
    delays = await _delays(data)
    alarms = await asyncio.to_thread(lambda: {load.name: _alarms(load) for load in LOADS})
    each = "; ".join(f"{name} {share:.3f}" for name, share in alarms.items())
    return [
        Result(
            "verdict_delay_s",
            percentile(delays, 95),
            "s",
            at_most(1.0),
            f"from the end of the watch to the verdict in the channel, p95 ({spread(delays)})",
        ),
        Result(
            "watch_false_alarm_rate",
            max(alarms.values()),
            "share",
            at_most(0.05),
            f"relapse within {WATCHED_MIN} min though nothing changed, of {WATCHES} ({each})",
        ),
    ]


# The delay.


@contextlib.contextmanager
def _serving(link: Path) -> Iterator[str]:
    """Something that answers with the version that `link` names."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = json.dumps({"version": link.resolve().name}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _listed(root: Path, url: str, exporter: Exporter, server: str | None, log: LogFile) -> dict[str, object]:
    """A service as it stands in kaeru.yml: its probes, two metrics and a log."""
    metrics = {"checkout": checkout(exporter)}
    if server is not None:
        metrics["failed requests"] = failed_requests(server)
    releases, link = str(root / "releases"), str(root / "current")
    return {
        "responders": ["@oncall"],
        "target": {"kind": "symlink", "releases": releases, "link": link, "restart": ["true"]},
        "health": {
            "url": url,
            "version": {"path": "/version"},
            "critical": ["/checkout"],
            "interval": "200ms",
            "probe_every": "1s",
        },
        "watch": f"{WATCH_S}s",
        "watch_interval": "1s",
        "metrics": metrics,
        "logs": {"app.log": log.configured},
    }


async def _delays(data: Path) -> list[float]:
    """Seconds, one per service."""
    log = LogFile(data / "app.log")
    log.begin()
    with contextlib.ExitStack() as held:
        exporter = held.enter_context(exporting())
        server = held.enter_context(measured(exporter)) if prometheus.there() else None
        listed = {}
        for name in SERVICES:
            root = data / "services" / name
            for version in (OLD, NEW):
                (root / "releases" / version).mkdir(parents=True)
            (root / "current").symlink_to(root / "releases" / NEW)
            url = held.enter_context(_serving(root / "current"))
            listed[name] = _listed(root, url, exporter, server, log)
        text = yaml.safe_dump(listed)
        async with BotWorld(data, "".join(f"  {line}\n" for line in text.splitlines())) as world:
            await world.start_bot()
            return await _played(world)


async def _played(world: BotWorld) -> list[float]:
    database = Looking(world.database)
    async with await Person.at(world.url, "alice") as alice, await Person.at(world.url, "bob") as bob:
        await bob.listen()
        verdicts = []
        for service in SERVICES:
            incident = Incident(alice, database, service, version=OLD)
            await incident.declare()
            await incident.say_how_bad()
            await bob.click(await incident.plan_card(), "Approve")
            verdicts.append(asyncio.create_task(_delay(incident, alice, database)))
        delays = await asyncio.gather(*verdicts)
    database.close()
    return list(delays)


async def _delay(incident: Incident, alice: Person, database: Looking) -> float:
    await incident.reached("mitigated", every_s=0.05)
    found = "SELECT body FROM kaeru_timeline WHERE incident_id = ? AND body LIKE ?"
    mitigated = json.loads(database.one(found, incident.id, '%"incident_mitigated"%'))
    await alice.message(incident.channel, "after the watch", timeout=WATCH_S + 30)
    seen = time.time()
    until = datetime.fromisoformat(mitigated["at"]) + timedelta(seconds=WATCH_S)
    return seen - until.timestamp()


# The false alarms.


def _alarms(load: Load) -> float:
    """The share of watches that end in a relapse, of a metric that is as before: looked at with each new value."""
    rng = random.Random(f"{SEED} {load.name} watched")  # noqa: S311 - the same numbers in every run
    return sum(_relapses(load, rng) for _ in range(WATCHES)) / WATCHES


def _relapses(load: Load, rng: random.Random) -> bool:
    before = load.make(rng, load.before_min, 1.0)
    after = load.make(rng, max(WATCHED_MIN, load.after_min), 1.0)
    failed = 0
    for count in range(load.expected.least, len(after.values) + 1):
        so_far = after.between(after.since, after.since + after.step * count)
        row = no_worse.row(load.expected, what="", before=before, during=None, after=so_far, lately=True)
        failed = failed + 1 if row.verdict is Verdict.FAIL else 0
        if failed == 2:
            return True
    return no_worse.assess(load.expected, before, after).verdict is Verdict.FAIL
