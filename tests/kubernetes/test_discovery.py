"""Clusters that serve fewer API groups than this one, or newer versions of them."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from bot.domain.plan import Level
from integrations.kubernetes.api import Api
from tests.kubernetes import fault_proxy as faults
from tests.kubernetes.eyes import Eyes, failed, notes
from tests.kubernetes.fault_proxy import FaultProxy, below
from tests.kubernetes.test_autoscaling import AUTOSCALER
from tests.kubernetes.world import Json, Shop

pytestmark = pytest.mark.kubernetes

ABSENT = faults.says(404, "NotFound", "the server could not find the requested resource")
FORBIDDEN = 'forbidden: User "kaeru" cannot get path "/apis/autoscaling/v2"'
BETWEEN = "The HorizontalPodAutoscaler web keeps it between 2 and 5 pods; how many there are is left to it."
BUDGET = "The PodDisruptionBudget web wants at least 1 available"
POLICY = ("policy/v1", "policy/v1beta1")
BLIND = (
    "This cluster serves no metrics (metrics.k8s.io): the HorizontalPodAutoscaler web cannot scale by load."
)


@pytest.fixture
async def eyes(shop: Shop, proxy: FaultProxy, tmp_path: Path) -> AsyncIterator[Eyes]:
    """They look through the proxy at a Deployment with an autoscaler and a disruption budget, at v1.3.0."""
    shop.replicas = 0
    await shop.recorded("v1.2.9", "v1.3.0")
    await shop.create(AUTOSCALER, await _budget(shop.api))
    settings = shop.settings(kubeconfig=proxy.kubeconfig(tmp_path))
    async with aclosing(Api(settings)) as api:
        yield Eyes(api, settings)


async def _budget(api: Api) -> Json:
    policy = "policy/v1" if await api.resources("policy/v1") else "policy/v1beta1"
    spec = {"selector": {"matchLabels": {"app": "web"}}, "minAvailable": 1}
    return {
        "apiVersion": policy,
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": spec,
    }


async def test_groups_that_are_not_served_are_a_sentence_and_hold_nothing_up(
    eyes: Eyes, proxy: FaultProxy
) -> None:
    for group in ("policy", "autoscaling"):
        proxy.always(below(f"/apis/{group}"), ABSENT)
    planned = await eyes.plan("v1.2.9")
    assert failed(planned) == {}
    said = [(one.level, one.text) for one in planned.warnings if "serves no" in one.text]
    assert said == [
        (Level.INFO, f"This cluster serves no {plural}, so none was looked for.")
        for plural in ("horizontalpodautoscalers", "poddisruptionbudgets")
    ]
    assert BETWEEN not in notes(planned)
    # It was asked for each version, and then given up.
    assert {line for line in proxy.seen if "/apis/policy" in line} == {
        "GET /apis/policy/v1",
        "GET /apis/policy/v1beta1",
    }


async def test_what_is_behind_one_of_them_and_cannot_be_listed_is_a_sentence_too(
    eyes: Eyes, proxy: FaultProxy
) -> None:
    """Discovery says that they are served, and the list of them that they are not: it changed in between."""
    proxy.always(lambda request: request.path.endswith("/poddisruptionbudgets"), ABSENT)
    planned = await eyes.plan("v1.2.9")
    assert failed(planned) == {}
    assert "This cluster serves no poddisruptionbudgets, so none was looked for." in notes(planned)
    assert BETWEEN in notes(planned)


async def test_discovery_that_is_not_allowed_is_a_sentence_too(eyes: Eyes, proxy: FaultProxy) -> None:
    proxy.always(below("/apis/autoscaling"), faults.says(403, "Forbidden", FORBIDDEN))
    planned = await eyes.plan("v1.2.9")
    assert failed(planned) == {}
    assert "Whether horizontalpodautoscalers matter here is not known." in notes(planned)
    assert BUDGET in notes(planned)


async def test_the_versions_that_clusters_of_today_serve_are_used(eyes: Eyes, proxy: FaultProxy) -> None:
    """policy/v1 and autoscaling/v2, and none of the older ones. A cluster that has them is left as it is."""
    for called, known in (("policy/v1", "policy/v1beta1"), ("autoscaling/v2", "autoscaling/v2beta2")):
        if not await eyes.api.resources(called):
            proxy.always(below(f"/apis/{called}"), faults.instead(known, called))
            proxy.always(below(f"/apis/{known}"), ABSENT)
    async with aclosing(Api(eyes.settings)) as api:
        planned = await Eyes(api, eyes.settings, eyes.memory).plan("v1.2.9")
    assert failed(planned) == {}
    assert BETWEEN in notes(planned)
    assert BUDGET in notes(planned)
    where = f"/namespaces/{eyes.settings.namespace}"
    assert f"GET /apis/policy/v1{where}/poddisruptionbudgets?limit=500" in proxy.seen
    assert f"GET /apis/autoscaling/v2{where}/horizontalpodautoscalers?limit=500" in proxy.seen


@pytest.mark.parametrize(("served", "absent"), [POLICY, POLICY[::-1]], ids=POLICY)
async def test_an_empty_selector_of_a_budget_means_all_pods_since_policy_v1(
    served: str, absent: str, eyes: Eyes, shop: Shop, proxy: FaultProxy
) -> None:
    own = POLICY[0] if await shop.api.resources(POLICY[0]) else POLICY[1]
    await shop.create(
        {
            "apiVersion": own,
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "all"},
            "spec": {"selector": {}, "maxUnavailable": 1},
        }
    )
    if served != own:
        proxy.always(below(f"/apis/{served}"), faults.instead(own, served))
    proxy.always(below(f"/apis/{absent}"), ABSENT)
    planned = await eyes.plan("v1.2.9")
    assert f"GET /apis/{served}/namespaces/{shop.space.name}/poddisruptionbudgets?limit=500" in proxy.seen
    assert ("The PodDisruptionBudget all wants at most 1 unavailable" in notes(planned)) is (
        served == "policy/v1"
    )
    assert BUDGET in notes(planned)


async def test_an_autoscaler_without_metrics_is_said(eyes: Eyes, proxy: FaultProxy) -> None:
    served = await eyes.api.versions("metrics.k8s.io")
    planned = await eyes.plan("v1.2.9")
    assert (BLIND in notes(planned)) is (served == ())
    # And with them, as a cluster with a metrics server answers: nothing behind it is asked.
    group = {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": "metrics.k8s.io",
        "versions": [{"groupVersion": "metrics.k8s.io/v1beta1", "version": "v1beta1"}],
    }
    proxy.always(below("/apis/metrics.k8s.io"), faults.answers(group))
    async with aclosing(Api(eyes.settings)) as api:
        planned = await Eyes(api, eyes.settings, eyes.memory).plan("v1.2.9")
    assert BETWEEN in notes(planned)
    assert BLIND not in notes(planned)
    assert {line for line in proxy.seen if "metrics.k8s.io" in line} == {"GET /apis/metrics.k8s.io"}
