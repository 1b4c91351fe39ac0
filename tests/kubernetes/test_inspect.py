"""What is seen of workloads on a real cluster, and which version is returned to because of it."""

import json
import re

import pytest

from bot.domain.releases import shape_name
from integrations.kubernetes.api import Api
from sandbox.clusters.namespaces import Namespace
from sandbox.clusters.shop_images import WEB
from tests.kubernetes.eyes import Eyes, chosen, notes
from tests.kubernetes.world import Shop, until

pytestmark = pytest.mark.kubernetes


async def test_after_two_bad_deploys_and_a_restart_the_good_one_is_chosen(shop: Shop, api: Api) -> None:
    eyes = Eyes(api, shop.settings())
    await shop.deploy("v1.2.9")
    good = await eyes.look(good=True)
    await shop.recorded("v1.3.0")
    await eyes.look()
    await shop.recorded("v1.3.1")
    await shop.restart()
    seen = await eyes.look()
    assert (seen.current, seen.running) == ("v1.3.1", "v1.3.1")
    # A restart makes a revision of its own, and is no version.
    assert [a.version for a in seen.available] == ["v1.3.1", "v1.3.0", "v1.2.9"]
    assert chosen(seen).version == "v1.2.9"
    assert seen.available[2].ref == good.current_ref
    assert seen.available[2].good_at is not None
    # The cluster keeps whole seconds, and the deploy may have been in the same one.
    note = rf"revision 4, by (kubectl-patch or )?kubectl-rollout, image {WEB}:v1\.3\.1 \([0-9a-f]{{12}}\)"
    assert re.fullmatch(note, seen.available[0].note)
    assert re.search(rf"image {WEB}:v1\.2\.9 \([0-9a-f]{{12}}\)$", seen.available[2].note)
    # Without a record of what was good, the one before the present one is all there is to go by.
    assert chosen(await Eyes(api, shop.settings()).look()).version == "v1.3.0"


async def test_what_was_returned_to_by_hand_is_younger_than_what_it_replaced(shop: Shop, api: Api) -> None:
    """`rollout undo` uses the old ReplicaSet again, which is older than the one that it replaces."""
    await shop.recorded("v1.2.9", "v1.3.0")
    await shop.kubectl("rollout", "undo", f"deployment/{shop.name}")
    await shop.recorded("v1.3.1")
    await shop.rolled_out()
    seen = await Eyes(api, shop.settings()).look()
    assert chosen(seen).version == "v1.2.9"
    assert seen.warnings == ()


async def test_what_the_cluster_has_forgotten_is_remembered(space: Namespace, api: Api) -> None:
    shop = Shop(space, api, replicas=0, extra={"revisionHistoryLimit": 0})
    eyes = Eyes(api, shop.settings())
    await shop.deploy("v1.2.9")
    await eyes.look(good=True)
    await shop.deploy("v1.3.0")

    async def forgotten() -> bool:
        return len(await shop.listed("replicasets")) == 1

    await until(forgotten, "forgotten by the cluster: v1.2.9")
    seen = await eyes.look()
    assert [a.version for a in seen.available] == ["v1.3.0", "v1.2.9"]
    assert "not in the cluster's history any more; from kaeru's own record" in seen.available[1].note
    assert "keeps no history (revisionHistoryLimit is 0)" in notes(seen)
    assert chosen(seen).version == "v1.2.9"
    planned = await eyes.plan("v1.2.9")
    assert [check.name for check in planned.checks if not check.ok] == []
    assert planned.diff == (f"image of web: {WEB}:v1.3.0 → {WEB}:v1.2.9",)
    assert "kaeru's own record" in planned.actions[0]
    nothing = await Eyes(api, shop.settings()).look()
    assert [a.version for a in nothing.available] == ["v1.3.0"]
    assert "there is nothing to return to but another image, set by hand" in notes(nothing)


async def test_pruned_revisions_are_named(space: Namespace, api: Api) -> None:
    shop = Shop(space, api, replicas=0, extra={"revisionHistoryLimit": 1})
    for version in ("v1.2.8", "v1.2.9", "v1.3.0", "v1.3.1"):
        await shop.recorded(version)
        await shop.second_over()

    async def pruned() -> bool:
        return len(await shop.listed("replicasets")) == 2

    await until(pruned, "pruned")
    seen = await Eyes(api, shop.settings()).look()
    assert [a.version for a in seen.available] == ["v1.3.1", "v1.3.0"]
    assert "revisions 1-2 are gone from the cluster's history (revisionHistoryLimit is 1)" in notes(seen)


