"""What is said of a workload's pods: which versions serve, and which images stand behind them."""

from typing import Any

import pytest

from bot.domain.plan import Level
from bot.ports.memory import Shape
from integrations.kubernetes.configs import Held
from integrations.kubernetes.history import joined
from integrations.kubernetes.inspecting import available_of, keepsake_of
from integrations.kubernetes.keepsake import Keepsake
from integrations.kubernetes.looking import Look, warnings_of
from integrations.kubernetes.payload import StuckPod
from integrations.kubernetes.planning import stuck_pods
from integrations.kubernetes.pods import Pod
from integrations.kubernetes.template import shape_ref
from tests.unit.test_kubernetes_history import START, deployment, replica_set, template

Json = dict[str, Any]

NEW, OLD = template("v2"), template("v1")
A, B = "a" * 64, "b" * 64


def pod(number: int, of: Json, *, ready: bool = True, image_id: str = "", ending: bool = False) -> Pod:
    metadata: Json = {"name": f"web-{number}", "uid": f"u{number}"}
    if ending:
        metadata["deletionTimestamp"] = "2026-11-24T10:00:00Z"
    status: Json = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    if image_id:
        status["containerStatuses"] = [{"name": "web", "imageID": image_id}]
    return Pod({"metadata": metadata, "spec": of["spec"], "status": status})


def look(
    *pods: tuple[Pod, Json], shapes: tuple[Shape, ...] = (), kind: str = "deployment", **spec: Any
) -> Look:
    """`replicas` defaults to the number of pods."""
    workload = deployment(NEW, **{"replicas": len(pods), **spec})
    history = joined(workload, [replica_set(1, OLD), replica_set(2, NEW)], shapes)
    now = workload if kind == "deployment" else type(workload)(kind, workload.raw)
    return Look(now, history, tuple(p for p, _ in pods), {p.uid: shape_ref(of) for p, of in pods})


def remembered(of: Json, **digests: str) -> Shape:
    spec = Keepsake(template=of, digests={f"shop/web:{tag}": digest for tag, digest in digests.items()})
    ref = shape_ref(of)
    return Shape(ref=ref, version="v1", spec=spec.dumped(), first_at=START, last_at=START)


def said(seen: Look) -> list[str]:
    return [warning.text for warning in warnings_of(seen)]


def test_all_is_well_without_a_word() -> None:
    seen = look((pod(0, NEW), NEW), (pod(1, NEW), NEW))
    assert seen.running == "v2"
    assert said(seen) == []


def test_two_versions_are_counted() -> None:
    seen = look(*((pod(n, NEW), NEW) for n in range(3)), (pod(3, OLD), OLD))
    assert seen.running is None
    assert said(seen) == ["Deployment shop/web is set to v2; 3 of 4 ready pods run v2, 1 runs v1."]


def test_what_is_not_ready_or_about_to_end_does_not_count() -> None:
    seen = look(
        (pod(0, OLD), OLD), (pod(1, NEW, ready=False), NEW), (pod(2, NEW, ending=True), NEW), replicas=1
    )
    assert seen.running == "v1"
    assert said(seen) == ["Deployment shop/web is set to v2, but v1 is what its ready pods run (1 of 1)."]
    few = look((pod(0, NEW), NEW), (pod(1, NEW, ready=False), NEW))
    assert said(few) == ["1 of 2 pods of Deployment shop/web are ready."]


def test_nothing_that_serves_is_a_danger_unless_it_is_meant() -> None:
    down = look((pod(0, NEW, ready=False), NEW))
    assert down.running is None
    assert [w.level for w in warnings_of(down)] == [Level.DANGER]
    none = look(replicas=0)
    assert said(none) == ["Deployment shop/web is scaled to zero: nothing of it runs."]


def test_a_pod_of_a_shape_that_nobody_knows_is_named_by_its_image() -> None:
    seen = look((pod(0, template("v0")), template("v0")))
    assert seen.running == "v0"


