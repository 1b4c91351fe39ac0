"""The cluster of `make cluster-up` for tests: one for all of them, a namespace for each."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from integrations.kubernetes.api import Api
from integrations.kubernetes.settings import KubernetesSettings
from sandbox.clusters import kubernetes
from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.namespaces import Namespace, namespace
from tests.fakes.memory import FakeMemory
from tests.kubernetes.world import Shop


def the_cluster() -> KubernetesCluster:
    """The one that runs. Without one, a test fails where CI is set, and is skipped aloud elsewhere."""
    found = kubernetes.find()
    if found is not None:
        return found
    why = "no Kubernetes answers: run `make cluster-up`"
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def cluster() -> KubernetesCluster:
    return the_cluster()


@pytest.fixture
def space(cluster: KubernetesCluster) -> Iterator[Namespace]:
    with namespace(cluster) as fresh:
        yield fresh


@pytest.fixture
def memory() -> FakeMemory:
    return FakeMemory()


@pytest.fixture
async def api(space: Namespace) -> AsyncIterator[Api]:
    """A client with the rights of whoever runs the cluster. It is not bound to the workload that its settings name."""
    settings = KubernetesSettings(kubeconfig=space.cluster.kubeconfig, namespace=space.name, name="web")
    async with aclosing(Api(settings)) as talking:
        yield talking


@pytest.fixture
def shop(space: Namespace, api: Api) -> Shop:
    """A Deployment `web` of two pods; nothing is deployed yet."""
    return Shop(space, api)
