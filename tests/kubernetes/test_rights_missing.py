"""Without any one of the rights of the shipped roles, what kaeru says names the one that is missing."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass

import pytest
import pytest_asyncio

from bot.ports.errors import AuthFailed
from integrations.kubernetes.api import Api
from integrations.kubernetes.kind import Kind
from integrations.kubernetes.settings import KubernetesSettings
from integrations.kubernetes.target import KubernetesTarget
from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.namespaces import Namespace
from tests.fakes.memory import FakeMemory
from tests.kubernetes.gitops import AUTOMATED, Gitops
from tests.kubernetes.granted import Granted, granted, rules
from tests.kubernetes.hands import fresh_namespace
from tests.kubernetes.steps import change_to
from tests.kubernetes.world import UNPLACED, Json, Shop, api_of, until

pytestmark = [pytest.mark.kubernetes, pytest.mark.usefixtures("custom_resources")]

TRACKING = "argocd.argoproj.io/tracking-id"
KUSTOMIZE = "kustomize.toolkit.fluxcd.io"
HELM = "helm.toolkit.fluxcd.io"
ROLES = ("inspect", "rollback", "secrets", "gitops")
ALIKE = ("ocirepositories", "buckets")
"""Asked for as gitrepositories are, by the kind that a Kustomization names."""
Right = tuple[str, str, str]
"""Role, verb, resource."""


def _rights() -> Iterator[Right]:
    for role in ROLES:
        for rule in rules(role):
            yield from ((role, verb, what) for what in rule["resources"] for verb in rule["verbs"])


RIGHTS = [right for right in _rights() if right[2] not in ALIKE]


def _without(right: Right) -> list[Json]:
    role, verb, resource = right
    kept: list[Json] = []
    for rule in deepcopy(rules(role)):
        if resource in rule["resources"] and verb in rule["verbs"]:
            others = [what for what in rule["resources"] if what != resource]
            kept += [{**rule, "resources": others}] if others else []
            verbs = [one for one in rule["verbs"] if one != verb]
            kept += [{**rule, "resources": [resource], "verbs": verbs}] if verbs else []
        else:
            kept.append(rule)
    return kept


@dataclass(frozen=True)
class World:
    """One of each kind, with all that can be looked at; nothing of it takes a processor."""

    space: Namespace
    account: Granted
    names: Mapping[str, str]

    @asynccontextmanager
    async def seen(self, kind: str) -> AsyncIterator[tuple[Api, KubernetesTarget]]:
        """The rights of whoever runs the cluster, and a target with those of the account."""
        where, name = self.space.name, self.names[kind]
        settings = KubernetesSettings(
            kubeconfig=self.account.kubeconfig,
            namespace=where,
            name=name,
            workload=Kind(kind),
            argocd_namespace=where,
        )
        async with (
            aclosing(api_of(self.space)) as ruling,
            aclosing(KubernetesTarget(settings, FakeMemory())) as target,
        ):
            yield ruling, target


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(cluster: KubernetesCluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    where = tmp_path_factory.mktemp("account")
    names = {"deployment": "web", "statefulset": "db", "daemonset": "agent"}
    async with (
        fresh_namespace(cluster) as space,
        granted(space, where, *ROLES) as account,
        aclosing(api_of(space)) as ruling,
    ):
        shops = [Shop(space, ruling, kind=kind, name=name) for kind, name in names.items()]
        await asyncio.gather(*(_filled(shop) for shop in shops))
        await _deployed_by_others(Gitops(shops[0]))
        yield World(space, account, names)


async def _filled(shop: Shop) -> None:
    """Two versions of it, whose pods no node takes; the one pod of the StatefulSet is stuck."""
    shop.replicas = 1 if shop.kind == "statefulset" else 0
    reads: list[Json] = [
        {"name": "colours", "configMap": {"name": "colours", "optional": True}},
        {"name": "account", "secret": {"secretName": "account", "optional": True}},
    ]
    await shop.recorded("v1.2.9", "v1.3.0", **UNPLACED, volumes=reads)
    if shop.replicas:
        await until(shop.pods, "a pod that waits for a node")


async def _deployed_by_others(gitops: Gitops) -> None:
    where = gitops.space.name
    await gitops.application_set(syncPolicy={"applicationsSync": "create-only"})
    made = await gitops.get("applicationsets", "shop")
    by = {"apiVersion": made["apiVersion"], "kind": made["kind"], "name": "shop"}
    reference = {**by, "uid": made["metadata"]["uid"], "controller": True}
    await gitops.application(automated=AUTOMATED, ownerReferences=[reference])
    await gitops.source("main@sha1:bad")
    await gitops.kustomization()
    await gitops.helm_release()
    labels = {f"{group}/namespace": where for group in (KUSTOMIZE, HELM)}
    labels |= {f"{KUSTOMIZE}/name": "apps", f"{HELM}/name": "web"}
    await gitops.labelled(annotations={TRACKING: gitops.tracking_id}, labels=labels)


@pytest.mark.parametrize("kind", ["deployment", "statefulset", "daemonset"])
async def test_with_all_of_them_nothing_is_lacking(kind: str, world: World) -> None:
    async with world.seen(kind) as (_, target):

        async def has_all() -> bool:
            return await _lacking(target) == ""

        await until(has_all, "free of complaints")


@pytest.mark.parametrize("right", RIGHTS, ids=" ".join)
async def test_without_one_of_them_it_is_named(right: Right, world: World) -> None:
    role, verb, resource = right
    of_others = {"controllerrevisions": "statefulset", "pods": "statefulset"}
    kind = of_others.get(resource, resource.removesuffix("s"))
    async with world.seen(kind if kind in world.names else "deployment") as (ruling, target):
        await world.account.allow(ruling, role, _without(right))
        try:
            await until(lambda: _names(target, verb, resource), f"told that it may not {verb} {resource}")
        finally:
            await world.account.allow(ruling, role, rules(role))


async def _names(target: KubernetesTarget, verb: str, resource: str) -> bool:
    lacking = await _lacking(target)
    return re.search(rf"may not ([a-z]+ [a-z/]+, )*{verb} {resource}\b(?!/)", lacking) is not None


async def _lacking(target: KubernetesTarget) -> str:
    """What is said of rights when it is looked and planned."""
    try:
        plan = await target.plan(await change_to(target, "v1.2.9"))
    except AuthFailed as error:
        return str(error)
    told = [check.detail for check in plan.checks if not check.ok]
    told += [warning.text for warning in plan.warnings]
    return " ".join(text for text in told if "may not" in text)
