"""Whether what a person waits for takes longer with years of incidents in the database."""

import time
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from sandbox.workspace.model import Json
from sandbox.workspace.person import Person
from tests.bench import history
from tests.bench.database import Looking
from tests.bench.result import Result, at_most, median, spread
from tests.bench.world import OLD, Incident, World, has_button

NAMES = ("hot_path_growth",)
SMALL, BIG = 10, 10_000
WARM_UPS = 8
RUNS = 60
CACHE = Path(__file__).resolve().parents[2] / "build"

_ATTENDED = "SELECT 1 FROM kaeru_inbox WHERE id > ? AND kind = ? AND state = 'done'"
_QUIET = "SELECT NOT EXISTS (SELECT 1 FROM kaeru_inbox WHERE state = 'new')"


class Side:
    """One bot with its history, and what is done to it."""

    def __init__(self, data: Path, incidents: int) -> None:
        self._incidents = incidents
        self._world = World(data, ("shop",))
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        history.place(self._world.database, incidents=self._incidents, cache=CACHE)
        world = await self._stack.enter_async_context(self._world)
        await world.start_bot()
        self._database = Looking(world.database)
        self._stack.callback(self._database.close)
        self._alice = await self._stack.enter_async_context(await Person.at(world.url, "alice"))
        self._incident = Incident(self._alice, self._database, "shop", version=OLD)
        await self._incident.declare()
        self._prompt: Json = await self._alice.message(
            self._incident.channel, has_button("Critical"), timeout=20
        )
        await self._alice.click(self._prompt, "Critical")
        await self._incident.plan_card()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def command(self, n: int) -> float:
        last, began = await self._ready()
        await self._alice.command(self._incident.channel, f"/incident note this is note {n}")
        return await self._database.until(_ATTENDED, last, "command") - began

    async def click(self, n: int) -> float:
        last, began = await self._ready()
        await self._alice.click(self._prompt, ("High", "Critical")[n % 2])
        return await self._database.until(_ATTENDED, last, "action") - began

    async def message(self, n: int) -> float:
        _, began = await self._ready()
        ts = await self._alice.send(self._incident.channel, f"still failing, look {n}")
        recorded = "SELECT 1 FROM kaeru_timeline WHERE incident_id = ? AND slack_ts = ?"
        return await self._database.until(recorded, self._incident.id, ts) - began

    async def _ready(self) -> tuple[int, float]:
        """The newest inbox row, once nothing waits there; and the time."""
        await self._database.until(_QUIET)
        last = self._database.one("SELECT max(id) FROM kaeru_inbox") or 0
        return last, time.monotonic()


async def measure(data: Path) -> list[Result]:
    took: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    async with Side(data / "small", SMALL) as small, Side(data / "big", BIG) as big:
        for n in range(WARM_UPS + RUNS):
            sides = [("small", small), ("big", big)]
            for name, side in sides if n % 2 else sides[::-1]:
                for what, do in (("command", side.command), ("click", side.click), ("message", side.message)):
                    took[what][name].append(await do(n))
    ratios = {}
    told = []
    for what, by_side in took.items():
        big_ones, small_ones = by_side["big"][WARM_UPS:], by_side["small"][WARM_UPS:]
        ratios[what] = median(big_ones) / median(small_ones)
        told.append(f"{what} {ratios[what]:.2f} (big {spread(big_ones)})")
    note = (
        f"time until handled with {BIG:,} incidents and {BIG * history.ENTRIES:,} entries ÷ with {SMALL}, "
        f"in alternation, worst of: {'; '.join(told)}"
    )
    return [Result("hot_path_growth", max(ratios.values()), "×", at_most(1.2), note)]
