"""What was suspended is given back once, and that is written down once, wherever the bot is killed meanwhile."""

from pathlib import Path

from bot.domain import events as e
from sandbox.shop.releases import Shop
from tests.crash.places import DEBTS
from tests.crash.scene import BAD, scene
from tests.crash.story import Story, has_button
from tests.crash.suspending import DEBT
from tests.crash.truth import at_rest, events_of, happened, shown_once, timeline_of, workflows


async def test_killed_while_it_gives_back(built: Shop, memory: Path, tmp_path: Path) -> None:
    async with scene(tmp_path, built, serving=BAD, memory=memory, die_at=DEBTS) as stage:
        (stage.bot.notes / "suspends").touch()
        story = Story(stage)
        await story.ask()
        await story.say_how_bad(await story.card("severity"))
        await story.approve(await story.open_plan())
        card = await story.until_verified()
        assert has_button(card, "Give back")
        await story.give_back(card)
        await at_rest(stage)
        await stage.bot.stop()
        assert stage.bot.missed(DEBTS) == []
        assert stage.bot.deaths == len(DEBTS)
        assert len((stage.bot.notes / "repaid").read_text(encoding="utf-8").splitlines()) == 1
        incident, entries = await timeline_of(stage, story.channel)
        counted = happened(entries)
        assert incident.debts == ()
        assert (counted["debt_taken"], counted["repayment_asked"], counted["debt_repaid"]) == (1, 1, 1)
        (repaid,) = (event for event in events_of(entries) if isinstance(event, e.DebtRepaid))
        assert (repaid.by, repaid.debt_id) == (story.bob.id, DEBT.id)
        assert {state for name, state in workflows(stage) if name.startswith("repay:")} == {"SUCCESS"}
        shown_once(stage, story)