async def test_many_containers_one_version_and_shapes_by_their_settings(space: Namespace, api: Api) -> None:
    shop = Shop(space, api, replicas=1)
    proxy = {"name": "aproxy", "image": f"{WEB}:v1.2.8", "env": [{"name": "PORT", "value": "8081"}]}
    init = {"name": "schema", "image": f"{WEB}:v1.2.8", "command": ["/bin/true"]}
    init["command"] = ["/bin/sh", "-c", "exit 0"]
    made = shop.manifest(f"{WEB}:v1.3.0", {})
    made["spec"]["template"]["spec"]["containers"].insert(0, proxy)
    made["spec"]["template"]["spec"]["initContainers"] = [init]
    await shop.create(made)
    await shop.rolled_out()
    eyes = Eyes(api, shop.settings())
    first = await eyes.look(good=True)
    assert (first.current, first.running) == ("v1.3.0", "v1.3.0")
    change = {"initContainers": [{"name": "schema", "image": f"{WEB}:v1.2.9"}]}
    await shop.patch({"spec": {"template": {"spec": change}}})
    await shop.rolled_out()
    seen = await eyes.look()
    now_called = shape_name("v1.3.0", seen.current_ref)
    assert (seen.current, seen.running) == (now_called, now_called)
    assert [a.version for a in seen.available] == [now_called, "v1.3.0"]
    assert seen.available[1].ref == first.current_ref
    assert chosen(seen).version == "v1.3.0"
    planned = await eyes.plan("v1.3.0")
    assert planned.diff == (f"image of schema: {WEB}:v1.2.9 → {WEB}:v1.2.8",)
    by_proxy = await Eyes(api, shop.settings(container="aproxy")).look()
    assert (by_proxy.current, by_proxy.running) == ("v1.2.8", "v1.2.8")


async def test_a_stateful_set_that_runs_two_versions(space: Namespace, api: Api) -> None:
    shop = Shop(space, api, kind="statefulset", extra={"podManagementPolicy": "Parallel"})
    eyes = Eyes(api, shop.settings())
    await shop.deploy("v1.2.9")
    assert (await eyes.look()).running == "v1.2.9"
    partition = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    await shop.patch({"spec": {"updateStrategy": partition}})
    await shop.deploy("v1.3.0", wait=False)

    async def mixed() -> bool:
        seen = await eyes.look()
        return seen.running is None and "1 of 2 ready pods runs" in notes(seen)

    await until(mixed, "running two versions")
    seen = await eyes.look()
    assert seen.current == "v1.3.0"
    assert "is set to v1.3.0; 1 of 2 ready pods runs v1.2.9, 1 runs v1.3.0." in notes(seen)
    assert [a.version for a in seen.available] == ["v1.3.0", "v1.2.9"]
    planned = await eyes.plan("v1.2.9")
    assert "only pods from web-1 on are replaced" in notes(planned)


async def test_a_daemon_set(space: Namespace, api: Api) -> None:
    shop = Shop(space, api, kind="daemonset")
    eyes = Eyes(api, shop.settings())
    await shop.deploy("v1.2.9")
    await eyes.look(good=True)
    await shop.deploy("v1.3.0")
    seen = await eyes.look()
    assert (seen.current, seen.running, seen.warnings) == ("v1.3.0", "v1.3.0", ())
    assert chosen(seen).version == "v1.2.9"
    planned = await eyes.plan("v1.2.9")
    assert [check.name for check in planned.checks if not check.ok] == []
    assert planned.diff == (f"image of web: {WEB}:v1.3.0 → {WEB}:v1.2.9",)


async def test_scaling_and_status_are_no_news_and_a_pause_is(shop: Shop, api: Api) -> None:
    eyes = Eyes(api, shop.settings())
    await shop.deploy("v1.3.0", env={"NEVER_READY": "1"}, wait=False)
    seen = await eyes.look()
    assert (seen.current, seen.running) == ("v1.3.0", None)
    assert "so nothing of it serves" in notes(seen)
    await shop.scale(0)
    scaled = await eyes.look()
    assert scaled.fingerprint == seen.fingerprint
    await shop.patch({"spec": {"paused": True}})
    paused = await eyes.look()
    assert paused.fingerprint != seen.fingerprint
    assert "is paused: no change of it takes effect" in notes(paused)


async def test_values_are_remembered_only_as_hashes(shop: Shop, api: Api) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}}
    shop.replicas = 0
    await shop.create(secret | {"stringData": {"password": "hunter2"}})
    source = {"name": "v", "secret": {"secretName": "db"}}
    await shop.deploy("v1.2.9", volumes=[source], wait=False)
    eyes = Eyes(api, shop.settings())
    seen = await eyes.look()
    (shape,) = await eyes.memory.shapes()
    kept = json.loads(shape.spec)["configs"]["Secret db"]
    assert sorted(kept) == ["", "password"]
    assert "hunter2" not in shape.spec + seen.model_dump_json()
