"""The example of Kubernetes with Prometheus: a real cluster, a real Prometheus, and users by a real load.

A door of the test stands where ingress-nginx would, and tells Prometheus what it served in the same words. It has an
hour of numbers from before the test.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.domain import events as e
from bot.domain.verdict import Moment, Row, Verdict
from sandbox.demo import places
from sandbox.demo.places.kubernetes import Kubernetes
from sandbox.workspace import forms
from sandbox.workspace.local import LocalWorkspace
from tests import prometheus
from tests.clusters import the_kubernetes
from tests.scenarios.clusters import ClusterWorld
from tests.scenarios.examples import adapted, loaded, warned_about
from tests.scenarios.front_door import BOUNDS, REQUESTS, FrontDoor, front_door, served, took
from tests.scenarios.users import SECOND, WELL, Users
from tests.scenarios.world import BAD, GOOD, MANIFEST, Room

EXAMPLE, FAILED, P95, PODS = "kubernetes-prometheus", "failed requests", "p95", "errors in pods"
USUAL = {0.025: 0.8, 0.05: 0.93}
"""The share of requests that took no longer in the hour before; no more than 0.1 s took any."""
HOUR_S = 3600
RPS = 40.0


@contextlib.contextmanager
def measured(door: FrontDoor) -> Iterator[str]:
    """The address of a Prometheus that knows a good hour, and asks the door each second."""
    begin = datetime.now(UTC) - timedelta(seconds=HOUR_S + 60)
    shares = {served(200): 0.999, served(500): 0.001}
    shares |= {took(bound): USUAL.get(bound, float(bound > 0.05)) for bound in BOUNDS}
    history = {
        name: [(begin + s * SECOND, s * RPS * share) for s in range(HOUR_S)] for name, share in shares.items()
    }
    scraping = (
        "scrape_configs: [{job_name: ingress, "
        f"static_configs: [{{targets: ['{door.url.removeprefix('http://')}']}}], "
        "metric_relabel_configs: [{action: labeldrop, regex: 'job|instance'}]}]"
    )
    with prometheus.running(history, config=scraping) as server:
        yield server.url


SECONDS = {"step": "1s", "fresh": "5s"}
QUICK = {
    "services": {
        "shop": {
            "metrics": {
                FAILED: {"source": SECONDS},
                # It is not the pods' fault how long this machine takes beside other tests.
                P95: {"source": SECONDS, "slack": 2.0},
            },
            "health": {
                "consecutive": 3,
                "interval": "250ms",
                "probe_every": "400ms",
                "thresholds": {"latency_slack": "10s", "max_p95": "20s"},
            },
            "watch": "13s",
            "watch_interval": "500ms",
            "watch_patience": "60s",
        }
    }
}


def there(place: Kubernetes, door: FrontDoor, metrics: str, repository: Path) -> dict[str, str]:
    """What stands in the example, and what there is here instead."""
    return {
        "/etc/kaeru/kubeconfig": str(place.target()["kubeconfig"]),
        "namespace: tea": f"namespace: {place.namespace}",
        "https://shop.example.com": door.url,
        "https://prometheus.example.com": metrics,
        "/srv/kaeru/shop.git": str(repository),
        "[1m]": "[3s]",
    }


def test_it_loads_as_it_stands() -> None:
    service = loaded(EXAMPLE)
    assert service.components[0].target.kind == "kubernetes"
    assert [metric.name for metric in service.outside.metrics] == [FAILED, P95]
    assert [log.name for log in service.outside.logs] == ["pods"]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Kubernetes]:
    """The shop in the cluster, with three pods of the good version."""
    the_kubernetes()
    prometheus.need()
    made = await asyncio.to_thread(places.ready, "kubernetes", tmp_path / "shop")
    assert isinstance(made, Kubernetes)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


@pytest.mark.kubernetes
async def test_an_incident_in_the_cluster_as_its_users_see_it(place: Kubernetes, tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        door = stack.enter_context(front_door(place.url))
        metrics = stack.enter_context(measured(door))
        users = await stack.enter_async_context(Users(door.url, tmp_path / "users", RPS).coming())
        ws = await stack.enter_async_context(LocalWorkspace(manifest=MANIFEST, rate_limits=False))
        adapted(EXAMPLE, there(place, door, metrics, tmp_path / "shop" / "repo"), tmp_path, quick=QUICK)
        world = ClusterWorld(ws, tmp_path, url=door.url, to_deploy=place.deploy)
        stack.push_async_callback(world.stop)
        await world.start()
        begun = datetime.now(UTC)
        await world.known_good()
        await users.came(4, begun)
        # These pods and this Prometheus have not been there for an hour.
        assert set(await warned_about(world)) <= {f"metric {FAILED}", f"metric {P95}", "log pods"}
        deployed = datetime.now(UTC)
        await world.deploy(BAD)
        bad = datetime.now(UTC)
        await users.came(10, bad)
        assert await failing(metrics) > 0.01, "Prometheus sees no errors of the bad version"

        room = await world.declare()
        card = forms.text_of(await room.approve(to=GOOD))
        assert "3 of 3 metrics and logs can be read" in card
        await room.status("verified", timeout_s=90)
        incident, verified = await room.incident(), datetime.now(UTC)
        assert await world.serves() == GOOD
        rows = await last_rows(room)
    (run,) = incident.runs
    mitigated = incident.mitigated_at
    assert mitigated is not None
    for name in (FAILED, P95):
        row = rows[name]
        assert row.verdict is Verdict.PASS, row
        assert row.before is not None, row
        assert row.during is not None, row
        assert row.after is not None, row
        assert row.during.numbers["value"] > 3 * row.before.numbers["value"], row
    assert rows[PODS].verdict is not Verdict.FAIL, rows[PODS]
    assert rows[PODS].after is not None, rows[PODS]

    seen = {
        "well": users.saw(begun, deployed),
        "before": users.saw(bad, run.approved_at),
        "during": users.saw(run.approved_at, mitigated),
        "after": users.saw(mitigated, verified),
    }
    assert seen["well"].share <= WELL, seen
    assert seen["before"].share > 2 * WELL, seen
    assert seen["before"].but("500") <= WELL, seen
    # What fails while pods change places is what the bad version fails at, and next to nothing else.
    assert seen["during"].share < 0.15, seen
    assert seen["during"].but("500") <= 2 * WELL, seen
    assert seen["after"].requests > 5 * RPS, seen
    assert seen["after"].share <= WELL, seen


async def failing(metrics: str) -> float:
    """The share of failed requests, as Prometheus knows it."""
    errors, requests = (f"sum(rate({REQUESTS}{{{which}}}[5s]))" for which in ('status=~"5.."', ""))
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{metrics}/api/v1/query", params={"query": f"{errors} / {requests}"})
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return float(found[0]["value"][1]) if found else 0.0


async def last_rows(room: Room) -> dict[str, Row]:
    """Those of the verdict at the end of the watch."""
    table = (await room.events(e.VerdictReached))[-1].table
    assert table.moment is Moment.VERIFIED
    return {row.what: row for row in table.rows}
