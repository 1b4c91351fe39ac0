"""What is made of a rollout by what is seen of it: a success only when it is one, a failure as soon as it is one."""

import copy
import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.evidence import Outcome
from integrations.kubernetes.pods import Pod, pods_of
from integrations.kubernetes.rollout import ASLEEP_S, BLOCKED_S, STUCK_S, State, Verdict, judge
from integrations.kubernetes.scene import Goal, Scene
from integrations.kubernetes.template import shape_ref
from integrations.kubernetes.workload import Workload

Json = dict[str, Any]

KEY = "INC-1/run-1/apply:web"
T0, T1, T2 = "2026-11-24T10:00:00Z", "2026-11-24T10:05:00Z", "2026-11-24T10:15:00Z"


def template(version: str) -> Json:
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": f"registry.example/shop/web:{version}"}]},
    }


GOOD, BAD, OTHER = (shape_ref(template(v)) for v in ("v1.2.9", "v1.3.0", "v1.3.1"))
GOAL = Goal("Deployment shop/web", GOOD, "v1.2.9", BAD, "v1.3.0", KEY)


def workload(
    version: str = "v1.2.9",
    *,
    kind: str = "deployment",
    desired: int = 3,
    updated: int = 3,
    total: int = 3,
    available: int = 3,
    observed: int = 2,
    conditions: tuple[Json, ...] = (),
    annotations: Json | None = None,
    **spec: Any,
) -> Workload:
    status: Json = {
        "observedGeneration": observed,
        "replicas": total,
        "updatedReplicas": updated,
        "readyReplicas": available,
        "availableReplicas": available,
        "conditions": list(conditions),
        "desiredNumberScheduled": desired,
        "currentNumberScheduled": total,
        "updatedNumberScheduled": updated,
        "numberReady": available,
        "numberAvailable": available,
    }
    raw = {
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "u-1",
            "generation": 2,
            "annotations": annotations or {},
            "managedFields": [
                {
                    "manager": "kaeru",
                    "operation": "Update",
                    "time": T1,
                    "fieldsV1": {"f:spec": {"f:template": {}}},
                },
                {"manager": "kube-controller-manager", "time": T2, "fieldsV1": {"f:status": {}}},
            ],
        },
        "spec": {"replicas": desired, "template": template(version)} | spec,
        "status": status,
    }
    return Workload(kind, raw)


def pod(
    name: str,
    version: str = "v1.2.9",
    *,
    ready: bool = True,
    terminating: bool = False,
    phase: str = "Running",
    state: Json | None = None,
    restarts: int = 0,
    conditions: tuple[Json, ...] = (),
) -> Json:
    metadata: Json = {"name": name, "uid": f"uid-{name}"}
    if terminating:
        metadata["deletionTimestamp"] = T2
    return {
        "metadata": metadata,
        "spec": copy.deepcopy(template(version)["spec"]),
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": str(ready)}, *conditions],
            "containerStatuses": [
                {"name": "web", "ready": ready, "restartCount": restarts, "state": state or {"running": {}}}
            ],
        },
    }


def scene(seen: Workload | None, *pods: Json, goal: Goal = GOAL, **more: Any) -> Scene:
    refs = {p["metadata"]["uid"]: _ref(p) for p in pods}
    return Scene(goal, seen, pods_of(pods), refs, **more)


def _ref(one: Json) -> str:
    version = one["spec"]["containers"][0]["image"].rpartition(":")[2]
    return shape_ref(template(version))


def three(**changed: Any) -> tuple[Json, ...]:
    return tuple(pod(f"web-{n}", **changed) for n in range(3))


def test_all_of_it_there_is_a_success() -> None:
    verdict = judge(scene(workload(), *three()))
    assert verdict == Verdict(State.DONE, "3 of 3 ready, all of them v1.2.9.", "v1.2.9")
    assert verdict.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    "short",
    [{"updated": 2}, {"total": 4}, {"available": 2}, {"observed": 1}],
    ids=lambda short: next(iter(short)),
)
def test_what_the_controller_still_counts_is_no_success(short: Json) -> None:
    assert judge(scene(workload(**short), *three())).state is State.UNDER_WAY


