"""A whole story, killed again and again at moments that nobody chose."""

import asyncio
import os
import random
from pathlib import Path

import pytest

from sandbox.shop.releases import Shop
from tests.crash.scene import BAD, Scene, scene
from tests.crash.story import Story
from tests.crash.truth import all_is_well

ROUNDS = 6
KILLS = 4


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_killed_at_any_moment(number: int, built: Shop, memory: Path, tmp_path: Path) -> None:
    seed = int(os.environ.get("KAERU_CRASH_SEED", random.randrange(10**6))) + number  # noqa: S311 - another one in every run
    print(f"KAERU_CRASH_SEED={seed - number}")  # noqa: T201 - shown where it fails, so that it can be repeated
    async with scene(tmp_path, built, serving=BAD, memory=memory) as stage:
        killing = asyncio.create_task(kills(stage, random.Random(seed)))  # noqa: S311 - keeps nobody out
        story = Story(stage)
        await story.whole()
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)
        await all_is_well(stage, story)
        assert stage.bot.deaths > 0


async def kills(stage: Scene, chance: random.Random) -> None:
    """The first waits counts from the beginning, the later ones from when the bot was there again."""
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.0, 2.5))
        deaths = stage.bot.deaths
        stage.bot.kill()
        await stage.until(lambda before=deaths: stage.bot.deaths > before, "the bot to be dead")  # type: ignore[misc]  # binds the loop's value
        if chance.random() < 0.8:  # else the next one is killed while it starts
            await stage.until(lambda: stage.bot.listening, "the next bot to listen")
