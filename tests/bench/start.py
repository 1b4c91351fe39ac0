"""How long the bot takes to listen."""

from pathlib import Path

from tests.bench.result import Result, at_most, median, spread
from tests.bench.world import World

NAMES = ("cold_start_s",)
RUNS = 5


async def measure(data: Path) -> list[Result]:
    took = []
    async with World(data, ("shop",)) as world:
        await world.start_bot()  # the pages of its files are in memory now, and its database is made
        for _ in range(RUNS):
            await world.bot.stop()
            took.append(await world.start_bot())
    note = f"from the start of the process until it listens, files in the page cache; median ({spread(took)})"
    return [Result("cold_start_s", median(took), "s", at_most(2.0), note)]
