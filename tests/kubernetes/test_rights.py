"""The shipped roles, bound as they are shipped.

Each thing that kaeru does works with them, and without any one of their rights it is said which one is missing.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from bot.domain.evidence import Outcome
from bot.ports import Change, Observation
from bot.ports.errors import AuthFailed
from integrations.kubernetes import payload, pods, rollout
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
from tests.kubernetes.steps import change_to, images, walk, walk_back
from tests.kubernetes.world import UNPLACED, Json, Shop, api_of, until

pytestmark = [pytest.mark.kubernetes, pytest.mark.usefixtures("custom_resources")]

TRACKING = "argocd.argoproj.io/tracking-id"
KUSTOMIZE = "kustomize.toolkit.fluxcd.io"
HELM = "helm.toolkit.fluxcd.io"


@pytest.fixture
async def two_roles(shop: Shop, tmp_path: Path) -> AsyncIterator[Granted]:
    async with granted(shop.space, tmp_path, "inspect", "rollback") as account:
        yield account


@pytest.fixture
async def all_roles(shop: Shop, tmp_path: Path) -> AsyncIterator[Granted]:
    async with granted(shop.space, tmp_path, "inspect", "rollback", "secrets", "gitops") as account:
        yield account


def _target(shop: Shop, account: Granted, memory: FakeMemory) -> KubernetesTarget:
    settings = shop.settings(kubeconfig=account.kubeconfig, argocd_namespace=shop.space.name)
    return KubernetesTarget(settings, memory)


async def test_there_and_back(shop: Shop, two_roles: Granted, memory: FakeMemory) -> None:
    await _running(shop, "v1.2.9", "v1.3.0")
    async with aclosing(_target(shop, two_roles, memory)) as target:
        change = await change_to(target, "v1.2.9")
        plan = await target.plan(change)
        assert all(check.ok for check in plan.checks), plan.checks
        assert not [w.text for w in plan.warnings if "may not" in w.text]
        change = change.model_copy(update={"payload": plan.payload})
        assert (await walk(target, change)).end.outcome is Outcome.SUCCEEDED
        assert (await walk_back(target, change)).end.outcome is Outcome.SUCCEEDED


async def test_a_missing_right_shows_in_a_plan_for_what_runs_already(
    shop: Shop, memory: FakeMemory, tmp_path: Path
) -> None:
    await _running(shop, "v1.2.8", "v1.2.9")
    async with (
        granted(shop.space, tmp_path, "inspect") as account,
        aclosing(_target(shop, account, memory)) as target,
    ):
        change = await change_to(target, "v1.2.9")
        assert change.from_ref == change.to_ref
        (check,) = (check for check in (await target.plan(change)).checks if not check.ok)
        assert check.name == "rights"
        assert check.detail.startswith("kaeru may not patch deployments")


async def test_the_log_of_a_crash_is_quoted_and_without_the_right_that_is_said(
    shop: Shop, two_roles: Granted, memory: FakeMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pods, "LOOP_S", 1.0)
    await _running(shop, "v1.2.7", "v1.3.0")  # v1.2.7 crashes
    async with aclosing(_target(shop, two_roles, memory)) as target:
        change = await change_to(target, "v1.2.7")
        await target.apply(change, "INC-1/apply:web")
        end = await _last(target, change)
        assert end.outcome is Outcome.FAILED
        assert "Its log ends with: fatal: " in end.detail
        without = [rule for rule in rules("inspect") if rule["resources"] not in (["pods/log"], ["events"])]
        await two_roles.allow(shop.api, "inspect", without)

        async def silent() -> str:
            """The rollout stays failed; asked again, it is told again."""
            detail = (await _last(target, change)).detail
            return "" if "Its log ends with" in detail or "may not list events" not in detail else detail

        detail = await until(silent, "told without the log")
    account = f"The service account kaeru of namespace {shop.space.name}"
    assert f"Its log cannot be read: {account} may not get pods/log in namespace {shop.space.name}." in detail
    assert f"cannot be read: {account} may not list events in namespace {shop.space.name}." in detail


async def test_a_quota_that_lets_no_pod_in_is_told(
    shop: Shop, two_roles: Granted, memory: FakeMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A StatefulSet does not say itself why it has no pods: that is in the events alone."""
    monkeypatch.setattr(rollout, "BLOCKED_S", 2.0)
    db = Shop(shop.space, shop.api, kind="statefulset", replicas=1)
    await _running(db, "v1.2.9", "v1.3.0")
    quota = {"metadata": {"name": "full"}, "spec": {"hard": {"pods": "0"}}}
    await shop.create({"apiVersion": "v1", "kind": "ResourceQuota", **quota})
    async with aclosing(_target(db, two_roles, memory)) as target:
        walked = await walk(target, await change_to(target, "v1.2.9"))
    assert walked.end.outcome is Outcome.FAILED
    assert "exceeded quota: full" in walked.end.detail


