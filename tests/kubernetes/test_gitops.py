"""A whole rollback of a workload that Argo CD or Flux deploys, on the real API server.

Their controllers do not run here; what they write is written for them, as they write it.
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from pathlib import Path

import pytest
from aiohttp import web

from bot.domain.evidence import Outcome
from bot.domain.plan import Check
from bot.ports import Change
from bot.ports.errors import Refused, Unavailable
from integrations.kubernetes import payload
from integrations.kubernetes.owner import MARK
from integrations.kubernetes.owner_application import TRACKING
from integrations.kubernetes.target import KubernetesTarget
from sandbox.clusters.errors import ClusterError
from tests.fakes.memory import FakeMemory
from tests.kubernetes.fault_proxy import FaultProxy, Forward, asking
from tests.kubernetes.gitops import AUTOMATED, PATHS, Gitops
from tests.kubernetes.steps import KEY, Once, change_to, generation, images, released, walk
from tests.kubernetes.world import Json, Shop

pytestmark = [pytest.mark.kubernetes, pytest.mark.usefixtures("custom_resources")]

KUSTOMIZE = "kustomize.toolkit.fluxcd.io"


@pytest.fixture
def replicas() -> int:
    """Of the Deployment. A test that follows a rollout says that it needs pods."""
    return 0


@pytest.fixture
async def gitops(shop: Shop, replicas: int) -> Gitops:
    """v1.3.0 is deployed, v1.2.9 was before; a rollout takes a few seconds at least."""
    shop.replicas, shop.extra = replicas, {"minReadySeconds": 2}
    await released(shop, "v1.2.9", "v1.3.0", wait=False)
    return Gitops(shop)


@pytest.fixture
async def target(
    shop: Shop, proxy: FaultProxy, memory: FakeMemory, tmp_path: Path
) -> AsyncIterator[KubernetesTarget]:
    settings = shop.settings(kubeconfig=proxy.kubeconfig(tmp_path), argocd_namespace=shop.space.name)
    async with aclosing(KubernetesTarget(settings, memory)) as made:
        yield made


async def _planned(target: KubernetesTarget) -> tuple[Change, tuple[str, ...], tuple[Check, ...]]:
    """The way back to v1.2.9 as it would be approved, what is done for it, and what is checked."""
    change = await change_to(target, "v1.2.9")
    plan = await target.plan(change)
    return change.model_copy(update={"payload": plan.payload}), plan.actions, plan.checks


@pytest.mark.parametrize("replicas", [1])
async def test_argocd_is_suspended_before_anything_is_changed_and_given_back_when_git_agrees(
    target: KubernetesTarget, gitops: Gitops, proxy: FaultProxy
) -> None:
    shop, where = gitops.shop, f"{gitops.space.name}/shop"
    await gitops.application(automated=AUTOMATED)
    await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    change, actions, checks = await _planned(target)
    suspending = (
        f"Suspend the automated sync of Argo CD Application {where}; it stays off until it is given back"
    )
    assert actions[0] == suspending
    assert payload.read(change.payload).suspend == (f"argocd:{where}",)
    assert all(check.ok for check in checks), checks
    assert (await _policy(gitops))["automated"] == AUTOMATED  # a plan changes nothing

    before = await generation(shop)
    at_the_write: list[tuple[bool, int]] = []

    async def look(_request: web.Request, forward: Forward) -> web.StreamResponse:
        at_the_write.append(("automated" in await _policy(gitops), await generation(shop)))
        return await forward()

    proxy.next(asking("PATCH", "/deployments/"), look)
    walked = await walk(target, change)
    assert at_the_write == [(False, before)]
    assert await generation(shop) > before
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    (debt,) = walked.end.debts
    assert (debt.id, debt.component) == (f"argocd:{where}", "web")
    assert debt in (await target.inspect()).debts

    # Git still says v1.3.0, and then it does not.
    with pytest.raises(Unavailable, match="has not compared"):
        await target.repay(debt, KEY)
    at = json.loads((await gitops.get("applications", "shop"))["metadata"]["annotations"][MARK])["at"]
    await gitops.compared("OutOfSync", at=at)
    with pytest.raises(Refused, match="would undo the rollback at once"):
        await target.repay(debt, KEY)
    assert "automated" not in await _policy(gitops)
    await gitops.compared("Synced", at=at)
    await target.repay(debt, KEY)
    assert (await _policy(gitops))["automated"] == AUTOMATED
    assert (await target.inspect()).debts == ()
    assert await images(shop) == {"kaeru-test/web:v1.2.9"}


async def test_a_parent_that_would_undo_the_suspension_fails_the_plan(
    target: KubernetesTarget, gitops: Gitops
) -> None:
    await gitops.application("all", automated=AUTOMATED)
    parent = f"all:argoproj.io/Application:{gitops.space.name}/shop"
    await gitops.application(automated=AUTOMATED, annotations={TRACKING: parent})
    await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    change, actions, checks = await _planned(target)
    (failing,) = (check for check in checks if not check.ok)
    assert failing.required
    assert failing.name == "Argo CD Application lets it be"
    assert f"Argo CD Application {gitops.space.name}/all sets it" in failing.detail
    assert "Revert the change in Git instead." in failing.detail
    assert not any("Suspend" in action for action in actions)
    assert payload.read(change.payload).suspend == ()


@pytest.mark.parametrize("replicas", [1])
async def test_argocd_that_is_switched_on_in_the_middle_and_puts_it_back_is_named(
    target: KubernetesTarget, gitops: Gitops
) -> None:
    await gitops.application(automated=AUTOMATED)
    await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    change, _, _ = await _planned(target)

    async def heal() -> None:
        await gitops.merge("applications", "shop", {"spec": {"syncPolicy": {"automated": AUTOMATED}}})
        again = gitops.shop.manifest("kaeru-test/web:v1.3.0", {})
        await gitops.shop.hands.apply(again, namespace=gitops.space.name, by="argocd-controller", force=True)

    walked = await walk(target, change, meanwhile=Once(heal))
    assert walked.end.outcome is Outcome.FAILED
    # The cluster keeps whole seconds, and it may have been created in the same one.
    who = r"Argo CD \(argocd-controller, Apply\)( or kubectl-create \(Update\))?"
    assert re.search(rf"was put back to v1\.3\.0 by {who} at ", walked.end.detail)
    assert "syncs by itself again" in walked.end.detail
    assert walked.end.debts == ()


@pytest.mark.parametrize("replicas", [1])
async def test_argocd_that_is_switched_on_and_has_done_nothing_yet_is_told(
    target: KubernetesTarget, gitops: Gitops
) -> None:
    await gitops.application(automated=AUTOMATED)
    await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    change, _, _ = await _planned(target)
    again = {"spec": {"syncPolicy": {"automated": AUTOMATED}}}
    walked = await walk(target, change, meanwhile=Once(lambda: gitops.merge("applications", "shop", again)))
    assert walked.end.outcome is Outcome.SUCCEEDED
    assert f"Argo CD Application {gitops.space.name}/shop syncs by itself again" in walked.end.detail


@pytest.mark.parametrize("replicas", [1])
async def test_a_workload_that_is_deleted_meanwhile_leaves_the_debt(
    target: KubernetesTarget, gitops: Gitops
) -> None:
    await gitops.application(automated=AUTOMATED)
    await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    change, _, _ = await _planned(target)

    async def delete() -> None:
        await gitops.shop.hands.delete(gitops.shop.path)

    walked = await walk(target, change, meanwhile=Once(delete))
    assert walked.end.outcome is Outcome.FAILED
    assert "somebody has deleted it" in walked.end.detail
    assert [debt.id for debt in walked.end.debts] == [f"argocd:{gitops.space.name}/shop"]


async def test_flux_is_suspended_before_anything_is_changed_and_resumed_when_git_agrees(
    target: KubernetesTarget, gitops: Gitops, proxy: FaultProxy
) -> None:
    where = f"{gitops.space.name}/apps"
    await gitops.source("main@sha1:bad")
    await gitops.kustomization()
    labels = {f"{KUSTOMIZE}/name": "apps", f"{KUSTOMIZE}/namespace": gitops.space.name}
    await gitops.labelled(labels=labels)
    change, actions, _ = await _planned(target)
    assert actions[0] == f"Suspend Flux Kustomization {where}; it stays suspended until it is given back"
    assert payload.read(change.payload).suspend == (f"flux-kustomization:{where}",)
    await target.apply(change, KEY)
    writes = [line for line in proxy.seen if line.startswith("PATCH") and "dryRun" not in line]
    assert ["/kustomizations/" in line for line in writes] == [True, False]
    (debt,) = (await target.observe(change, KEY)).debts
    with pytest.raises(Refused, match="still is at main@sha1:bad"):
        await target.repay(debt, KEY)
    await gitops.source("main@sha1:reverted")
    await target.repay(debt, KEY)
    assert "suspend" not in (await gitops.get("kustomizations", "apps"))["spec"]


@pytest.mark.parametrize("resource", sorted(PATHS))
async def test_the_server_knows_the_fields_and_no_others(resource: str, gitops: Gitops) -> None:
    """Otherwise a field that kaeru misspells would be kept here, and dropped by a real cluster."""
    make: Mapping[str, Callable[[], Awaitable[None]]] = {
        "applications": lambda: gitops.application(automated=AUTOMATED),
        "applicationsets": gitops.application_set,
        "kustomizations": lambda: gitops.kustomization("shop", suspend=True),
        "helmreleases": lambda: gitops.helm_release("shop", suspend=True),
        "gitrepositories": lambda: gitops.source("main@sha1:bad"),
    }
    await make[resource]()
    made = await gitops.get(resource, "shop")
    await gitops.merge(resource, "shop", {"spec": {"suspended": True}, "extra": 1})
    assert await _without_versions(gitops, resource) == _versionless(made)
    wrong: Json = {**made, "spec": {**made["spec"], "suspended": True}}
    wrong["metadata"] = {"name": "shop"}
    with pytest.raises(ClusterError, match="suspended"):  # it is kubectl that asks the server for its fields
        await gitops.shop.kubectl("apply", "--server-side", "--filename=-", text=json.dumps(wrong))


@pytest.mark.parametrize(
    ("resource", "change"),
    [
        ("applications", {"spec": {"syncPolicy": {"automated": {"selfHeal": "yes"}}}}),
        ("applications", {"spec": {"syncPolicy": {"automated": True}}}),
        ("kustomizations", {"spec": {"suspend": "true"}}),
        ("kustomizations", {"spec": {"sourceRef": None}}),
        ("helmreleases", {"spec": {"driftDetection": {"mode": "on"}}}),
    ],
    ids=["selfHeal", "automated", "suspend", "sourceRef", "driftDetection"],
)
async def test_the_server_refuses_other_types(resource: str, change: Json, gitops: Gitops) -> None:
    await gitops.application(automated=AUTOMATED)
    await gitops.kustomization("shop")
    await gitops.helm_release("shop")
    with pytest.raises(Refused, match="does not accept"):
        await gitops.merge(resource, "shop", change)


async def _policy(gitops: Gitops) -> Json:
    found: Json = (await gitops.get("applications", "shop"))["spec"]["syncPolicy"]
    return found


async def _without_versions(gitops: Gitops, resource: str) -> Json:
    return _versionless(await gitops.get(resource, "shop"))


def _versionless(found: Json) -> Json:
    changing = ("resourceVersion", "managedFields", "generation")
    return {**found, "metadata": {k: v for k, v in found["metadata"].items() if k not in changing}}
