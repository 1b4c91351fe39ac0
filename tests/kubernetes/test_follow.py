"""How a real rollout is followed: what is a success, what is a failure, and how soon either is said."""

import asyncio
import re
import time
from contextlib import aclosing
from typing import Any

import pytest

from bot.domain.evidence import Outcome
from bot.workflows.applying import followed
from integrations.kubernetes import rollout
from integrations.kubernetes.api import Api
from integrations.kubernetes.scene import timed_out
from integrations.kubernetes.target import KubernetesTarget
from integrations.kubernetes.workload import Workload
from tests.fakes.memory import FakeMemory
from tests.kubernetes.steps import KEY, Once, change_to, released, walk, walk_back
from tests.kubernetes.world import UNPLACED, Json, Shop, until

pytestmark = pytest.mark.kubernetes

SLOWLY = {"READY_AFTER": "6"}


async def test_a_version_that_crashes_fails_and_says_why(target: KubernetesTarget, shop: Shop) -> None:
    await released(shop, "v1.2.7", "v1.3.0")
    began = time.monotonic()
    walked = await walk(target, await change_to(target, "v1.2.7"))
    assert (walked.end.outcome, walked.end.running) == (Outcome.FAILED, "v1.3.0")
    assert "times, with exit code 1 (0 of 1 ready)" in walked.end.detail
    assert "Its log ends with: web v1.2.7 starting on port 8080 ⏎ fatal: the catalogue " in walked.end.detail
    assert not walked.end.blameless
    # The progress deadline of the Deployment is ten minutes.
    assert time.monotonic() - began < 90


async def test_an_image_that_is_nowhere_fails_and_says_which(target: KubernetesTarget, shop: Shop) -> None:
    image = "127.0.0.1:1/kaeru-test/nowhere:v1.2.6"
    async with shop.without_pods():
        await shop.deploy("v1.2.6", image=image, wait=False)
        await until(lambda: shop.listed("replicasets"), "the first revision")
        await shop.deploy("v1.3.0", wait=False)
    await shop.rolled_out()
    began = time.monotonic()
    change = await change_to(target, "v1.2.6")
    walked = await walk(target, change)
    assert (walked.end.outcome, walked.end.running) == (Outcome.FAILED, "v1.3.0")
    assert f"cannot get the image {image} (" in walked.end.detail
    # Nobody listens where its registry should be.
    assert "Its registry does not answer, which says nothing of the image." in walked.end.detail
    assert walked.end.blameless
    assert time.monotonic() - began < 60
    # Its pod never started: nothing of it has to be waited for on the way back.
    back = await walk_back(target, change)
    assert (back.end.outcome, back.end.running) == (Outcome.SUCCEEDED, "v1.3.0")


async def test_a_missing_secret_fails_and_says_which(target: KubernetesTarget, shop: Shop) -> None:
    needs = [{"name": "web", "envFrom": [{"secretRef": {"name": "account"}}]}]
    async with shop.without_pods():
        await shop.deploy("v1.2.9", wait=False)
        await shop.patch({"spec": {"template": {"spec": {"containers": needs}}}})
        await until(lambda: _count(shop, 2), "two revisions")
        await shop.deploy("v1.3.0", wait=False)
        await shop.patch({"spec": {"template": {"spec": {"containers": [{"name": "web", "envFrom": None}]}}}})
    await shop.rolled_out()
    seen = await target.inspect()
    needy = [a for a in seen.available if a.version.startswith("v1.2.9")]
    ends = [(await walk(target, await change_to(target, a.version))).end for a in needy[:1]]
    assert ends[0].outcome is Outcome.FAILED
    assert 'secret "account" not found' in ends[0].detail


async def test_the_verdict_on_the_last_rollout_is_not_taken_for_this_ones(
    target: KubernetesTarget, shop: Shop, api: Api
) -> None:
    await released(shop, "v1.2.9", "v1.3.0", first={"READY_AFTER": "2"})
    await _has_to_progress_within(shop, 3)
    await shop.deploy("v1.3.1", env={"NEVER_READY": "1", "READY_AFTER": None}, wait=False)
    await until(lambda: _gave_up(shop), "the controller gave v1.3.1 up")
    await _has_to_progress_within(shop, 60)
    change = await change_to(target, "v1.2.9")
    states: list[Workload] = []
    watching = asyncio.create_task(_record(api, shop, states))
    try:
        walked = await walk(target, change)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    # What kubectl rollout status would have taken for a failure was really there.
    stale = [
        state
        for state in states
        if state.shape_ref == change.to_ref
        and state.observed_generation == state.generation
        and state.conditions["Progressing"].get("reason") == "ProgressDeadlineExceeded"
    ]
    assert stale
    assert not any(timed_out(state) for state in stale)