async def test_a_stuck_pod_is_deleted(shop: Shop, two_roles: Granted, memory: FakeMemory) -> None:
    db = Shop(shop.space, shop.api, kind="statefulset", replicas=1)
    await db.deploy("v1.2.9", wait=False)
    await until(lambda: _revisions(db, 1), "the first revision")
    await db.deploy("v1.3.0", env={"NEVER_READY": "1"}, wait=False)
    await until(lambda: _runs_only(db, "v1.3.0"), "a pod of v1.3.0 that is not ready")
    async with aclosing(_target(db, two_roles, memory)) as target:
        change = await change_to(target, "v1.2.9")
        plan = await target.plan(change)
        assert [pod.name for pod in payload.read(plan.payload).delete_pods] == ["web-0"]
        assert all(check.ok for check in plan.checks), plan.checks
        walked = await walk(target, change.model_copy(update={"payload": plan.payload}))
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")


async def test_syncs_are_suspended_and_given_back_and_keys_compared(
    shop: Shop, all_roles: Granted, memory: FakeMemory
) -> None:
    shop.replicas = 0
    await shop.create(_object("ConfigMap", "colours", {"shop": "black"}), _object("Secret", "account", {}))
    reads = [{"configMapRef": {"name": "colours"}}, {"secretRef": {"name": "account"}}]
    container = {"name": "web", "envFrom": reads}
    await shop.deploy("v1.2.9", wait=False)
    await shop.patch({"spec": {"template": {"spec": {"containers": [container]}}}})
    gitops = Gitops(shop)
    await gitops.application(automated=AUTOMATED)
    await gitops.source("main@sha1:bad")
    await gitops.kustomization()
    await gitops.labelled(
        annotations={TRACKING: gitops.tracking_id},
        labels={f"{KUSTOMIZE}/name": "apps", f"{KUSTOMIZE}/namespace": shop.space.name},
    )
    async with aclosing(_target(shop, all_roles, memory)) as target:
        seen = await target.inspect()
        await shop.deploy("v1.3.0", wait=False)
        account = f"/api/v1/namespaces/{shop.space.name}/secrets/account"
        await shop.hands.merge(account, {"data": {"token": "c2VjcmV0"}})
        good = next(a for a in seen.available if a.ref == seen.current_ref)
        await until(lambda: _offers(target, good.ref), "v1.2.9 is offered")
        change = (await change_to(target, "v1.3.0")).model_copy(
            update={"to_version": good.version, "to_ref": good.ref}
        )
        plan = await target.plan(change)
        assert all(check.ok for check in plan.checks), plan.checks
        said = [warning.text for warning in plan.warnings]
        assert not [text for text in said if "may not" in text]
        assert any("Secret account is not rolled back" in text and "token was added" in text for text in said)
        assert any(line.startswith("ConfigMap colours: unchanged") for line in plan.diff)
        await target.apply(change.model_copy(update={"payload": plan.payload}), "INC-1/apply:web")
        debts = (await target.inspect()).debts
        assert [debt.id.partition(":")[0] for debt in debts] == ["argocd", "flux-kustomization"]
        await gitops.compared("Synced", at="2099-01-01T00:00:00Z")
        await gitops.source("main@sha1:reverted")
        for debt in debts:
            await target.repay(debt, "INC-1/repay")
        assert (await target.inspect()).debts == ()


# Without any one of the rights ----------------------------------------------------------------------------------

ROLES = ("inspect", "rollback", "secrets", "gitops")
ALIKE = (
    "ocirepositories",
    "buckets",
)  # asked for as gitrepositories are, by the kind that a Kustomization names
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


IN_ONE_WORLD = pytest.mark.xdist_group("the rights, one by one")


@IN_ONE_WORLD
@pytest.mark.parametrize("kind", ["deployment", "statefulset", "daemonset"])
async def test_with_all_of_them_nothing_is_lacking(kind: str, world: World) -> None:
    async with world.seen(kind) as (_, target):

        async def has_all() -> bool:
            return await _lacking(target) == ""

        await until(has_all, "free of complaints")


@IN_ONE_WORLD
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


# ----------------------------------------------------------------------------------------------------------------


async def _running(shop: Shop, before: str, now: str) -> None:
    """`before` is history, of which no pod was ever started; `now` runs."""
    await shop.recorded(before, now)
    await shop.rolled_out(patience_s=180)


async def _last(target: KubernetesTarget, change: Change) -> Observation:
    """The last word on a change that was begun before."""
    async with aclosing(target.follow(change, "INC-1/apply:web")) as seen:
        return [one async for one in seen][-1]


async def _revisions(shop: Shop, count: int) -> bool:
    return len(await shop.listed("controllerrevisions")) >= count


async def _runs_only(shop: Shop, version: str) -> bool:
    pods = await shop.pods()
    started = all((pod.get("status") or {}).get("phase") == "Running" for pod in pods)
    return bool(pods) and started and await images(shop) == {f"kaeru-test/web:{version}"}


async def _offers(target: KubernetesTarget, ref: str) -> bool:
    seen = await target.inspect()
    return seen.current == "v1.3.0" and ref in {a.ref for a in seen.available}


def _object(kind: str, name: str, data: Json) -> Json:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": data}
