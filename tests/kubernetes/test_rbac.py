"""The roles of the repository: enough, no more than is said, and lacking ones named."""

import re
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.domain.evidence import Outcome
from bot.ports.errors import AuthFailed
from integrations.kubernetes.api import Api
from integrations.kubernetes.errors import RBAC
from integrations.kubernetes.target import KubernetesTarget
from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.namespaces import kubectl
from tests.fakes.memory import FakeMemory
from tests.kubernetes.granted import FOLDER, account_of, documents, rules
from tests.kubernetes.steps import change_to, released, walk
from tests.kubernetes.world import Shop, until

pytestmark = pytest.mark.kubernetes

Json = dict[str, Any]
ROLES = ("inspect", "rollback", "secrets", "gitops")


async def _account(shop: Shop, where: Path, *roles: str) -> Path:
    return await account_of(shop.space, "-".join(roles), rules(*roles), where)


@pytest.mark.parametrize("file", sorted(path.name for path in FOLDER.glob("*.yaml")))
def test_the_api_server_accepts_the_manifest(file: str, cluster: KubernetesCluster) -> None:
    made = documents(file)
    for document in made:
        if document["kind"] == "ServiceAccount":
            document["metadata"]["namespace"] = "default"  # its own does not exist in a dry run
        assert document["kind"] in ("Namespace", "ServiceAccount", "ClusterRole", "RoleBinding")
    text = yaml.safe_dump_all(made)
    said = kubectl(cluster.kubeconfig, "apply", "--dry-run=server", "--filename=-", text=text)
    assert said.count("(server dry run)") == len(made)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_has_its_binding_to_the_one_account(role: str) -> None:
    (bound,) = documents(f"bind-{role}.yaml")
    (made,) = documents(f"{role}.yaml")
    account = documents("account.yaml")[1]["metadata"]
    assert bound["roleRef"]["name"] == made["metadata"]["name"] == f"kaeru-{role}"
    assert "namespace" not in bound["metadata"]  # it is given where it is applied
    assert bound["subjects"] == [{"kind": "ServiceAccount", **account}]


def test_nothing_is_wider_than_it_looks() -> None:
    for rule in rules(*ROLES):
        assert "*" not in str(rule)
    writing = {(verb, r) for rule in rules(*ROLES) for verb in rule["verbs"] for r in rule["resources"]}
    writing = {(verb, resource) for verb, resource in writing if verb not in ("get", "list", "watch")}
    assert writing == {
        *(("patch", kind) for kind in ("deployments", "statefulsets", "daemonsets")),
        ("delete", "pods"),
        *(("patch", kind) for kind in ("applications", "kustomizations", "helmreleases")),
    }
    assert all("secrets" not in rule["resources"] for rule in rules("inspect", "rollback", "gitops"))


@pytest.mark.parametrize("kind", ["statefulset", "daemonset"])
async def test_the_two_roles_are_enough_for_the_other_kinds(
    kind: str, shop: Shop, memory: FakeMemory, tmp_path: Path
) -> None:
    other = Shop(shop.space, shop.api, kind=kind, replicas=1)
    await released(other, "v1.2.9", "v1.3.0")
    settings = other.settings(kubeconfig=await _account(other, tmp_path, "inspect", "rollback"))
    async with aclosing(KubernetesTarget(settings, memory)) as target:
        change = await change_to(target, "v1.2.9")
        plan = await target.plan(change)
        assert all(check.ok for check in plan.checks), plan.checks
        assert (await walk(target, change)).end.outcome is Outcome.SUCCEEDED


async def test_with_the_first_role_one_may_look_and_plan_and_the_plan_says_what_lacks(
    shop: Shop, memory: FakeMemory, tmp_path: Path
) -> None:
    await shop.recorded("v1.2.9", "v1.3.0")
    await shop.rolled_out()
    kubeconfig = await _account(shop, tmp_path, "inspect")
    settings = shop.settings(kubeconfig=kubeconfig)
    async with aclosing(KubernetesTarget(settings, memory)) as target:
        seen = await target.inspect()
        assert (seen.current, seen.running) == ("v1.3.0", "v1.3.0")
        change = await change_to(target, "v1.2.9")
        plan = await target.plan(change)
        lacking = " ".join(check.detail for check in plan.checks if not check.ok)
        assert re.search(rf"may not patch .*deployments.* in (namespace )?{shop.space.name}", lacking), (
            lacking
        )
        with pytest.raises(AuthFailed) as caught:
            await target.apply(change, "INC-1/run-1/apply:web")
    who = f"The service account inspect of namespace {shop.space.name}"
    assert str(caught.value) == f"{who} may not patch deployments in namespace {shop.space.name}."
    assert RBAC in caught.value.remedy


async def test_without_any_role_it_is_said_who_may_not_do_what_and_where(shop: Shop, tmp_path: Path) -> None:
    shop.replicas = 0
    await shop.deploy("v1.2.9", wait=False)
    kubeconfig = await account_of(shop.space, "nobody", [], tmp_path)
    settings = shop.settings(kubeconfig=kubeconfig)
    async with aclosing(Api(settings)) as api:
        with pytest.raises(AuthFailed) as caught:
            await api.get(settings.path)
        who = f"The service account nobody of namespace {shop.space.name}"
        assert str(caught.value) == f"{who} may not get deployments in namespace {shop.space.name}."
        with pytest.raises(AuthFailed, match=r"may not watch pods in namespace"):
            await anext(api.watch(f"/api/v1/namespaces/{shop.space.name}/pods", resource_version="0"))


async def test_allowed_says_what_the_role_says(shop: Shop, tmp_path: Path) -> None:
    where = shop.space.name
    async with aclosing(Api(shop.settings(kubeconfig=await _account(shop, tmp_path, "inspect")))) as api:
        assert await api.allowed("list", "apps", "deployments", namespace=where)
        assert await api.allowed("get", "", "pods/log", namespace=where)
        assert not await api.allowed("patch", "apps", "deployments", namespace=where, name="web")
        assert not await api.allowed("get", "", "secrets", namespace=where)
        assert not await api.allowed("list", "apps", "deployments", namespace="default")


async def test_a_token_that_is_no_longer_good_is_named_by_its_context(shop: Shop, tmp_path: Path) -> None:
    kubeconfig = await _account(shop, tmp_path, "inspect")
    settings = shop.settings(kubeconfig=kubeconfig)
    async with aclosing(Api(settings)) as api:
        await api.list(f"/api/v1/namespaces/{shop.space.name}/pods")
        await shop.hands.delete(f"/api/v1/namespaces/{shop.space.name}/serviceaccounts/inspect")

        async def is_refused() -> AuthFailed | None:
            try:
                await api.list(f"/api/v1/namespaces/{shop.space.name}/pods")
            except AuthFailed as error:
                return error
            return None

        # The server remembers for some seconds that a token was good.
        refused = await until(is_refused, "refused: a token of an account that is gone")
    assert "does not accept the credentials of context" in str(refused)
    assert "Renew them" in refused.remedy
