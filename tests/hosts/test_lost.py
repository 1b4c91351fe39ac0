"""What is lost in the middle: the bot itself, killed at each step, or the host that is just changing."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager

import pytest

from bot.domain.evidence import Outcome
from bot.ports import Conflict, Observation
from bot.ports.target import Change
from bot.workflows.applying import applied, put_back
from tests.contract.shop import PROJECT, eventually
from tests.contract.worlds import change
from tests.hosts.rack import BAD, GOOD, OLDER, Rack

KEY = "INC-1/apply"

APPLY = """
import asyncio, sys
from bot.ports.target import Change
from bot.workflows.applying import applied
from integrations.hosts import HostsSettings
from integrations.hosts.target import HostsTarget
settings, change = HostsSettings.model_validate_json(sys.argv[1]), Change.model_validate_json(sys.argv[2])

async def main():
    target = HostsTarget(settings)
    print("ready", flush=True)
    print((await applied(target, change, key="INC-1/apply")).detail, flush=True)

asyncio.run(main())
"""


@pytest.fixture
async def planned(rack: Rack) -> Change:
    async with aclosing(rack.target()) as target:
        return change(await target.inspect(), GOOD)


@contextmanager
def applying(rack: Rack, planned: Change, **other: object) -> Iterator[subprocess.Popen[str]]:
    """A bot in a process of its own, in the middle of a change."""
    argv = [sys.executable, "-c", APPLY, rack.settings(**other).model_dump_json(), planned.model_dump_json()]
    with subprocess.Popen(argv, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def note(rack: Rack, name: str) -> str:
    path = rack.host(name) / ".current.kaeru"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def begun(rack: Rack, name: str) -> bool:
    return f"begin {GOOD}" in rack.log(name)


Arrived = Callable[[Rack], bool]

# When the bot is killed, whether anybody can ask the processes, and the host whose gate is shut so that the moment lasts.
MOMENTS: dict[str, tuple[bool, str, Arrived]] = {
    "before anything": (True, "web1", lambda _: True),
    "the first change is noted": (False, "web1", lambda rack: bool(note(rack, "web1"))),
    "the first link has moved": (True, "web1", lambda rack: rack.links("web1") == [GOOD]),
    "the first restart runs": (True, "web1", lambda rack: begun(rack, "web1")),
    "the second restart runs": (False, "web2", lambda rack: begun(rack, "web2")),
    "the last restart runs": (True, "web3", lambda rack: begun(rack, "web3")),
}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_killed_at_any_moment_the_next_one_finishes(rack: Rack, planned: Change, moment: str) -> None:
    """Nothing runs beside itself, what is done is not done again, and in the end all is as planned."""
    can_ask, shut, arrived = MOMENTS[moment]
    settings = {} if can_ask else {"version_url": None}
    gate = rack.host(shut) / "gate"
    gate.touch()
    with applying(rack, planned, **settings) as process:
        eventually(lambda: arrived(rack), timeout_s=30)
        process.kill()
        process.wait()
    async with aclosing(rack.target(**settings)) as target:
        again = asyncio.create_task(applied(target, planned, key=KEY))
        if begun(rack, shut):
            await asyncio.sleep(0.5)  # a second restart would begin now, beside the one that was left running
        gate.unlink()
        done = await again
    assert (done.outcome, done.detail) == (Outcome.SUCCEEDED, f"3 of 3 on {GOOD}.")
    assert rack.links() == [GOOD] * 3
    assert rack.serves() == [GOOD] * 3
    assert all("overlap" not in rack.log(name) for name in rack.names)
    restarts = rack.restarts()
    # Where nobody can be asked how the restart without a bot has ended, it is done once more.
    assert restarts.pop(shut) in ((1,) if can_ask else (1, 2))
    assert restarts == dict.fromkeys(restarts, 1)
    assert rack.left_behind() == []


async def test_killed_while_it_puts_back_the_next_one_tries_again_and_says_so(
    rack: Rack, planned: Change
) -> None:
    rack.break_release(GOOD, "web3")
    gate = rack.host("web2") / "gate"
    with applying(rack, planned, on_failure="put_back") as process:
        eventually(lambda: f"end {GOOD}" in rack.log("web2"), timeout_s=30)
        gate.touch()
        eventually(lambda: f"begin {BAD}" in rack.log("web2"), timeout_s=30)
        process.kill()
        process.wait()
    gate.unlink()
    async with aclosing(rack.target(on_failure="put_back")) as target:
        done = await applied(target, planned, key=KEY)
        assert done.outcome is Outcome.FAILED
        assert "web3, web2, web1 went back." in done.detail
    assert rack.links() == rack.serves() == [BAD] * 3
    assert all("overlap" not in rack.log(name) for name in rack.names)
    assert rack.left_behind() == []


async def test_a_host_that_is_lost_and_returns_is_looked_at_and_finished(rack: Rack, planned: Change) -> None:
    gate = rack.host("web2") / "gate"
    gate.touch()
    told: list[str] = []

    async def tell(seen: Observation) -> None:
        told.append(seen.detail)

    async with aclosing(rack.target()) as target:
        done = asyncio.create_task(applied(target, planned, key=KEY, tell=tell))
        await asyncio.to_thread(eventually, lambda: begun(rack, "web2"), 30)
        await asyncio.to_thread(rack.servers["web2"].stop)
        gate.unlink()  # the restart goes on without anybody
        await asyncio.to_thread(eventually, lambda: any("web2 does not answer" in d for d in told), 30)
        await asyncio.to_thread(rack.servers["web2"].start)
        seen = await done
    assert (seen.outcome, seen.detail) == (Outcome.SUCCEEDED, f"3 of 3 on {GOOD}.")
    assert rack.restarts() == {"web1": 1, "web2": 1, "web3": 1}
    assert rack.left_behind() == []


async def test_a_host_that_is_lost_and_stays_away_is_unknown_and_stops_it(
    rack: Rack, planned: Change
) -> None:
    gate = rack.host("web2") / "gate"
    gate.touch()
    async with aclosing(rack.target(reconnect="300ms", on_failure="put_back")) as target:
        assert (await target.apply(planned, KEY)).outcome is Outcome.UNKNOWN
        await asyncio.to_thread(eventually, lambda: begun(rack, "web2"), 30)
        rack.servers["web2"].stop()
        gate.unlink()
        async with aclosing(target.follow(planned, KEY)) as looks:
            details = [seen async for seen in looks if "nothing was put back" in seen.detail]
        assert details[0].outcome is Outcome.UNKNOWN
        assert (
            "as it is not known what became of web2. 1 of 3 on v1.2.9; web3 still points at v1.3.0; web2 does"
            in (details[0].detail)
        )
        await asyncio.to_thread(rack.servers["web2"].start)
        done = await applied(target, planned, key=KEY)
        assert done.outcome is Outcome.SUCCEEDED
    assert rack.restarts() == {"web1": 1, "web2": 1, "web3": 1}


async def test_a_host_that_went_down_before_its_turn_is_not_held_against_the_version(
    rack: Rack, planned: Change
) -> None:
    gate = rack.host("web2") / "gate"
    gate.touch()
    async with aclosing(rack.target(reconnect="300ms")) as target:
        assert (await target.apply(planned, KEY)).outcome is Outcome.UNKNOWN
        await asyncio.to_thread(eventually, lambda: begun(rack, "web2"), 30)
        rack.servers["web3"].stop()
        gate.unlink()
        async with aclosing(target.follow(planned, KEY)) as looks:
            *_, end = [seen async for seen in looks]
        assert (end.outcome, end.untouched, end.blameless) == (Outcome.FAILED, False, True)
        assert "web3: web3 ([127.0.0.1]" in end.detail
        await asyncio.to_thread(rack.servers["web3"].start)


async def test_somebody_moves_a_finished_host_while_no_bot_is_there(rack: Rack, planned: Change) -> None:
    gate = rack.host("web2") / "gate"
    gate.touch()
    with applying(rack, planned) as process:
        eventually(lambda: begun(rack, "web2"), timeout_s=30)
        process.kill()
    gate.unlink()
    rack.deploy(OLDER, "web1")
    async with aclosing(rack.target()) as target:
        with pytest.raises(Conflict, match=r"web1 points at v1\.2\.8"):
            await target.apply(planned, KEY)
        assert rack.links()[0] == OLDER
        assert "The hosts disagree" in (await target.inspect()).warnings[0].text


async def test_the_one_who_reverts_waits_for_what_was_left_running(rack: Rack, planned: Change) -> None:
    gate = rack.host("web1") / "gate"
    gate.touch()
    with applying(rack, planned) as process:
        eventually(lambda: begun(rack, "web1"), timeout_s=30)
        process.kill()
    async with aclosing(rack.target()) as target:
        back = asyncio.create_task(put_back(target, planned, key="INC-1/revert"))
        await asyncio.sleep(0.5)  # a second restart would begin now, beside the one that was left running
        assert rack.links()[0] == GOOD
        gate.unlink()
        seen = await back
    assert (seen.outcome, seen.detail) == (Outcome.SUCCEEDED, f"3 of 3 on {BAD}.")
    assert rack.log("web1") == [f"begin {GOOD}", f"end {GOOD}", f"begin {BAD}", f"end {BAD}"]
    assert rack.restarts() == {"web1": 2, "web2": 0, "web3": 0}
