"""A workload's history, from raw objects and from what kaeru remembers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.base import as_version
from bot.domain.plan import Level
from bot.domain.releases import shape_name, spoken
from bot.ports.memory import Shape
from integrations.images import version_of
from integrations.kubernetes.authors import author_of, said_cause
from integrations.kubernetes.history import History, joined
from integrations.kubernetes.keepsake import Keepsake, read_keepsake
from integrations.kubernetes.template import shape_ref
from integrations.kubernetes.workload import Workload

Json = dict[str, Any]

START = datetime(2026, 11, 24, 10, tzinfo=UTC)
UID = "uid-of-web"


def template(version: str, **env: str) -> Json:
    variables = [{"name": name, "value": value} for name, value in env.items()]
    container = {"name": "web", "image": f"shop/web:{version}"} | ({"env": variables} if env else {})
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}


def deployment(now: Json, **spec: Any) -> Workload:
    metadata = {"namespace": "shop", "name": "web", "uid": UID}
    return Workload("deployment", {"metadata": metadata, "spec": {"template": now, **spec}})


def replica_set(
    number: int | None,
    of: Json,
    *,
    minute: int | None = None,
    earlier: str = "",
    uid: str = UID,
    cause: str = "",
) -> Json:
    made = START + timedelta(minutes=minute if minute is not None else (number or 0))
    annotations = {
        "deployment.kubernetes.io/revision": None if number is None else str(number),
        "deployment.kubernetes.io/revision-history": earlier or None,
        "kubernetes.io/change-cause": cause or None,
    }
    labels = {**of["metadata"]["labels"], "pod-template-hash": f"h{number}"}
    return {
        "metadata": {
            "name": f"web-h{number}",
            "creationTimestamp": f"{made:%Y-%m-%dT%H:%M:%SZ}",
            "annotations": {key: value for key, value in annotations.items() if value is not None},
            "ownerReferences": [{"uid": uid, "controller": True}],
        },
        "spec": {"template": {**of, "metadata": {**of["metadata"], "labels": labels}}},
    }


def shape(of: Json, *, good: int | None = None, last: int = 0, revision: int | None = None) -> Shape:
    return Shape(
        ref=shape_ref(of),
        version=version_of(of["spec"]["containers"][0]["image"]),
        spec=Keepsake(template=of, revision=revision).dumped(),
        first_at=START,
        last_at=START + timedelta(minutes=last),
        good_at=None if good is None else START + timedelta(minutes=good),
    )


def names(history: History) -> list[str]:
    """Newest first."""
    return [available.version for available in history.available]


def test_the_newest_comes_first_and_the_current_one_is_found() -> None:
    objects = [replica_set(n, template(f"v{n}")) for n in (1, 3, 2)]
    history = joined(deployment(template("v3")), objects, ())
    assert names(history) == ["v3", "v2", "v1"]
    assert history.current.object_names == ("web-h3",)
    assert history.warnings == ()
    found = history.find("v2")
    assert found is not None
    assert found.template == template("v2")
    assert history.find("v9", shape_ref(template("v1"))) == history.revisions[2]
    assert history.find("v9") is None
    assert history.find("v1", "no such ref") is None


def test_what_belongs_to_another_is_left_alone() -> None:
    objects = [replica_set(1, template("v1")), replica_set(2, template("v2"), uid="of another")]
    assert names(joined(deployment(template("v1")), objects, ())) == ["v1"]


def test_a_restart_is_no_other_version() -> None:
    restarted = template("v2")
    restarted["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "2026-11-24T10:03:00Z"}
    objects = [replica_set(1, template("v1")), replica_set(2, template("v2")), replica_set(3, restarted)]
    history = joined(deployment(restarted), objects, ())
    assert names(history) == ["v2", "v1"]
    assert history.current.object_names == ("web-h3", "web-h2")
    assert history.current.number == 3
    assert history.current.since == START + timedelta(minutes=2, microseconds=0)


def test_what_is_used_again_is_younger_than_what_was_between() -> None:
    """v1, then v2, then v1 again (revision 3), then v3: v1 is what v3 replaced, though its ReplicaSet is the oldest."""
    objects = [
        replica_set(2, template("v2")),
        replica_set(3, template("v1"), minute=1, earlier="1"),
        replica_set(4, template("v3")),
    ]
    history = joined(deployment(template("v3")), objects, ())
    ages = sorted(history.available, key=lambda a: a.since or START)
    assert [a.version for a in ages] == ["v2", "v1", "v3"]
    assert history.warnings == ()


def test_what_was_left_for_what_runs_again_is_the_younger_one() -> None:
    """v1, then v2 and v3, then v1 again: neither is a release before v1, and a rollback from it does not lead there."""
    objects = [
        replica_set(2, template("v2")),
        replica_set(3, template("v3")),
        replica_set(4, template("v1"), minute=1, earlier="1"),
    ]
    history = joined(deployment(template("v1")), objects, ())
    ages = sorted(history.available, key=lambda a: a.since or START)
    assert [a.version for a in ages] == ["v1", "v2", "v3"]


def test_what_runs_again_though_it_was_forgotten_is_the_older_one() -> None:
    """v1 was brought back from memory, and v2 is in nothing but memory by now."""
    history = joined(
        deployment(template("v1"), revisionHistoryLimit=0),
        [replica_set(9, template("v1"))],
        (shape(template("v1"), last=9), shape(template("v2"), last=4)),
    )
    ages = sorted(history.available, key=lambda a: a.since or START)
    assert [a.version for a in ages] == ["v1", "v2"]


def test_a_template_that_no_replica_set_has_yet_is_the_current_one() -> None:
    history = joined(
        deployment(template("v3")), [replica_set(2, template("v2")), replica_set(None, template("v3"))], ()
    )
    assert names(history) == ["v2", "v3"]
    assert history.current.version == "v3"
    assert history.current.number == 3
    assert history.current.object_names == ()


def exact(of: Json) -> str:
    return shape_name(version_of(of["spec"]["containers"][0]["image"]), shape_ref(of))


def test_one_image_with_other_settings_has_a_name_of_its_own() -> None:
    old, now = template("v1", SIZE="1"), template("v1", SIZE="2")
    history = joined(deployment(now), [replica_set(4, old), replica_set(5, now)], ())
    assert names(history) == ["v1", exact(old)]
    assert [spoken(name) for name in names(history)] == ["v1", "v1"]
    assert "revision 4, the same image as v1 with other settings" in history.available[1].note


def test_the_plain_name_is_of_the_shape_that_was_good_last() -> None:
    shapes = [template("v1", SIZE=str(n)) for n in range(3)]
    first, second, third = (exact(one) for one in shapes)
    objects = [replica_set(n + 1, one) for n, one in enumerate(shapes)] + [replica_set(4, template("v2"))]
    now = deployment(template("v2"))
    assert names(joined(now, objects, ())) == ["v2", "v1", second, first]
    remembered = (shape(shapes[0], good=5), shape(shapes[1], good=9))
    history = joined(now, objects, remembered)
    assert names(history) == ["v2", third, "v1", first]
    assert [a.good_at for a in history.available][2] == START + timedelta(minutes=9)
    # What runs now, and was never seen serving well, is not what people mean by the version.
    assert names(joined(deployment(shapes[2]), objects[:3], remembered)) == [third, "v1", first]


def test_an_exact_name_stays_whatever_else_comes_and_goes() -> None:
    """A rollback gives the shape another revision, what was good another plain name, and the cluster forgets."""
    good, bad = template("v1", DB="here"), template("v1", DB="nowhere")
    before = joined(deployment(bad), [replica_set(1, good), replica_set(2, bad)], (shape(good, good=1),))
    assert names(before) == [exact(bad), "v1"]
    objects = [replica_set(2, bad), replica_set(3, good, minute=1, earlier="1")]
    after = joined(deployment(good), objects, (shape(good, good=1), shape(bad)))
    assert names(after) == ["v1", exact(bad)]
    pruned = joined(deployment(good), objects[1:], (shape(good, good=1), shape(bad, revision=2)))
    assert names(pruned) == ["v1", exact(bad)]
    well = joined(deployment(bad), objects, (shape(good, good=1), shape(bad, good=9)))
    assert names(well) == [exact(good), "v1"]


def test_what_the_cluster_has_forgotten_comes_from_memory() -> None:
    old = template("v1")
    history = joined(
        deployment(template("v2"), revisionHistoryLimit=0),
        [replica_set(7, template("v2"))],
        (shape(template("v2")), shape(old, good=3, last=4, revision=5)),
    )
    assert names(history) == ["v2", "v1"]
    forgotten = history.available[1]
    assert forgotten.note == "not in the cluster's history any more; from kaeru's own record"
    assert (forgotten.good_at, forgotten.since) == (
        START + timedelta(minutes=3),
        START + timedelta(minutes=4),
    )
    found = history.find("v1")
    assert found is not None
    assert found.template == old
    (warning,) = history.warnings
    assert warning.level is Level.INFO
    assert "keeps no history (revisionHistoryLimit is 0)" in warning.text
    assert "kaeru's own record has one version to return to" in warning.text


def test_without_any_memory_a_history_of_one_is_said() -> None:
    (none,) = joined(
        deployment(template("v1"), revisionHistoryLimit=0), [replica_set(3, template("v1"))], ()
    ).warnings
    assert none.level is Level.WARNING
    assert "there is nothing to return to" in none.text
    (one,) = joined(deployment(template("v1")), [replica_set(1, template("v1"))], ()).warnings
    assert one.level is Level.WARNING
    assert "has no earlier revision in the cluster" in one.text


def test_numbers_that_are_gone_are_named() -> None:
    objects = [replica_set(n, template(f"v{n}")) for n in (4, 5, 8)]
    history = joined(deployment(template("v8"), revisionHistoryLimit=2), objects, ())
    (warning,) = history.warnings
    assert (
        "revisions 1-3, 6-7 are gone from the cluster's history (revisionHistoryLimit is 2)" in warning.text
    )
    objects = [replica_set(n, template(f"v{n}")) for n in (1, 3)]
    assert "revision 2 is gone" in joined(deployment(template("v3")), objects, ()).warnings[0].text


def test_a_number_given_up_for_a_newer_one_is_not_gone() -> None:
    objects = [replica_set(2, template("v2")), replica_set(4, template("v1"), earlier="1,3")]
    assert joined(deployment(template("v1")), objects, ()).warnings == ()


def test_a_record_that_cannot_be_read_brings_nothing_back() -> None:
    broken = shape(template("v1")).model_copy(update={"spec": "{"})
    empty = shape(template("v0")).model_copy(update={"spec": "{}"})
    objects = [replica_set(2, template("v2")), replica_set(1, template("v3"))]
    assert names(joined(deployment(template("v2")), objects, (broken, empty))) == ["v2", "v3"]
    assert read_keepsake("{") is None


def test_controller_revisions() -> None:
    now, old = template("v2"), template("v1")
    workload = Workload("statefulset", deployment(now).raw)
    objects = [
        {
            "metadata": {
                "name": f"web-{number}",
                "creationTimestamp": "2026-11-24T10:00:00Z",
                "ownerReferences": [{"uid": UID, "controller": True}],
            },
            "revision": number,
            "data": {"spec": {"template": {**of, "$patch": "replace"}}},
        }
        for number, of in ((2, now), (1, old))
    ]
    history = joined(workload, objects, ())
    assert names(history) == ["v2", "v1"]
    found = history.find("v1")
    assert found is not None
    assert found.template == old
    # They have no record of numbers given up, so that a gap means nothing.
    objects[0]["revision"] = 9
    assert joined(workload, objects, ()).warnings == ()


def test_an_older_container_by_another_name_still_names_its_version() -> None:
    old = template("v1")
    old["spec"]["containers"][0]["name"] = "app"
    now = deployment(template("v2"))
    workload = Workload("deployment", now.raw, container="web")
    assert names(joined(workload, [replica_set(1, old), replica_set(2, template("v2"))], ())) == ["v2", "v1"]
    with pytest.raises(LookupError):
        joined(Workload("deployment", now.raw, container="sidecar"), [], ())


versions = st.sampled_from(["v1", "v2", "x" * 128])
deploys = st.lists(st.tuples(versions, st.integers(0, 3)), min_size=1, max_size=8)


@given(deploys, st.lists(st.tuples(versions, st.integers(0, 6), st.none() | st.integers(0, 9)), max_size=8))
def test_every_shape_has_one_name_and_every_name_one_shape(
    deployed: list[tuple[str, int]], remembered: list[tuple[str, int, int | None]]
) -> None:
    templates = [template(version, SIZE=str(size)) for version, size in deployed]
    objects = [replica_set(n + 1, one) for n, one in enumerate(templates)]
    shapes = {
        (version, size): shape(template(version, SIZE=str(size)), revision=number, good=number)
        for version, size, number in remembered
    }
    history = joined(deployment(templates[-1]), objects, tuple(shapes.values()))
    called = names(history)
    assert len(called) == len(set(called)) == len(history.revisions)
    assert [as_version(name) for name in called] == called
    assert (
        spoken(history.names[history.current_ref]) == spoken(deployed[-1][0]) or len(deployed[-1][0]) == 128
    )
    for available in history.available:
        found = history.find(available.version)
        assert found is not None
        assert shape_ref(found.template) == available.ref == found.ref
    for version in {r.version for r in history.revisions}:
        assert version in called


def test_the_author_is_who_set_the_template_last() -> None:
    def entry(manager: str, minute: int, fields: Json, **more: str) -> Json:
        at = f"2026-11-24T10:{minute:02}:00Z"
        return {"manager": manager, "time": at, "fieldsV1": fields, **more}

    sets = {"f:spec": {"f:template": {}}}
    workload = deployment(template("v1"))
    assert author_of(workload) == ""
    workload.raw["metadata"]["managedFields"] = [
        entry("kubectl-set", 5, sets),
        entry("helm", 3, sets),
        entry("kubectl-scale", 9, {"f:spec": {"f:replicas": {}}}),
        entry("kube-controller-manager", 10, sets),
        entry("kubectl-edit", 11, sets, subresource="status"),
    ]
    assert author_of(workload) == "kubectl-set"
    history = joined(workload, [], ())
    assert history.available[0].note == "by kubectl-set"


@pytest.mark.parametrize(
    ("cause", "shown"),
    [
        ("release 42", "release 42"),
        (
            "kubectl set image deploy/web web=shop/web:v2 --record=true",
            "kubectl set image deploy/web web=shop/web:v2 --record=…",
        ),
        (
            "kubectl set env deploy/web PASSWORD=hunter2 --record=true",
            "kubectl set env deploy/web PASSWORD=… --record=…",
        ),
        ("kubectl set image web=shop/web:v2 --token=hunter2", "kubectl set image web=shop/web:v2 --token=…"),
        ("deploy.sh --password hunter2 v2", "deploy.sh --password [redacted] v2"),
        ("deploy https://bot:hunter2@git.example/shop", "deploy https://…@git.example/shop"),
        ("deploy https://hunter2@git.example/shop", "deploy https://…@git.example/shop"),
        (
            "kubectl set image web=shop/web:v2 # token: hunter2",
            "kubectl set image web=shop/web:v2 # token: [redacted]",
        ),
        ("a\nb\tc", "a b c"),
        ("x" * 200, "x" * 119 + "…"),
    ],
)
def test_a_cause_shows_no_values(cause: str, shown: str) -> None:
    assert said_cause(cause) == shown
    history = joined(deployment(template("v1")), [replica_set(1, template("v1"), cause=cause)], ())
    assert shown in history.available[0].note
    assert "hunter2" not in history.available[0].note
