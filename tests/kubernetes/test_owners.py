"""Argo CD, Flux and Helm, by their real custom resources on the real API server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.domain.debts import Debt
from bot.ports.errors import Conflict, OutcomeUnknown, Refused, Unavailable
from integrations.kubernetes.api import Api
from integrations.kubernetes.authors import who_changed
from integrations.kubernetes.owner import MARK
from integrations.kubernetes.owner_application import TRACKING
from integrations.kubernetes.owner_argocd import REFRESH
from integrations.kubernetes.owners import Owner, Owners
from sandbox.clusters.kubernetes import KubernetesCluster
from tests.kubernetes import fault_proxy as faults
from tests.kubernetes.fault_proxy import asking, fault_proxy
from tests.kubernetes.gitops import AUTOMATED, Gitops
from tests.kubernetes.granted import account_of, granted
from tests.kubernetes.hands import fresh_namespace
from tests.kubernetes.world import Shop, until

pytestmark = [pytest.mark.kubernetes, pytest.mark.usefixtures("custom_resources")]

Json = dict[str, Any]
KEY = "inc-20261124-shop-1:web"
KUSTOMIZE = "kustomize.toolkit.fluxcd.io"
HELM = "helm.toolkit.fluxcd.io"


@pytest.fixture
async def gitops(shop: Shop) -> Gitops:
    shop.replicas = 0
    await shop.deploy("v1.2.9", wait=False)
    return Gitops(shop)


@pytest.fixture
def owners(api: Api, shop: Shop) -> Owners:
    return Owners(api, shop.settings(argocd_namespace=shop.space.name))


async def _application(gitops: Gitops, name: str = "shop") -> Json:
    return await gitops.get("applications", name)


async def _the_one(owners: Owners, workload: Json) -> Owner:
    found = await owners.find(workload)
    assert len(found) == 1, found
    return found[0]


async def test_a_workload_of_nobody(owners: Owners, gitops: Gitops) -> None:
    assert await owners.find(await gitops.shop.workload()) == ()
    assert await owners.debts(await gitops.shop.workload(), "web") == ((), ())


async def test_argocd_is_suspended_and_given_back_exactly(owners: Owners, gitops: Gitops) -> None:
    await gitops.application(automated=AUTOMATED, annotations={"team": "shop"})
    before = await _application(gitops)
    workload = await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    owner = await _the_one(owners, workload)
    where = f"{gitops.space.name}/shop"
    assert (owner.kind, owner.heals, owner.token) == ("Argo CD Application", True, f"argocd:{where}")
    assert owner.action.startswith(f"Suspend the automated sync of Argo CD Application {where}")
    assert not owner.refusal

    await owners.suspend(owner.token, KEY)
    await owners.suspend(owner.token, KEY)  # once more after a crash
    suspended = await _application(gitops)
    assert suspended["spec"]["syncPolicy"] == {"syncOptions": ["CreateNamespace=true"]}
    mark = json.loads(suspended["metadata"]["annotations"][MARK])
    assert mark["key"] == KEY
    assert mark["saved"] == AUTOMATED
    assert suspended["metadata"]["annotations"]["team"] == "shop"

    ((debt,), _) = await owners.debts(workload, "web")
    assert (debt.id, debt.component) == (owner.token, "web")
    again = await _the_one(owners, workload)
    assert (again.heals, again.token) == (False, owner.token)
    assert again.action.startswith("Keep")

    # Argo CD's clock may be far behind; that it has compared since is all that counts.
    await gitops.compared("Synced", at="2000-01-01T00:03:00Z")
    await owners.repay(debt)
    after = await _application(gitops)
    assert after["spec"] == before["spec"]
    assert MARK not in after["metadata"]["annotations"]
    assert (await owners.debts(workload, "web"))[0] == ()
    await owners.repay(debt)  # there is nothing left to give back


async def test_argocd_is_not_given_back_while_git_says_otherwise(owners: Owners, gitops: Gitops) -> None:
    await gitops.application(automated=AUTOMATED)
    workload = await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    token = (await _the_one(owners, workload)).token
    await owners.suspend(token, KEY)
    ((debt,), _) = await owners.debts(workload, "web")
    with pytest.raises(Unavailable, match="has not compared"):
        await owners.repay(debt)
    app = await _application(gitops)
    assert app["metadata"]["annotations"][REFRESH] == "normal"

    at = json.loads(app["metadata"]["annotations"][MARK])["at"]
    await gitops.compared("OutOfSync", at=at)
    with pytest.raises(Refused, match="would undo the rollback at once") as caught:
        await owners.repay(debt)
    assert "Revert the change in Git first" in caught.value.remedy
    assert "automated" not in (await _application(gitops))["spec"]["syncPolicy"]


async def test_argocd_that_somebody_resumed_is_no_debt_and_no_success(owners: Owners, gitops: Gitops) -> None:
    await gitops.application(automated=AUTOMATED)
    workload = await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    token = (await _the_one(owners, workload)).token
    await owners.suspend(token, KEY)
    await owners.confirm(token)
    ((debt,), _) = await owners.debts(workload, "web")
    await gitops.merge("applications", "shop", {"spec": {"syncPolicy": {"automated": {"prune": False}}}})
    with pytest.raises(Conflict, match="syncs by itself again"):
        await owners.confirm(token)
    assert (await owners.debts(workload, "web"))[0] == ()
    await owners.repay(debt)
    app = await _application(gitops)
    assert app["spec"]["syncPolicy"]["automated"] == {"prune": False}
    assert MARK not in app["metadata"].get("annotations", {})


@pytest.mark.parametrize(
    "policy", [None, {"enabled": False, "selfHeal": True}], ids=["not automated", "not enabled"]
)
async def test_argocd_by_hand_is_only_told(owners: Owners, gitops: Gitops, policy: Json | None) -> None:
    await gitops.application(automated=policy)
    workload = await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    owner = await _the_one(owners, workload)
    assert (owner.heals, owner.token, owner.refusal) == (False, "", "")
    assert "next sync brings back what Git says" in owner.warning


async def test_argocd_by_label_only_where_the_application_has_the_workload(
    owners: Owners, gitops: Gitops
) -> None:
    workload = await gitops.labelled(labels={"app.kubernetes.io/instance": "shop"})
    assert await owners.find(workload) == ()  # Helm charts set that label as well
    await gitops.application(automated={})
    owner = await _the_one(owners, workload)
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
    found = await _the_one(elsewhere, await gitops.labelled(annotations={TRACKING: long}))
    assert found.token == f"argocd:{gitops.space.name}/shop"
    hidden = await _the_one(elsewhere, await gitops.labelled(annotations={TRACKING: gitops.tracking_id}))
    assert not hidden.token
    assert "is not in namespace kaeru-nowhere of this cluster" in hidden.warning


async def test_what_a_parent_sets_is_not_suspended(owners: Owners, gitops: Gitops) -> None:
    await gitops.application("all", automated=AUTOMATED)
    parent = f"all:argoproj.io/Application:{gitops.space.name}/shop"
    await gitops.application(automated=AUTOMATED, annotations={TRACKING: parent})
    workload = await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    owner = await _the_one(owners, workload)
    assert not owner.token
    assert owner.heals
    assert f"Argo CD Application {gitops.space.name}/all sets it" in owner.refusal
    assert owner.refusal.endswith("Revert the change in Git instead.")
    await gitops.merge("applications", "all", {"spec": {"syncPolicy": {"automated": None}}})
    assert (await _the_one(owners, workload)).token


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
    owner = await _the_one(owners, workload)
    assert not owner.token
    assert "the ApplicationSet shops sets it" in owner.refusal
    for lets_be in (
        {"syncPolicy": {"applicationsSync": "create-only"}},
        {"syncPolicy": None, "ignoreApplicationDifferences": [{"jsonPointers": ["/spec/syncPolicy"]}]},
    ):
        await gitops.merge("applicationsets", "shops", {"spec": lets_be})
        assert (await _the_one(owners, workload)).token


async def test_without_suspend_gitops_a_healing_owner_is_a_refusal(
    api: Api, shop: Shop, gitops: Gitops
) -> None:
    await gitops.application(automated=AUTOMATED)
    workload = await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    settings = shop.settings(argocd_namespace=shop.space.name, suspend_gitops=False)
    owner = await _the_one(Owners(api, settings), workload)
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
    mark = json.loads((await _application(gitops))["metadata"]["annotations"][MARK])
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


async def _flux(gitops: Gitops, group: str, name: str) -> Json:
    return await gitops.labelled(labels={f"{group}/name": name, f"{group}/namespace": gitops.space.name})


async def test_a_kustomization_is_suspended_and_resumed_when_its_source_has_moved(
    owners: Owners, gitops: Gitops
) -> None:
    await gitops.source("main@sha1:bad")
    await gitops.kustomization()
    before = await gitops.get("kustomizations", "apps")
    workload = await _flux(gitops, KUSTOMIZE, "apps")
    owner = await _the_one(owners, workload)
    assert (owner.kind, owner.heals) == ("Flux Kustomization", True)
    assert owner.token == f"flux-kustomization:{gitops.space.name}/apps"
    await owners.suspend(owner.token, KEY)
    assert (await gitops.get("kustomizations", "apps"))["spec"]["suspend"] is True
    ((debt,), _) = await owners.debts(workload, "web")
    assert debt.id == owner.token
    with pytest.raises(Refused, match="still is at main@sha1:bad"):
        await owners.repay(debt)
    await gitops.source("main@sha1:reverted")
    await owners.repay(debt)
    after = await gitops.get("kustomizations", "apps")
    assert after["spec"] == before["spec"]
    assert MARK not in after["metadata"].get("annotations", {})
    await owners.repay(debt)


async def test_a_kustomization_that_somebody_else_suspended_stays_so(owners: Owners, gitops: Gitops) -> None:
    await gitops.kustomization(suspend=True)
    workload = await _flux(gitops, KUSTOMIZE, "apps")
    owner = await _the_one(owners, workload)
    assert (owner.heals, owner.token) == (False, "")
    assert "somebody has suspended it" in owner.warning
    token = f"flux-kustomization:{gitops.space.name}/apps"
    await owners.suspend(token, KEY)
    assert (await owners.debts(workload, "web"))[0] == ()
    await owners.repay(Debt(id=token, component="web", text="", until=""))
    assert (await gitops.get("kustomizations", "apps"))["spec"]["suspend"] is True


async def test_a_parent_undoes_a_suspension_only_if_its_manifest_says_so(
    owners: Owners, gitops: Gitops
) -> None:
    await gitops.kustomization("flux-system")
    child = {
        "apiVersion": f"{KUSTOMIZE}/v1",
        "kind": "Kustomization",
        "metadata": {
            "name": "apps",
            "labels": {f"{KUSTOMIZE}/name": "flux-system", f"{KUSTOMIZE}/namespace": gitops.space.name},
        },
        "spec": {
            "interval": "10m",
            "prune": True,
            "sourceRef": {"kind": "GitRepository", "name": "shop"},
        },
    }
    await gitops.apply(child, manager="kustomize-controller")
    workload = await _flux(gitops, KUSTOMIZE, "apps")
    owner = await _the_one(owners, workload)
    assert owner.token
    # And so it is: the parent applies its manifest again, and the suspension stays.
    await owners.suspend(owner.token, KEY)
    await gitops.apply(child, manager="kustomize-controller")
    await owners.confirm(owner.token)
    await owners.repay((await owners.debts(workload, "web"))[0][0])

    said = {**child, "spec": {**child["spec"], "suspend": False}}  # type: ignore[dict-item]  # it is a dict
    await gitops.apply(said, manager="kustomize-controller")
    owner = await _the_one(owners, workload)
    assert not owner.token
    assert f"Flux Kustomization {gitops.space.name}/flux-system applies that" in owner.refusal
    await gitops.merge("kustomizations", "flux-system", {"spec": {"suspend": True}})
    assert (await _the_one(owners, workload)).token


async def test_a_workload_that_flux_leaves_alone(owners: Owners, gitops: Gitops) -> None:
    await gitops.kustomization()
    await _flux(gitops, KUSTOMIZE, "apps")
    workload = await gitops.labelled(annotations={f"{KUSTOMIZE}/reconcile": "disabled"})
    assert not (await _the_one(owners, workload)).heals


async def test_a_helm_release_heals_only_with_drift_detection(owners: Owners, gitops: Gitops) -> None:
    await gitops.helm_release()
    workload = await _flux(gitops, HELM, "web")
    await gitops.labelled(annotations={"meta.helm.sh/release-name": "web"})
    owner = await _the_one(owners, workload)
    assert (owner.kind, owner.heals) == ("Flux HelmRelease", False)
    await owners.suspend(owner.token, KEY)
    ((debt,), _) = await owners.debts(workload, "web")
    await owners.repay(debt)  # it upgrades only when something changes

    await gitops.merge("helmreleases", "web", {"spec": {"driftDetection": {"mode": "enabled"}}})
    owner = await _the_one(owners, workload)
    assert owner.heals
    await owners.suspend(owner.token, KEY)
    with pytest.raises(Refused, match="still says the same"):
        await owners.repay(debt)
    await gitops.merge("helmreleases", "web", {"spec": {"chart": {"spec": {"version": "1.2.9"}}}})
    await owners.repay(debt)
    assert "suspend" not in (await gitops.get("helmreleases", "web"))["spec"]


async def test_flux_in_another_cluster_is_told(owners: Owners, gitops: Gitops) -> None:
    owner = await _the_one(owners, await _flux(gitops, KUSTOMIZE, "hub"))
    assert not owner.token
    assert "is not in this cluster" in owner.warning


async def test_helm_is_a_warning(owners: Owners, gitops: Gitops) -> None:
    workload = await gitops.labelled(
        annotations={"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"}
    )
    owner = await _the_one(owners, workload)
    assert (owner.heals, owner.token, owner.refusal) == (False, "", "")
    assert "Helm release shop/web" in owner.warning


async def test_a_token_leads_nowhere_else(owners: Owners, api: Api) -> None:
    before = api.calls
    for token in ("argocd:a/b/../c", "argocd:a", "argocd:../x", "helm:a/b", "flux-kustomization:a/b?c", ""):
        with pytest.raises(Refused, match="nothing that kaeru suspends"):
            await owners.suspend(token, KEY)
    assert api.calls == before


async def test_a_name_that_somebody_made_up_leads_nowhere_else(
    owners: Owners, gitops: Gitops, api: Api
) -> None:
    made_up = gitops.tracking_id.replace("shop:", "../../../api/v1/secrets?:", 1)
    workload = await gitops.labelled(annotations={TRACKING: made_up})
    before = api.calls
    assert await owners.find(workload) == ()
    assert (await owners.debts(workload, "web"))[0] == ()
    for path in (
        "/api/v1/namespaces/../nodes",
        "/api/v1/pods?limit=1",
        "/api/v1/pods%2e",
        "/api//v1",
        "//other/v1",
    ):
        with pytest.raises(Refused, match="Kubernetes does not allow"):
            await api.get(path)
    assert api.calls == before


async def test_who_changed_names_the_last_one_who_set_the_template(
    shop: Shop, api: Api, gitops: Gitops
) -> None:
    path = shop.settings().path
    made = await api.get(path)
    assert who_changed(made).startswith("kubectl")

    async def a_second_later() -> bool:  # the server notes whole seconds
        return datetime.now(UTC).replace(microsecond=0) > datetime.fromisoformat(
            made["metadata"]["creationTimestamp"]
        )

    await until(a_second_later, "a second later")
    await api.patch(path, [{"op": "add", "path": "/spec/template/metadata/annotations", "value": {"a": "b"}}])
    assert who_changed(await api.get(path)).startswith("kaeru (kaeru, Update) at ")
    reverted = shop.manifest("kaeru-test/web:v1.3.0", {})
    await shop.hands.apply(reverted, namespace=shop.space.name, by="argocd-controller", force=True)
    await shop.annotate(unrelated="yes")
    await shop.scale(1)
    assert who_changed(await api.get(path)).startswith("Argo CD (argocd-controller, Apply) at ")


@pytest.fixture
async def limited(gitops: Gitops, shop: Shop, tmp_path: Path) -> AsyncIterator[Owners]:
    """Somebody who may look at the workload and at nothing of its owners."""
    rules: list[Json] = [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}]
    kubeconfig = await account_of(shop.space, "limited", rules, tmp_path)
    settings = shop.settings(kubeconfig=kubeconfig, argocd_namespace=shop.space.name)
    async with aclosing(Api(settings)) as api:
        yield Owners(api, settings)


async def test_without_rights_it_is_a_sentence(limited: Owners, gitops: Gitops) -> None:
    await gitops.application(automated=AUTOMATED)
    await gitops.kustomization()
    await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    workload = await _flux(gitops, KUSTOMIZE, "apps")
    found = await limited.find(workload)
    assert [owner.kind for owner in found] == ["Argo CD Application", "Flux Kustomization"]
    for owner, resource in zip(found, ("applications", "kustomizations"), strict=True):
        assert not owner.token
        assert not owner.refusal
        assert f"may not get {resource} in namespace {gitops.space.name}" in owner.warning
        assert "rbac/gitops.yaml" in owner.warning
    # That kaeru may not look any more gives nothing back.
    unseen = (f"argocd:{gitops.space.name}/shop", f"flux-kustomization:{gitops.space.name}/apps")
    assert await limited.debts(workload, "web") == ((), unseen)


async def test_a_parent_that_may_not_be_seen_is_taken_for_one_that_undoes_it(
    gitops: Gitops, cluster: KubernetesCluster, shop: Shop, tmp_path: Path
) -> None:
    """In the namespace of the children kaeru may do all it needs; in that of their parents it may do nothing."""
    async with fresh_namespace(cluster) as elsewhere:
        parent = f"{elsewhere.name}_all:argoproj.io/Application:{gitops.space.name}/shop"
        await gitops.application(automated=AUTOMATED, annotations={TRACKING: parent})
        await gitops.kustomization()
        child = await gitops.get("kustomizations", "apps")
        labels = {f"{KUSTOMIZE}/name": "all", f"{KUSTOMIZE}/namespace": elsewhere.name}
        from_git = {
            "apiVersion": child["apiVersion"],
            "kind": child["kind"],
            "metadata": {"name": "apps", "labels": labels},
            "spec": {**child["spec"], "suspend": False},
        }
        await gitops.apply(from_git, manager="kustomize-controller")
        await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
        workload = await _flux(gitops, KUSTOMIZE, "apps")
        async with granted(shop.space, tmp_path, "inspect", "gitops") as account:
            settings = shop.settings(kubeconfig=account.kubeconfig, argocd_namespace=shop.space.name)
            async with aclosing(Api(settings)) as api:
                found = await Owners(api, settings).find(workload)
    assert [owner.token for owner in found] == ["", ""]
    for owner, resource in zip(found, ("applications", "kustomizations"), strict=True):
        assert f"{elsewhere.name}/all would set it anew is not known" in owner.refusal
        assert f"may not get {resource} in namespace {elsewhere.name}" in owner.refusal
