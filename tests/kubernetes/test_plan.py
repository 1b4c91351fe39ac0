"""What a plan finds out on a real cluster, and that it changes nothing."""

import json
from contextlib import aclosing
from pathlib import Path

import pytest

from integrations.kubernetes.api import Api
from sandbox.clusters.namespaces import Namespace
from sandbox.clusters.shop_images import WEB
from tests.kubernetes.eyes import Eyes, failed, notes
from tests.kubernetes.granted import account_of
from tests.kubernetes.world import UNPLACED, Json, Shop, until

pytestmark = pytest.mark.kubernetes

LOOKING = [
    {
        "apiGroups": ["apps"],
        "resources": ["deployments", "replicasets"],
        "verbs": ["get", "list", "watch"],
    },
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
]


def named(kind: str, name: str, **content: object) -> Json:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **content}


async def test_a_plan_is_quick_and_leaves_all_as_it_is(shop: Shop, api: Api) -> None:
    shop.replicas = 2
    await shop.recorded("v1.2.9", "v1.3.0", **UNPLACED)
    eyes = Eyes(api, shop.settings(surge="100%"))
    await eyes.plan("v1.2.9")
    before, calls = await shop.workload(), api.calls
    planned = await eyes.plan("v1.2.9")
    # The inspection that it is for takes some, and the API groups are known by now.
    assert api.calls - calls <= 17
    assert failed(planned) == {}
    assert planned.diff == (f"image of web: {WEB}:v1.3.0 → {WEB}:v1.2.9",)
    assert planned.payload == '{"surge":"100%"}'
    assert len(planned.actions) == 2
    assert "counts as failed after" not in notes(planned)
    hurried = await Eyes(api, shop.settings(timeout="5s")).plan("v1.2.9")
    assert "This may take about 23 s, and counts as failed after 5 s: raise `timeout`" in notes(hurried)
    after = await shop.workload()
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["spec"] == before["spec"]


async def test_a_paused_deployment_cannot_be_rolled_back(shop: Shop, api: Api) -> None:
    shop.replicas = 0
    await shop.recorded("v1.2.9", "v1.3.0")
    await shop.patch({"spec": {"paused": True}})
    planned = await Eyes(api, shop.settings()).plan("v1.2.9")
    check = failed(planned)["not paused"]
    assert check.required
    resume = f"kubectl --namespace {shop.space.name} rollout resume deployment/web"
    assert check.detail.endswith(f"is paused; resume it first: {resume}")


async def test_a_version_that_nobody_knows_is_said(shop: Shop, api: Api) -> None:
    shop.replicas = 0
    await shop.recorded("v1.2.9", "v1.3.0")
    planned = await Eyes(api, shop.settings()).plan("v9.9.9")
    (check,) = failed(planned).values()
    assert check.required
    assert check.detail.endswith(
        "has no revision v9.9.9, and kaeru remembers none; there are: v1.3.0, v1.2.9"
    )


async def test_a_quota_without_room_for_a_surge(space: Namespace, api: Api) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    shop = Shop(space, api, extra={"strategy": strategy})
    await shop.recorded("v1.2.9", "v1.3.0", **UNPLACED)

    async def looked_at() -> bool:
        """By the scheduler; a quota made before all of them are there counts too few, and for minutes."""
        pods = await shop.pods()
        return len(pods) == 2 and all((pod.get("status") or {}).get("conditions") for pod in pods)

    await until(looked_at, "two pods without a node")
    await shop.create(named("ResourceQuota", "tight", spec={"hard": {"pods": "2"}}))

    async def counted() -> bool:
        quota = await shop.get("resourcequotas", "tight")
        return bool(quota.get("status", {}).get("used", {}).get("pods") == "2")

    await until(counted, "counted by the quota")
    planned = await Eyes(api, shop.settings(surge="100%")).plan("v1.2.9")
    check = failed(planned)["quota has room"]
    assert not check.required
    assert "ResourceQuota tight has room for no pod more (pods: 2 of 2 used)" in check.detail
    assert "it would stand still" in check.detail
    assert "No surge of 100% (2 more pods for a time): ResourceQuota tight has room" in notes(planned)
    assert planned.payload == ""
    quota = f"/api/v1/namespaces/{space.name}/resourcequotas/tight"
    await shop.hands.merge(quota, {"spec": {"hard": {"pods": "4"}}})

    async def roomy() -> bool:
        quota = await shop.get("resourcequotas", "tight")
        return bool(quota["status"]["hard"]["pods"] == "4")

    await until(roomy, "changed: the quota")
    planned = await Eyes(api, shop.settings(surge="100%")).plan("v1.2.9")
    assert failed(planned) == {}
    assert planned.payload == '{"surge":"100%"}'


