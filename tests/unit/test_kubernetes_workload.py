"""What is read out of raw workloads and pod templates."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.base import as_version
from integrations.images import version_of
from integrations.kubernetes.template import (
    image_of,
    images_of,
    plain_template,
    shape_ref,
)
from integrations.kubernetes.workload import Counts, Workload, controlled_by, selector_query

Json = dict[str, Any]


def template(image: str = "shop/web:v1", **container: Any) -> Json:
    return {
        "metadata": {"creationTimestamp": None, "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": image, **container}]},
    }


def workload(kind: str = "deployment", *, status: Json | None = None, **spec: Any) -> Workload:
    return Workload(
        kind,
        {
            "metadata": {"namespace": "shop", "name": "web", "uid": "u1", "generation": 4},
            "spec": {"template": template(), "selector": {"matchLabels": {"app": "web"}}, **spec},
            "status": status or {},
        },
    )


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("web:v1.2.9", "v1.2.9"),
        ("registry.example:5000/shop/web:v1.2.9", "v1.2.9"),
        ("registry.example:5000/shop/web", "latest"),
        ("web", "latest"),
        ("", "latest"),
        ("web:v1.2.9@sha256:" + "0123456789abcdef" * 4, "v1.2.9"),
        ("registry.example:5000/web@sha256:" + "0123456789abcdef" * 4, "sha256-0123456789ab"),
        ("web:_internal", "internal"),
        ("web:__", "latest"),
    ],
)
def test_a_version_is_the_tag_of_an_image(image: str, version: str) -> None:
    assert version_of(image) == version


@given(st.text(max_size=200))
def test_whatever_an_image_is_its_version_is_one(image: str) -> None:
    assert as_version(version_of(image)) == version_of(image)


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True))
def test_a_tag_is_kept_as_it_is(tag: str) -> None:
    assert version_of(f"registry.example:5000/web:{tag}") == (tag.lstrip("_.-") or "latest")


def test_a_shape_is_of_what_people_set() -> None:
    plain = template()
    marked = copy.deepcopy(plain)
    marked["metadata"]["labels"]["pod-template-hash"] = "5d9c"
    marked["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "2026-11-24T22:00:00Z"}
    marked["$patch"] = "replace"
    assert shape_ref(marked) == shape_ref(plain)
    assert len(shape_ref(plain)) == 16


@pytest.mark.parametrize(
    "other",
    [
        template("shop/web:v2"),
        template(env=[{"name": "A", "value": "1"}]),
        template(resources={"limits": {"cpu": "1"}}),
        {**template(), "metadata": {"labels": {"app": "web", "tier": "front"}}},
        {**template(), "metadata": {"labels": {"app": "web"}, "annotations": {"config": "abc"}}},
    ],
)
def test_another_setting_is_another_shape(other: Json) -> None:
    assert shape_ref(other) != shape_ref(template())


def test_a_plain_template_can_be_put_back() -> None:
    marked = template()
    marked["metadata"]["labels"]["controller-revision-hash"] = "5d9c"
    marked["metadata"]["annotations"] = {"config": "abc"}
    marked["$patch"] = "replace"
    before = copy.deepcopy(marked)
    assert plain_template(marked) == {
        "metadata": {"labels": {"app": "web"}, "annotations": {"config": "abc"}},
        "spec": template()["spec"],
    }
    assert marked == before


def many(*names: str) -> Json:
    containers = [{"name": name, "image": f"{name}:v{index}"} for index, name in enumerate(names)]
    return {"spec": {"containers": containers, "initContainers": [{"name": "schema", "image": "schema:v9"}]}}


@pytest.mark.parametrize(
    ("names", "container", "image"),
    [
        (("only",), None, "only:v0"),
        (("proxy", "web"), None, "web:v1"),
        (("proxy", "app"), None, "proxy:v0"),
        (("proxy", "web", "app"), "app", "app:v2"),
    ],
)
def test_the_container_that_names_the_version(
    names: tuple[str, ...], container: str | None, image: str
) -> None:
    assert image_of(many(*names), name="web", container=container) == image


def test_a_container_that_is_not_there_is_said() -> None:
    with pytest.raises(LookupError, match="there is no container app; there are: proxy, web"):
        image_of(many("proxy", "web"), name="web", container="app")
    with pytest.raises(LookupError):
        image_of({"spec": {"containers": []}}, name="web")


def test_init_containers_have_images_too() -> None:
    assert images_of(many("web")) == {"schema": "schema:v9", "web": "web:v0"}


def test_a_deployment_is_counted() -> None:
    status = {"replicas": 5, "updatedReplicas": 2, "readyReplicas": 4, "availableReplicas": 3}
    counts = workload(status=status, replicas=4).counts
    assert counts == Counts(desired=4, total=5, updated=2, ready=4, available=3)
    assert workload().counts == Counts(desired=1, total=0, updated=0, ready=0, available=0)
    assert workload(replicas=0).replicas == 0


def test_a_stateful_set_of_an_old_cluster_does_not_say_what_is_available() -> None:
    old = workload("statefulset", status={"replicas": 3, "readyReplicas": 2}, replicas=3)
    assert old.counts.available == 2
    new = workload("statefulset", status={"readyReplicas": 2, "availableReplicas": 0}, replicas=3)
    assert new.counts.available == 0


def test_a_daemon_set_has_as_many_as_there_are_nodes() -> None:
    status = {
        "desiredNumberScheduled": 3,
        "currentNumberScheduled": 3,
        "updatedNumberScheduled": 1,
        "numberReady": 2,
        "numberAvailable": 2,
    }
    counts = workload("daemonset", status=status).counts
    assert counts == Counts(desired=3, total=3, updated=1, ready=2, available=2)


def test_the_fingerprint_follows_what_a_plan_rests_on() -> None:
    base = workload(replicas=2)
    assert workload(replicas=9, status={"readyReplicas": 1}).fingerprint == base.fingerprint
    surging = workload(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "100%"}})
    assert surging.fingerprint == base.fingerprint
    others = [
        workload(paused=True),
        workload(strategy={"type": "Recreate"}),
        workload(template=template("shop/web:v2")),
        Workload("deployment", {**base.raw, "metadata": {**base.raw["metadata"], "uid": "u2"}}),
    ]
    assert len({one.fingerprint for one in (base, *others)}) == 5
    assert len(base.fingerprint) <= 64


def test_only_a_deployment_can_be_paused() -> None:
    assert workload(paused=True).paused
    assert not workload("statefulset", paused=True).paused


def test_selectors_as_the_api_takes_them() -> None:
    selector = {
        "matchLabels": {"tier": "front", "app": "web"},
        "matchExpressions": [
            {"key": "zone", "operator": "In", "values": ["a", "b"]},
            {"key": "old", "operator": "DoesNotExist"},
            {"key": "new", "operator": "Exists"},
            {"key": "ring", "operator": "NotIn", "values": ["canary"]},
        ],
    }
    assert selector_query(selector) == "app=web,tier=front,zone in (a,b),!old,new,ring notin (canary)"


def test_labels_alone_make_nothing_ones_own() -> None:
    owners = [{"uid": "u1", "controller": True}, {"uid": "u2"}]
    child = {"metadata": {"ownerReferences": owners}}
    assert controlled_by(child, "u1")
    assert not controlled_by(child, "u2")
    assert not controlled_by({"metadata": {}}, "u1")
