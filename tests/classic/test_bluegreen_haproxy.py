"""What only blue-green behind HAProxy can get wrong, on a real HAProxy."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from bot.domain.evidence import Outcome
from bot.ports import AuthFailed, Conflict, Refused
from bot.workflows.applying import applied
from integrations.bluegreen import BlueGreenSettings, BlueGreenTarget
from tests.classic.backends import Backends, Download
from tests.classic.colours import bluegreen_settings
from tests.classic.crashing import killed
from tests.classic.proxies import Haproxy, Ports, haproxy
from tests.contract.shop import eventually
from tests.contract.worlds import change
from tests.fakes.memory import FakeMemory


@pytest.fixture(scope="module")
def server(ports: Ports, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Haproxy]:
    with haproxy(tmp_path_factory.mktemp("haproxy"), ports) as found:
        yield found


@pytest.fixture
def proxy(server: Haproxy, backends: Backends) -> Haproxy:
    server.turn("blue")
    return server


def settings_of(proxy: Haproxy, backends: Backends, **haproxy_settings: object) -> BlueGreenSettings:
    switch = {"haproxy": {**proxy.switch["haproxy"], **haproxy_settings}}
    return bluegreen_settings({colour: b.url for colour, b in backends.items()}, proxy, switch=switch)


@pytest_asyncio.fixture
async def target(proxy: Haproxy, backends: Backends) -> AsyncIterator[BlueGreenTarget]:
    async with aclosing(BlueGreenTarget(settings_of(proxy, backends), FakeMemory())) as found:
        yield found


async def test_a_restart_of_haproxy_does_not_go_back(proxy: Haproxy, target: BlueGreenTarget) -> None:
    done = await applied(target, change(await target.inspect(), "v1.2.9"), key="k")
    assert done.outcome is Outcome.SUCCEEDED
    assert done.detail.endswith("answers.")
    await asyncio.to_thread(proxy.restart)
    seen = await target.inspect()
    assert (seen.current, seen.running, seen.warnings) == ("v1.2.9", "v1.2.9", ())


async def test_without_a_state_file_a_restart_goes_back_and_the_plan_has_said_so(
    proxy: Haproxy, backends: Backends
) -> None:
    settings = settings_of(proxy, backends, state_file=None)
    async with aclosing(BlueGreenTarget(settings, FakeMemory())) as target:
        planned = change(await target.inspect(), "v1.2.9")
        (unkept,) = [check for check in (await target.plan(planned)).checks if not check.ok]
        assert not unkept.required
        assert (
            unkept.detail
            == "no state_file is set: a restart of HAProxy goes back to what its configuration says"
        )
        await applied(target, planned, key="k")
        await asyncio.to_thread(proxy.restart)
        assert (await target.inspect()).running == "v1.3.0"


async def test_other_backends_lines_stay_in_the_state_file(proxy: Haproxy, target: BlueGreenTarget) -> None:
    lines = proxy.state_file.read_text(encoding="ascii").splitlines()
    line = next(line for line in lines if " blue " in line)
    others = line.replace(" shop ", " cellar ").replace(" blue ", " tea ")
    proxy.state_file.write_text("\n".join([*lines, others, ""]), encoding="ascii")
    await applied(target, change(await target.inspect(), "v1.2.9"), key="k")
    found = proxy.state_file.read_text(encoding="ascii").splitlines()
    assert others in found
    assert [each.split()[3] for each in found[2:]] == ["blue", "green", "tea"]


async def test_a_slow_download_outlives_the_switch(
    proxy: Haproxy, backends: Backends, target: BlueGreenTarget
) -> None:
    download = Download(proxy.url)
    download.start()
    eventually(lambda: backends["blue"].downloads == 1)
    planned = change(await target.inspect(), "v1.2.9")
    seen = await target.apply(planned, "k")
    assert (seen.outcome, seen.running) == (Outcome.UNKNOWN, "v1.2.9")
    assert seen.detail.endswith("; 1 session is still open on blue.")
    async with aclosing(target.follow(planned, "k")) as looks:
        assert (await anext(looks)).detail.endswith("1 session is still open on blue.")
        backends["blue"].gate.set()
        last = [look async for look in looks][-1]
    assert (last.outcome, last.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert last.detail.endswith("; no sessions are still open on blue.")
    download.join(10)
    assert download.body == b"halffull"


async def test_somebody_elses_order_is_a_conflict(proxy: Haproxy, target: BlueGreenTarget) -> None:
    planned = change(await target.inspect(), "v1.2.9")
    proxy.ask("set server shop/blue state maint")
    with pytest.raises(Refused, match="neither colour gets traffic in HAProxy's backend shop"):
        await applied(target, planned, key="k")
    proxy.ask("set server shop/blue state ready; set server shop/green state ready")
    with pytest.raises((Conflict, Refused)):
        await applied(target, planned, key="k")
    assert " drain" not in proxy.ask("show servers state shop")


async def test_a_server_that_haproxy_holds_to_be_down_gets_nothing(
    proxy: Haproxy, backends: Backends, target: BlueGreenTarget
) -> None:
    planned = change(await target.inspect(), "v1.2.9")
    proxy.ask("set server shop/green state drain")  # maintenance would hide it
    proxy.ask("set server shop/green health down")
    turns = proxy.turns()
    try:
        plan = await target.plan(planned)
        done = await applied(target, planned, key="k")
    finally:
        proxy.ask("set server shop/green health up")
    assert [check.detail for check in plan.checks if not check.ok] == ["green is down"]
    assert (done.outcome, done.running, done.untouched) == (Outcome.FAILED, "v1.3.0", True)
    assert done.detail == "HAProxy's own checks hold shop/green to be down. Nothing was switched."
    assert proxy.turns() == turns


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"backend": "cellar"}, "HAProxy has no backend cellar with servers: Can't find backend"),
        ({"green": "verte"}, "HAProxy's backend shop has no server verte"),
        ({"socket": "/nowhere/admin.sock"}, "There is no socket /nowhere/admin.sock"),
    ],
)
async def test_wrong_names_are_refused(
    proxy: Haproxy, backends: Backends, wrong: dict[str, str], says: str
) -> None:
    async with aclosing(BlueGreenTarget(settings_of(proxy, backends, **wrong), FakeMemory())) as target:
        with pytest.raises(Refused, match=says) as refused:
            await target.inspect()
        assert refused.value.remedy


async def test_a_socket_without_the_right_to_change_says_which_one(
    backends: Backends, tmp_path: Path
) -> None:
    ports = {colour: backend.port for colour, backend in backends.items()}
    with haproxy(tmp_path, ports, level="operator") as server:
        async with aclosing(BlueGreenTarget(settings_of(server, backends), FakeMemory())) as target:
            planned = change(await target.inspect(), "v1.2.9")
            with pytest.raises(AuthFailed, match="does not allow this") as failed:
                await applied(target, planned, key="k")
            assert "level admin" in failed.value.remedy
            assert (await target.inspect()).running == "v1.3.0"


@pytest.mark.parametrize(
    ("where", "when", "stands"),
    [
        ("integrations.haproxy_runtime:Runtime.change", "before 1", "blue"),
        ("integrations.haproxy_runtime:Runtime.change", "after 1", "green"),
        ("integrations.own_file:Path.replace", "before 1", "green"),  # seen, and not kept
    ],
)
async def test_killed_on_the_way_the_retry_finishes(
    proxy: Haproxy, target: BlueGreenTarget, where: str, when: str, stands: str
) -> None:
    planned, turns = change(await target.inspect(), "v1.2.9"), proxy.turns()
    await asyncio.to_thread(killed, target.settings, planned, where, when)
    assert proxy.stands() == stands
    if stands == "green":
        (warning,) = (await target.inspect()).warnings
        assert warning.text.endswith("says that blue serves: a restart of HAProxy would go back to it.")
    done = await applied(target, planned, key="k")
    assert (done.outcome, done.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert proxy.turns() == turns + 1
    assert (await target.inspect()).warnings == ()
    await asyncio.to_thread(proxy.restart)
    assert (await target.inspect()).running == "v1.2.9"
