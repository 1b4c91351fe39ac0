"""From host to host: the order, the first failure, hosts that disagree or are down, and what is said of each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from bot.domain.evidence import Outcome
from bot.domain.plan import Check, Level
from bot.ports import Conflict, Observation, Unavailable
from bot.ports.target import Change
from bot.workflows.applying import applied, put_back
from integrations.hosts.target import HostsTarget
from tests.contract.worlds import change
from tests.hosts.rack import BAD, GOOD, OLDER, Rack

KEY = "INC-1/apply"


@asynccontextmanager
async def rollback(rack: Rack, **other: Any) -> AsyncIterator[tuple[HostsTarget, Change]]:
    async with aclosing(rack.target(**other)) as target:
        seen = await target.inspect()
        yield target, change(seen, GOOD).model_copy(update={"from_ref": seen.current_ref})


class Told:
    """What is said while the hosts change."""

    def __init__(self) -> None:
        self.details: list[str] = []

    async def __call__(self, seen: Observation) -> None:
        if seen.outcome is Outcome.UNKNOWN and seen.detail not in self.details:
            self.details.append(seen.detail)


def failing(checks: tuple[Check, ...]) -> list[str]:
    return [check.name for check in checks if not check.ok and check.required]


async def test_one_after_the_other_with_live_counts(rack: Rack) -> None:
    told = Told()
    async with rollback(rack) as (target, planned):
        plan = await target.plan(planned)
        assert plan.actions[:3] == (
            f"Point {rack.folder}/{{host}}/current at {GOOD} on web1 (now {BAD})",
            f"Then point {rack.folder}/{{host}}/current at {GOOD} on web2 (now {BAD})",
            f"Then point {rack.folder}/{{host}}/current at {GOOD} on web3 (now {BAD})",
        )
        done = await applied(target, planned, key=KEY, tell=told)
    assert (done.outcome, done.running, done.detail) == (Outcome.SUCCEEDED, GOOD, f"3 of 3 on {GOOD}.")
    assert told.details == [f"{n} of 3 done; {name} goes to {GOOD}." for n, name in enumerate(rack.names)]
    assert rack.serves() == [GOOD] * 3
    assert rack.left_behind() == []


async def test_in_batches(rack: Rack) -> None:
    told = Told()
    async with rollback(rack, batch=2, soak="200ms") as (target, planned):
        assert (await target.plan(planned)).actions[0].endswith(f"on web1 (now {BAD}), web2 (now {BAD})")
        done = await applied(target, planned, key=KEY, tell=told)
    assert done.outcome is Outcome.SUCCEEDED
    assert told.details[0] == f"0 of 3 done; web1 goes to {GOOD}; web2 goes to {GOOD}."
    soaking = "2 of 3 done; web1 has to stay well for 0.2 s; web2 has to stay well for 0.2 s."
    assert told.details.index(soaking) < told.details.index(f"2 of 3 done; web3 goes to {GOOD}.")


async def test_the_first_failure_stops_it(rack: Rack) -> None:
    rack.break_release(GOOD, "web2")
    async with rollback(rack) as (target, planned):
        done = await applied(target, planned, key=KEY)
        assert (done.outcome, done.running, done.untouched) == (Outcome.FAILED, None, False)
        assert not done.blameless
        assert "web2: the restart command ended with 1: " in done.detail
        assert "web3 was not touched." in done.detail
        assert (
            f"1 of 3 on {GOOD}; web3 still points at {BAD}; web2 points at {GOOD}, but {BAD}" in done.detail
        )
        assert "hunter2" not in done.detail
        assert rack.links() == [GOOD, GOOD, BAD]
        assert rack.serves() == [GOOD, BAD, BAD]
        assert (await target.observe(planned, KEY)).outcome is Outcome.FAILED
        back = await put_back(target, planned, key="INC-1/revert")
    assert (back.outcome, back.running, back.detail) == (Outcome.SUCCEEDED, BAD, f"3 of 3 on {BAD}.")
    assert rack.links() == rack.serves() == [BAD] * 3
    assert rack.left_behind() == []


async def test_what_was_done_is_put_back_if_the_policy_says_so(rack: Rack) -> None:
    rack.break_release(GOOD, "web2")
    async with rollback(rack, on_failure="put_back") as (target, planned):
        assert (await target.plan(planned)).actions[-1].endswith("put all back then")
        done = await applied(target, planned, key=KEY)
        assert (done.outcome, done.running) == (Outcome.FAILED, BAD)
        assert "web3 was not touched. web2, web1 went back. 0 of 3 on " in done.detail
        assert rack.links() == rack.serves() == [BAD] * 3
        back = await put_back(target, planned, key="INC-1/revert")
        assert back.outcome is Outcome.SUCCEEDED
    assert rack.log("web1") == [f"begin {GOOD}", f"end {GOOD}", f"begin {BAD}", f"end {BAD}"]
    assert rack.restarts()["web3"] == 0
    assert rack.left_behind() == []


async def test_putting_back_stops_where_it_fails(rack: Rack) -> None:
    rack.break_release(GOOD, "web3")
    rack.break_release(BAD, "web2")  # it runs, and would not start again
    async with rollback(rack, on_failure="put_back") as (target, planned):
        done = await applied(target, planned, key=KEY)
    assert done.outcome is Outcome.FAILED
    assert "web3 went back, but web2 did not: the restart command ended with 1" in done.detail
    assert rack.links() == [GOOD, BAD, BAD]
    assert rack.serves() == [GOOD, GOOD, BAD]


async def test_a_host_that_is_ill_by_its_own_check_stops_it(rack: Rack) -> None:
    ill = rack.folder / "web2" / "ill"
    ill.touch()
    check = (
        "sh",
        "-c",
        'echo "disk of $1 is ill" >&2; test ! -e "$2"',
        "check",
        "{host}",
        f"{rack.folder}/{{host}}/ill",
    )
    async with rollback(rack, check=check, settle="500ms") as (target, planned):
        done = await applied(target, planned, key=KEY)
    assert done.outcome is Outcome.FAILED
    assert "web2: after 0.5 s the check ended with 1: disk of web2 is ill." in done.detail
    assert rack.links() == [GOOD, GOOD, BAD]


async def test_a_host_that_turns_ill_while_it_has_to_stay_well_stops_it(rack: Rack) -> None:
    check = ("sh", "-c", 'echo "disk is ill" >&2; test ! -e "$1"', "check", f"{rack.folder}/{{host}}/ill")

    async def tell(seen: Observation) -> None:
        if "web1 has to stay well" in seen.detail:
            (rack.folder / "web1" / "ill").touch()

    async with rollback(rack, check=check, soak="1s") as (target, planned):
        done = await applied(target, planned, key=KEY, tell=tell)
    assert done.outcome is Outcome.FAILED
    assert "web1: it did not stay well: " in done.detail
    assert "disk is ill" in done.detail
    assert "web2, web3 were not touched." in done.detail
    assert rack.links() == [GOOD, BAD, BAD]


async def test_hosts_that_disagree_are_shown_and_go_back_to_where_each_was(rack: Rack) -> None:
    rack.deploy(GOOD, "web1")
    async with rollback(rack) as (target, planned):
        seen = await target.inspect()
        assert (seen.current, seen.running) == (BAD, None)
        (warning,) = seen.warnings
        assert warning.level is Level.DANGER
        assert warning.text == f"The hosts disagree: web1 {GOOD}, web2 {BAD}, web3 {BAD}."
        plan = await target.plan(planned)
        assert failing(plan.checks) == []
        assert f"on web1 (now {GOOD})" in plan.actions[0]
        assert (await applied(target, planned, key=KEY)).detail == f"3 of 3 on {GOOD}."
        assert rack.restarts() == {"web1": 0, "web2": 1, "web3": 1}
        back = await put_back(target, planned, key="INC-1/revert")
        assert (back.outcome, back.detail) == (Outcome.SUCCEEDED, "3 of 3 where they were before.")
    assert rack.links() == rack.serves() == [GOOD, BAD, BAD]


async def test_a_change_that_does_not_know_of_the_difference_is_a_conflict(rack: Rack) -> None:
    async with rollback(rack) as (target, planned):
        rack.deploy(OLDER, "web3")
        with pytest.raises(Conflict, match=r"current on web3 points at v1\.2\.8; .* when it was v1\.3\.0"):
            await target.apply(planned, KEY)
    assert rack.links() == [BAD, BAD, OLDER]


async def test_a_release_that_one_host_lacks_is_not_offered(rack: Rack) -> None:
    (rack.folder / "web2" / "releases" / OLDER).rename(rack.folder / "web2" / "releases" / "v1.2.7")
    async with rollback(rack) as (target, planned):
        seen = await target.inspect()
        assert [found.version for found in seen.available] == [GOOD, BAD]
        assert [warning.text for warning in seen.warnings] == [
            "v1.2.7 is missing on web1, web3, so nothing goes back to it.",
            "v1.2.8 is missing on web2, so nothing goes back to it.",
        ]
        plan = await target.plan(planned.model_copy(update={"to_version": OLDER}))
        assert failing(plan.checks) == ["release is there"]


async def test_a_host_that_is_down_is_no_success(rack: Rack) -> None:
    rack.servers["web3"].stop()
    async with rollback(rack) as (target, planned):
        seen = await target.inspect()
        assert (seen.current, seen.running) == (BAD, None)
        (warning,) = seen.warnings
        port = rack.servers["web3"].port
        assert warning.text == f"web3 ([127.0.0.1]:{port}) does not answer: Connection refused."
        assert failing((await target.plan(planned)).checks) == ["hosts answer"]
        with pytest.raises(Unavailable, match="web3"):
            await target.apply(planned, KEY)
        assert rack.links() == [BAD] * 3
        rack.deploy(GOOD, "web1", "web2")
        observed = await target.observe(planned, KEY)
        assert observed.outcome is Outcome.UNKNOWN
        assert observed.detail == f"2 of 3 on {GOOD}; web3 does not answer, and was left out of this."


async def test_a_host_may_be_down_where_that_is_allowed_and_still_does_not_count(rack: Rack) -> None:
    rack.servers["web3"].stop()
    async with rollback(rack, allow_down=1) as (target, planned):
        plan = await target.plan(planned)
        assert failing(plan.checks) == []
        assert plan.actions[-1] == f"Leave web3 out, which is down; {GOOD} does not come there"
        done = await applied(target, planned, key=KEY)
        assert done.outcome is Outcome.SUCCEEDED
        assert done.detail == f"2 of 3 on {GOOD}; web3 does not answer, and was left out of this."
        rack.servers["web3"].start()
        observed = await target.observe(planned, KEY)
        assert observed.outcome is Outcome.FAILED
        assert f"web3 answers again and points at {BAD}" in observed.detail
        with pytest.raises(Conflict, match="web3"):
            await target.apply(planned, KEY)
        assert "The hosts disagree" in (await target.inspect()).warnings[0].text
        back = await put_back(target, planned, key="INC-1/revert")
        assert (back.outcome, back.detail) == (
            Outcome.SUCCEEDED,
            f"2 of 2 on {BAD}; web3 was left out of this.",
        )


async def test_somebody_moves_a_host_meanwhile(rack: Rack) -> None:
    moved = asyncio.Event()

    async def tell(seen: Observation) -> None:
        if "web1 goes" in seen.detail and not moved.is_set():
            moved.set()
            await asyncio.to_thread(rack.deploy, OLDER, "web3")

    async with rollback(rack, on_failure="put_back") as (target, planned):
        done = await applied(target, planned, key=KEY, tell=tell)
        assert moved.is_set()
        assert done.outcome is Outcome.FAILED
        assert f"web3/current on web3 points at {OLDER}, not at {BAD} any more" in done.detail
        assert "web2, web1 went back." in done.detail
        assert rack.links() == rack.serves() == [BAD, BAD, OLDER]
        assert rack.left_behind() == []
        with pytest.raises(Conflict, match="web3"):
            await put_back(target, planned, key="INC-1/revert")


async def test_two_at_once_end_well(rack: Rack) -> None:
    async with rollback(rack) as (target, planned):
        done = await asyncio.gather(*(applied(target, planned, key=KEY) for _ in range(2)))
        assert [seen.outcome for seen in done] == [Outcome.SUCCEEDED] * 2
        assert rack.restarts() == {"web1": 1, "web2": 1, "web3": 1}
        forwards = change(await target.inspect(), BAD)
        first = await target.apply(forwards, "INC-2/apply")
        assert first.outcome is Outcome.UNKNOWN
        with pytest.raises(Unavailable, match="still being changed by another step"):
            await target.apply(planned, "INC-3/apply")
        # Whoever puts back what is under way ends it first.
        back = await put_back(target, forwards, key="INC-2/revert")
        assert back.outcome is Outcome.SUCCEEDED
    assert rack.serves() == [GOOD] * 3
