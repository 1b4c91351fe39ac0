"""kaeru's mark on what it suspended, and who set a workload last: without a cluster."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.ports.errors import Refused
from integrations.kubernetes import owner_helm
from integrations.kubernetes.authors import author_of, last_writer, who_changed
from integrations.kubernetes.owner import MARK, Mark, drop_mark, hash_of, marked, put_mark, read_mark
from integrations.kubernetes.workload import Workload

Json = dict[str, Any]
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def _object(annotations: Json | None = None) -> Json:
    return {
        "kind": "Application",
        "metadata": {"namespace": "argocd", "name": "shop"}
        | ({} if annotations is None else {"annotations": annotations}),
    }


@given(saved=st.dictionaries(st.text(max_size=8), _json, max_size=4))
def test_a_mark_gives_back_exactly_what_it_was_given(saved: Json) -> None:
    mark = marked(None, "Deployment shop/web", "key", saved=saved)
    assert read_mark(_object({MARK: mark.text})) == mark
    assert mark.saved == saved


def test_a_mark_gets_every_workload_once_and_keeps_what_it_saved() -> None:
    first = Mark(
        key="one",
        at=datetime(2026, 11, 24, tzinfo=UTC),
        workloads=("Deployment shop/web",),
        saved={"prune": True},
    )
    both = marked(first, "Deployment shop/api", "two", saved=None)
    assert both.workloads == ("Deployment shop/web", "Deployment shop/api")
    assert (both.key, both.at, both.saved) == (first.key, first.at, first.saved)
    assert marked(both, "Deployment shop/api", "three").workloads == both.workloads


def test_a_mark_is_put_beside_what_is_there() -> None:
    mark = marked(None, "Deployment shop/web", "key")
    assert put_mark(_object(), mark) == [
        {"op": "add", "path": "/metadata/annotations", "value": {MARK: mark.text}}
    ]
    (beside,) = put_mark(_object({"team": "shop"}), mark)
    assert beside["path"] == "/metadata/annotations/kaeru.dev~1suspended"
    assert drop_mark() == [{"op": "remove", "path": beside["path"]}]


def test_a_mark_that_somebody_edited_is_refused_with_a_way_out() -> None:
    with pytest.raises(Refused, match="Application argocd/shop cannot be read any more") as caught:
        read_mark(_object({MARK: "{"}))
    assert caught.value.remedy
    assert read_mark(_object({"team": "shop"})) is None
    assert read_mark(_object()) is None


@given(spec=st.dictionaries(st.text(max_size=8), _json, max_size=4), suspend=_json)
def test_what_an_owner_wants_has_a_name_that_suspending_does_not_change(spec: Json, suspend: Any) -> None:
    plain = {key: value for key, value in spec.items() if key != "suspend"}
    assert hash_of(plain, without="suspend") == hash_of({**spec, "suspend": suspend}, without="suspend")
    assert hash_of({**plain, "path": "./x"}, without="suspend") != hash_of(
        {**plain, "path": "./y"}, without="suspend"
    )


def _entry(manager: str, time: str | None, fields: Json, **more: Any) -> Json:
    return {"manager": manager, "operation": "Update", "time": time, "fieldsV1": {"f:spec": fields}, **more}


def _changed(*entries: Json) -> str:
    raw: Json = {"metadata": {"name": "web", "managedFields": list(entries)}}
    said, last = who_changed(raw), last_writer(raw)
    # However it is asked, it is the same one.
    authors = author_of(Workload("deployment", raw)).split(" or ")
    assert last.manager in authors if last else authors == [""]
    assert all(author in said for author in authors)
    assert (last.manager in said) if last else not said
    return said


def test_who_changed_is_the_newest_who_touched_the_template() -> None:
    template: Json = {"f:template": {}}
    kaeru = _entry("kaeru", "2026-11-24T10:02:00Z", template)
    argo = _entry("argocd-controller", "2026-11-24T10:02:03Z", template)
    hpa = _entry("kube-controller-manager", "2026-11-24T10:03:00Z", {"f:replicas": {}})
    status = _entry("other", "2026-11-24T10:04:00Z", template, subresource="status")
    assert _changed(kaeru, argo, hpa, status) == "Argo CD (argocd-controller, Update) at 10:02:03 UTC"
    assert _changed(kaeru, hpa) == "kaeru (kaeru, Update) at 10:02:00 UTC"
    same_second = _entry("jenkins", "2026-11-24T10:02:00Z", template)
    assert _changed(same_second, kaeru) == "jenkins (Update) at 10:02:00 UTC"
    assert _changed(kaeru, same_second) == "jenkins (Update) at 10:02:00 UTC"
    helm = _entry("helm", "2026-11-24T10:02:00Z", template)
    assert _changed(same_second, kaeru, helm) == "jenkins (Update) or Helm (helm, Update) at 10:02:00 UTC"
    controller = _entry("kube-controller-manager", "2026-11-24T10:05:00Z", template)
    assert _changed(kaeru, controller) == "kaeru (kaeru, Update) at 10:02:00 UTC"
    assert _changed(_entry("kubectl-edit", None, template)) == "kubectl edit (kubectl-edit, Update)"


def test_who_changed_is_empty_where_nobody_wrote_it_down() -> None:
    assert _changed() == ""
    assert who_changed({"metadata": {"name": "web"}}) == ""


def test_helm_is_told_unless_flux_runs_it() -> None:
    workload = _object({"meta.helm.sh/release-name": "web"})
    owner = owner_helm.find(workload)
    assert owner is not None
    assert (owner.namespace, owner.name, owner.heals, owner.token) == ("argocd", "web", False, "")
    workload["metadata"]["labels"] = {"helm.toolkit.fluxcd.io/name": "web"}
    assert owner_helm.find(workload) is None
    assert owner_helm.find(_object()) is None
