"""What only nginx has: a file, workers, a maintenance page, and a log."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import httpx
import pytest

from bot.domain.served import between
from bot.ports import OutcomeUnknown, Refused
from integrations.traffic.nginx import NginxTraffic
from tests.classic.backends import Backend, Download
from tests.contract.shop import eventually
from tests.contract.traffic_proxies import NginxDoor
from tests.contract.traffic_worlds import shifted, three_backends, visits


@pytest.fixture(scope="module")
def backends() -> Iterator[list[Backend]]:
    with three_backends() as found:
        yield found


@pytest.fixture(scope="module")
def running(backends: list[Backend], tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxDoor]:
    """The rest is a maintenance page."""
    with NginxDoor(tmp_path_factory.mktemp("nginx"), [each.port for each in backends[:2]], None) as found:
        yield found


@pytest.fixture
def door(running: NginxDoor, backends: list[Backend]) -> NginxDoor:
    for backend in backends:
        backend.reset(backend.version)
    if running.file.read_text(encoding="ascii") != running.split(1.0):
        running.set_by_hand(1.0)
    return running


@pytest.fixture
async def traffic(door: NginxDoor) -> AsyncIterator[NginxTraffic]:
    async with aclosing(NginxTraffic(door.settings())) as found:
        yield found


async def test_maintenance_is_a_page_that_says_when_to_come_back(
    door: NginxDoor, traffic: NginxTraffic
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
    window = between(before, await traffic.served())
    assert window is not None
    # A user's error, and none of the service's.
    assert (window.to_service, window.total, window.errors) == (0, 1, 0)
    after = await traffic.served()
    assert after is not None
    assert before is not None
    assert (after.errors or 0) - (before.errors or 0) == 1


async def test_errors_of_the_service_are_told_from_the_maintenance_page(
    door: NginxDoor, traffic: NginxTraffic, backends: list[Backend]
) -> None:
    await shifted(traffic, 0.5)
    before = await traffic.served()
    for backend in backends[:2]:
        backend.silent = True
    failed = await visits(door.url, 60)
    window = between(before, await traffic.served())
    assert failed == 60
    assert window is not None
    assert 0 < window.to_service < 60
    assert window.errors == window.to_service


async def test_a_configuration_that_nginx_does_not_accept_is_put_back(
    door: NginxDoor, traffic: NginxTraffic
) -> None:
    before = door.file.read_bytes()
    broken = door.folder / "kaeru" / "theirs.conf"
    plan = await traffic.plan(0.5)
    broken.write_text("nonsense on;\n", encoding="ascii")
    try:
        failing = [check.detail for check in (await traffic.plan(0.5)).checks if not check.ok]
        with pytest.raises(Refused, match='unknown directive "nonsense"') as caught:
            await traffic.shift(plan, "k")
    finally:
        broken.unlink()
    assert len(failing) == 1
    assert str(caught.value).endswith("is as it was, and nothing was reloaded.")
    assert door.file.read_bytes() == before
    assert await visits(door.url, 20) == 0


async def test_an_edited_file_is_no_split_of_kaerus(door: NginxDoor, traffic: NginxTraffic) -> None:
    door.file.write_text(
        door.split(0.5).replace("* shop_maintenance", "20% shop_service; * shop_maintenance"), "ascii"
    )
    seen = await traffic.inspect()
    assert seen.share is None
    assert "somebody has edited it" in " ".join(warning.text for warning in seen.warnings)
    plan = await traffic.plan(0.25)
    assert "split is kaeru's" in [check.name for check in plan.checks if not check.ok]
    with pytest.raises(Refused, match="somebody has edited it"):
        await traffic.shift(plan, "k")


async def test_what_nginx_has_not_read_is_said_and_then_read(door: NginxDoor, traffic: NginxTraffic) -> None:
    fresh, warnings = door.folder / "fresh.conf", ()
    deadline = time.monotonic() + 10
    while not warnings:  # what is written in the moment in which the workers begin may have been read
        assert time.monotonic() < deadline
        fresh.write_text(door.split(0.25), encoding="ascii")
        fresh.replace(door.file)
        warnings = (await traffic.inspect()).warnings
        await asyncio.sleep(0.05)
    (warning,) = warnings
    assert warning.text.endswith("nginx has not read it since: traffic is still split as before.")
    await shifted(traffic, 0.25)
    assert (await traffic.inspect()).warnings == ()


async def test_a_reload_that_changes_nothing_is_not_believed(door: NginxDoor) -> None:
    settings = door.settings(reload=("true",), settle="300ms")
    async with aclosing(NginxTraffic(settings)) as traffic:
        with pytest.raises(OutcomeUnknown, match="the workers of nginx from before still serve"):
            await traffic.shift(await traffic.plan(0.5), "k")
        assert (await traffic.inspect()).warnings != ()


async def test_a_reload_that_fails_puts_the_file_back(door: NginxDoor) -> None:
    before = door.file.read_bytes()
    async with aclosing(NginxTraffic(door.settings(reload=("false",)))) as traffic:
        with pytest.raises(Refused, match="the reload ended with 1"):
            await traffic.shift(await traffic.plan(0.5), "k")
    assert door.file.read_bytes() == before


async def test_a_download_is_waited_for_and_not_cut_off(door: NginxDoor, backends: list[Backend]) -> None:
    download = Download(door.url)
    download.start()
    await asyncio.to_thread(eventually, lambda: sum(each.downloads for each in backends) == 1)
    async with aclosing(NginxTraffic(door.settings(drain="300ms"))) as traffic:
        seen = await traffic.shift(await traffic.plan(0.0), "k")
    assert "1 old worker with" in seen.detail
    for backend in backends:
        backend.gate.set()
    await asyncio.to_thread(download.join, 20)
    assert download.body == b"halffull"


async def test_a_rotated_log_begins_anew(door: NginxDoor, traffic: NginxTraffic) -> None:
    await visits(door.url, 30)
    before = await traffic.served()
    door.access_log.replace(door.access_log.with_suffix(".1"))
    # As logrotate asks for it.
    os.kill(door.process.pid, 10)
    await asyncio.to_thread(eventually, door.access_log.exists)
    await visits(door.url, 5)
    after = await traffic.served()
    assert after is not None
    assert after.total == 5
    assert between(before, after) is None


async def test_a_truncated_log_begins_anew(door: NginxDoor, traffic: NginxTraffic) -> None:
    await visits(door.url, 30)
    before = await traffic.served()
    os.truncate(door.access_log, 0)
    await visits(door.url, 3)
    after = await traffic.served()
    assert after is not None
    assert (after.total, between(before, after)) == (3, None)


async def test_without_a_log_it_says_that_it_cannot_measure(door: NginxDoor) -> None:
    async with aclosing(NginxTraffic(door.settings(access_log=None))) as traffic:
        assert not traffic.capabilities.measures
        assert await traffic.served() is None
        # Of a reload of the test before there may be one more.
        told = [warning.text for warning in (await traffic.inspect()).warnings]
        assert any("cannot be measured" in text for text in told)


async def test_a_log_in_another_format_is_refused(door: NginxDoor) -> None:
    theirs = door.folder / "theirs.log"
    theirs.write_text('127.0.0.1 - - [25/Nov/2026] "GET / HTTP/1.1" 200 2\n' * 9, encoding="ascii")
    async with aclosing(NginxTraffic(door.settings(access_log=theirs))) as traffic:
        with pytest.raises(Refused, match="not written in kaeru's format"):
            await traffic.served()


async def test_a_server_without_health_is_ready_if_it_can_be_connected_to(
    door: NginxDoor, traffic: NginxTraffic, backends: list[Backend]
) -> None:
    backends[0].status = 503
    assert (await traffic.inspect()).ready == 1
    async with aclosing(NginxTraffic(door.settings(health=None))) as connects:
        assert (await connects.inspect()).ready == 2


async def test_without_nginx_nothing_is_changed(door: NginxDoor) -> None:
    before = door.file.read_bytes()
    nobody = door.folder / "nobody.pid"
    async with aclosing(NginxTraffic(door.settings(pid_file=nobody))) as traffic:
        plan = await traffic.plan(0.5)
        assert [check.name for check in plan.checks if not check.ok] == ["nginx's workers can be seen"]
        with pytest.raises(Refused, match="names no running nginx"):
            await traffic.shift(plan, "k")
    assert door.file.read_bytes() == before
