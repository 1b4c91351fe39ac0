"""Looking at several targets at once: whose check it is, and what did not answer."""

from bot.ports import Change
from bot.usecases.looking import asked, plan_all
from tests.fakes.target import MemoryTarget


def step(component: str) -> Change:
    return Change(component=component, from_version="v1.3.0", to_version="v1.2.9", fingerprint="")


async def named(*components: str) -> list[str]:
    targets = {name: MemoryTarget("v1.3.0", ("v1.2.9", "v1.3.0")) for name in components}
    plans = await plan_all(targets, {name: step(name) for name in components})
    return [check.name for plan in plans.values() for check in plan.checks]


async def test_checks_of_several_components_say_whose_they_are() -> None:
    assert await named("web", "worker") == [
        "web: release is there",
        "web: unchanged",
        "worker: release is there",
        "worker: unchanged",
    ]
    assert await named("web") == ["release is there", "unchanged"]


def test_what_is_asked_is_where_a_component_runs() -> None:
    assert asked("web", MemoryTarget("v1.3.0", ())) == "The memory target of web"
