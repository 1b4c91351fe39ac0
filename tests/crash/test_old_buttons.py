"""What people see was posted by a process that is gone. Every button of it still works."""

from pathlib import Path

from sandbox.shop.releases import Shop
from tests.crash.scene import BAD, Scene, scene
from tests.crash.story import Story
from tests.crash.truth import all_is_well, at_rest, nobody_had_to_repeat


async def test_every_button_outlives_the_process_that_posted_it(
    built: Shop, memory: Path, tmp_path: Path
) -> None:
    async with scene(tmp_path, built, serving=BAD, memory=memory) as stage:
        story = Story(stage)
        await story.ask()
        prompt = await story.card("severity")
        await killed(stage)
        await story.say_how_bad(prompt)
        plan = await story.open_plan()
        await story.talk()
        await killed(stage)
        await story.approve(plan)
        await story.until_verified()
        await killed(stage)
        await story.close()
        await story.papers()
        await all_is_well(stage, story)
        assert stage.bot.deaths == 3
        nobody_had_to_repeat(stage)


async def killed(stage: Scene) -> None:
    """Kill the bot once all that it wanted to show is there, and wait for the next one."""
    await at_rest(stage)
    deaths = stage.bot.deaths
    stage.bot.kill()
    await stage.until(lambda: stage.bot.deaths > deaths, "the bot to be dead")
    await stage.until(lambda: stage.bot.listening, "the next bot to listen")