def test_an_old_pod_that_terminates_is_no_success_yet() -> None:
    verdict = judge(scene(workload(), *three(), pod("old", "v1.3.0", terminating=True)))
    assert (verdict.state, verdict.detail) == (State.UNDER_WAY, "3 of 3 ready, 1 terminating.")


def test_an_old_pod_that_nobody_has_told_the_end_of_is_no_success_yet() -> None:
    """The controller's counts leave it out by now; the watch of the pods is behind."""
    assert judge(scene(workload(), *three(), pod("old", "v1.3.0"))).state is State.UNDER_WAY


NEVER_STARTED = ("ContainerCreating", "ImagePullBackOff", "ErrImagePull", "CreateContainerConfigError")


@pytest.mark.parametrize(
    "state",
    [{"terminated": {"exitCode": 0}}, *({"waiting": {"reason": reason}} for reason in NEVER_STARTED)],
    ids=lambda state: state.get("waiting", {"reason": "terminated"})["reason"],
)
def test_an_old_pod_whose_containers_have_ended_serves_nobody(state: Json) -> None:
    """The kubelet needs seconds to clear it away."""
    old = pod("old", "v1.3.0", terminating=True, state=state)
    assert judge(scene(workload(), *three(), old)).state is State.DONE
    with_sidecar = copy.deepcopy(old)
    with_sidecar["status"]["containerStatuses"].append({"name": "proxy", "state": {"running": {}}})
    assert judge(scene(workload(), *three(), with_sidecar)).state is State.UNDER_WAY
    migrating = copy.deepcopy(old)
    migrating["status"]["initContainerStatuses"] = [{"name": "schema", "state": {"running": {}}}]
    assert judge(scene(workload(), *three(), migrating)).state is State.UNDER_WAY
    unknown = copy.deepcopy(old)
    unknown["status"]["containerStatuses"] = []
    assert judge(scene(workload(), *three(), unknown)).state is State.UNDER_WAY
    nowhere = copy.deepcopy(unknown)
    nowhere["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}]
    assert judge(scene(workload(), *three(), nowhere)).state is State.DONE
    staying = copy.deepcopy(old)
    del staying["metadata"]["deletionTimestamp"]
    assert judge(scene(workload(), *three(), staying)).state is State.UNDER_WAY


def test_a_pod_that_the_watch_has_not_told_of_yet_is_no_success() -> None:
    assert judge(scene(workload(), *three()[:2])).state is State.UNDER_WAY


def test_a_pod_whose_image_somebody_has_changed_is_no_success() -> None:
    pods = three()
    changed = scene(workload(), *pods)
    pods[0]["spec"]["containers"][0]["image"] = "registry.example/shop/web:v0"
    assert judge(changed).state is State.UNDER_WAY


def test_a_mirror_in_front_of_the_registry_is_no_other_image() -> None:
    pods = three()
    mirrored = scene(workload(), *pods)
    for one in pods:
        one["spec"]["containers"][0]["image"] = "mirror.example/cache/web:v1.2.9"
    assert judge(mirrored).state is State.DONE


def test_what_is_evicted_or_finished_counts_for_nothing() -> None:
    over = pod("gone", "v1.3.0", phase="Failed", ready=False)
    assert judge(scene(workload(), *three(), over)).state is State.DONE


def test_nothing_wanted_is_nothing_missing() -> None:
    verdict = judge(scene(workload(desired=0, updated=0, total=0, available=0)))
    assert (verdict.state, verdict.running) == (State.DONE, None)


@given(
    desired=st.integers(0, 6),
    updated=st.integers(0, 6),
    total=st.integers(0, 9),
    available=st.integers(0, 6),
    observed=st.sampled_from([1, 2]),
    ready=st.integers(0, 6),
    old=st.integers(0, 3),
    terminating=st.booleans(),
    kind=st.sampled_from(["deployment", "statefulset", "daemonset"]),
)
def test_a_success_is_never_said_of_less(
    *,
    desired: int,
    updated: int,
    total: int,
    available: int,
    observed: int,
    ready: int,
    old: int,
    terminating: bool,
    kind: str,
) -> None:
    seen = workload(
        kind=kind, desired=desired, updated=updated, total=total, available=available, observed=observed
    )
    news = [pod(f"new-{n}", ready=True) for n in range(ready)]
    olds = [pod(f"old-{n}", "v1.3.0", terminating=terminating) for n in range(old)]
    verdict = judge(scene(seen, *news, *olds))
    if verdict.state is State.DONE:
        assert observed == 2
        assert updated >= desired
        assert available >= desired
        assert ready >= updated
        assert not old
    elif observed == 2 and desired == updated == total == available == ready and not old:
        pytest.fail(f"all is there: {verdict}")


@given(
    st.sampled_from([GOOD, BAD, OTHER]),
    st.booleans(),
    st.booleans(),
    st.floats(0, 1000),
    st.text(max_size=20),
)
def test_whatever_is_seen_there_is_a_sentence(
    ref: str, paused: bool, ours: bool, seconds: float, why: str
) -> None:
    version = {GOOD: "v1.2.9", BAD: "v1.3.0", OTHER: "v1.3.1"}[ref]
    seen = workload(version, updated=1, paused=paused)
    verdict = judge(scene(seen, *three(ready=False), still_s=seconds, blocked=why, ours_seen=ours))
    assert verdict.detail.endswith(".")
    assert (ref == GOOD) == (verdict.state not in (State.NOT_BEGUN, State.TAKEN_AWAY))


def test_one_that_is_gone_has_failed() -> None:
    verdict = judge(scene(None))
    assert (verdict.state, verdict.outcome, verdict.running) == (State.TAKEN_AWAY, Outcome.FAILED, None)
    assert "deleted" in verdict.detail


def test_one_that_was_made_anew_has_failed() -> None:
    verdict = judge(scene(workload(), *three(), uid="u-0"))
    assert (verdict.state, verdict.outcome) == (State.TAKEN_AWAY, Outcome.FAILED)
    assert "made anew" in verdict.detail


def test_before_anything_was_written_nothing_is_claimed() -> None:
    verdict = judge(scene(workload("v1.3.0"), *three(version="v1.3.0")))
    assert (verdict.state, verdict.outcome, verdict.running) == (State.NOT_BEGUN, Outcome.FAILED, "v1.3.0")
    assert "nothing was changed" in verdict.detail


@pytest.mark.parametrize(
    "how", [{"ours_seen": True}, {"annotations": {"kubernetes.io/change-cause": f"x ({KEY})"}}]
)
def test_what_somebody_has_put_back_is_told_with_whoever_did(how: Json) -> None:
    annotations = how.pop("annotations", None)
    seen = workload("v1.3.0", annotations=annotations)
    verdict = judge(scene(seen, changed_by="Argo CD (argocd-controller, Update) at 10:02:03 UTC", **how))
    assert verdict.state is State.TAKEN_AWAY
    assert verdict.detail == (
        "Deployment shop/web was put back to v1.3.0 by Argo CD (argocd-controller, Update) at 10:02:03 UTC."
    )


def test_another_deploy_meanwhile_is_told_by_its_version() -> None:
    verdict = judge(scene(workload("v1.3.1"), ours_seen=True, changed_by="helm (Update)"))
    assert verdict.detail == (
        "Deployment shop/web was set to v1.3.1, not to v1.2.9, by helm (Update). "
        "kaeru leaves that as it is: agree with them on what is to run, and plan anew if that is not it."
    )


def _of_other_settings(**changed: Any) -> Workload:
    """v1.2.9 as the goal is, but with another template."""
    seen = workload(**changed)
    seen.template["spec"]["containers"][0]["env"] = [{"name": "SIZE", "value": "2"}]
    return seen


def test_another_template_of_the_same_version_is_not_called_by_that_alone() -> None:
    verdict = judge(scene(_of_other_settings(), ours_seen=True, changed_by="helm (Update)"))
    assert verdict.state is State.TAKEN_AWAY
    assert verdict.detail.startswith(
        "Deployment shop/web was set to another template of v1.2.9 than was asked for, by helm (Update)."
    )


def test_what_admission_makes_of_our_own_write_is_not_called_somebody_elses() -> None:
    annotations = {"kubernetes.io/change-cause": f"kaeru: back to v1.2.9 ({KEY})"}
    verdict = judge(scene(_of_other_settings(annotations=annotations), changed_by="kaeru (kaeru, Update)"))
    assert verdict.state is State.TAKEN_AWAY
    assert "the cluster's admission has made another template of it" in verdict.detail
    assert "kubectl get mutatingwebhookconfigurations" in verdict.detail


def test_a_controller_that_sleeps_is_told_after_a_while() -> None:
    seen = workload(observed=1)
    assert judge(scene(seen, *three(), still_s=ASLEEP_S - 1)).detail == "3 of 3 ready."
    verdict = judge(scene(seen, *three(), still_s=600.0))
    assert verdict.state is State.UNDER_WAY
    assert verdict.detail == (
        "3 of 3 ready; the cluster's controller has not seen for 600 s that Deployment shop/web is set to v1.2.9, so no "
        "pod was replaced: see whether kube-controller-manager runs. It stays set, and takes effect as soon as that does."
    )


def _expired(at: str) -> Json:
    return {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "lastUpdateTime": at,
    }


def test_the_last_rollouts_verdict_is_not_this_ones() -> None:
    seen = workload(updated=1, conditions=(_expired(T0),))
    assert judge(scene(seen, *three(ready=False))).state is State.UNDER_WAY
    same_second = workload(updated=1, conditions=(_expired(T1),))
    assert judge(scene(same_second, *three(ready=False))).state is State.UNDER_WAY
    unseen = workload(updated=1, observed=1, conditions=(_expired(T2),))
    assert judge(scene(unseen, *three(ready=False))).state is State.UNDER_WAY


def test_this_rollouts_own_is() -> None:
    seen = workload(updated=1, conditions=(_expired(T2),), progressDeadlineSeconds=30)
    verdict = judge(scene(seen, *three(ready=False)))
    assert (verdict.outcome, verdict.detail) == (
        Outcome.FAILED,
        "Deployment shop/web made no progress for 30 s (0 of 3 ready).",
    )


def test_a_pause_is_no_progress() -> None:
    verdict = judge(scene(workload(updated=0, paused=True), *three(version="v1.3.0")))
    assert verdict.outcome is Outcome.FAILED
    assert "resume it" in verdict.detail
    assert judge(scene(workload(paused=True), *three())).state is State.DONE


WAITING = {
    "ErrImageNeverPull": 2.0,
    "InvalidImageName": 2.0,
    "ErrImagePull": 10.0,
    "ImagePullBackOff": 10.0,
    "CreateContainerConfigError": 10.0,
    "CrashLoopBackOff": 15.0,
}


@pytest.mark.parametrize(("reason", "patience_s"), WAITING.items())
def test_a_pod_that_will_not_run_fails_it_after_a_short_while(reason: str, patience_s: float) -> None:
    ill = pod(
        "web-x", ready=False, restarts=1, state={"waiting": {"reason": reason, "message": "it is not there"}}
    )
    seen = workload(updated=1, available=3, total=4)
    olds = three(version="v1.3.0")
    early = judge(scene(seen, ill, *olds, ill_s={"uid-web-x": patience_s - 0.1}))
    late = judge(scene(seen, ill, *olds, ill_s={"uid-web-x": patience_s}))
    assert (early.state, late.state) == (State.UNDER_WAY, State.FAILED)
    assert late.running == "v1.3.0"
    assert late.culprit is not None
    assert "web-x" in late.detail
    assert "(0 of 3 ready)" in late.detail


def test_three_crashes_are_enough_at_once() -> None:
    ended = {"exitCode": 1, "reason": "Error"}
    ill = pod("web-x", ready=False, restarts=2, state={"waiting": {"reason": "CrashLoopBackOff"}})
    ill["status"]["containerStatuses"][0]["lastState"] = {"terminated": ended}
    verdict = judge(scene(workload(updated=1), ill, ill_s={"uid-web-x": 0.0}))
    assert verdict.detail == "web-x ended 3 times, with exit code 1 (0 of 3 ready)."


def test_out_of_memory_is_called_by_its_name() -> None:
    ill = pod("web-x", ready=False, restarts=2, state={"waiting": {"reason": "CrashLoopBackOff"}})
    ill["status"]["containerStatuses"][0]["lastState"] = {
        "terminated": {"reason": "OOMKilled", "exitCode": 137}
    }
    assert "OOMKilled" in judge(scene(workload(updated=1), ill, ill_s={"uid-web-x": 0.0})).detail


@pytest.mark.parametrize(
    "state", [{"terminated": {"exitCode": 1}}, {"running": {}}, {"waiting": {"reason": "ContainerCreating"}}]
)
def test_one_crash_is_no_trouble_yet(state: Json) -> None:
    assert Pod(pod("web-x", ready=False, state=state)).trouble is None


def test_an_init_container_counts_as_well() -> None:
    ill = pod("web-x", ready=False)
    ill["spec"]["initContainers"] = [{"name": "migrate", "image": "migrate:v9"}]
    ill["status"]["initContainerStatuses"] = [
        {"name": "migrate", "state": {"waiting": {"reason": "ErrImageNeverPull"}}}
    ]
    trouble = Pod(ill).trouble
    assert trouble is not None
    assert (
        trouble.sentence
        == "web-x (init container migrate) cannot get the image migrate:v9 (ErrImageNeverPull)"
    )


def test_a_sick_pod_of_the_version_that_is_left_fails_nothing() -> None:
    ill = pod("old", "v1.3.0", ready=False, restarts=9, state={"waiting": {"reason": "CrashLoopBackOff"}})
    verdict = judge(
        scene(workload(updated=2, total=4, available=2), *three()[:2], ill, ill_s={"uid-old": 99.0})
    )
    assert verdict.state is State.UNDER_WAY


def test_no_secret_of_a_message_is_passed_on() -> None:
    message = 'secret "x" says PASSWORD=hunter2 ' + "y" * 900
    ill = pod(
        "w", ready=False, state={"waiting": {"reason": "CreateContainerConfigError", "message": message}}
    )
    detail = judge(scene(workload(updated=1), ill, ill_s={"uid-w": 60.0})).detail
    assert "hunter2" not in detail
    assert len(detail) < 450


def test_pods_that_nobody_may_make_fail_it_when_nothing_else_moves() -> None:
    why = 'pods "web-x" is forbidden: exceeded quota: few'
    seen = workload(updated=1)
    early = judge(scene(seen, *three(version="v1.3.0"), blocked=why, still_s=BLOCKED_S - 1))
    late = judge(scene(seen, *three(version="v1.3.0"), blocked=why, still_s=BLOCKED_S))
    assert (early.state, late.state) == (State.UNDER_WAY, State.FAILED)
    assert "exceeded quota: few" in early.detail
    assert late.detail.startswith("No new pods can be made: ")


def test_a_pod_without_a_node_is_told_and_waited_for() -> None:
    nowhere = {
        "type": "PodScheduled",
        "status": "False",
        "message": "0/1 nodes are available: 1 Insufficient cpu.",
    }
    waiting = pod("web-x", ready=False, phase="Pending", conditions=(nowhere,))
    verdict = judge(scene(workload(updated=1), waiting, still_s=500.0))
    assert verdict.state is State.UNDER_WAY
    assert verdict.detail == "0 of 3 ready; 1 without a node (0/1 nodes are available: 1 Insufficient cpu)."


def test_a_stateful_set_that_waits_for_an_old_pod_says_which_and_what_to_do() -> None:
    seen = workload(kind="statefulset", updated=0, available=2)
    stuck = pod("web-2", "v1.3.0", ready=False)
    early = judge(scene(seen, stuck, still_s=STUCK_S - 1))
    late = judge(scene(seen, stuck, still_s=STUCK_S))
    assert (early.state, late.state) == (State.UNDER_WAY, State.FAILED)
    assert "kubectl -n shop delete pod web-2" in late.detail
    parallel = workload(kind="statefulset", updated=0, available=2, podManagementPolicy="Parallel")
    assert judge(scene(parallel, stuck, still_s=STUCK_S)).state is State.UNDER_WAY


def test_a_stateful_set_that_waits_for_a_crashing_old_pod_need_not_be_watched_for_long() -> None:
    seen = workload(kind="statefulset", updated=0, available=2)
    stuck = pod("web-2", "v1.3.0", ready=False, restarts=4, state={"waiting": {"reason": "CrashLoopBackOff"}})
    verdict = judge(scene(seen, stuck, ill_s={"uid-web-2": 0.0}))
    assert verdict.outcome is Outcome.FAILED
    assert "delete pod web-2" in verdict.detail


def test_a_partition_leaves_pods_behind_and_is_no_success() -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    seen = workload(kind="statefulset", updated=1, updateStrategy=strategy)
    pods = [pod("web-2"), pod("web-0", "v1.3.0"), pod("web-1", "v1.3.0")]
    verdict = judge(scene(seen, *pods))
    assert verdict.outcome is Outcome.FAILED
    assert "ordinal 2" in verdict.detail


@pytest.mark.parametrize("kind", ["statefulset", "daemonset"])
def test_on_delete_replaces_nothing_by_itself(kind: str) -> None:
    seen = workload(kind=kind, updated=0, updateStrategy={"type": "OnDelete"})
    verdict = judge(scene(seen, *three(version="v1.3.0")))
    assert verdict.outcome is Outcome.FAILED
    assert "OnDelete" in verdict.detail


QUOTA = 'pods "web-x" is forbidden: exceeded quota: few'
STARTING = {"waiting": {"reason": "ContainerCreating"}}


@pytest.mark.parametrize(
    ("seen", "more"),
    [
        (scene(workload(updated=1), *three(version="v1.3.0")), {"blocked": QUOTA, "still_s": BLOCKED_S}),
        (scene(workload(updated=1), pod("a", ready=False)), {"blocked": QUOTA, "still_s": BLOCKED_S}),
        (scene(workload(updated=0, paused=True), *three(version="v1.3.0")), {}),
        (scene(workload(kind="daemonset", updated=0, updateStrategy={"type": "OnDelete"})), {}),
        (scene(workload(updated=1, conditions=(_expired(T2),)), pod("a", ready=False, state=STARTING)), {}),
        (scene(workload(updated=1, total=4, conditions=(_expired(T2),)), pod("a"), pod("b", "v1.3.0")), {}),
        (
            scene(workload(kind="statefulset", updated=0, available=2), pod("web-2", "v1.3.0", ready=False)),
            {"still_s": STUCK_S},
        ),
        (
            scene(
                workload(kind="statefulset", updated=0),
                pod(
                    "b", "v1.3.0", ready=False, restarts=4, state={"waiting": {"reason": "CrashLoopBackOff"}}
                ),
            ),
            {"ill_s": {"uid-b": 60.0}},
        ),
    ],
    ids=[
        "quota",
        "quota-for-some",
        "paused",
        "by-hand",
        "no-place",
        "old-stays",
        "old-is-ill",
        "old-crashes",
    ],
)
def test_what_the_cluster_causes_is_not_held_against_the_version(seen: Scene, more: Json) -> None:
    verdict = judge(dataclasses.replace(seen, **more))
    assert verdict.state is State.FAILED
    assert verdict.blameless


@pytest.mark.parametrize(
    "one",
    [
        pod("a", ready=False),
        pod("a", ready=False, state={"terminated": {"exitCode": 1}}),
        pod("a", ready=False, restarts=1),
    ],
    ids=["never-ready", "ended", "started-again"],
)
def test_a_pod_that_had_all_the_time_and_does_not_serve_is_the_versions_own(one: Json) -> None:
    seen = workload(updated=1, conditions=(_expired(T2),))
    verdict = judge(scene(seen, one, *three(version="v1.3.0")))
    assert (verdict.state, verdict.blameless) == (State.FAILED, False)


def test_a_pod_on_a_node_that_is_not_heard_of_says_nothing_of_its_version() -> None:
    heard_last = pod("a", ready=False, conditions=({"type": "ContainersReady", "status": "True"},))
    seen = workload(updated=1, conditions=(_expired(T2),))
    assert judge(scene(seen, heard_last)).blameless


@pytest.mark.parametrize(
    ("message", "blameless"),
    [
        ("Error response from daemon: manifest for shop/web:v1.2.9 not found: manifest unknown", False),
        ("Error response from daemon: No such image: shop/web:v1.2.9", False),
        ("Error: repository does not exist or may require 'docker login'", False),
        ("Get https://registry.example/v2/: dial tcp 10.0.0.1:443: connect: connection refused", True),
        ("failed to do request: dial tcp: lookup registry.example: no such host", True),
        ("received unexpected HTTP status: 503 Service Unavailable", True),
        ("", False),
    ],
)
def test_an_image_that_does_not_exist_is_the_versions_fault_and_a_silent_registry_is_not(
    message: str, blameless: bool
) -> None:
    ill = pod("a", ready=False, state={"waiting": {"reason": "ErrImagePull", "message": message}})
    verdict = judge(scene(workload(updated=1), ill, ill_s={"uid-a": 60.0}))
    assert (verdict.state, verdict.blameless) == (State.FAILED, blameless)


@pytest.mark.parametrize("reason", ["CrashLoopBackOff", "CreateContainerConfigError", "ErrImageNeverPull"])
def test_a_pod_of_it_that_will_not_run_is_the_versions_fault(reason: str) -> None:
    ill = pod("a", ready=False, restarts=3, state={"waiting": {"reason": reason}})
    verdict = judge(scene(workload(updated=1), ill, ill_s={"uid-a": 60.0}, blocked=QUOTA, still_s=BLOCKED_S))
    assert (verdict.state, verdict.blameless) == (State.FAILED, False)


def test_what_serves_is_one_version_or_none() -> None:
    mixed = scene(workload(updated=1), pod("a"), pod("b", "v1.3.0"))
    assert judge(mixed).running is None
    ending = scene(workload(updated=1), pod("a"), pod("b", "v1.3.0", terminating=True))
    assert judge(ending).running == "v1.2.9"
    named = Goal("Deployment shop/web", GOOD, "v1.2.9+r4", BAD, "v1.3.0", KEY)
    assert judge(scene(workload(), *three(), goal=named)).running == "v1.2.9+r4"


def test_what_admission_has_made_of_the_goal_is_the_goal() -> None:
    goal = dataclasses.replace(GOAL, altered=OTHER)
    pods = [pod(f"web-{n}", "v1.3.1") for n in range(3)]
    seen = judge(scene(workload("v1.3.1"), *pods, goal=goal))
    assert (seen.state, seen.running) == (State.DONE, "v1.2.9")
    # Without it being expected, it is somebody else's.
    assert judge(scene(workload("v1.3.1"), *pods)).state is State.TAKEN_AWAY


def test_what_admission_has_made_of_what_is_left_is_where_it_began() -> None:
    goal = dataclasses.replace(GOAL, from_altered=OTHER)
    pods = [pod(f"web-{n}", "v1.3.1") for n in range(3)]
    seen = judge(scene(workload("v1.3.1"), *pods, goal=goal))
    assert (seen.state, seen.running) == (State.NOT_BEGUN, "v1.3.0")


def test_a_goal_without_refs_fits_nothing() -> None:
    goal = dataclasses.replace(GOAL, from_ref="")
    assert not goal.comes_from("")
    assert not goal.is_met_by("")
    assert not goal.is_met_by(None)