async def test_the_controllers_own_verdict_on_this_one_counts(target: KubernetesTarget, shop: Shop) -> None:
    await released(shop, "v1.2.9", "v1.3.0", first={"NEVER_READY": "1"})
    await _has_to_progress_within(shop, 4)
    change = await change_to(target, "v1.2.9")
    walked = await walk(target, change)
    assert (walked.end.outcome, walked.end.running) == (Outcome.FAILED, "v1.3.0")
    assert "made no progress for 4 s (0 of 1 ready)" in walked.end.detail
    assert not walked.end.blameless
    # A busy kubelet tells what it sees minutes later, or never; so it is said for it.
    await _complain(shop, "v1.2.9", "Readiness probe failed: HTTP probe failed with statuscode: 503")
    again = await walk(target, change, key="INC-1/run-2/apply:web")
    assert again.end.outcome is Outcome.FAILED
    assert "Readiness probe failed" in again.end.detail


async def test_another_deploy_in_the_middle_stops_it_with_an_explanation(
    target: KubernetesTarget, shop: Shop
) -> None:
    await released(shop, "v1.2.9", "v1.3.0", first=SLOWLY)
    walked = await walk(
        target,
        await change_to(target, "v1.2.9"),
        meanwhile=Once(lambda: shop.deploy("v1.3.1", env={"READY_AFTER": None}, wait=False)),
    )
    assert walked.end.outcome is Outcome.FAILED
    assert "was set to v1.3.1, not to v1.2.9, by kubectl patch" in walked.end.detail


async def test_somebody_who_puts_it_back_is_named(target: KubernetesTarget, shop: Shop) -> None:
    await released(shop, "v1.2.9", "v1.3.0", first=SLOWLY)
    before = (await shop.workload())["spec"]["template"]["spec"]["containers"]
    change = await change_to(target, "v1.2.9")

    async def heal() -> None:
        await shop.hands.merge(
            shop.path, {"spec": {"template": {"spec": {"containers": before}}}}, by="night-shift"
        )

    walked = await walk(target, change, meanwhile=Once(heal))
    assert walked.end.outcome is Outcome.FAILED
    # The cluster keeps whole seconds, and the deploys before may have been in the same one.
    who = r"(kubectl\S* .* or )?night-shift \(Update\)"
    assert re.search(rf"was put back to v1\.3\.0 by {who} at ", walked.end.detail)


async def test_a_pause_in_the_middle_is_told(target: KubernetesTarget, shop: Shop) -> None:
    await released(shop, "v1.2.9", "v1.3.0", first=SLOWLY)
    pause = Once(lambda: shop.patch({"spec": {"paused": True}}))
    walked = await walk(target, await change_to(target, "v1.2.9"), meanwhile=pause)
    assert walked.end.outcome is Outcome.FAILED
    assert "paused: resume it" in walked.end.detail


async def test_a_deletion_in_the_middle_is_told(target: KubernetesTarget, shop: Shop) -> None:
    await released(shop, "v1.2.9", "v1.3.0", first=SLOWLY)
    gone = Once(lambda: shop.hands.delete(shop.path))
    walked = await walk(target, await change_to(target, "v1.2.9"), meanwhile=gone)
    assert (walked.end.outcome, walked.end.untouched) == (Outcome.FAILED, True)
    assert "somebody has deleted it" in walked.end.detail


async def test_a_quota_that_lets_no_pod_in_is_told(
    target: KubernetesTarget, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "BLOCKED_S", 2.0)
    shop.extra = {
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    }
    await released(shop, "v1.2.9", "v1.3.0")
    await shop.create(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "full"},
            "spec": {"hard": {"pods": "1"}},
        }
    )
    await until(lambda: _counted(shop), "the quota counts")
    walked = await walk(target, await change_to(target, "v1.2.9"))
    assert (walked.end.outcome, walked.end.running) == (Outcome.FAILED, "v1.3.0")
    assert "exceeded quota: full" in walked.end.detail
    assert walked.end.blameless
    assert not walked.end.untouched


