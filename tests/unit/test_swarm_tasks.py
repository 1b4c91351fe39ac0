"""What tasks say: counts, failures, and when a change is at its end."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.evidence import Outcome
from integrations.images import version_of
from integrations.swarm.service import image_of, ref_of
from integrations.swarm.tasks import Tally, is_to_blame, serving, tally, verdict

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NEW = {"ContainerSpec": {"Image": "shop/web:v1.2.9"}}
OLD = {"ContainerSpec": {"Image": "shop/web:v1.3.0"}}
UP = {"ID": "n1", "Status": {"State": "ready"}, "Description": {"Hostname": "node-1"}}
DOWN = {"ID": "n2", "Status": {"State": "down"}, "Description": {"Hostname": "node-2"}}


def name(template: Any) -> str:
    return version_of(image_of(template))


def at(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def task(
    slot: int,
    state: str = "running",
    *,
    spec: Any = NEW,
    desired: str = "running",
    age: float = 5,
    **other: Any,
) -> dict[str, Any]:
    err = {"Err": other.pop("err")} if "err" in other else {}
    return {
        "ID": f"{slot}{state}{age}",
        "Spec": spec,
        "Slot": slot,
        "NodeID": "n1",
        "DesiredState": desired,
        "CreatedAt": at(-age),
        "Status": {"State": state, "Timestamp": at(-age), **err},
        **other,
    }


def service(replicas: int | None = 2, state: str = "", began: float = -60) -> dict[str, Any]:
    mode: dict[str, Any] = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
    found: dict[str, Any] = {
        "UpdatedAt": at(began),
        "Spec": {"Name": "web", "Mode": mode, "TaskTemplate": NEW},
    }
    if state:
        found["UpdateStatus"] = {"State": state, "StartedAt": at(began)}
    return found


def counted(tasks: list[dict[str, Any]], **more: Any) -> Tally:
    return tally(service(**more), tasks, [UP, DOWN], ref_of(NEW), name=name, now=NOW)


def judged(tasks: list[dict[str, Any]], **more: Any) -> Outcome:
    return verdict(counted(tasks, **more), more.get("state", ""))


def test_all_up_and_nothing_old_is_a_success_whatever_the_update_status_says() -> None:
    up = [task(1), task(2), task(1, "shutdown", spec=OLD, desired="shutdown")]
    states = ("", "updating", "completed", "paused")
    assert [judged(up, state=state) for state in states] == [Outcome.SUCCEEDED] * len(states)


@pytest.mark.parametrize(
    "other",
    [
        task(2, "starting"),
        task(2, "running", spec=OLD),
        task(2, "running", age=0.2),
        task(2, "failed", desired="shutdown"),
    ],
)
def test_one_that_is_not_there_yet_is_none(other: dict[str, Any]) -> None:
    assert judged([task(1), other]) is Outcome.UNKNOWN


def test_an_old_task_that_is_being_stopped_is_said_and_not_waited_for() -> None:
    stopping = task(1, "running", spec=OLD, desired="shutdown")
    assert judged([task(1), task(2), stopping], state="updating") is Outcome.SUCCEEDED
    wanted = task(1, "running", spec=OLD, desired="running")
    assert judged([task(1), task(2), wanted], state="completed") is Outcome.UNKNOWN
    assert "1 being stopped" in counted([task(1), task(2), stopping]).sentence


def test_what_a_node_that_is_gone_said_last_does_not_count() -> None:
    ghosts = [
        task(1, "running", spec=OLD, desired="shutdown", NodeID="n2"),
        task(2, "running", spec=OLD, desired="running", NodeID="removed"),
    ]
    count = counted([task(1), task(2), *ghosts])
    assert verdict(count, "") is Outcome.SUCCEEDED
    assert "nodes node-2, removed cannot be reached" in count.sentence
    assert judged([task(1), task(2, NodeID="n2")]) is Outcome.UNKNOWN


def test_the_same_place_failing_twice_is_a_failure_with_its_error() -> None:
    failed = [
        task(1, "rejected", desired="shutdown", age=3, err="No such image: shop/web:v1.2.9"),
        task(1, "rejected", desired="shutdown", age=2, err="No such image: shop/web:v1.2.9"),
    ]
    count = counted([*failed, task(2)], state="updating")
    assert verdict(count, "updating") is Outcome.FAILED
    assert "2 failed, the last with: No such image: shop/web:v1.2.9" in count.sentence


def test_failures_of_another_day_do_not_count() -> None:
    long_ago = [task(1, "failed", desired="shutdown", age=90 + n, err="exit") for n in range(3)]
    assert judged([*long_ago, task(1), task(2)]) is Outcome.SUCCEEDED
    assert judged([*long_ago, task(1, "starting"), task(2)]) is Outcome.UNKNOWN


def test_the_exit_code_is_said_and_a_secret_is_not() -> None:
    failed = task(1, "failed", desired="shutdown", err="task: exit, password=hunter2")
    failed["Status"]["ContainerStatus"] = {"ExitCode": 137}
    sentence = counted([failed]).sentence
    assert "(exit code 137)" in sentence
    assert "hunter2" not in sentence


def test_a_paused_update_is_a_failure_only_where_something_is_missing() -> None:
    assert judged([task(1), task(2, spec=OLD)], state="paused") is Outcome.FAILED
    assert judged([task(1), task(2, "starting")], state="paused") is Outcome.UNKNOWN
    assert judged([task(1)], state="paused") is Outcome.FAILED


def test_two_tasks_in_one_slot_are_one() -> None:
    assert counted([task(1), task(1, age=7)]).running == 1
    assert judged([task(1), task(1, age=7)]) is Outcome.UNKNOWN


def test_a_global_service_is_counted_by_nodes() -> None:
    nodes = [{"ID": f"g{n}", "Status": {"State": "ready"}} for n in range(3)]
    tasks = [task(0, NodeID=node["ID"]) for node in nodes]
    count = tally(service(None), tasks, nodes, ref_of(NEW), name=name, now=NOW)
    assert (count.wanted, count.running, verdict(count, "")) == (3, 3, Outcome.SUCCEEDED)


def test_scaled_to_nothing_is_complete() -> None:
    assert judged([], replicas=0) is Outcome.SUCCEEDED


def test_a_clock_that_is_wrong_does_not_hold_things_up_for_hours() -> None:
    assert judged([task(1, age=-3600), task(2, age=-3600)]) is Outcome.SUCCEEDED


def test_why_a_task_waits_is_said() -> None:
    count = counted([task(1), task(2, "pending", err="no suitable node (insufficient resources on 1 node)")])
    assert "waiting: no suitable node (insufficient resources on 1 node)" in count.sentence


@pytest.mark.parametrize(
    ("tasks", "message", "blamed"),
    [
        ([task(1), task(2, "pending", err="no suitable node (insufficient resources)")], "", False),
        ([task(1, NodeID="n2"), task(2, "starting")], "", False),
        ([task(1), task(2), task(2, spec=OLD)], "", False),
        ([task(1), task(2, "starting")], "", True),
        ([task(1), task(2, "failed", err="task: non-zero exit (1)"), task(2, "pending", err="no suitable node")], "", True),
        ([task(1), task(2, "pending", err="no suitable node")], "update paused due to failure or early termination of task x", True),
    ],
    ids=["no-room", "node-gone", "old-stays", "never-up", "fails", "ends-early"],
)  # fmt: skip
def test_only_what_a_task_of_it_shows_is_the_versions_fault(
    tasks: list[dict[str, Any]], message: str, blamed: bool
) -> None:
    assert is_to_blame(counted(tasks), message) is blamed


def test_what_serves_is_what_does_not_fail() -> None:
    assert serving(service(), [task(1), task(2)], name) == "v1.2.9"
    assert serving(service(), [task(1), task(2, spec=OLD)], name) is None
    crashed = task(1, "failed", desired="shutdown", age=2)
    assert serving(service(), [crashed, task(1, age=0.1), task(2, spec=OLD)], name) == "v1.3.0"
    assert serving(service(), [], name) is None
