"""Argo CD's Applications: whether one is believed to own a workload, and its suspension, on the real API server."""

import asyncio
import json
from contextlib import aclosing
from pathlib import Path

import pytest

from bot.ports.errors import Conflict, OutcomeUnknown, Refused, Unavailable
from integrations.kubernetes.api import Api
from integrations.kubernetes.owner import MARK
from integrations.kubernetes.owner_application import TRACKING
from integrations.kubernetes.owner_argocd import REFRESH
from integrations.kubernetes.owners import Owners
from sandbox.clusters.kubernetes import KubernetesCluster
from tests.kubernetes import fault_proxy as faults
from tests.kubernetes.fault_proxy import asking, fault_proxy
from tests.kubernetes.gitops import AUTOMATED, Gitops, the_one
from tests.kubernetes.world import Json, Shop

pytestmark = [pytest.mark.kubernetes, pytest.mark.usefixtures("custom_resources")]

KEY = "inc-20261124-shop-1:web"


async def test_argocd_is_suspended_and_given_back_exactly(owners: Owners, gitops: Gitops) -> None:
    await gitops.application(automated=AUTOMATED, annotations={"team": "shop"})
    before = await gitops.get("applications", "shop")
    workload = await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    owner = await the_one(owners, workload)
    where = f"{gitops.space.name}/shop"
    assert (owner.kind, owner.heals, owner.token) == ("Argo CD Application", True, f"argocd:{where}")
    assert owner.action.startswith(f"Suspend the automated sync of Argo CD Application {where}")
    assert not owner.refusal

    await owners.suspend(owner.token, KEY)
    await owners.suspend(owner.token, KEY)  # once more after a crash
    suspended = await gitops.get("applications", "shop")
    assert suspended["spec"]["syncPolicy"] == {"syncOptions": ["CreateNamespace=true"]}
    mark = json.loads(suspended["metadata"]["annotations"][MARK])
    assert mark["key"] == KEY
    assert mark["saved"] == AUTOMATED
    assert suspended["metadata"]["annotations"]["team"] == "shop"

    ((debt,), _) = await owners.debts(workload, "web")
    assert (debt.id, debt.component) == (owner.token, "web")
    again = await the_one(owners, workload)
    assert (again.heals, again.token) == (False, owner.token)
    assert again.action.startswith("Keep")

    # Argo CD's clock may be far behind; that it has compared since is all that counts.
    await gitops.compared("Synced", at="2000-01-01T00:03:00Z")
    await owners.repay(debt)
    after = await gitops.get("applications", "shop")
    assert after["spec"] == before["spec"]
    assert MARK not in after["metadata"]["annotations"]
    assert (await owners.debts(workload, "web"))[0] == ()
    await owners.repay(debt)  # there is nothing left to give back


async def test_argocd_is_not_given_back_while_git_says_otherwise(owners: Owners, gitops: Gitops) -> None:
    await gitops.application(automated=AUTOMATED)
    workload = await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    token = (await the_one(owners, workload)).token
    await owners.suspend(token, KEY)
    ((debt,), _) = await owners.debts(workload, "web")
    with pytest.raises(Unavailable, match="has not compared"):
        await owners.repay(debt)
    app = await gitops.get("applications", "shop")
    assert app["metadata"]["annotations"][REFRESH] == "normal"

    at = json.loads(app["metadata"]["annotations"][MARK])["at"]
    await gitops.compared("OutOfSync", at=at)
    with pytest.raises(Refused, match="would undo the rollback at once") as caught:
        await owners.repay(debt)
    assert "Revert the change in Git first" in caught.value.remedy
    assert "automated" not in (await gitops.get("applications", "shop"))["spec"]["syncPolicy"]


async def test_argocd_that_somebody_resumed_is_no_debt_and_no_success(owners: Owners, gitops: Gitops) -> None:
    await gitops.application(automated=AUTOMATED)
    workload = await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    token = (await the_one(owners, workload)).token
    await owners.suspend(token, KEY)
    await owners.confirm(token)
    ((debt,), _) = await owners.debts(workload, "web")
    await gitops.merge("applications", "shop", {"spec": {"syncPolicy": {"automated": {"prune": False}}}})
    with pytest.raises(Conflict, match="syncs by itself again"):
        await owners.confirm(token)
    assert (await owners.debts(workload, "web"))[0] == ()
    await owners.repay(debt)
    app = await gitops.get("applications", "shop")
    assert app["spec"]["syncPolicy"]["automated"] == {"prune": False}
    assert MARK not in app["metadata"].get("annotations", {})


@pytest.mark.parametrize(
    "policy", [None, {"enabled": False, "selfHeal": True}], ids=["not automated", "not enabled"]
)
async def test_argocd_by_hand_is_only_told(owners: Owners, gitops: Gitops, policy: Json | None) -> None:
    await gitops.application(automated=policy)
    workload = await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    owner = await the_one(owners, workload)
    assert (owner.heals, owner.token, owner.refusal) == (False, "", "")
    assert "next sync brings back what Git says" in owner.warning


async def test_argocd_by_label_only_where_the_application_has_the_workload(
    owners: Owners, gitops: Gitops
) -> None:
    workload = await gitops.labelled(labels={"app.kubernetes.io/instance": "shop"})
    assert await owners.find(workload) == ()  # Helm charts set that label as well
    await gitops.application(automated={})
    owner = await the_one(owners, workload)
    assert (owner.heals, owner.token) == (False, f"argocd:{gitops.space.name}/shop")
    await gitops.merge("applications", "shop", {"status": {"resources": []}})
    assert await owners.find(workload) == ()