async def test_the_surroundings_are_shown(shop: Shop, api: Api) -> None:
    """With the API versions of this cluster, whichever they are."""
    shop.replicas = 0
    made = shop.manifest(f"{WEB}:v1.2.9", {})
    await shop.kubectl("apply", "--filename=-", text=json.dumps(made))
    await shop.recorded("v1.3.0")
    await shop.kubectl("autoscale", "deployment/web", "--min=2", "--max=5")
    policy = "policy/v1" if await api.resources("policy/v1") else "policy/v1beta1"
    budget = {"selector": {"matchLabels": {"app": "web"}}, "minAvailable": 1}
    await shop.create(named("PodDisruptionBudget", "web", spec=budget) | {"apiVersion": policy})
    said = notes(await Eyes(api, shop.settings()).plan("v1.2.9"))
    assert "The HorizontalPodAutoscaler web keeps it between 2 and 5 pods" in said
    assert "The PodDisruptionBudget web wants at least 1 available" in said
    assert "managed with `kubectl apply`" in said


async def test_settings_that_changed_are_shown_by_key_and_never_by_value(shop: Shop, api: Api) -> None:
    await shop.create(
        named("ConfigMap", "settings", data={"size": "1", "old": "1"}),
        named("Secret", "db", stringData={"password": "hunter2", "user": "shop"}),
    )
    volumes = [
        {"name": "s", "configMap": {"name": "settings"}},
        {"name": "d", "secret": {"secretName": "db"}},
    ]
    eyes = Eyes(api, shop.settings())
    shop.replicas = 0
    await shop.recorded("v1.2.9", volumes=volumes)
    await eyes.look(good=True)
    await shop.deploy("v1.3.0", env={"PASSWORD": "hunter3"}, wait=False)
    grown = {
        "name": "web",
        "resources": {"limits": {"memory": "64Mi"}},
        "readinessProbe": {"periodSeconds": 3},
    }
    await shop.patch({"spec": {"template": {"spec": {"containers": [grown]}}}})
    where = f"/api/v1/namespaces/{shop.space.name}"
    await shop.hands.merge(f"{where}/configmaps/settings", {"data": {"size": "2", "old": None}})
    await shop.hands.merge(f"{where}/secrets/db", {"stringData": {"password": "hunter4"}})
    planned = await eyes.plan("v1.2.9")
    said = notes(planned)
    assert (
        "ConfigMap settings is not rolled back. Since v1.2.9 last ran, old was removed; size was changed."
        in said
    )
    assert "Secret db is not rolled back. Since v1.2.9 last ran, password was changed." in said
    # And nothing of what the API server adds to a template by itself.
    assert [line for line in planned.diff if not line.startswith(("ConfigMap ", "Secret "))] == [
        f"image of web: {WEB}:v1.3.0 → {WEB}:v1.2.9",
        "env of web: PASSWORD removed",
        "web resources.limits.memory: 64Mi removed",
        "web readinessProbe.periodSeconds: 3 → 1",
    ]
    assert "hunter" not in planned.model_dump_json()
    await shop.hands.delete(f"{where}/secrets/db")
    assert "v1.2.9 needs Secret db, which does not exist" in notes(await eyes.plan("v1.2.9"))


