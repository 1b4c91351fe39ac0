"""The example of EC2 behind a load balancer: real machines over SSH, AWS's API by moto, and users by a real load.

moto lets nobody in. So a door of the test stands where the balancer would: it asks moto for the weights, passes users
on to the machines or shows them the maintenance page, and counts in moto's CloudWatch what they were answered.
CloudWatch's minutes are seconds here, for kaeru and for the door; nothing else of what decides is another.
"""

import asyncio
import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.domain import events as e
from bot.domain.run import OFF, PROVE, RAMP, WATCH, StepState, cache_step
from bot.domain.verdict import Verdict
from integrations.aws import served
from sandbox.workspace import forms
from sandbox.workspace.local import LocalWorkspace
from tests.contract.aws_world import AlbWorld, CdnWorld, Cloud, own_keys
from tests.contract.aws_world import started as aws
from tests.hosts.world import BAD, GOOD, NAMES, Site
from tests.scenarios.examples import adapted, loaded, warned_about
from tests.scenarios.front_door import SERVICE, FrontDoor, front_door
from tests.scenarios.users import SECOND, WELL, Users
from tests.scenarios.world import MANIFEST, World

__all__ = ["own_keys"]

pytestmark = pytest.mark.timeout(240)

EXAMPLE, MACHINES, FAILED = "ec2-alb", NAMES[:2], "failed requests"
ARN = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:"
MINUTE = SECOND
"""Of CloudWatch."""
RPS = 40.0
SOON = SECOND
"""By then the door has learnt the weights."""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    yield from aws()


class Balancer:
    """The data plane that moto has not: the weights go to the door, and what it served to CloudWatch."""

    def __init__(self, control: AlbWorld, door: FrontDoor) -> None:
        self._control = control
        self._door = door
        self._over = threading.Event()

    def _work(self) -> None:
        """Learn the weights as a balancer learns them: soon. Tell CloudWatch of each minute as soon as it is over."""
        weights, minute = (1, 0), int(time.time())
        told: Mapping[tuple[str, int], int] = {}
        while not self._over.wait(0.1):
            if (wanted := self._control.weights(self._control.listeners[0])) != weights:
                self._door.set(*wanted)
                weights = wanted
            if (now := int(time.time())) > minute:
                counts = self._door.counts()
                self._tell(Counter(counts) - Counter(told), datetime.fromtimestamp(minute, UTC))
                told, minute = counts, now

    def _tell(self, served: Mapping[tuple[str, int], int], at: datetime) -> None:
        sums: Counter[tuple[str, str | None]] = Counter()
        for (who, status), count in served.items():
            group = self._control.service if who == SERVICE else self._control.other
            sums["RequestCount", group] += count
            if status == 502:
                sums["HTTPCode_ELB_5XX_Count", None] += count
            elif status >= 500:
                sums["HTTPCode_Target_5XX_Count", group] += count
        for (name, group), value in sums.items():
            self._control.metric(name, group, value, at)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        thread = threading.Thread(target=self._work)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()


def there(hosts: Site, control: AlbWorld, cdn: CdnWorld) -> dict[str, str]:
    """What stands in the example, and what there is here instead."""
    each = {f"deploy@{name}.internal": hosts.servers[name].address for name in MACHINES}
    each |= {f"http://{name}.internal:8080": hosts.shops[name].url for name in MACHINES}
    arns = {
        "targetgroup/shop/73e2d6bc24d8a067": control.service,
        "targetgroup/shop-maintenance/943f017f100becff": control.other,
        "listener/app/public/50dc6c495c0c9188/f2f7dc8efc522ab2": control.listeners[0],
    }
    return {
        **each,
        **{f"{ARN}{name}": arn for name, arn in arns.items()},
        "TargetGroup: targetgroup/shop/73e2d6bc24d8a067": f"TargetGroup: {control.service.rpartition(':')[2]}",
        "app/public/50dc6c495c0c9188": control.balancer.partition(":loadbalancer/")[2],
        "E1EXAMPLE12345": cdn.id,
        "/srv/kaeru/shop.git": str(hosts.shops["web1"].shop.repo),
        "/srv/shop/": f"{hosts.folder}/{{host}}/",
        "[sudo, -n, systemctl, restart, shop]": json.dumps(hosts.restart),
        "soak: 5s": "soak: 100ms",
        "/etc/kaeru/known_hosts": str(hosts.known_hosts),
        "/etc/kaeru/id_ed25519": str(hosts.identity),
    }


