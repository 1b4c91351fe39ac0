"""One component's change: bounded, observed before anything is tried again, and told as it was seen."""

import asyncio
import dataclasses

import pytest

from bot.domain.evidence import Outcome
from bot.ports import Change, Conflict, Gone, Observation, OutcomeUnknown, Refused, Unavailable
from bot.usecases import bounds
from bot.workflows import applying
from bot.workflows.applying import applied, settle, was_taken_away
from tests.fakes.target import MemoryTarget


@dataclasses.dataclass
class Slow(MemoryTarget):
    """What it is told takes `takes_s`, and then, with `lost`, the answer does not arrive."""

    takes_s: float = 0.0
    lost: bool = False
    observed: int = 0

    async def apply(self, change: Change, key: str) -> Observation:
        seen = await super().apply(change, key)
        return await self._late(seen)

    async def revert(self, change: Change, key: str) -> Observation:
        seen = await super().revert(change, key)
        return await self._late(seen)

    async def observe(self, change: Change, key: str) -> Observation:
        self.observed += 1
        return await super().observe(change, key)

    async def _late(self, seen: Observation) -> Observation:
        await asyncio.sleep(self.takes_s)
        if self.lost:
            raise OutcomeUnknown("The connection was lost.")
        return seen


CHANGE = Change(component="web", from_version="v3", to_version="v2", fingerprint="set-v3")


def slow(*, takes_s: float = 0.0, lost: bool = False) -> Slow:
    return Slow("v3", ("v1", "v2", "v3"), takes_s=takes_s, lost=lost)


async def test_an_apply_that_takes_longer_than_observing_is_observed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(applying, "BLIND_FOR_S", 0.0)
    target = slow(takes_s=0.05, lost=True)
    seen = await applied(target, CHANGE, key="k")
    assert (seen.outcome, seen.running) == (Outcome.SUCCEEDED, "v2")
    assert target.observed == 1


async def test_an_apply_that_hangs_is_observed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "WRITE_S", 0.05)
    target = slow(takes_s=3600)
    assert (await applied(target, CHANGE, key="k")).outcome is Outcome.SUCCEEDED
    assert target.starts == ["v2"]


async def test_what_cannot_be_reached_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "INSIST_FOR_S", 0.1)
    target = slow()
    target.failing += [Unavailable("Not now.", retry_after_s=0.04) for _ in range(9)]
    with pytest.raises(Unavailable):
        await applied(target, CHANGE, key="k")
    assert len(target.failing) > 4


async def test_that_it_was_put_back_is_said_once_it_was_seen() -> None:
    target = slow()
    await applied(target, CHANGE, key="k")
    assert (await settle(target, CHANGE, "k", back=True)).said == "web was put back: web runs v3 now."
    assert target.running == "v3"


async def test_a_way_back_whose_answer_is_lost_is_observed() -> None:
    target = slow()
    await applied(target, CHANGE, key="k")
    target.lost = True
    assert (await settle(target, CHANGE, "k", back=True)).said == "web was put back: web runs v3 now."
    assert target.starts == ["v2", "v3"]


async def test_that_it_could_not_be_put_back_is_said_with_what_runs() -> None:
    target = slow()
    await applied(target, CHANGE, key="k")
    target.failing.append(Refused("The disk is read-only.", remedy="Mount it again."))
    settled = await settle(target, CHANGE, "k", back=True)
    assert not settled.overtaken
    assert (
        settled.said == "web could not be put back: The disk is read-only. Mount it again. web runs v2 now."
    )


async def test_a_version_that_does_not_start_again_was_not_put_back() -> None:
    target = slow()
    await applied(target, CHANGE, key="k")
    target.broken = frozenset({"v3"})
    settled = await settle(target, CHANGE, "k", back=True)
    assert not settled.overtaken
    assert settled.said == "web could not be put back: v3 is set and v2 runs. web runs v2 now."


async def test_somebody_elses_version_is_not_put_back() -> None:
    target = slow()
    await applied(target, CHANGE, key="k")
    target.deploy("v1")
    settled = await settle(target, CHANGE, "k", back=True)
    assert settled.overtaken
    assert (
        settled.said
        == "web could not be put back: v1 is set, not v2: someone else was here. web runs v1 now."
    )


async def test_what_stays_is_only_looked_at() -> None:
    target = slow()
    assert (await settle(target, CHANGE, "k", back=False)).said == "web runs v3 now."
    target.failing.append(Conflict("Somebody is here."))
    settled = await settle(target, CHANGE, "k", back=False)
    assert not settled.overtaken
    assert settled.said == "web: what runs now could not be established (Somebody is here)."
    assert target.starts == []


@dataclasses.dataclass
class Deleted(Slow):
    """Somebody deletes it as soon as it was changed."""

    async def observe(self, change: Change, key: str) -> Observation:
        raise Gone("There is no web any more.", remedy="Create it.")

    async def revert(self, change: Change, key: str) -> Observation:
        raise Gone("There is no web any more.", remedy="Create it.")


async def test_what_is_deleted_meanwhile_has_failed_at_once_and_says_nothing_of_the_target() -> None:
    target = Deleted("v3", ("v1", "v2", "v3"), lost=True)
    seen = await applied(target, CHANGE, key="k")
    assert (seen.outcome, seen.untouched) == (Outcome.FAILED, True)
    assert seen.detail == "There is no web any more. Create it."
    assert (await settle(target, CHANGE, "k", back=True)).overtaken
    assert await was_taken_away(target, CHANGE, "k")


async def test_what_somebody_else_has_set_instead_was_taken_away() -> None:
    target = slow()
    await applied(target, CHANGE, key="k")
    assert not await was_taken_away(target, CHANGE, "k")
    target.deploy("v3")
    assert await was_taken_away(target, CHANGE, "k")
    target.failing.append(Unavailable("Not now."))
    assert not await was_taken_away(target, CHANGE, "k"), "nobody knows"
