"""An API server that is killed in the middle of a rollback, as by its node's end, and comes back."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from bot.domain.evidence import Outcome
from bot.ports import Unavailable
from integrations.kubernetes.target import KubernetesTarget
from sandbox.clusters import errors
from sandbox.clusters.apiserver import ApiServer, another_api_server
from tests.clusters import in_ci
from tests.fakes.memory import FakeMemory
from tests.kubernetes.steps import Once, change_to, generation, images, released, walk
from tests.kubernetes.world import Shop, until
from tests.outages import Outages

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(300)]


class Sufferer(Outages, KubernetesTarget):
    """Counts how often it was gone for whoever followed a change."""


@pytest.fixture
def server(shop: Shop, tmp_path: Path) -> Iterator[ApiServer]:
    """For kaeru alone; the cluster's controllers and the test's own hands use the cluster's own."""
    try:
        with another_api_server(tmp_path / "apiserver") as running:
            yield running
    except errors.Unavailable as error:
        if in_ci():
            pytest.fail(str(error))
        pytest.skip(str(error))


async def test_it_is_killed_and_comes_back_in_the_middle(
    server: ApiServer, shop: Shop, memory: FakeMemory
) -> None:
    await released(shop, "v1.2.9", "v1.3.0", first={"READY_AFTER": "4"})
    settings = shop.settings(kubeconfig=server.kubeconfig, read_timeout="5s", connect_timeout="5s")
    async with aclosing(Sufferer(settings, memory)) as target:
        change, before = await change_to(target, "v1.2.9"), await generation(shop)
        back: list[asyncio.Task[None]] = []

        async def met() -> bool:
            return target.outages > 0

        async def returns() -> None:
            await until(met, "missed by the run: its API server")
            with pytest.raises(Unavailable):
                await target.inspect()
            await asyncio.to_thread(server.start)

        async def dies() -> None:
            first = server.daemon.running()
            await asyncio.to_thread(server.kill)
            assert first is not None
            assert server.daemon.running() is None
            back.append(asyncio.create_task(returns()))

        # It cannot end well but by asking the server that was started anew: there was no other.
        walked = await walk(target, change, meanwhile=Once(dies))
        (returning,) = back
        await returning
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert walked.end.detail == "1 of 1 ready, all of them v1.2.9."
    assert await images(shop) == {"kaeru-test/web:v1.2.9"}
    assert await generation(shop) == before + 1
