"""What is approved is what is printed: the command line and the card list the same steps and the same times."""

from datetime import timedelta

from bot.cli.plans import plan_text
from bot.domain.afterwards import CachePart, TrafficPart
from bot.domain.plan import Plan
from bot.domain.ramp import Ramp, Stage
from bot.views.plan_facts import facts
from tests.story import plan

STAGES = tuple(Stage(share=share, soak=timedelta(seconds=20)) for share in (0.1, 0.5, 1.0))
BACK = "Bring users back in stages of 10 %, 50 %, 100 %"


def around(ramp: Ramp) -> Plan:
    traffic = TrafficPart(off=True, ramp=ramp, actions=(BACK,))
    caches = (CachePart(name="edge", actions=("Tell the edge to forget /",)),)
    return plan().model_copy(update={"traffic": traffic, "caches": caches})


def test_the_command_line_prints_what_is_done_to_users_and_caches() -> None:
    text = plan_text(around(Ramp(stages=STAGES)), {})
    steps = ["Take users to the maintenance page", "Tell the edge to forget /", BACK]
    assert [text.find(step) >= 0 for step in steps] == [True, True, True]
    assert sorted(steps, key=text.find) == steps


def test_the_time_until_all_users_are_back_counts_the_soaks() -> None:
    shown = around(Ramp(stages=STAGES))
    seconds = shown.expected_s
    assert seconds < 60
    whole = seconds + 60
    said = f"all users back in about {int(whole // 60)} min {int(whole % 60):02d} s"
    assert said in plan_text(shown, {})
    assert said in str(facts(shown))
    assert "all users back" not in plan_text(plan(), {})
