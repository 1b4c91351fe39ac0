"""The shipped roles, bound as they are shipped: each thing that kaeru does works with them."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from bot.domain.evidence import Outcome
from bot.ports import Change, Observation
from integrations.kubernetes import payload, pods, rollout
from integrations.kubernetes.target import KubernetesTarget
from tests.fakes.memory import FakeMemory
from tests.kubernetes.gitops import AUTOMATED, Gitops
from tests.kubernetes.granted import Granted, granted, rules
from tests.kubernetes.steps import change_to, images, walk, walk_back
from tests.kubernetes.world import Json, Shop, until

pytestmark = [pytest.mark.kubernetes, pytest.mark.usefixtures("custom_resources")]

TRACKING = "argocd.argoproj.io/tracking-id"
KUSTOMIZE = "kustomize.toolkit.fluxcd.io"


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
        assert "Its log ends with: web v1.2.7 starting on port 8080 ⏎ fatal: " in end.detail
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
