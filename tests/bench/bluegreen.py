"""Switches between two colours of the shop while customers come and go: nobody may notice."""

import asyncio
import collections
import io
import json
import time
from contextlib import aclosing
from pathlib import Path

from bot.domain.evidence import Outcome
from bot.workflows.applying import applied
from integrations.bluegreen import BlueGreenSettings, BlueGreenTarget
from integrations.bluegreen.settings import Colour
from sandbox.shop.load import Load
from sandbox.shop.releases import build
from tests.bench.result import Result, at_most, demand_load
from tests.classic.colours import Colours, two_shops
from tests.classic.proxies import Proxy, haproxy, nginx
from tests.contract.worlds import change
from tests.fakes.memory import FakeMemory

NAMES = ("bluegreen_failed_requests",)
SWITCHES = 4
RPS = 25.0
LONGEST_S = 120.0
FEWEST = 60
"""Requests at each proxy."""
GOOD: dict[Colour, str] = {"blue": "v1.2.8", "green": "v1.2.9"}


async def measure(data: Path) -> list[Result]:
    built = await asyncio.to_thread(build, data / "built")
    failed, notes = 0, []
    with two_shops(built, data / "colours") as colours:
        for colour, version in GOOD.items():
            await asyncio.to_thread(colours.run, colour, version)
        for name, start in (("nginx", nginx), ("HAProxy", haproxy)):
            with start(data / name, colours.ports) as proxy:
                errors, answered, seconds = await _switched_under_load(colours, proxy)
            asked = answered + sum(errors.values())
            demand_load(name, answered=answered, fewest=FEWEST, rate=asked / seconds, aimed_at=RPS)
            failed += sum(errors.values())
            notes.append(f"{name}: {sum(errors.values())} of {asked}")
            notes += [f"{kind}: {count}" for kind, count in errors.items()]
    note = f"{SWITCHES} switches each at {RPS:g} requests a second with new connections; {', '.join(notes)} failed"
    return [Result(NAMES[0], failed, "requests", at_most(0), note)]


async def _switched_under_load(colours: Colours, proxy: Proxy) -> tuple[collections.Counter[str], int, float]:
    """How many requests failed, by kind, how many were answered, and in how many seconds."""
    urls = {colour: {"url": shop.url} for colour, shop in colours.shops.items()}
    settings = BlueGreenSettings.model_validate({**urls, "live_url": proxy.url, "switch": proxy.switch})
    load, report = Load(proxy.url, rps=RPS, seconds=LONGEST_S, fresh=True), io.StringIO()
    async with aclosing(BlueGreenTarget(settings, FakeMemory())) as target, asyncio.TaskGroup() as group:
        began = time.monotonic()
        group.create_task(load.run(report))
        try:
            for turn in range(SWITCHES):
                goal = GOOD["green" if turn % 2 == 0 else "blue"]
                done = await applied(target, change(await target.inspect(), goal), key=f"bench {turn}")
                if done.outcome is not Outcome.SUCCEEDED:
                    raise RuntimeError(f"the switch to {goal} did not succeed: {done.detail}")
        finally:
            load.stopped.set()
            lasted = time.monotonic() - began
    seconds = [json.loads(line) for line in report.getvalue().splitlines()]
    errors: collections.Counter[str] = collections.Counter()
    for second in seconds:
        errors.update(second["errors"])
    return errors, sum(second["ok"] for second in seconds), lasted
