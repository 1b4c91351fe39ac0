"""A real Docker Swarm: the shared one, and throw-away ones whose nodes die."""

import json
import secrets
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from sandbox.clusters import debian
from sandbox.clusters.engine import Engine, EngineError
from sandbox.clusters.relay import container_addresses, relay, to_service
from sandbox.clusters.shop_images import BAD, CRASHES, GOOD, WEB
from sandbox.clusters.swarm import LABEL, SwarmCluster, up
from sandbox.clusters.throwaway import await_that, throwaway_swarm

REASON = debian.why_not(debian.CONTAINERS, "A throw-away Docker Swarm")


class Service:
    def __init__(self, engine: Engine, version: str, replicas: int = 1, **environment: str) -> None:
        self.engine = engine
        self.name = f"web-{secrets.token_hex(4)}"
        container = {
            "Image": f"{WEB}:{version}",
            "Env": [f"{key}={value}" for key, value in environment.items()],
        }
        spec = {
            "Name": self.name,
            "Labels": {LABEL: "true"},
            "TaskTemplate": {"ContainerSpec": container, "RestartPolicy": {"Condition": "none"}},
            "Mode": {"Replicated": {"Replicas": replicas}},
        }
        self.id = engine.ask("POST", "/services/create", body=spec)["ID"]

    def tasks(self, state: str) -> list[dict[str, Any]]:
        listed = self.engine.ask(
            "GET",
            "/tasks",
            query={"filters": json.dumps({"service": [self.id], "desired-state": ["running"]})},
        )
        return [task for task in listed if task["Status"]["State"] == state]

    def await_tasks(self, count: int, state: str = "running", within_s: float = 40) -> None:
        await_that(
            lambda: len(self.tasks(state)) == count, f"{count} tasks of {self.name} are {state}", within_s
        )


@pytest.fixture
def deploy(swarm_cluster: SwarmCluster) -> Iterator[Any]:
    made: list[Service] = []

    def make(version: str, replicas: int = 1, **environment: str) -> Service:
        made.append(Service(Engine(swarm_cluster.docker_host), version, replicas, **environment))
        return made[-1]

    yield make
    for service in made:
        service.engine.ask("DELETE", f"/services/{service.id}")


def get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - an http address of ours
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_it_is_found_again(swarm_cluster: SwarmCluster) -> None:
    assert up() == swarm_cluster


def test_every_replica_answers_with_its_version(swarm_cluster: SwarmCluster, deploy: Any) -> None:
    service = deploy(GOOD[-1], replicas=2)
    service.await_tasks(2)
    assert len(container_addresses(service.engine, service.name)) == 2
    with relay(to_service([swarm_cluster.docker_host], service.name, 8080)) as url:
        for _ in range(4):
            assert get(f"{url}/version") == (200, {"version": GOOD[-1]})
        assert get(f"{url}/products")[0] == 200
        assert get(f"{url}/health") == (200, {"ok": True})
        assert get(f"{url}/nowhere")[0] == 404


def test_a_bad_release_is_ready_and_fails_its_users(swarm_cluster: SwarmCluster, deploy: Any) -> None:
    service = deploy(BAD[0])
    service.await_tasks(1)
    with relay(to_service([swarm_cluster.docker_host], service.name, 8080)) as url:
        await_that(lambda: get(f"{url}/ready")[0] == 200, "it is ready")
        assert get(f"{url}/version") == (200, {"version": BAD[0]})
        assert get(f"{url}/products")[0] == 500


def test_readiness_comes_when_it_is_told_to(swarm_cluster: SwarmCluster, deploy: Any) -> None:
    late, never = deploy(GOOD[0], READY_AFTER="2"), deploy(GOOD[0], NEVER_READY="1")
    for service in (late, never):
        service.await_tasks(1)
    with (
        relay(to_service([swarm_cluster.docker_host], late.name, 8080)) as late_url,
        relay(to_service([swarm_cluster.docker_host], never.name, 8080)) as never_url,
    ):
        assert get(f"{late_url}/ready")[0] == 503
        await_that(lambda: get(f"{late_url}/ready")[0] == 200, "the late one is ready")
        assert get(f"{never_url}/ready")[0] == 503


def test_a_release_that_crashes_says_why(deploy: Any) -> None:
    service = deploy(CRASHES)

    def failed() -> list[dict[str, Any]]:
        listed = service.engine.ask("GET", "/tasks", query={"filters": json.dumps({"service": [service.id]})})
        return [task for task in listed if task["Status"]["State"] == "failed"]

    await_that(lambda: bool(failed()), "it has failed")
    status = failed()[0]["Status"]
    assert status["ContainerStatus"]["ExitCode"] == 1


def test_a_refusal_is_a_sentence_with_its_status(swarm_cluster: SwarmCluster) -> None:
    with pytest.raises(EngineError, match="no-such-service not found") as refused:
        Engine(swarm_cluster.docker_host).ask("GET", "/services/no-such-service")
    assert refused.value.status == 404


@pytest.mark.skipif(
    REASON is not None, reason=f"{REASON} The shared Swarm's tests say so loudly, and fail in CI."
)
def test_a_node_dies_and_comes_back_and_nothing_is_left_behind() -> None:
    with throwaway_swarm(nodes=2, images=()) as swarm:
        folder = swarm.manager.daemon.home.parent
        namespaces = [f"/run/netns/{node.daemon.network}" for node in swarm.nodes]
        assert swarm.node_states() == {"node-1": "ready", "node-2": "ready"}
        swarm.nodes[1].kill()
        await_that(lambda: swarm.node_states()["node-2"] == "down", "the node is down", within_s=60)
        swarm.nodes[1].start()
        await_that(lambda: swarm.node_states()["node-2"] == "ready", "the node is back", within_s=60)
    assert not folder.exists()
    assert not [path for path in namespaces if Path(path).exists()]
    mounts = Path("/proc/self/mountinfo").read_text()
    assert str(folder) not in mounts
