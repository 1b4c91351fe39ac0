"""Takes traffic from good to good in stages, as a ramp decides, while users come and go: nobody may notice."""

import asyncio
import time
from contextlib import ExitStack, aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.domain.evidence import Baseline, BaselineSource, Probe, judge
from bot.domain.ramp import Action, Look, Ramp, Stage, arrived, begun, next_step
from bot.ports.traffic import Traffic
from integrations.http_health.client import ProbeClient
from integrations.traffic.haproxy import HaproxyTraffic
from integrations.traffic.nginx import NginxTraffic
from tests.bench.result import Result, at_most
from tests.contract.traffic_load import Load
from tests.contract.traffic_proxies import HaproxyDoor, NginxDoor
from tests.contract.traffic_worlds import three_backends

NAMES = ("restore_failed_requests",)
RPS = 80.0
LOOK_S = 0.25
RAMP = Ramp(
    stages=tuple(Stage(share=share, soak=timedelta(seconds=2)) for share in (0.1, 0.25, 0.5, 1.0)),
    patience=timedelta(seconds=15),
)


async def measure(data: Path) -> list[Result]:
    failed, notes = 0, []
    with ExitStack() as stack:
        one, two, other = stack.enter_context(three_backends())
        service = [one.url, two.url]
        for name, door in (("nginx", NginxDoor), ("HAProxy", HaproxyDoor)):
            folder = data / name
            folder.mkdir()
            with door(folder, [one.port, two.port], other.port) as proxy:
                traffic: Traffic = (
                    NginxTraffic(proxy.settings())
                    if isinstance(proxy, NginxDoor)
                    else HaproxyTraffic(proxy.settings())
                )
                async with aclosing(traffic):
                    load, took_s = await _restored_under_load(traffic, proxy.url, service)
            failed += len(load.failed)
            notes.append(f"{name}: {len(load.failed)} of {load.done} in {took_s:.0f} s")
            notes += sorted(set(load.failed))
    stages = ", ".join(f"{stage.share * 100:g}" for stage in RAMP.stages)
    note = f"100 to {stages} % as the ramp decides, {RPS:g} requests a second; failed {', '.join(notes)}"
    return [Result(NAMES[0], failed, "requests", at_most(0), note)]


async def _restored_under_load(traffic: Traffic, url: str, service: list[str]) -> tuple[Load, float]:
    load = Load(url, rps=RPS)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        began = time.monotonic()
        try:
            await _restored(traffic, service)
        finally:
            load.stopped.set()
    return load, time.monotonic() - began


async def _restored(traffic: Traffic, service: list[str]) -> None:
    """Raises RuntimeError where the ramp does anything but go on."""
    standing, client, probes = begun(datetime.now(UTC)), ProbeClient(timeout_s=2.0), list[Probe]()
    baseline = Baseline(source=BaselineSource.THRESHOLDS)
    async with aclosing(client):
        while True:
            probes += [await client.ask(f"{base}/health", endpoint="/health") for base in service]
            seen = await traffic.inspect()
            look = Look(
                at=datetime.now(UTC),
                share=seen.share,
                ready=seen.ready,
                wanted=seen.wanted,
                served=await traffic.served(),
                findings=judge(probes, baseline),
            )
            standing, decision = next_step(RAMP, standing, look)
            if decision.action is Action.DONE:
                return
            if decision.action not in (Action.GO_ON, Action.WAIT):
                raise RuntimeError(f"the ramp did not go on: {decision.sentence}")
            if decision.moves:
                await traffic.shift(await traffic.plan(decision.share), f"bench {decision.stage}")
                probes.clear()
                standing = arrived(standing, decision, datetime.now(UTC), await traffic.served())
            await asyncio.sleep(LOOK_S)
