"""Clusters that somebody gives for tests: used as they are, and left as they were."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from sandbox.clusters import given, kubernetes, swarm
from sandbox.clusters.engine import Engine
from sandbox.clusters.errors import ClusterError
from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.namespaces import kubectl
from sandbox.clusters.swarm import SwarmCluster
from tests import clusters
from tests.kubernetes.custom_resources import custom_resources

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def cache() -> Iterator[Path]:
    """A cache folder in which no cluster is; its name is short enough for sockets."""
    with TemporaryDirectory(prefix="kaeru-") as folder:
        yield Path(folder) / "cache"


@pytest.fixture
def nothing_given(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Whoever runs the tests may have given them a cluster; and none of our own is to be found here."""
    for name in ("KUBECONFIG", "DOCKER_HOST", given.KUBECONFIG, given.DOCKER_HOST, given.CONSENT):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAERU_CLUSTER_CACHE", str(cache))


@pytest.mark.usefixtures("nothing_given")
def test_docker_host_alone_is_not_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///theirs")
    assert given.docker_host() is None
    monkeypatch.setenv("KAERU_TEST_CLUSTER", "given")
    assert given.docker_host() == "unix:///theirs"
    monkeypatch.setenv("KAERU_TEST_DOCKER_HOST", "tcp://127.0.0.1:2375")
    assert given.docker_host() == "tcp://127.0.0.1:2375"


@pytest.mark.usefixtures("nothing_given")
@pytest.mark.parametrize("variable", ["DOCKER_HOST", "KAERU_TEST_DOCKER_HOST"])
def test_what_is_no_manager_is_told_by_the_variable_that_names_it(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KAERU_TEST_CLUSTER", "given")
    monkeypatch.setenv(variable, "ssh://somebody@manager")
    with pytest.raises(
        ClusterError, match=f"^{variable} names ssh://somebody@manager, which tests cannot use"
    ):
        swarm.find()
    monkeypatch.setenv(variable, f"unix://{tmp_path}/none")
    with pytest.raises(ClusterError, match=f"^{variable} names unix://.*, which is not answering"):
        swarm.find()


@pytest.mark.swarm
@pytest.mark.parametrize("variable", ["DOCKER_HOST", "KAERU_TEST_DOCKER_HOST"])
def test_a_swarm_that_is_given_is_used_and_goes_on(
    variable: str,
    swarm_cluster: SwarmCluster,
    nothing_given: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KAERU_TEST_CLUSTER", "given")
    monkeypatch.setenv(variable, swarm_cluster.docker_host)
    engine = Engine(swarm_cluster.docker_host)
    before = engine.ask("GET", "/swarm")["ID"]
    (kind,) = (one for one in clusters.KINDS if one.name == "Docker Swarm")
    with clusters.running(ci=True, kinds=[kind]) as without:
        assert without == []
        used = clusters.the_swarm()
        assert (used.docker_host, used.given) == (swarm_cluster.docker_host, True)
    swarm.down()
    assert engine.ask("GET", "/swarm")["ID"] == before


@pytest.mark.kubernetes
def test_tests_in_a_kubernetes_that_is_given_use_that_one_and_leave_nothing(
    kubernetes_cluster: KubernetesCluster, cache: Path, tmp_path: Path
) -> None:
    """In a run of their own, to which no cluster of ours is known."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "KAERU_", "KUBECONFIG"))}
    environment = kept | {
        "KUBECONFIG": str(kubernetes_cluster.kubeconfig),
        "KAERU_TEST_CLUSTER": "given",
        "KAERU_CLUSTER_CACHE": str(cache),
        "CI": "true",  # what cannot run fails
    }
    test = "tests/kubernetes/test_owners_argocd.py::test_argocd_is_suspended_and_given_back_exactly"
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--basetemp={tmp_path}/run",
        test,
    ]
    done = subprocess.run(
        argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    assert "1 passed" in done.stdout, done.stdout[-2000:]
    assert not cache.exists()  # none was started
    assert kubernetes.find() is not None


@pytest.fixture
def definition(kubernetes_cluster: KubernetesCluster) -> Iterator[Json]:
    """Of a kind that nobody else has."""
    group = f"kaeru-{secrets.token_hex(4)}.test"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    spec: Json = {
        "group": group,
        "names": {"kind": "Thing", "listKind": "ThingList", "plural": "things", "singular": "thing"},
        "scope": "Namespaced",
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
    }
    kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    yield {**kind, "metadata": {"name": f"things.{group}"}, "spec": spec}
    kubectl(kubernetes_cluster.kubeconfig, "delete", "--ignore-not-found", f"crd/things.{group}")


def _defined(cluster: KubernetesCluster, definition: Json) -> Json | None:
    name = f"crd/{definition['metadata']['name']}"
    said = kubectl(cluster.kubeconfig, "get", "--ignore-not-found", "--output=json", name)
    found: Json | None = json.loads(said) if said else None
    return found


@pytest.mark.kubernetes
async def test_kinds_that_tests_define_are_gone_from_a_given_cluster_when_the_last_is_through(
    kubernetes_cluster: KubernetesCluster, definition: Json, tmp_path: Path
) -> None:
    theirs = KubernetesCluster(kubernetes_cluster.kubeconfig, "127.0.0.1", docker_host=None, given=True)
    together = tmp_path / "together"
    async with custom_resources(theirs, [definition], together=together):
        async with custom_resources(theirs, [definition], together=together):
            assert _defined(theirs, definition)
        assert _defined(theirs, definition)  # for whoever came first
    assert _defined(theirs, definition) is None
    assert not together.exists()


@pytest.mark.kubernetes
async def test_kinds_that_a_given_cluster_has_already_are_left_as_they_are(
    kubernetes_cluster: KubernetesCluster, definition: Json, tmp_path: Path
) -> None:
    theirs = KubernetesCluster(kubernetes_cluster.kubeconfig, "127.0.0.1", docker_host=None, given=True)
    kubectl(theirs.kubeconfig, "create", "--filename=-", text=json.dumps(definition))
    other = json.loads(json.dumps(definition))
    other["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = "Another one."
    before = _defined(theirs, definition)
    assert before is not None
    async with custom_resources(theirs, [other], together=tmp_path / "together"):
        during = _defined(theirs, definition)
        assert during is not None
        assert during["spec"] == before["spec"]
    after = _defined(theirs, definition)
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


@pytest.mark.kubernetes
async def test_in_a_cluster_of_our_own_they_stay_and_are_brought_up_to_date(
    kubernetes_cluster: KubernetesCluster, definition: Json, tmp_path: Path
) -> None:
    if kubernetes_cluster.given:
        pytest.skip("this is about clusters of our own, and one is given")
    async with custom_resources(kubernetes_cluster, [definition], together=tmp_path / "one"):
        pass
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = "A newer one."
    async with custom_resources(kubernetes_cluster, [definition], together=tmp_path / "other"):
        pass
    found = _defined(kubernetes_cluster, definition)
    assert found is not None
    assert found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] == "A newer one."
