"""How long a plan takes in a namespace with many Deployments that have a long history."""

import asyncio
import json
import time
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

from integrations.kubernetes.api import Api
from sandbox.clusters.namespaces import Namespace, namespace
from tests.bench.clusters import Clusters, Crew, crew, service
from tests.bench.database import NeverCame
from tests.bench.result import Result, at_most, median
from tests.bench.world import Incident
from tests.kubernetes.world import api_of

NAMES = ("k8s_plan_s",)
DEPLOYMENTS, REVISIONS = 200, 10
RUNS = 7
AT_ONCE = 20
WITHIN_S = 120.0

_READY = "SELECT 1 FROM kaeru_timeline WHERE incident_id = ? AND body LIKE '%\"plan_ready\"%'"


async def measure(clusters: Clusters, data: Path) -> list[Result]:
    cluster = clusters.kubernetes()
    async with AsyncExitStack() as stack:
        space = stack.enter_context(namespace(cluster, "kaeru-bench"))
        api = await stack.enter_async_context(aclosing(api_of(space)))
        await _fill(space, api)
        # Each incident has a Deployment of its own; the first warms up.
        chosen = [f"web-{number:03d}" for number in range(0, DEPLOYMENTS, DEPLOYMENTS // RUNS)][: RUNS + 1]
        place = {"kind": "kubernetes", "namespace": space.name, "kubeconfig": str(cluster.kubeconfig)}
        listed = [service(name, {"web": {**place, "name": name}}, "") for name in chosen]
        team = await stack.enter_async_context(crew(data, listed))
        took = [await _planned(team, name) for name in chosen][1:]
    note = (
        f"/rollback until the plan is ready, {DEPLOYMENTS} Deployments with {REVISIONS} revisions each in the "
        f"namespace; median ({', '.join(f'{value:.2f}' for value in took)})"
    )
    return [Result("k8s_plan_s", median(took), "s", at_most(1.0), note)]


async def _planned(team: Crew, name: str) -> float:
    incident = Incident(team.alice, team.database, name, version=_version(REVISIONS - 2))
    sent = await incident.declare()
    return await team.database.until(_READY, incident.id) - sent


async def _fill(space: Namespace, api: Api) -> None:
    """Deployments without pods, and one template after the other, each once the controller has seen the one before."""
    made = [_deployment(f"web-{number:03d}") for number in range(DEPLOYMENTS)]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
    await asyncio.to_thread(space.kubectl, "create", "--filename=-", text=text, timeout_s=WITHIN_S)
    base = f"/apis/apps/v1/namespaces/{space.name}/deployments"
    few = asyncio.Semaphore(AT_ONCE)

    async def deploy(name: str, image: str) -> None:
        async with few:
            path = "/spec/template/spec/containers/0/image"
            await api.patch(f"{base}/{name}", [{"op": "replace", "path": path, "value": image}])

    await _seen(api, base, 1)
    for revision in range(1, REVISIONS):
        image = f"shop/web:{_version(revision)}"
        await asyncio.gather(*(deploy(one["metadata"]["name"], image) for one in made))
        await _seen(api, base, revision + 1)


async def _seen(api: Api, base: str, revision: int) -> None:
    """Return once every Deployment has that revision."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        listed = (await api.list(base))["items"]
        noted = [
            one["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision") for one in listed
        ]
        if noted.count(str(revision)) == DEPLOYMENTS:
            return
        if time.monotonic() > deadline:
            raise NeverCame(f"the controller did not make revision {revision} of {DEPLOYMENTS} Deployments")
        await asyncio.sleep(0.2)


def _deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    container = {
        "name": "web",
        "image": f"shop/web:{_version(0)}",
        "env": [{"name": f"SETTING_{n}", "value": f"value {n}"} for n in range(10)],
        "ports": [{"containerPort": 8080}],
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def _version(revision: int) -> str:
    return f"v1.{revision}.0"
