"""Raw requests on the real API server, and what comes of them on a bad day."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from bot.ports.errors import AuthFailed, Conflict, OutcomeUnknown, Refused, Unavailable
from integrations.kubernetes.api import Api, Expired, Missing
from sandbox.clusters.namespaces import Namespace
from tests.kubernetes import fault_proxy as faults
from tests.kubernetes.fault_proxy import FaultProxy, asking, watching
from tests.kubernetes.hands import Hands
from tests.kubernetes.world import Shop

pytestmark = pytest.mark.kubernetes

Json = dict[str, Any]
SECRET = "hunter2-of-the-test"


@pytest.fixture
async def through(proxy: FaultProxy, shop: Shop, tmp_path: Path) -> AsyncIterator[Api]:
    """An Api whose way leads through the proxy, with short patience."""
    settings = shop.settings(kubeconfig=proxy.kubeconfig(tmp_path), connect_timeout="1s", read_timeout="1s")
    async with aclosing(Api(settings)) as talking:
        yield talking


@pytest.fixture
async def notes(api: Api, space: Namespace) -> str:
    """A ConfigMap to change; returns its path."""
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "notes"}, "data": {"a": "1"}}
    await Hands(api).create(made, namespace=space.name)
    return f"/api/v1/namespaces/{space.name}/configmaps/notes"


async def test_reads_patches_and_deletes(api: Api, notes: str) -> None:
    seen = await api.get(notes)
    assert seen["data"] == {"a": "1"}
    changed = await api.patch(
        notes,
        [
            {"op": "test", "path": "/metadata/uid", "value": seen["metadata"]["uid"]},
            {"op": "replace", "path": "/data/a", "value": "2"},
        ],
    )
    assert changed["data"] == {"a": "2"}
    assert [f["manager"] for f in changed["metadata"]["managedFields"] if f["manager"] == "kaeru"]
    assert (await api.merge(notes, {"data": {"b": "3"}}))["data"] == {"a": "2", "b": "3"}
    await api.delete(notes, uid=seen["metadata"]["uid"])
    with pytest.raises(Missing, match=r"There is no configmap .*/notes"):
        await api.get(notes)
    await api.delete(notes)  # gone is gone


async def test_a_dry_run_changes_nothing(api: Api, notes: str) -> None:
    shown = await api.patch(notes, [{"op": "replace", "path": "/data/a", "value": "9"}], dry_run=True)
    assert shown["data"] == {"a": "9"}
    assert (await api.get(notes))["data"] == {"a": "1"}


async def test_a_failed_test_is_a_conflict_and_changes_nothing(api: Api, notes: str) -> None:
    guarded = [
        {"op": "test", "path": "/metadata/uid", "value": "another"},
        {"op": "replace", "path": "/data/a", "value": "2"},
    ]
    with pytest.raises(Conflict, match="not as it was when this was planned"):
        await api.patch(notes, guarded)
    with pytest.raises(Conflict):
        await api.delete(notes, uid="00000000-0000-0000-0000-000000000000")
    assert (await api.get(notes))["data"] == {"a": "1"}


async def test_an_invalid_object_is_refused_by_its_field_without_its_values(api: Api, shop: Shop) -> None:
    shop.replicas = 0
    await shop.deploy("v1.2.9", wait=False, env={"PASSWORD": SECRET})
    operations = [
        {"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": SECRET + " ="}}
    ]
    with pytest.raises(Refused, match=r"spec\.template\.spec\.containers\[0\]\.env\[1\]\.name") as caught:
        await api.patch(shop.settings().path, operations, dry_run=True)
    assert SECRET not in caught.value.advice
    assert not isinstance(caught.value, (AuthFailed, Missing))


async def test_lists_come_in_pages_and_whole(
    api: Api, space: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"page-{n}", "labels": {"k": "v"}}}
        for n in range(7)
    ]
    await Hands(api).create(*made, namespace=space.name)
    monkeypatch.setattr("integrations.kubernetes.api.PAGE", 3)
    path, before = f"/api/v1/namespaces/{space.name}/configmaps", api.calls
    listed = await api.list(path, labels="k=v")
    assert sorted(item["metadata"]["name"] for item in listed["items"]) == [f"page-{n}" for n in range(7)]
    assert listed["metadata"]["resourceVersion"]
    assert api.calls - before == 3


async def test_a_list_whose_next_page_is_gone_begins_anew(
    api: Api, through: Api, proxy: FaultProxy, space: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"page-{n}"}} for n in range(3)]
    await Hands(api).create(*made, namespace=space.name)
    monkeypatch.setattr("integrations.kubernetes.api.PAGE", 2)
    proxy.next(lambda request: "continue" in request.query, faults.server_gone)
    listed = await through.list(f"/api/v1/namespaces/{space.name}/configmaps")
    names = [item["metadata"]["name"] for item in listed["items"]]
    assert [name for name in names if name.startswith("page-")] == ["page-0", "page-1", "page-2"]


async def test_a_watch_tells_changes_and_ends(
    api: Api, notes: str, space: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.kubernetes.api.WATCH_S", 2)
    path = f"/api/v1/namespaces/{space.name}/configmaps"
    seen = []
    listed = await api.list(path)
    watched = api.watch(
        path, resource_version=listed["metadata"]["resourceVersion"], fields="metadata.name=notes"
    )
    await api.merge(notes, {"data": {"a": "2"}})
    await api.delete(notes)
    async with aclosing(watched) as events:
        async for kind, found in events:
            if kind != "BOOKMARK":
                seen.append((kind, found["data"]["a"]))
    assert seen == [("MODIFIED", "2"), ("DELETED", "2")]


async def test_a_watch_from_long_ago_has_expired(through: Api, proxy: FaultProxy, space: Namespace) -> None:
    path = f"/api/v1/namespaces/{space.name}/configmaps"
    for fault in (faults.server_gone, faults.gone_inside):
        proxy.next(watching("configmaps"), fault)
        with pytest.raises(Expired):
            await anext(through.watch(path, resource_version="1"))


async def test_a_watch_that_is_cut_is_unavailable(through: Api, proxy: FaultProxy, notes: str) -> None:
    path = notes.rpartition("/")[0]
    version = (await through.list(path))["metadata"]["resourceVersion"]
    async with aclosing(through.watch(path, resource_version=version)) as events:
        await through.merge(notes, {"data": {"a": "2"}})
        assert (await anext(events))[0] == "MODIFIED"
        assert proxy.cut_watches() == 1
        with pytest.raises(Unavailable, match="broke off the connection"):
            await anext(events)


async def test_a_silent_watch_is_given_up(
    through: Api, proxy: FaultProxy, space: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.kubernetes.api.WATCH_S", 1)
    proxy.next(watching(), faults.late(30))
    began = monotonic()
    with pytest.raises(Unavailable, match="did not answer in time"):
        await anext(through.watch(f"/api/v1/namespaces/{space.name}/pods", resource_version="0"))
    assert monotonic() - began < 5


async def test_a_lost_answer_to_a_change_leaves_it_unknown(
    through: Api, proxy: FaultProxy, notes: str
) -> None:
    proxy.next(asking("PATCH", "/notes"), faults.drop_answer)
    with pytest.raises(OutcomeUnknown, match=r"Whether configmap .*/notes was changed is not known"):
        await through.merge(notes, {"data": {"a": "2"}})
    assert (await through.get(notes))["data"] == {"a": "2"}

    proxy.next(asking("PATCH", "/notes"), faults.drop_request)
    with pytest.raises(OutcomeUnknown):
        await through.merge(notes, {"data": {"a": "3"}})
    assert (await through.get(notes))["data"] == {"a": "2"}

    proxy.next(asking("PATCH", "/notes"), faults.late_answer(5))
    with pytest.raises(OutcomeUnknown, match="did not answer in time"):
        await through.merge(notes, {"data": {"a": "4"}})

    for status in (500, 502, 504):
        proxy.next(asking("PATCH", "/notes"), faults.says(status))
        with pytest.raises(OutcomeUnknown):
            await through.merge(notes, {"data": {"a": "5"}})
    assert sum(request.startswith("PATCH") for request in proxy.seen) == 6  # nothing was tried twice


async def test_a_lost_answer_to_a_question_only_asks_to_ask_again(
    through: Api, proxy: FaultProxy, notes: str
) -> None:
    proxy.next(asking("GET", "/notes"), faults.late(5))
    with pytest.raises(Unavailable, match="did not answer in time"):
        await through.get(notes)
    proxy.next(lambda r: "dryRun" in r.query, faults.drop_answer)
    with pytest.raises(Unavailable):
        await through.merge(notes, {"data": {"a": "2"}}, dry_run=True)


async def test_a_dead_server_is_unavailable_and_a_change_surely_was_not_made(
    through: Api, proxy: FaultProxy, notes: str
) -> None:
    await through.get(notes)  # a connection is kept from here on
    await proxy.die()
    for asked in (through.get(notes), through.merge(notes, {"data": {"a": "2"}})):
        with pytest.raises(Unavailable, match="connection refused"):
            await asked
    await proxy.come_back()
    # A kept connection is dead without anybody knowing: a change does not go out over it.
    assert (await through.merge(notes, {"data": {"a": "3"}}))["data"] == {"a": "3"}
    assert (await through.get(notes))["data"] == {"a": "3"}


async def test_a_busy_server_says_when_to_come_again(through: Api, proxy: FaultProxy, notes: str) -> None:
    for status in (429, 503):
        proxy.next(lambda _request: True, faults.says(status, headers={"Retry-After": "7"}), times=2)
        for asked in (through.get(notes), through.merge(notes, {"data": {}})):
            with pytest.raises(Unavailable) as caught:
                await asked
            assert caught.value.retry_after_s == 7
    proxy.next(asking("PATCH", "/notes"), faults.says(409, "Conflict", "the object has been modified"))
    with pytest.raises(Conflict):
        await through.merge(notes, {"data": {}})


async def test_a_redirect_is_not_followed_with_the_token(through: Api, proxy: FaultProxy, notes: str) -> None:
    proxy.next(
        asking("GET", "/notes"), faults.says(307, headers={"Location": "http://127.0.0.1:1/elsewhere"})
    )
    with pytest.raises(Refused, match="answered 307"):
        await through.get(notes)


async def test_discovery_says_what_is_served_and_remembers(api: Api) -> None:
    deployments = (await api.resources("apps/v1"))["deployments"]
    assert deployments["kind"] == "Deployment"
    assert "pods/log" in await api.resources("v1")
    assert await api.resources("no.such.group/v1") == {}
    assert await api.versions("no.such.group") == ()
    assert (await api.versions("apps"))[0] == "v1"
    before = api.calls
    assert await api.resources("no.such.group/v1") == {}
    assert await api.resources("apps/v1")
    assert api.calls == before


async def test_a_group_that_is_not_served_is_missing(api: Api, space: Namespace) -> None:
    path = f"/apis/argoproj.test/v1/namespaces/{space.name}/applications/web"
    with pytest.raises(Missing, match="does not serve applications"):
        await api.get(path)


async def test_logs_are_the_last_lines_without_secrets(api: Api, shop: Shop) -> None:
    await shop.deploy("v1.2.9")
    pod = (await shop.pods())[0]["metadata"]["name"]
    text = await api.logs(shop.space.name, pod, "web", lines=5)
    assert len(text.splitlines()) <= 5
    with pytest.raises(Refused):
        await api.logs(shop.space.name, pod, "web", previous=True)
