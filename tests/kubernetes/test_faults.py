"""An API server that dies and comes back, answers slowly, forgets, and loses answers, in the middle of a rollback."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path

import pytest
from aiohttp import web

from bot.domain.evidence import Outcome
from integrations.kubernetes import switch
from integrations.kubernetes.target import KubernetesTarget
from tests.fakes.memory import FakeMemory
from tests.kubernetes import fault_proxy as faults
from tests.kubernetes.fault_proxy import FaultProxy, Forward, asking, watching
from tests.kubernetes.steps import Once, change_to, generation, images, released, walk
from tests.kubernetes.world import Shop

pytestmark = pytest.mark.kubernetes

WRITES = asking("PATCH", "/deployments/web")


@pytest.fixture
def slowly() -> Mapping[str, str]:
    """What makes v1.2.9 take its time. A test whose fault has to last for a while says so."""
    return {}


@pytest.fixture
async def target(
    shop: Shop, memory: FakeMemory, proxy: FaultProxy, slowly: Mapping[str, str], tmp_path: Path
) -> AsyncIterator[KubernetesTarget]:
    """What it does goes through the proxy; what the test does goes past it."""
    await released(shop, "v1.2.9", "v1.3.0", first=slowly)
    settings = shop.settings(kubeconfig=proxy.kubeconfig(tmp_path), read_timeout="3s", connect_timeout="2s")
    async with aclosing(KubernetesTarget(settings, memory)) as made:
        yield made


def writes(proxy: FaultProxy) -> int:
    return sum(line.startswith("PATCH") and "dryRun" not in line for line in proxy.seen)


async def test_a_lost_answer_is_looked_for_and_nothing_is_written_twice(
    target: KubernetesTarget, proxy: FaultProxy, shop: Shop
) -> None:
    change, before = await change_to(target, "v1.2.9"), await generation(shop)
    proxy.next(WRITES, faults.drop_answer)
    walked = await walk(target, change)
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert (writes(proxy), await generation(shop)) == (1, before + 1)


async def test_a_lost_request_is_looked_for_and_sent_again(
    target: KubernetesTarget, proxy: FaultProxy, shop: Shop
) -> None:
    change, before = await change_to(target, "v1.2.9"), await generation(shop)
    proxy.next(WRITES, faults.drop_request)
    walked = await walk(target, change)
    assert walked.end.outcome is Outcome.SUCCEEDED
    assert (writes(proxy), await generation(shop)) == (2, before + 1)


async def test_a_request_that_arrives_late_has_no_effect_after_the_second_one(
    target: KubernetesTarget, proxy: FaultProxy, shop: Shop
) -> None:
    change, before = await change_to(target, "v1.2.9"), await generation(shop)
    arrived: list[asyncio.Task[web.StreamResponse]] = []

    async def on_its_way(request: web.Request, forward: Forward) -> web.StreamResponse:
        async def later() -> web.StreamResponse:
            await asyncio.sleep(4)
            return await forward()

        arrived.append(asyncio.create_task(later()))
        return faults._cut(request)

    proxy.next(WRITES, on_its_way)
    walked = await walk(target, change)
    assert walked.end.outcome is Outcome.SUCCEEDED
    (answer,) = await asyncio.gather(*arrived)
    assert answer.status == 422
    assert await generation(shop) == before + 1


async def test_one_that_never_arrives_ends_as_a_failure_that_changed_nothing(
    target: KubernetesTarget, proxy: FaultProxy, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch, "LATE_S", 0.5)
    change, before = await change_to(target, "v1.2.9"), await generation(shop)
    proxy.next(WRITES, faults.drop_request, times=9)
    walked = await walk(target, change)
    assert (walked.end.outcome, walked.end.running) == (Outcome.FAILED, "v1.3.0")
    assert "still is set to v1.3.0: nothing was changed" in walked.end.detail
    assert walked.end.untouched
    assert await generation(shop) == before


@pytest.mark.parametrize("slowly", [{"READY_AFTER": "4"}])
async def test_a_server_that_dies_and_returns_is_waited_for(
    target: KubernetesTarget, proxy: FaultProxy, shop: Shop
) -> None:
    change, before = await change_to(target, "v1.2.9"), await generation(shop)
    back: list[asyncio.Task[None]] = []

    async def outage() -> None:
        await proxy.die()

        async def returns() -> None:
            await asyncio.sleep(3)
            await proxy.come_back()

        back.append(asyncio.create_task(returns()))

    walked = await walk(target, change, meanwhile=Once(outage))
    await asyncio.gather(*back)
    assert back
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert await generation(shop) == before + 1


async def test_a_server_that_dies_with_the_answer_is_waited_for_as_well(
    target: KubernetesTarget, proxy: FaultProxy, shop: Shop
) -> None:
    change, before = await change_to(target, "v1.2.9"), await generation(shop)
    back: list[asyncio.Task[None]] = []

    async def dying(request: web.Request, forward: Forward) -> web.StreamResponse:
        await forward()

        async def away() -> None:
            await proxy.die()
            await asyncio.sleep(3)
            await proxy.come_back()

        back.append(asyncio.create_task(away()))
        return faults._cut(request)

    proxy.next(WRITES, dying)
    walked = await walk(target, change)
    await asyncio.gather(*back)
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert (writes(proxy), await generation(shop)) == (1, before + 1)


async def test_a_server_that_answers_slowly_is_slow_and_nothing_else(
    target: KubernetesTarget, proxy: FaultProxy, shop: Shop
) -> None:
    change, before = await change_to(target, "v1.2.9"), await generation(shop)
    proxy.next(lambda _request: True, faults.late(0.5), times=200)
    walked = await walk(target, change)
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert await generation(shop) == before + 1


async def test_watches_that_break_stall_and_expire_hide_nothing(
    target: KubernetesTarget, proxy: FaultProxy, shop: Shop
) -> None:
    change = await change_to(target, "v1.2.9")
    proxy.next(watching("/pods"), faults.late(30))  # says nothing at all, until the client gives up
    proxy.next(watching("/deployments"), faults.gone_inside)
    proxy.next(watching("/deployments"), faults.server_gone)

    async def cut(_seen: object) -> None:
        proxy.cut_watches()

    walked = await walk(target, change, meanwhile=cut)
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert await images(shop) == {"kaeru-test/web:v1.2.9"}


@pytest.mark.parametrize("slowly", [{"READY_AFTER": "4"}])
async def test_nothing_is_silent_for_longer_than_ten_seconds(
    target: KubernetesTarget, proxy: FaultProxy, shop: Shop
) -> None:
    """Also where no watch works at all."""
    change = await change_to(target, "v1.2.9")
    proxy.next(watching(), faults.late(60), times=50)
    await target.apply(change, "INC-1/apply:web")
    async with aclosing(target.follow(change, "INC-1/apply:web")) as looks:
        while True:
            async with asyncio.timeout(10):
                seen = await anext(looks)
            if seen.outcome is not Outcome.UNKNOWN:
                break
    assert seen.outcome is Outcome.SUCCEEDED
