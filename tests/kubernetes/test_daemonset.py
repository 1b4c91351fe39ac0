"""DaemonSets: one pod on each node, replaced in place."""

import pytest

from bot.domain.evidence import Outcome
from integrations.kubernetes import pods
from integrations.kubernetes.api import Api
from integrations.kubernetes.target import KubernetesTarget
from sandbox.clusters.namespaces import Namespace
from tests.kubernetes.steps import change_to, generation, images, released, walk, walk_back
from tests.kubernetes.world import Shop

pytestmark = pytest.mark.kubernetes


@pytest.fixture
def shop(space: Namespace, api: Api) -> Shop:
    return Shop(space, api, kind="daemonset")


async def test_it_goes_back_and_a_second_time_does_nothing(target: KubernetesTarget, shop: Shop) -> None:
    await released(shop, "v1.2.9", "v1.3.0")
    change = await change_to(target, "v1.2.9")
    walked = await walk(target, change)
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert "ready, all of them v1.2.9." in walked.end.detail
    assert await images(shop) == {"kaeru-test/web:v1.2.9"}
    before = await generation(shop)
    again = await target.apply(change, "INC-2/apply:web")
    assert (again.outcome, await generation(shop)) == (Outcome.SUCCEEDED, before)


async def test_one_that_crashes_fails_and_can_be_put_back(
    target: KubernetesTarget, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pods, "LOOP_S", 1.0)
    await released(shop, "v1.2.7", "v1.3.0")
    change = await change_to(target, "v1.2.7")
    walked = await walk(target, change)
    assert (walked.end.outcome, walked.end.running) == (Outcome.FAILED, None)
    assert "with exit code 1" in walked.end.detail
    back = await walk_back(target, change)
    assert (back.end.outcome, back.end.running) == (Outcome.SUCCEEDED, "v1.3.0")
