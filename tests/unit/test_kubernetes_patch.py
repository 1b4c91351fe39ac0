"""The one write of a rollback: what it touches, what it leaves alone, and when it takes no effect at all."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.kubernetes.patch import STRATEGY_BEFORE, cause_of, to_strategy_before, to_template

Json = dict[str, Any]

OLD = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "web:v1.2.9"}]},
}
BAD = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "web:v1.3.0"}]},
}
STRATEGY = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}

keys = st.from_regex(r"([a-z]{1,8}\.[a-z]{1,5}/)?[a-zA-Z0-9._~-]{1,12}", fullmatch=True)
annotations = st.dictionaries(keys, st.text(max_size=20), max_size=5)
surges = st.sampled_from([None, "100%", "3"])


def deployment(**changed: Any) -> Json:
    return {
        "kind": "Deployment",
        "metadata": {"uid": "u-1", "generation": 7, "annotations": {"a": "b"}},
        "spec": {"replicas": 3, "template": copy.deepcopy(BAD), "strategy": copy.deepcopy(STRATEGY)},
    } | changed


class Failed(Exception):
    """A `test` did not hold."""


def patched(document: Json, operations: list[Json]) -> Json:
    """What an API server makes of a JSON patch (RFC 6902; a missing member tests equal to null, as there)."""
    done = copy.deepcopy(document)
    for operation in operations:
        *parents, last = (
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
        )
        inside: Any = done
        for part in parents:
            inside = inside[part]
        match operation["op"]:
            case "test":
                if inside.get(last) != operation["value"]:
                    raise Failed(operation["path"])
            case "add":
                inside[last] = operation["value"]
            case "replace":
                assert last in inside
                inside[last] = operation["value"]
            case "remove":
                del inside[last]
    return done


@given(annotations, annotations, surges)
def test_it_sets_the_template_and_nothing_else(
    before: dict[str, str], since: dict[str, str], surge: str | None
) -> None:
    read = deployment()
    read["metadata"]["annotations"] = before
    operations = to_template(read, OLD, cause="kaeru: back", surge=surge)
    # Others annotate and scale between the read and the write; neither moves what is guarded.
    now = copy.deepcopy(read)
    if before:
        now["metadata"]["annotations"] = {**before, **since}
    after = patched(now, operations)
    assert after["spec"]["template"] == OLD
    assert after["spec"]["replicas"] == 3
    kept = after["metadata"]["annotations"]
    assert kept.pop("kubernetes.io/change-cause") == "kaeru: back"
    kept.pop(STRATEGY_BEFORE, None)
    assert kept == {
        name: text
        for name, text in now["metadata"]["annotations"].items()
        if name != "kubernetes.io/change-cause"
    }


@pytest.mark.parametrize(("field", "value"), [("uid", "u-2"), ("generation", 8)])
def test_it_takes_no_effect_on_what_has_changed(field: str, value: Any) -> None:
    read = deployment()
    now = copy.deepcopy(read)
    now["metadata"][field] = value
    with pytest.raises(Failed, match=field):
        patched(now, to_template(read, OLD, cause="kaeru"))


def test_an_annotation_that_came_first_is_not_overwritten_by_the_whole_map() -> None:
    read = deployment()
    del read["metadata"]["annotations"]
    operations = to_template(read, OLD, cause="kaeru")
    assert patched(read, operations)["metadata"]["annotations"] == {"kubernetes.io/change-cause": "kaeru"}
    with pytest.raises(Failed):
        patched(deployment(), operations)


def test_nothing_of_what_kubernetes_put_into_the_template_comes_along() -> None:
    kept = copy.deepcopy(OLD)
    kept["metadata"] = {
        "creationTimestamp": None,
        "labels": {"app": "web", "pod-template-hash": "5d9c"},
        "annotations": {"kubectl.kubernetes.io/restartedAt": "2026-11-24T10:00:00Z", "team": "shop"},
    }
    before = copy.deepcopy(kept)
    after = patched(deployment(), to_template(deployment(), kept, cause="kaeru"))
    assert after["spec"]["template"]["metadata"] == {
        "labels": {"app": "web"},
        "annotations": {"team": "shop"},
    }
    assert kept == before


@given(surges.filter(bool))
def test_the_surge_comes_and_goes_without_a_trace(surge: str) -> None:
    read = deployment()
    during = patched(read, to_template(read, OLD, cause="kaeru", surge=surge))
    widened = during["spec"]["strategy"]["rollingUpdate"]
    assert widened == {"maxSurge": 3 if surge == "3" else surge, "maxUnavailable": "25%"}
    during["metadata"]["generation"] += 5  # an autoscaler is at work
    after = patched(during, to_strategy_before(during))
    assert after["spec"]["strategy"] == STRATEGY
    assert STRATEGY_BEFORE not in after["metadata"]["annotations"]
    assert to_strategy_before(after) == []


def test_a_second_rollback_gives_back_the_first_ones_strategy() -> None:
    read = deployment()
    once = patched(read, to_template(read, OLD, cause="kaeru", surge="100%"))
    twice = patched(once, to_template(once, BAD, cause="kaeru", surge="3"))
    assert patched(twice, to_strategy_before(twice))["spec"]["strategy"] == STRATEGY


def test_a_strategy_that_somebody_has_set_since_stays() -> None:
    read = deployment()
    during = patched(read, to_template(read, OLD, cause="kaeru", surge="100%"))
    theirs = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    during["spec"]["strategy"] = theirs
    after = patched(during, to_strategy_before(during))
    assert after["spec"]["strategy"] == theirs
    assert STRATEGY_BEFORE not in after["metadata"]["annotations"]


def test_what_is_given_back_is_what_was_read() -> None:
    read = deployment()
    during = patched(read, to_template(read, OLD, cause="kaeru", surge="100%"))
    operations = to_strategy_before(during)
    during["spec"]["strategy"] = {"type": "Recreate"}
    with pytest.raises(Failed, match="strategy"):
        patched(during, operations)


@pytest.mark.parametrize("nonsense", ["", "no JSON", "[]", "{}", '{"before": 1, "during": 2}', "null"])
def test_nonsense_in_the_annotation_only_goes(nonsense: str) -> None:
    read = deployment()
    read["metadata"]["annotations"][STRATEGY_BEFORE] = nonsense
    after = patched(read, to_strategy_before(read))
    assert after["spec"] == read["spec"]
    assert after["metadata"]["annotations"] == {"a": "b"}


@pytest.mark.parametrize(
    ("kind", "strategy"),
    [("Deployment", {"type": "Recreate"}), ("StatefulSet", STRATEGY), ("DaemonSet", STRATEGY)],
)
def test_what_cannot_surge_is_left_as_it_is(kind: str, strategy: Json) -> None:
    read = deployment(kind=kind)
    read["spec"]["strategy"] = strategy
    after = patched(read, to_template(read, OLD, cause="kaeru", surge="100%"))
    assert after["spec"]["strategy"] == strategy
    assert STRATEGY_BEFORE not in after["metadata"]["annotations"]


def test_the_history_tells_the_version_and_the_run() -> None:
    assert cause_of("v1.2.9", "INC-7/run-1/apply:web") == "kaeru: back to v1.2.9 (INC-7/run-1/apply:web)"
