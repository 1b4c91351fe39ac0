"""Flux's Kustomizations and HelmReleases, and Helm without Flux, on the real API server."""

import pytest

from bot.domain.debts import Debt
from bot.ports.errors import Refused
from integrations.kubernetes.owner import MARK
from integrations.kubernetes.owners import Owners
from tests.kubernetes.gitops import Gitops, the_one

pytestmark = [pytest.mark.kubernetes, pytest.mark.usefixtures("custom_resources")]

KEY = "inc-20261124-shop-1:web"
KUSTOMIZE = "kustomize.toolkit.fluxcd.io"
HELM = "helm.toolkit.fluxcd.io"


async def test_a_kustomization_is_suspended_and_resumed_when_its_source_has_moved(
    owners: Owners, gitops: Gitops
) -> None:
    await gitops.source("main@sha1:bad")
    await gitops.kustomization()
    before = await gitops.get("kustomizations", "apps")
    workload = await gitops.labelled_by_flux(KUSTOMIZE, "apps")
    owner = await the_one(owners, workload)
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
    workload = await gitops.labelled_by_flux(KUSTOMIZE, "apps")
    owner = await the_one(owners, workload)
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
    workload = await gitops.labelled_by_flux(KUSTOMIZE, "apps")
    owner = await the_one(owners, workload)
    assert owner.token
    # And so it is: the parent applies its manifest again, and the suspension stays.
    await owners.suspend(owner.token, KEY)
    await gitops.apply(child, manager="kustomize-controller")
    await owners.confirm(owner.token)
    await owners.repay((await owners.debts(workload, "web"))[0][0])

    said = {**child, "spec": {**child["spec"], "suspend": False}}  # type: ignore[dict-item]  # it is a dict
    await gitops.apply(said, manager="kustomize-controller")
    owner = await the_one(owners, workload)
    assert not owner.token
    assert f"Flux Kustomization {gitops.space.name}/flux-system applies that" in owner.refusal
    await gitops.merge("kustomizations", "flux-system", {"spec": {"suspend": True}})
    assert (await the_one(owners, workload)).token


async def test_a_workload_that_flux_leaves_alone(owners: Owners, gitops: Gitops) -> None:
    await gitops.kustomization()
    await gitops.labelled_by_flux(KUSTOMIZE, "apps")
    workload = await gitops.labelled(annotations={f"{KUSTOMIZE}/reconcile": "disabled"})
    assert not (await the_one(owners, workload)).heals


async def test_a_helm_release_heals_only_with_drift_detection(owners: Owners, gitops: Gitops) -> None:
    await gitops.helm_release()
    workload = await gitops.labelled_by_flux(HELM, "web")
    await gitops.labelled(annotations={"meta.helm.sh/release-name": "web"})
    owner = await the_one(owners, workload)
    assert (owner.kind, owner.heals) == ("Flux HelmRelease", False)
    await owners.suspend(owner.token, KEY)
    ((debt,), _) = await owners.debts(workload, "web")
    await owners.repay(debt)  # it upgrades only when something changes

    await gitops.merge("helmreleases", "web", {"spec": {"driftDetection": {"mode": "enabled"}}})
    owner = await the_one(owners, workload)
    assert owner.heals
    await owners.suspend(owner.token, KEY)
    with pytest.raises(Refused, match="still says the same"):
        await owners.repay(debt)
    await gitops.merge("helmreleases", "web", {"spec": {"chart": {"spec": {"version": "1.2.9"}}}})
    await owners.repay(debt)
    assert "suspend" not in (await gitops.get("helmreleases", "web"))["spec"]


async def test_flux_in_another_cluster_is_told(owners: Owners, gitops: Gitops) -> None:
    owner = await the_one(owners, await gitops.labelled_by_flux(KUSTOMIZE, "hub"))
    assert not owner.token
    assert "is not in this cluster" in owner.warning


async def test_helm_is_a_warning(owners: Owners, gitops: Gitops) -> None:
    workload = await gitops.labelled(
        annotations={"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"}
    )
    owner = await the_one(owners, workload)
    assert (owner.heals, owner.token, owner.refusal) == (False, "", "")
    assert "Helm release shop/web" in owner.warning
