"""What surrounds a workload: autoscalers, budgets, quotas, limits, and its own pace."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.plan import Level
from integrations.kubernetes.pace import Pace, expected_s, pace_of, ready_s
from integrations.kubernetes.quantity import amount, demand, share
from integrations.kubernetes.quotas import applies, plain, refused_pods, room_for, surge_check
from integrations.kubernetes.surroundings import Surroundings, about, selects
from integrations.kubernetes.workload import Workload

Json = dict[str, Any]


def template(requests: Json | None = None, *, limits: Json | None = None, **pod: Any) -> Json:
    resources = {"requests": requests or {}, "limits": limits or {}}
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "web:v1", "resources": resources}], **pod},
    }


def workload(
    kind: str = "deployment", replicas: int = 4, annotations: Json | None = None, **spec: Any
) -> Workload:
    metadata = {"namespace": "shop", "name": "web", "uid": "u", "annotations": annotations or {}}
    status = {"desiredNumberScheduled": replicas}
    return Workload(
        kind,
        {
            "metadata": metadata,
            "spec": {"replicas": replicas, "template": template(), **spec},
            "status": status,
        },
    )


def quota(hard: Json, used: Json, **spec: Any) -> Json:
    return {
        "metadata": {"name": "tight"},
        "spec": {"hard": hard, **spec},
        "status": {"hard": hard, "used": used},
    }


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", "1"),
        ("250m", "0.25"),
        ("1Gi", str(2**30)),
        ("1.5Ki", "1536"),
        ("2k", "2000"),
        ("1e3", "1000"),
        (3, "3"),
    ],
)
def test_amounts(text: object, number: str) -> None:
    assert amount(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "x", "1GB", "--1", "Gi"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        amount(text)


@given(st.integers(1, 2**50))
def test_a_plain_number_is_the_same_number(number: int) -> None:
    assert amount(plain(Decimal(number))) == number
    assert amount(plain(Decimal(number) / 1000)) == Decimal(number) / 1000


@pytest.mark.parametrize(
    ("value", "whole", "up", "pods"),
    [("25%", 10, True, 3), ("25%", 10, False, 2), (3, 10, True, 3), ("3", 10, True, 3), ("100%", 7, True, 7)],
)
def test_shares(value: object, whole: int, up: bool, pods: int) -> None:
    assert share(value, whole, up=up) == pods


def test_a_pod_counts_its_containers_and_the_biggest_init_container() -> None:
    pod = template({"cpu": "100m", "memory": "64Mi"}, initContainers=[{"name": "i", "image": "i"}])
    pod["spec"]["containers"].append({"name": "proxy", "resources": {"limits": {"cpu": "200m"}}})
    pod["spec"]["initContainers"][0]["resources"] = {"requests": {"cpu": "1", "memory": "1Mi"}}
    counted = demand(pod, {})
    assert counted["requests.cpu"] == 1
    assert counted["requests.memory"] == counted["memory"] == 64 * 2**20
    assert counted["limits.cpu"] == Decimal("0.2")
    assert counted["pods"] == 1
    defaulted = demand(template(), {"defaultRequest": {"cpu": "50m"}, "default": {"memory": "1Gi"}})
    assert (defaulted["requests.cpu"], defaulted["limits.memory"]) == (Decimal("0.05"), 2**30)


def test_room_is_what_the_tightest_quota_leaves() -> None:
    wide, tight = (
        quota({"pods": "10"}, {"pods": "4"}),
        quota({"requests.memory": "1Gi"}, {"requests.memory": "900Mi"}),
    )
    pod = template({"memory": "100Mi"})
    assert room_for(pod, [], []).pods is None
    assert room_for(pod, [wide], []).pods == 6
    room = room_for(pod, [wide, tight], [])
    assert room.pods == 1
    assert room.why == (
        "ResourceQuota tight has room for 1 pod more (requests.memory: 900Mi of 1Gi used, a pod needs 100Mi)"
    )
    over = room_for(pod, [quota({"pods": "2"}, {"pods": "3"})], [])
    assert (over.pods, over.why) == (0, "ResourceQuota tight has room for no pod more (pods: 3 of 2 used)")
    assert room_for(template(), [tight], []).pods is None
    assert room_for(template(), [quota({"services": "1"}, {"services": "1"})], []).pods is None


@pytest.mark.parametrize(
    ("scope", "pod", "counted"),
    [
        ({"scopes": ["BestEffort"]}, template(), True),
        ({"scopes": ["BestEffort"]}, template({"cpu": "1"}), False),
        ({"scopes": ["NotBestEffort"]}, template({"cpu": "1"}), True),
        ({"scopes": ["Terminating"]}, template(), False),
        ({"scopes": ["NotTerminating"]}, template(), True),
        ({"scopes": ["Terminating"]}, template(activeDeadlineSeconds=5), True),
        ({"scopes": ["NotBestEffort", "Terminating"]}, template({"cpu": "1"}), False),
        ({"scopes": ["OfAnotherDay"]}, template(), False),
        ({"scopes": ["PriorityClass"]}, template(priorityClassName="high"), True),
        ({"scopes": ["PriorityClass"]}, template(), False),
    ],
)
def test_a_quota_counts_what_is_in_its_scope(scope: Json, pod: Json, counted: bool) -> None:
    assert applies(quota({"pods": "1"}, {}, **scope), pod, demand(pod, {})) is counted


@pytest.mark.parametrize(
    ("operator", "name", "counted"),
    [
        ("In", "high", True),
        ("In", "low", False),
        ("NotIn", "low", True),
        ("DoesNotExist", None, True),
        ("Exists", None, False),
    ],
)
def test_a_quota_of_a_priority_class(operator: str, name: str | None, counted: bool) -> None:
    term = {"scopeName": "PriorityClass", "operator": operator, "values": ["high"]}
    pod = template() if name is None else template(priorityClassName=name)
    assert applies(quota({}, {}, scopeSelector={"matchExpressions": [term]}), pod, demand(pod, {})) is counted


def test_a_rollout_that_cannot_begin_is_said_with_numbers() -> None:
    full = room_for(template(), [quota({"pods": "4"}, {"pods": "4"})], [])
    check = surge_check(full, Pace(surge=1, unavailable=0, waves=4))
    assert (check.ok, check.required) == (False, False)
    assert "has room for no pod more (pods: 4 of 4 used)" in check.detail
    assert "it would stand still" in check.detail
    slower = surge_check(full, Pace(surge=1, unavailable=1, waves=2))
    assert slower.ok
    assert "slower" in slower.detail
    assert surge_check(full, Pace(surge=0, unavailable=1, waves=4)).ok
    some = room_for(template(), [quota({"pods": "6"}, {"pods": "4"})], [])
    assert surge_check(some, Pace(surge=2, unavailable=0, waves=2)).ok
    assert "slower" in surge_check(some, Pace(surge=3, unavailable=0, waves=2)).detail


def test_pods_that_would_not_be_admitted_are_said() -> None:
    wants = quota({"requests.cpu": "4"}, {})
    (warning,) = refused_pods(template(), [wants], [], "v1")
    assert warning.level is Level.DANGER
    assert warning.text == (
        "Pods of v1 would not be admitted: the ResourceQuota tight wants requests.cpu to be set."
    )
    defaults = {"spec": {"limits": [{"type": "Container", "defaultRequest": {"cpu": "1"}}]}}
    assert refused_pods(template(), [wants], [defaults], "v1") == []
    bounds = {"spec": {"limits": [{"type": "Container", "max": {"memory": "1Gi"}, "min": {"cpu": "100m"}}]}}
    outside = refused_pods(template({"cpu": "50m"}, limits={"memory": "2Gi"}), [], [bounds], "v1")
    assert [w.text.removeprefix("Pods of v1 would not be admitted: ") for w in outside] == [
        "web may use 2Gi of memory, and a LimitRange allows 1Gi.",
        "web asks for 50m of cpu, and a LimitRange wants 100m.",
    ]


def rolling(**values: Any) -> Json:
    return {"type": "RollingUpdate", "rollingUpdate": values}


@pytest.mark.parametrize(
    ("kind", "spec", "pace"),
    [
        ("deployment", {}, Pace(1, 1, 2)),
        ("deployment", {"strategy": rolling(maxSurge=1, maxUnavailable=0)}, Pace(1, 0, 4)),
        ("deployment", {"strategy": rolling(maxSurge="100%", maxUnavailable=0)}, Pace(4, 0, 1)),
        ("deployment", {"strategy": rolling(maxSurge=0, maxUnavailable="10%")}, Pace(0, 1, 4)),
        ("deployment", {"strategy": {"type": "Recreate"}}, Pace(0, 4, 1)),
        ("statefulset", {"updateStrategy": rolling()}, Pace(0, 1, 4)),
        ("statefulset", {"updateStrategy": rolling(partition=3)}, Pace(0, 1, 1)),
        ("statefulset", {"updateStrategy": {"type": "OnDelete"}}, Pace(0, 4, 1)),
        ("daemonset", {"updateStrategy": rolling(maxUnavailable="50%")}, Pace(0, 2, 2)),
        ("daemonset", {"updateStrategy": rolling(maxUnavailable=0, maxSurge=1)}, Pace(1, 0, 4)),
    ],
)
def test_the_pace_of_a_rollout(kind: str, spec: Json, pace: Pace) -> None:
    assert pace_of(workload(kind, **spec)) == pace


def test_a_surge_makes_it_faster() -> None:
    slow = workload(strategy=rolling(maxSurge=1, maxUnavailable=0))
    assert pace_of(slow, surge="100%").waves == 1
    assert pace_of(slow, surge="2").waves == 2


def pod(seconds: int, *, ready: bool = True, restarts: int = 0) -> Json:
    condition = {
        "type": "Ready",
        "status": "True" if ready else "False",
        "lastTransitionTime": f"2026-11-24T10:00:{seconds:02}Z",
    }
    return {
        "metadata": {"creationTimestamp": "2026-11-24T10:00:00Z"},
        "status": {"conditions": [condition], "containerStatuses": [{"restartCount": restarts}]},
    }


def test_the_time_it_takes_is_that_of_the_pods_of_today_for_each_wave() -> None:
    assert ready_s([]) is None
    assert ready_s([pod(4), pod(8), pod(50)]) == 8
    assert ready_s([pod(4), pod(50, restarts=1), pod(40, ready=False)]) == 4
    one, all_at_once = Pace(1, 0, 4), Pace(4, 0, 1)
    assert expected_s(workload(), [pod(4)], one) == 4 * 5 + 1
    assert expected_s(workload(), [pod(4)], all_at_once) == 5 + 1
    assert expected_s(workload(minReadySeconds=10), [pod(4)], all_at_once) == 15 + 1
    assert expected_s(workload(), [], all_at_once) == 11 + 1


def texts(one: Workload, **found: Any) -> str:
    return "\n".join(warning.text for warning in about(one, Surroundings(**found)))


def test_autoscalers_and_budgets_of_this_workload_are_named() -> None:
    def hpa(name: str, scaled: str) -> Json:
        target = {"kind": "Deployment", "name": scaled}
        return {
            "metadata": {"name": name},
            "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 9},
        }

    def budget(name: str, app: str) -> Json:
        spec = {"selector": {"matchLabels": {"app": app}}, "minAvailable": 1}
        return {
            "metadata": {"name": name},
            "spec": spec,
            "status": {"disruptionsAllowed": 1, "currentHealthy": 4},
        }

    said = texts(
        workload(),
        autoscalers=(hpa("mine", "web"), hpa("other", "worker")),
        budgets=(budget("ours", "web"), budget("theirs", "worker")),
    )
    assert "The HorizontalPodAutoscaler mine keeps it between 2 and 9 pods" in said
    assert "The PodDisruptionBudget ours wants at least 1 available (now 4 are healthy)" in said
    assert "other" not in said
    assert "theirs" not in said


@pytest.mark.parametrize(
    ("spec", "annotations", "blind"),
    [
        ({}, {}, True),
        ({"targetCPUUtilizationPercentage": 80}, {}, True),
        ({"metrics": [{"type": "Resource"}]}, {}, True),
        ({"metrics": [{"type": "External"}]}, {}, False),
        ({}, {"autoscaling.alpha.kubernetes.io/metrics": "[]"}, False),
    ],
)
def test_an_autoscaler_that_goes_by_use_needs_somebody_who_measures(
    spec: Json, annotations: Json, blind: bool
) -> None:
    target = {"kind": "Deployment", "name": "web"}
    hpa = {
        "metadata": {"name": "mine", "annotations": annotations},
        "spec": {"scaleTargetRef": target, "maxReplicas": 9, **spec},
    }
    without = texts(workload(), autoscalers=(hpa,), metrics=False)
    assert ("the HorizontalPodAutoscaler mine cannot scale by load." in without) is blind
    assert "cannot scale" not in texts(workload(), autoscalers=(hpa,))


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (workload("daemonset", updateStrategy={"type": "OnDelete"}), "only when somebody deletes them"),
        (workload(strategy={"type": "Recreate"}), "stops all its pods before it starts new ones"),
        (
            workload("statefulset", updateStrategy=rolling(partition=2)),
            "only pods from web-2 on are replaced",
        ),
        (
            workload(annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}"}),
            "the next apply brings back what the manifests say",
        ),
    ],
)
def test_what_is_special_about_a_workload_is_said(one: Workload, said: str) -> None:
    assert said in texts(one)
    assert texts(workload()) == ""


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web", "tier": "front"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
        (None, False),
    ],
)
def test_selectors(selector: Json | None, selected: bool) -> None:
    assert selects(selector, {"app": "web"}, empty=True) is selected
    assert selects(selector, {"app": "web"}, empty=False) is selected


@pytest.mark.parametrize("selector", [{}, {"matchLabels": {}}, {"matchLabels": None, "matchExpressions": []}])
def test_a_selector_that_names_nothing_means_what_its_version_says(selector: Json) -> None:
    for empty in (True, False):
        assert selects(selector, {"app": "web"}, empty=empty) is empty
