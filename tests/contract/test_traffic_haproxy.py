"""What only HAProxy has: weights, checks of its own, a restart, and a socket that may lose an answer."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.served import between
from bot.ports import OutcomeUnknown, Refused
from integrations.traffic.haproxy import HaproxyTraffic, weights
from tests.classic.backends import Backend
from tests.contract.traffic_proxies import HaproxyDoor, Line
from tests.contract.traffic_worlds import shifted, three_backends, visits


@pytest.fixture(scope="module")
def backends() -> Iterator[list[Backend]]:
    with three_backends() as found:
        yield found


@pytest.fixture(scope="module")
def running(backends: list[Backend], tmp_path_factory: pytest.TempPathFactory) -> Iterator[HaproxyDoor]:
    """The rest is a maintenance page."""
    ports = [each.port for each in backends[:2]]
    with HaproxyDoor(tmp_path_factory.mktemp("haproxy"), ports, None) as found:
        yield found


@pytest.fixture
def door(running: HaproxyDoor, backends: list[Backend]) -> HaproxyDoor:
    for backend in backends:
        backend.reset(backend.version)
    running.ask("; ".join(f"set server shop/{name} state ready" for name in ("web1", "web2", "other")))
    running.set_by_hand(1.0)
    return running


@pytest.fixture
def traffic(door: HaproxyDoor) -> HaproxyTraffic:
    return HaproxyTraffic(door.settings())


@pytest.fixture
async def line(door: HaproxyDoor) -> AsyncIterator[Line]:
    async with Line(door.admin, door.folder / "line.sock").open() as found:
        yield found


async def test_maintenance_is_a_page_that_says_when_to_come_back(
    door: HaproxyDoor, traffic: HaproxyTraffic
) -> None:
    await shifted(traffic, 0.0)
    before = await traffic.served()
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{door.url}/version")
    assert (answer.status_code, answer.headers["Retry-After"], answer.text) == (
        503,
        "120",
        "<h1>Back soon</h1>",
    )
    after = await traffic.served()
    window = between(before, after)
    assert window is not None
    # A user's error, and none of the service's.
    assert (window.to_service, window.total, window.errors) == (0, 1, 0)
    assert (after.errors or 0) - (before.errors or 0) == 1


async def test_what_haproxy_answers_for_a_silent_server_is_an_error_of_the_service(
    door: HaproxyDoor, traffic: HaproxyTraffic, backends: list[Backend]
) -> None:
    await shifted(traffic, 0.5)
    before = await traffic.served()
    for backend in backends[:2]:
        backend.mute = True  # its checks go on: HAProxy would take it out before anybody comes
    assert await visits(door.url, 40) == 40
    window = between(before, await traffic.served())
    assert window is not None
    # It answers some with 502, and hangs up on others without a word.
    assert (window.total, window.errors) == (40, window.to_service)
    assert 10 <= window.to_service <= 30


async def test_a_restart_stays_with_the_share_and_counts_anew(
    door: HaproxyDoor, traffic: HaproxyTraffic
) -> None:
    await shifted(traffic, 0.25)
    assert await visits(door.url, 40) > 0
    before = await traffic.served()
    await asyncio.to_thread(door.restart)
    seen = await traffic.inspect()
    assert (seen.share, seen.warnings) == (pytest.approx(0.25, abs=0.005), ())
    assert between(before, await traffic.served()) is None


async def test_weights_that_a_restart_would_undo_are_said(door: HaproxyDoor, traffic: HaproxyTraffic) -> None:
    door.ask("set weight shop/other 20")
    (warning,) = (await traffic.inspect()).warnings
    assert warning.text.endswith("has other weights: a restart of HAProxy would go back to them.")
    await shifted(traffic, 0.25)
    assert (await traffic.inspect()).warnings == ()


async def test_a_lost_answer_is_unknown_and_the_retry_looks_first(door: HaproxyDoor, line: Line) -> None:
    traffic = HaproxyTraffic(door.settings(socket=line.path))
    plan = await traffic.plan(0.25)
    line.loses_answers = True
    with pytest.raises(OutcomeUnknown):
        await traffic.shift(plan, "k")
    line.loses_answers = False
    assert (await traffic.shift(plan, "k")).share == pytest.approx(0.25, abs=0.005)
    assert line.changes == 1


async def test_a_server_that_drains_gets_nothing_and_the_share_is_right(
    door: HaproxyDoor, traffic: HaproxyTraffic
) -> None:
    door.ask("set server shop/web2 state drain")
    seen = await traffic.inspect()
    assert (seen.ready, seen.share) == (1, 1.0)
    assert "web2 of shop drains or is in maintenance" in seen.warnings[0].text
    await shifted(traffic, 0.5)
    before = await traffic.served()
    await visits(door.url, 100)
    window = between(before, await traffic.served())
    assert window is not None
    assert window.share == pytest.approx(0.5, abs=0.05)


async def test_nothing_can_be_kept_away_without_another_place(
    door: HaproxyDoor, traffic: HaproxyTraffic
) -> None:
    door.ask("set server shop/other state maint")
    with pytest.raises(Refused, match="no traffic can be kept from the service"):
        await traffic.plan(0.5)


async def test_a_server_in_neither_list_is_refused(door: HaproxyDoor) -> None:
    with pytest.raises(Refused, match="also sends traffic to web2") as caught:
        await HaproxyTraffic(door.settings(servers=("web1",))).inspect()
    assert caught.value.remedy
    with pytest.raises(Refused, match="has no server web3"):
        await HaproxyTraffic(door.settings(servers=("web1", "web2", "web3"))).inspect()


async def test_a_backend_that_is_not_there_is_refused(door: HaproxyDoor) -> None:
    with pytest.raises(Refused, match="nobody"):
        await HaproxyTraffic(door.settings(backend="nobody")).inspect()


@given(st.lists(st.integers(1, 256), min_size=1, max_size=5), st.integers(1, 4), st.integers(1, 99))
def test_weights_are_near_what_is_wanted(ours: list[int], others: int, percent: int) -> None:
    share = percent / 100
    parts = [share * each / sum(ours) for each in ours] + [(1 - share) / others] * others
    found = weights(parts)
    assert all(1 <= weight <= 256 for weight in found)
    # A part that is hundreds of times smaller than another one still weighs 1.
    smallest = min(parts) * 256 >= max(parts)
    if smallest:
        assert abs(sum(found[: len(ours)]) / sum(found) - share) < 0.03


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.75, 0.9])
def test_the_usual_shares_are_exact_for_equal_servers(share: float) -> None:
    found = weights([share / 2, share / 2, 1 - share])
    assert sum(found[:2]) / sum(found) == pytest.approx(share, abs=0.001)