async def test_a_tracking_id_that_means_something_else_is_not_believed(
    owners: Owners, gitops: Gitops
) -> None:
    await gitops.application(automated=AUTOMATED)
    copied = gitops.tracking_id.replace("/web", "/other")
    assert await owners.find(await gitops.labelled(annotations={TRACKING: copied})) == ()


async def test_an_application_elsewhere_is_found_by_its_long_name_or_told(
    owners: Owners, gitops: Gitops, api: Api, shop: Shop
) -> None:
    await gitops.application(automated=AUTOMATED)
    long = f"{gitops.space.name}_{gitops.tracking_id}"
    elsewhere = Owners(api, shop.settings(argocd_namespace="kaeru-nowhere"))
    found = await the_one(elsewhere, await gitops.labelled(annotations={TRACKING: long}))
    assert found.token == f"argocd:{gitops.space.name}/shop"
    hidden = await the_one(elsewhere, await gitops.labelled(annotations={TRACKING: gitops.tracking_id}))
    assert not hidden.token
    assert "is not in namespace kaeru-nowhere of this cluster" in hidden.warning


async def test_what_a_parent_sets_is_not_suspended(owners: Owners, gitops: Gitops) -> None:
    await gitops.application("all", automated=AUTOMATED)
    parent = f"all:argoproj.io/Application:{gitops.space.name}/shop"
    await gitops.application(automated=AUTOMATED, annotations={TRACKING: parent})
    workload = await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    owner = await the_one(owners, workload)
    assert not owner.token
    assert owner.heals
    assert f"Argo CD Application {gitops.space.name}/all sets it" in owner.refusal
    assert owner.refusal.endswith("Revert the change in Git instead.")
    await gitops.merge("applications", "all", {"spec": {"syncPolicy": {"automated": None}}})
    assert (await the_one(owners, workload)).token


async def test_what_an_application_set_sets_is_not_suspended(owners: Owners, gitops: Gitops) -> None:
    await gitops.application_set("shops")
    uid = (await gitops.get("applicationsets", "shops"))["metadata"]["uid"]
    reference = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "name": "shops",
        "uid": uid,
        "controller": True,
    }
    await gitops.application(automated=AUTOMATED, ownerReferences=[reference])
    workload = await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    owner = await the_one(owners, workload)
    assert not owner.token
    assert "the ApplicationSet shops sets it" in owner.refusal
    for lets_be in (
        {"syncPolicy": {"applicationsSync": "create-only"}},
        {"syncPolicy": None, "ignoreApplicationDifferences": [{"jsonPointers": ["/spec/syncPolicy"]}]},
    ):
        await gitops.merge("applicationsets", "shops", {"spec": lets_be})
        assert (await the_one(owners, workload)).token


async def test_without_suspend_gitops_a_healing_owner_is_a_refusal(
    api: Api, shop: Shop, gitops: Gitops
) -> None:
    await gitops.application(automated=AUTOMATED)
    workload = await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    settings = shop.settings(argocd_namespace=shop.space.name, suspend_gitops=False)
    owner = await the_one(Owners(api, settings), workload)
    assert not owner.token
    assert "would undo this rollback within seconds" in owner.refusal


async def test_two_workloads_of_one_application_share_its_suspension(
    api: Api, owners: Owners, gitops: Gitops, shop: Shop
) -> None:
    await gitops.application(automated=AUTOMATED)
    token = f"argocd:{gitops.space.name}/shop"
    other = Owners(api, shop.settings(name="api", argocd_namespace=shop.space.name))
    # At the same moment: of the two, one patch fails on the other's, looks again, and adds itself.
    await asyncio.gather(owners.suspend(token, KEY), other.suspend(token, f"{KEY}-api"))
    mark = json.loads((await gitops.get("applications", "shop"))["metadata"]["annotations"][MARK])
    assert sorted(mark["workloads"]) == [
        f"Deployment {shop.space.name}/api",
        f"Deployment {shop.space.name}/web",
    ]
    assert mark["saved"] == AUTOMATED


async def test_a_suspension_whose_answer_is_lost_is_looked_for(
    cluster: KubernetesCluster, gitops: Gitops, shop: Shop, tmp_path: Path
) -> None:
    await gitops.application(automated=AUTOMATED)
    async with fault_proxy(cluster.kubeconfig) as proxy:
        settings = shop.settings(kubeconfig=proxy.kubeconfig(tmp_path), argocd_namespace=shop.space.name)
        async with aclosing(Api(settings)) as api:
            owners = Owners(api, settings)
            proxy.next(asking("PATCH", "/applications/"), faults.drop_answer)
            await owners.suspend(f"argocd:{shop.space.name}/shop", KEY)
            assert sum(line.startswith("PATCH") for line in proxy.seen) == 1

            await gitops.application("late", automated=AUTOMATED)
            proxy.next(asking("PATCH", "/applications/"), faults.drop_answer)
            proxy.next(lambda r: r.method == "GET" and bool(_patched(proxy.seen, "late")), faults.says(503))
            with pytest.raises(OutcomeUnknown):
                await owners.suspend(f"argocd:{shop.space.name}/late", KEY)


def _patched(seen: list[str], name: str) -> list[str]:
    return [line for line in seen if line.startswith("PATCH") and f"/{name}?" in line]