async def test_another_tag_of_the_very_image_that_runs_is_no_way_back(shop: Shop, api: Api) -> None:
    eyes = Eyes(api, shop.settings())
    await shop.recorded("v1.2.9")
    before = await eyes.look()
    await shop.recorded("v1.3.0")
    await shop.rolled_out()
    assert "the same image" not in notes(await eyes.plan("v1.2.9"))
    # As kaeru would remember it, had somebody pushed the bad image under the older tag when that ran.
    (bad,) = [
        json.loads(one.spec)["digests"] for one in await eyes.memory.shapes() if one.version == "v1.3.0"
    ]
    (good,) = [json.loads(one.spec) for one in await eyes.memory.shapes() if one.version == "v1.2.9"]
    spec = json.dumps(good | {"digests": {f"{WEB}:v1.2.9": bad[f"{WEB}:v1.3.0"]}})
    await eyes.memory.keep(before.current_ref, "v1.2.9", spec)
    said = notes(await eyes.plan("v1.2.9"))
    assert f"{WEB}:v1.2.9 is the same image as {WEB}:v1.3.0 (" in said


async def test_rights_that_are_missing_are_named(shop: Shop, tmp_path: Path) -> None:
    secret = {"name": "d", "secret": {"secretName": "db"}}
    await shop.create(named("Secret", "db", stringData={"password": "hunter2"}))
    shop.replicas = 0
    await shop.recorded("v1.2.9", "v1.3.0", volumes=[secret])
    kubeconfig = await account_of(shop.space, "looker", LOOKING, tmp_path)
    settings = shop.settings(kubeconfig=kubeconfig)
    async with aclosing(Api(settings)) as api:
        planned = await Eyes(api, settings).plan("v1.2.9")
    problems = failed(planned)
    assert set(problems) == {"rights", "the cluster accepts it"}
    assert problems["rights"].required
    namespace = shop.space.name
    assert f"kaeru may not patch deployments in namespace {namespace}" in problems["rights"].detail
    said = notes(planned)
    assert "Whether resourcequotas matter here is not known." in said
    assert "Whether Secret db changed since v1.2.9 ran is not known." in said
    assert f"may not get secrets in namespace {namespace}" in said
    # It is shown all the same what would change.
    assert planned.diff == (f"image of web: {WEB}:v1.3.0 → {WEB}:v1.2.9",)


async def test_a_pod_that_a_stateful_set_waits_for_in_vain(space: Namespace, api: Api) -> None:
    shop = Shop(space, api, kind="statefulset", replicas=0)
    eyes = Eyes(api, shop.settings())
    await shop.recorded("v1.2.9")
    await eyes.look(good=True)
    await shop.deploy("v1.3.0", env={"NEVER_READY": "1"}, wait=False)
    await shop.scale(1)
    (pod,) = await until(shop.pods, "made: web-0")
    planned = await eyes.plan("v1.2.9")
    assert failed(planned) == {}
    assert planned.actions[-1] == "Delete pod web-0, which is not ready and would hold up v1.2.9"
    assert f'"delete_pods":[{{"name":"web-0","uid":"{pod["metadata"]["uid"]}"}}]' in planned.payload


async def test_what_the_cluster_would_not_accept_is_found_out(shop: Shop, api: Api) -> None:
    shop.replicas = 0
    await shop.recorded("v1.2.9", "v1.3.0")
    eyes = Eyes(api, shop.settings())
    seen = await eyes.look()
    old = next(a for a in seen.available if a.version == "v1.2.9")
    # A shape from kaeru's own record, of a time when its port was called otherwise.
    spec = '{"template": {"metadata": {"labels": {"app": "another"}}, "spec": {"containers": [{"name": "web", "image": "web:v0"}]}}}'
    await eyes.memory.keep("0123456789abcdef", "v0", spec)
    assert old.ref != "0123456789abcdef"
    problems = failed(await eyes.plan("v0"))
    assert list(problems) == ["the cluster accepts it"]
    assert problems["the cluster accepts it"].required
    assert "does not accept" in problems["the cluster accepts it"].detail
