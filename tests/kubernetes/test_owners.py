"""What is so of all owners: whom is believed, what may not be seen, and who set a template last."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.ports.errors import Refused
from integrations.kubernetes.api import Api
from integrations.kubernetes.authors import who_changed
from integrations.kubernetes.owner_application import TRACKING
from integrations.kubernetes.owners import Owners
from sandbox.clusters.kubernetes import KubernetesCluster
from tests.kubernetes.gitops import AUTOMATED, Gitops
from tests.kubernetes.granted import account_of, granted
from tests.kubernetes.hands import fresh_namespace
from tests.kubernetes.world import Json, Shop, until

pytestmark = [pytest.mark.kubernetes, pytest.mark.usefixtures("custom_resources")]

KEY = "inc-20261124-shop-1:web"
KUSTOMIZE = "kustomize.toolkit.fluxcd.io"


async def test_a_workload_of_nobody(owners: Owners, gitops: Gitops) -> None:
    assert await owners.find(await gitops.shop.workload()) == ()
    assert await owners.debts(await gitops.shop.workload(), "web") == ((), ())


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
    workload = await gitops.labelled_by_flux(KUSTOMIZE, "apps")
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
        workload = await gitops.labelled_by_flux(KUSTOMIZE, "apps")
        async with granted(shop.space, tmp_path, "inspect", "gitops") as account:
            settings = shop.settings(kubeconfig=account.kubeconfig, argocd_namespace=shop.space.name)
            async with aclosing(Api(settings)) as api:
                found = await Owners(api, settings).find(workload)
    assert [owner.token for owner in found] == ["", ""]
    for owner, resource in zip(found, ("applications", "kustomizations"), strict=True):
        assert f"{elsewhere.name}/all would set it anew is not known" in owner.refusal
        assert f"may not get {resource} in namespace {elsewhere.name}" in owner.refusal
