"""A real Kubernetes: deployments become ready and go back, services answer, and few rights are few."""

import json
import urllib.request
from dataclasses import replace
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from sandbox.clusters import kubernetes
from sandbox.clusters.errors import ClusterError
from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.namespaces import Namespace, kubectl, namespace
from sandbox.clusters.services import service_url
from sandbox.clusters.shop_images import BAD, GOOD, WEB
from sandbox.clusters.throwaway import await_that

SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
}


def deployment(version: str, replicas: int) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}
    container = {"name": "web", "image": f"{WEB}:{version}", "readinessProbe": probe}
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template},
    }


def settle(own: Namespace) -> None:
    own.kubectl("rollout", "status", "deployment/web", "--timeout=80s", timeout_s=100)


def ask(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - an http address of ours
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code
    except RemoteDisconnected:
        return 0  # it went to a pod that was ending; the next one may not


def versions(url: str) -> set[str]:
    """What several connections in a row reach."""
    return {version(url) for _ in range(5)}


def version(url: str) -> str:
    try:
        with urllib.request.urlopen(f"{url}/version", timeout=10) as answer:  # noqa: S310 - an http address of ours
            return str(json.loads(answer.read())["version"])
    except RemoteDisconnected:
        return ""  # as above


def test_it_is_found_again(kubernetes_cluster: KubernetesCluster) -> None:
    assert kubernetes.up() == kubernetes_cluster


def test_a_bad_release_goes_out_and_is_taken_back(kubernetes_namespace: Namespace) -> None:
    own = kubernetes_namespace
    own.apply(deployment(GOOD[-1], replicas=3), SERVICE)
    settle(own)
    with service_url(own.cluster, own.name, "web", 80) as url:
        await_that(lambda: versions(url) == {GOOD[-1]}, "the good release answers")
        assert ask(f"{url}/products") == 200
        own.apply(deployment(BAD[0], replicas=3))
        settle(own)
        await_that(lambda: versions(url) == {BAD[0]}, "the bad release answers")
        await_that(lambda: ask(f"{url}/products") == 500, "the bad release fails")
        own.kubectl("rollout", "undo", "deployment/web")
        settle(own)
        await_that(lambda: versions(url) == {GOOD[-1]}, "the good release answers")
        assert ask(f"{url}/products") == 200


def test_a_service_is_reached_in_a_cluster_that_is_not_ours(kubernetes_namespace: Namespace) -> None:
    own = kubernetes_namespace
    own.apply(deployment(GOOD[0], replicas=1), SERVICE)
    settle(own)
    foreign = replace(own.cluster, docker_host=None, given=True)
    with service_url(foreign, own.name, "web", 80) as url:
        await_that(lambda: ask(f"{url}/health") == 200, "the service answers")
        assert version(url) == GOOD[0]


def test_an_account_may_do_what_it_is_told_and_no_more(
    kubernetes_namespace: Namespace, tmp_path: Path
) -> None:
    own = kubernetes_namespace
    own.apply(deployment(GOOD[0], replicas=1))
    rules = [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list"]}]
    account = own.account("reader", rules, tmp_path)
    assert "deployment.apps/web" in kubectl(account, "get", "deployments", "--output", "name")
    with pytest.raises(ClusterError, match="cannot delete resource"):
        kubectl(account, "delete", "deployment", "web")
    with pytest.raises(ClusterError, match="cannot list resource"):
        kubectl(account, "get", "deployments", "--namespace", "default")


def test_logs_and_commands_reach_a_pod(kubernetes_namespace: Namespace) -> None:
    own = kubernetes_namespace
    own.apply(deployment(GOOD[0], replicas=1))
    settle(own)
    assert f"web {GOOD[0]} ready" in own.kubectl("logs", "deployment/web")
    assert own.kubectl("exec", "deployment/web", "--", "sh", "-c", "echo $VERSION") == f"{GOOD[0]}\n"


def test_a_quota_is_kept(kubernetes_namespace: Namespace) -> None:
    own = kubernetes_namespace
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few"},
        "spec": {"hard": {"count/configmaps": "0"}},
    }
    own.apply(quota)
    own.kubectl("wait", "--for=jsonpath={.status.hard.count/configmaps}=0", "resourcequota/few")
    with pytest.raises(ClusterError, match="exceeded quota"):
        own.kubectl("create", "configmap", "one")


def test_of_a_namespace_that_is_left_to_the_clusters_end_only_what_runs_goes(
    kubernetes_cluster: KubernetesCluster,
) -> None:
    with namespace(kubernetes_cluster, left=True) as own:
        own.kubectl("create", "deployment", "web", "--image=kaeru-test/web:v1.2.9")
        own.kubectl("create", "configmap", "one")
    try:
        assert own.kubectl("get", "deployments,services", "--output", "name") == ""
        assert own.kubectl("get", "configmap/one", "--output", "name").strip() == "configmap/one"
    finally:
        kubectl(kubernetes_cluster.kubeconfig, "delete", "namespace", own.name, "--wait=false")


def test_a_namespace_goes_with_its_context(kubernetes_cluster: KubernetesCluster) -> None:
    with namespace(kubernetes_cluster) as own:
        pass
    left = kubectl(kubernetes_cluster.kubeconfig, "get", "namespaces", "--output", "json")
    phases = {item["metadata"]["name"]: item["status"]["phase"] for item in json.loads(left)["items"]}
    assert phases.get(own.name, "Terminating") == "Terminating"