def test_a_tag_that_was_pushed_again_is_said() -> None:
    other = look(
        (pod(0, NEW, image_id=f"docker-pullable://shop/web@sha256:{B}"), NEW),
        shapes=(remembered(NEW, v2=f"shop/web@sha256:{A}"),),
    )
    (text,) = said(other)
    assert text.startswith(f"Different images were met under shop/web:v2 ({A[:12]}, {B[:12]})")
    # It goes on being said: what was met first stays in the record.
    assert keepsake_of(other, Held()).digests == {"shop/web:v2": f"shop/web@sha256:{A}"}
    same = look(
        (pod(0, NEW, image_id=f"docker-pullable://shop/web@sha256:{A}"), NEW),
        shapes=(remembered(NEW, v2=f"shop/web@sha256:{A}"),),
    )
    assert said(same) == []


def test_an_id_of_the_runtime_and_a_digest_of_the_registry_cannot_be_compared() -> None:
    seen = look(
        (pod(0, NEW, image_id=f"docker://sha256:{B}"), NEW),
        shapes=(remembered(NEW, v2=f"shop/web@sha256:{A}"),),
    )
    assert said(seen) == []


def test_two_pods_of_one_tag_with_different_images() -> None:
    seen = look(*((pod(n, NEW, image_id=f"docker://sha256:{d}"), NEW) for n, d in enumerate((A, B))))
    assert len(said(seen)) == 1


def test_versions_tell_their_image_and_its_digest() -> None:
    seen = look(
        (pod(0, NEW, image_id=f"docker://sha256:{B}"), NEW), shapes=(remembered(OLD, v1=f"sha256:{A}"),)
    )
    assert [a.note for a in available_of(seen)] == [
        f"revision 2, image shop/web:v2 ({B[:12]})",
        f"revision 1, image shop/web:v1 ({A[:12]})",
    ]


def test_what_could_not_be_read_is_kept_as_it_was() -> None:
    kept = {"Secret a": {"k": "1"}, "Secret b": {"k": "1"}, "Secret gone": {"k": "1"}}
    spec = Keepsake(template=NEW, configs=kept).dumped()
    shape = Shape(ref=shape_ref(NEW), version="v2", spec=spec, first_at=START, last_at=START)
    held = Held(hashes={"Secret b": {"k": "2"}}, unread={"Secret a": "kaeru may not get secrets."})
    assert keepsake_of(look((pod(0, NEW), NEW), shapes=(shape,)), held).configs == {
        "Secret a": {"k": "1"},
        "Secret b": {"k": "2"},
    }


def test_a_restart_makes_no_other_record() -> None:
    restarted = template("v2")
    restarted["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "now", "note": "1"}
    plain = template("v2")
    plain["metadata"]["annotations"] = {"note": "1"}

    def kept(of: Json) -> Json:
        history = joined(deployment(of), [replica_set(1, of)], ())
        return keepsake_of(Look(deployment(of), history, (), {}), Held()).template

    assert kept(restarted) == kept(plain)


@pytest.mark.parametrize(
    ("spec", "stuck"),
    [
        ({}, ["web-1"]),
        ({"podManagementPolicy": "Parallel"}, []),
        ({"updateStrategy": {"type": "OnDelete"}}, []),
    ],
)
def test_pods_that_a_stateful_set_would_wait_for(spec: Json, stuck: list[str]) -> None:
    pods = (
        (pod(0, NEW), NEW),
        (pod(1, NEW, ready=False), NEW),
        (pod(2, NEW, ready=False, ending=True), NEW),
        (pod(3, OLD, ready=False), OLD),
    )
    seen = look(*pods, kind="statefulset", **spec)
    found = seen.history.find("v1")
    assert found is not None
    assert stuck_pods(seen, found) == tuple(StuckPod(name=name, uid=f"u{name[-1]}") for name in stuck)
    assert stuck_pods(look(*pods, **spec), found) == ()