async def test_its_time_is_over_and_where_it_stands_is_said(shop: Shop, memory: FakeMemory) -> None:
    await released(shop, "v1.2.9", "v1.3.0", first={"NEVER_READY": "1"})
    async with aclosing(KubernetesTarget(shop.settings(timeout="4s"), memory)) as target:
        change = await change_to(target, "v1.2.9")
        began = time.monotonic()
        walked = await walk(target, change)
        assert time.monotonic() - began < 20
        assert walked.end.outcome is Outcome.FAILED
        assert "did not come to its end within 4 s: 0 of 1 ready" in walked.end.detail
        assert not walked.end.blameless
        # It still is what is set, and one look says so without waiting.
        assert (await target.observe(change, KEY)).outcome is Outcome.UNKNOWN


async def test_that_no_node_takes_its_pod_is_said_once(shop: Shop, memory: FakeMemory) -> None:
    async with shop.without_pods():
        await shop.deploy("v1.2.9", wait=False, **UNPLACED)
        await until(lambda: _count(shop, 1), "the first revision")
        await shop.deploy("v1.3.0", wait=False, nodeSelector=None)
    await shop.rolled_out()
    async with aclosing(KubernetesTarget(shop.settings(timeout="1s"), memory)) as target:
        change = await change_to(target, "v1.2.9")
        await target.apply(change, KEY)
        await until(lambda: _complaints(shop), "the scheduler's complaint")
        end = await followed(target, change, KEY)
    assert (end.outcome, end.running) == (Outcome.FAILED, "v1.3.0")
    assert end.blameless
    assert "did not come to its end within 1 s: 0 of 1 ready; 1 without a node (0/" in end.detail
    assert end.detail.count("nodes are available") == 1


async def test_before_it_was_applied_one_look_claims_nothing(target: KubernetesTarget, shop: Shop) -> None:
    await released(shop, "v1.2.9", "v1.3.0")
    seen = await target.observe(await change_to(target, "v1.2.9"), KEY)
    assert (seen.outcome, seen.running) == (Outcome.FAILED, "v1.3.0")
    assert "nothing was changed" in seen.detail


async def _record(api: Api, shop: Shop, states: list[Workload]) -> None:
    collection, _, name = shop.settings().path.rpartition("/")
    version = (await shop.workload())["metadata"]["resourceVersion"]
    while True:
        async for _, found in api.watch(collection, resource_version=version, fields=f"metadata.name={name}"):
            version = found["metadata"]["resourceVersion"]
            if "spec" in found and "status" in found and found["status"].get("conditions"):
                states.append(Workload("deployment", found))


async def _has_to_progress_within(shop: Shop, seconds: int) -> None:
    await shop.patch({"spec": {"progressDeadlineSeconds": seconds}})


async def _gave_up(shop: Shop) -> bool:
    workload = Workload("deployment", await shop.workload())
    return workload.conditions.get("Progressing", {}).get("reason") == "ProgressDeadlineExceeded"


async def _complain(shop: Shop, version: str, message: str) -> None:
    """Write an event about each pod of a version, as the kubelet does."""
    for pod in await shop.pods():
        if pod["spec"]["containers"][0]["image"].endswith(version):
            about = {key: pod["metadata"][key] for key in ("name", "namespace", "uid")}
            await shop.create(
                {
                    "apiVersion": "v1",
                    "kind": "Event",
                    "metadata": {"name": f"{about['name']}.unhealthy"},
                    "involvedObject": {"apiVersion": "v1", "kind": "Pod", **about},
                    "type": "Warning",
                    "reason": "Unhealthy",
                    "message": message,
                    "lastTimestamp": "2099-01-01T00:00:00Z",  # nothing that really happens is later
                }
            )


async def _counted(shop: Shop) -> Any:
    quota: Json = await shop.get("resourcequotas", "full")
    return ((quota.get("status") or {}).get("used") or {}).get("pods") == "1"


async def _count(shop: Shop, count: int) -> bool:
    return len(await shop.listed("replicasets")) >= count


async def _complaints(shop: Shop) -> bool:
    return any(event["reason"] == "FailedScheduling" for event in await shop.listed("events"))
