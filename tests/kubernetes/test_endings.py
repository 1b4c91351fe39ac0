"""What is told of a rollback whose tidying up fails, and of one that got no further than suspending its sync."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from bot.domain.evidence import Outcome
from bot.ports import AuthFailed, Change, Refused
from integrations.kubernetes import surge, target
from integrations.kubernetes.owner_application import TRACKING
from integrations.kubernetes.payload import Payload
from integrations.kubernetes.target import KubernetesTarget
from tests.fakes.memory import FakeMemory
from tests.kubernetes import fault_proxy as faults
from tests.kubernetes.fault_proxy import FaultProxy, asking
from tests.kubernetes.gitops import AUTOMATED, Gitops, Json
from tests.kubernetes.steps import KEY, change_to, generation, released, walk
from tests.kubernetes.world import Shop

pytestmark = [pytest.mark.kubernetes, pytest.mark.usefixtures("custom_resources")]

WRITES = asking("PATCH", "/deployments/web")
DENIED = faults.says(403, "Forbidden", 'admission webhook "night.example" denied the request: not at night')


@pytest.fixture
def replicas() -> int:
    """Of the Deployment. A test that follows a rollout says that it needs pods."""
    return 0


@pytest.fixture
async def through(
    shop: Shop, memory: FakeMemory, proxy: FaultProxy, replicas: int, tmp_path: Path
) -> AsyncIterator[KubernetesTarget]:
    """What it does goes through the proxy; what the test does goes past it."""
    shop.replicas = replicas
    await released(shop, "v1.2.9", "v1.3.0")
    settings = shop.settings(kubeconfig=proxy.kubeconfig(tmp_path), argocd_namespace=shop.space.name)
    async with aclosing(KubernetesTarget(settings, memory)) as made:
        yield made


@pytest.fixture
async def gitops(through: KubernetesTarget, shop: Shop) -> Gitops:
    """Argo CD deploys the workload, and heals it."""
    made = Gitops(shop)
    await made.application(automated=AUTOMATED)
    await made.labelled(annotations={TRACKING: made.tracking_id})
    return made


def token(gitops: Gitops) -> str:
    return f"argocd:{gitops.space.name}/shop"


async def approved(through: KubernetesTarget, gitops: Gitops) -> Change:
    """The way back to v1.2.9 as it was planned: with the suspension of the sync."""
    return await change_to(through, "v1.2.9", payload=Payload(suspend=(token(gitops),)).text)


async def automated(gitops: Gitops) -> Json | None:
    found: Json | None = (await gitops.get("applications", "shop"))["spec"]["syncPolicy"].get("automated")
    return found


@pytest.mark.parametrize("replicas", [1])
async def test_a_surge_that_cannot_be_given_back_is_a_debt_of_a_success(
    through: KubernetesTarget, proxy: FaultProxy, shop: Shop
) -> None:
    change = await change_to(through, "v1.2.9", payload=Payload(surge="100%").text)
    await through.apply(change, KEY)
    proxy.always(WRITES, DENIED)
    walked = await walk(through, change)
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert "Its surge could not be given back: The admission webhook night.example" in walked.end.detail
    assert [(d.id, d.component) for d in walked.end.debts] == [
        (f"surge:deployment/{shop.space.name}/web", "web")
    ]


@pytest.mark.parametrize("replicas", [1])
async def test_a_busy_server_keeps_the_end_from_nobody(
    through: KubernetesTarget, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surge, "WITHIN_S", 2.0)
    change = await change_to(through, "v1.2.9", payload=Payload(surge="100%").text)
    await through.apply(change, KEY)
    proxy.always(WRITES, faults.says(429, "TooManyRequests"))
    walked = await walk(through, change)
    assert (walked.end.outcome, len(walked.end.debts)) == (Outcome.SUCCEEDED, 1)
    assert "could not be given back: The API server is too busy" in walked.end.detail


@pytest.mark.parametrize("replicas", [1])
async def test_a_sync_that_cannot_be_looked_at_at_the_end_counts_as_suspended(
    through: KubernetesTarget, proxy: FaultProxy, gitops: Gitops
) -> None:
    change = await approved(through, gitops)
    await through.apply(change, KEY)
    proxy.always(asking("GET", "/applications/shop"), faults.says(503, "ServiceUnavailable"))
    walked = await walk(through, change)
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert [debt.id for debt in walked.end.debts] == [token(gitops)]
    assert f"Whether {token(gitops)} still is suspended could not be seen" in walked.end.detail


async def test_a_write_that_is_denied_after_the_suspension_leaves_the_debt_and_says_so(
    through: KubernetesTarget, proxy: FaultProxy, shop: Shop, gitops: Gitops
) -> None:
    change, before = await approved(through, gitops), await generation(shop)
    proxy.always(WRITES, DENIED)
    seen = await through.apply(change, KEY)
    assert (seen.outcome, seen.untouched) == (Outcome.FAILED, True)
    assert [debt.id for debt in seen.debts] == [token(gitops)]
    assert "The admission webhook night.example" in seen.detail
    assert f"The automated sync of Argo CD Application {gitops.space.name}/shop is off" in seen.detail
    assert seen.detail.endswith("Nothing else was changed.")
    assert await automated(gitops) is None
    assert await generation(shop) == before


@pytest.mark.parametrize("replicas", [1])
async def test_a_server_that_is_busy_after_the_suspension_is_waited_for(
    through: KubernetesTarget, proxy: FaultProxy, gitops: Gitops, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = await approved(through, gitops)
    busy = faults.says(429, "TooManyRequests")
    proxy.next(WRITES, busy, times=2)
    assert (await walk(through, change)).end.outcome is Outcome.SUCCEEDED

    monkeypatch.setattr(target, "INSIST_S", 1.5)
    again = await change_to(through, "v1.3.0", payload=Payload(suspend=(token(gitops),)).text)
    proxy.next(WRITES, busy, times=99)
    seen = await through.apply(again, "INC-2/run-1/apply:web")
    assert (seen.outcome, seen.untouched, len(seen.debts)) == (Outcome.FAILED, True, 1)


async def test_nothing_is_suspended_for_a_version_that_nobody_knows(
    through: KubernetesTarget, gitops: Gitops
) -> None:
    change = (await approved(through, gitops)).model_copy(update={"to_ref": "0123456789abcdef"})
    with pytest.raises(Refused, match="Neither the cluster nor kaeru"):
        await through.apply(change, KEY)
    assert await automated(gitops) == AUTOMATED


async def test_an_approved_suspension_is_made_where_somebody_was_quicker(
    through: KubernetesTarget, shop: Shop, gitops: Gitops
) -> None:
    change = await approved(through, gitops)
    await shop.deploy("v1.2.9")
    before = await generation(shop)
    seen = await through.apply(change, KEY)
    assert (seen.outcome, [debt.id for debt in seen.debts]) == (Outcome.SUCCEEDED, [token(gitops)])
    assert "so nothing of it was changed" in seen.detail
    assert await automated(gitops) is None
    assert await generation(shop) == before


async def test_a_sync_that_may_not_be_suspended_is_no_debt(
    through: KubernetesTarget, proxy: FaultProxy, gitops: Gitops
) -> None:
    change = await approved(through, gitops)
    message = 'applications is forbidden: User "kaeru" cannot patch resource "applications"'
    proxy.always(asking("PATCH", "/applications/shop"), faults.says(403, "Forbidden", message))
    with pytest.raises(AuthFailed, match="may not patch applications"):
        await through.apply(change, KEY)
    assert await automated(gitops) == AUTOMATED


async def test_a_group_that_is_not_served_for_a_moment_gives_nothing_back(
    through: KubernetesTarget, proxy: FaultProxy, shop: Shop, gitops: Gitops, tmp_path: Path
) -> None:
    await through.apply(await approved(through, gitops), KEY)
    assert [debt.id for debt in (await through.inspect()).debts] == [token(gitops)]
    proxy.always(lambda request: request.path == "/apis/argoproj.io/v1alpha1", faults.says(404))
    settings = shop.settings(kubeconfig=proxy.kubeconfig(tmp_path), argocd_namespace=shop.space.name)
    # What a cluster serves is remembered for a time; this one asks anew.
    async with aclosing(KubernetesTarget(settings, FakeMemory())) as other:
        seen = await other.inspect()
    assert (seen.debts, seen.unseen_debts) == ((), (token(gitops),))