def quick(cloud: Cloud) -> dict[str, Any]:
    """A minute of CloudWatch is a second, and AWS is moto."""
    endpoint = {"endpoint": cloud.proxy.endpoint}
    shop = {
        "traffic": {"through": {**endpoint, "metrics_delay": "1s"}, "soak": "1s"},
        "caches": {"cdn": endpoint},
        "metrics": {FAILED: {"source": {**endpoint, "period": "1s", "settles": "1s"}}},
        "health": {
            "consecutive": 3,
            "interval": "200ms",
            "probe_every": "200ms",
            "thresholds": {"latency_slack": "10s", "max_p95": "20s"},
        },
        "watch": "10s",
        "watch_interval": "500ms",
        "watch_patience": "60s",
    }
    return {"services": {"shop": shop}}


def test_it_loads_as_it_stands() -> None:
    service = loaded(EXAMPLE)
    assert service.components[0].target.kind == "hosts"
    assert service.outside.traffic is not None
    assert [metric.name for metric in service.outside.metrics] == [FAILED]


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What kaeru takes for minutes, hours and days of CloudWatch."""
    monkeypatch.setattr(served, "_MINUTE", MINUTE)
    monkeypatch.setattr(served, "_HOUR", 60 * MINUTE)
    monkeypatch.setattr(served, "_DAY", 24 * 60 * MINUTE)


@pytest.mark.usefixtures("own_keys", "seconds")
async def test_an_incident_behind_the_balancer_as_its_users_see_it(
    started: Site, cloud: Cloud, tmp_path: Path
) -> None:
    hosts, control, cdn = started, AlbWorld(cloud), CdnWorld(cloud)
    control.set(control.listeners[0], control.weighted(1, 0))
    hosts.deploy(GOOD, MACHINES)
    adapted(EXAMPLE, there(hosts, control, cdn), tmp_path, quick=quick(cloud))
    async with (
        LocalWorkspace(manifest=MANIFEST, rate_limits=False) as ws,
        contextlib.AsyncExitStack() as stack,
    ):
        door = stack.enter_context(front_door(*(hosts.shops[name].url for name in MACHINES)))
        stack.enter_context(Balancer(control, door).working())
        users = await stack.enter_async_context(Users(door.url, tmp_path / "users", RPS).coming())
        world = World(ws, hosts.shops["web1"], tmp_path)
        stack.push_async_callback(world.stop)
        await world.start()
        begun = datetime.now(UTC)
        await world.known_good()
        await users.came(10, begun)
        # But for the hour that this balancer has not been there.
        assert set(await warned_about(world)) <= {f"metric {FAILED}"}
        deployed = datetime.now(UTC)
        await asyncio.to_thread(hosts.deploy, BAD, MACHINES)
        bad = datetime.now(UTC)
        await users.came(6, bad)

        room = await world.declare()
        card = forms.text_of(await room.approve(to=GOOD))
        assert "Bring users back in stages of 10 %, 25 %, 50 %, 100 %" in card
        assert f"Invalidate /, /products* of the distribution {cdn.id}" in card
        await room.status("verified", timeout_s=90)
        incident, verified = await room.incident(), datetime.now(UTC)
        shifts = await room.events(e.TrafficShifted)
        assert not await room.events(e.TrafficAsked)
        table = (await room.events(e.VerdictReached))[-1].table
    (run,) = incident.runs
    assert [step.id for step in run.steps] == [OFF, "apply:shop", PROVE, cache_step("cdn"), RAMP, WATCH]
    assert {step.state for step in run.steps} == {StepState.SUCCEEDED}
    assert hosts.serves()[:2] == [GOOD] * 2
    assert control.weights(control.listeners[0])[1] == 0
    assert cdn.references() == [f"{run.id}/{cache_step('cdn')}"]
    # kaeru brought them back by itself: what was served was counted, and proved each stage.
    assert [shift.share for shift in shifts] == [0.0, 0.1, 0.25, 0.5, 1.0]
    assert {row.what: row.verdict for row in table.rows}[FAILED] is Verdict.PASS, table

    mitigated = incident.mitigated_at
    assert mitigated is not None
    seen = {
        "well": users.saw(begun, deployed),
        "before": users.saw(bad, run.approved_at),
        "during": users.saw(run.approved_at, mitigated),
        "after": users.saw(mitigated + SOON, verified),
    }
    assert seen["well"].share <= WELL, seen
    assert seen["before"].share > 2 * WELL, seen
    assert seen["before"].but("500") <= WELL, seen
    assert seen["during"].share < 0.95, seen
    assert seen["during"].but("500", "503") <= WELL, seen
    assert seen["after"].requests > 5 * RPS, seen
    assert seen["after"].share <= WELL, seen
    # Nobody saw more of the maintenance page than the stages say, and nobody the bad version any more.
    ends = [*(shift.at for shift in shifts[1:]), mitigated]
    for shift, end in zip(shifts, ends, strict=True):
        stage = users.saw(shift.at + SOON, end)
        assert stage.but("503") <= WELL, (shift.share, stage)
        assert not stage.requests or abs(stage.share - (1 - shift.share)) < 0.05, (shift.share, stage)
