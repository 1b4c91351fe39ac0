"""How long after the deciding click production begins to change."""

import asyncio
import os
import time
from pathlib import Path

from sandbox.workspace.person import Person
from tests.bench.database import LOOK_EVERY_S, Looking, NeverCame
from tests.bench.result import Result, at_most, percentile, spread
from tests.bench.world import OLD, Incident, World

NAMES = ("click_to_effect_s",)
WARM_UPS = 2
RUNS = 24
SERVICES = tuple(f"tea-{n:02d}" for n in range(WARM_UPS + RUNS))


async def measure(data: Path) -> list[Result]:
    took = []
    async with World(data, SERVICES) as world:
        await world.start_bot()
        database = Looking(world.database)
        async with await Person.at(world.url, "alice") as alice, await Person.at(world.url, "bob") as bob:
            await bob.listen()
            for service in SERVICES:
                incident = Incident(alice, database, service, version=OLD)
                await incident.declare()
                await incident.say_how_bad()
                card = await incident.plan_card()
                link = world.root(service) / "current"
                moved = asyncio.create_task(asyncio.to_thread(_moved, link))
                clicked = time.monotonic()
                await bob.click(card, "Approve")
                took.append(await moved - clicked)
        database.close()
    took = took[WARM_UPS:]
    note = f"from the last approval's click to the moved link, p95 ({spread(took)})"
    return [Result("click_to_effect_s", percentile(took, 95), "s", at_most(0.3), note)]


def _moved(link: Path) -> float:
    """The time at which `link` names the old version. Raises NeverCame."""
    deadline = time.monotonic() + 20.0
    while Path(os.readlink(link)).name != OLD:  # noqa: PTH115 - asked a thousand times a second
        if time.monotonic() > deadline:
            raise NeverCame(f"{link} was not moved")
        time.sleep(LOOK_EVERY_S)
    return time.monotonic()
