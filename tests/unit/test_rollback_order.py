"""In which order a run's durable steps come, by name: a run that is under way is found again by them after an upgrade."""

from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from bot.domain.evidence import Outcome
from bot.workflows.rollback import RollbackSteps, rollback

GOOD, BAD = Outcome.SUCCEEDED.value, Outcome.FAILED.value
OLD = [["backup:orders"], ["migrate:orders"], ["api", "web"], ["worker"]]
NEW = [["off:traffic"], ["web"], ["cache:cdn", "cache:edge"], ["ramp:traffic"]]


class Recorded:
    """Steps whose results are known already, as when a workflow is taken up again. Nothing is done."""

    def __init__(self, stages: list[list[str]], **ends: str) -> None:
        self.names: list[str] = []
        self._stages = stages
        self._ends = ends

    async def run(self, name: str, work: Callable[[], Awaitable[object]]) -> object:
        assert callable(work)
        self.names.append(name)
        return self._stages if name == "begin" else self._ends.get(name.replace(":", "_"), GOOD)


async def names(stages: list[list[str]], **ends: str) -> list[str]:
    steps = Recorded(stages, **ends)
    await rollback(steps, "run", cast("RollbackSteps", None))  # type: ignore[arg-type]  # any result is one
    return steps.names


async def test_a_run_of_an_older_kaeru_has_the_steps_that_it_had() -> None:
    assert await names(OLD) == [
        *("begin", "apply:0", "apply:1", "apply:2", "apply:3"),
        *("prove", "mitigated", "watch"),
    ]


async def test_users_and_caches_come_where_the_plan_has_them() -> None:
    assert await names(NEW) == ["begin", "apply:0", "apply:1", "prove", "cache", "ramp", "mitigated", "watch"]


@pytest.mark.parametrize(
    ("ends", "last"),
    [
        ({"apply_0": BAD}, ["begin", "apply:0", "give-up"]),
        ({"prove": BAD}, ["begin", "apply:0", "apply:1", "prove", "give-up"]),
        ({"ramp": BAD}, ["begin", "apply:0", "apply:1", "prove", "cache", "ramp", "give-up"]),
        ({"cache": BAD}, ["begin", "apply:0", "apply:1", "prove", "cache", "ramp", "mitigated", "watch"]),
    ],
)
async def test_what_fails_ends_the_run_and_a_cache_does_not(ends: dict[str, str], last: list[str]) -> None:
    assert await names(NEW, **ends) == last
