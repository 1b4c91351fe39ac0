"""The cluster of `make cluster-up` for tests: one for all of them, a namespace for each."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from integrations.kubernetes.api import Api
from integrations.kubernetes.owners import Owners
from integrations.kubernetes.target import KubernetesTarget
from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.namespaces import Namespace
from tests.clusters import the_kubernetes
from tests.fakes.memory import FakeMemory
from tests.kubernetes import custom_resources as definitions
from tests.kubernetes.fault_proxy import FaultProxy, fault_proxy
from tests.kubernetes.gitops import Gitops
from tests.kubernetes.hands import fresh_namespace
from tests.kubernetes.world import Shop, api_of


@pytest.fixture(scope="session")
def cluster() -> KubernetesCluster:
    return the_kubernetes()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def custom_resources(cluster: KubernetesCluster) -> AsyncIterator[None]:
    """Argo CD's and Flux's kinds are served."""
    async with definitions.custom_resources(cluster):
        yield


@pytest.fixture
async def space(cluster: KubernetesCluster) -> AsyncIterator[Namespace]:
    async with fresh_namespace(cluster) as fresh:
        yield fresh


@pytest.fixture
def memory() -> FakeMemory:
    return FakeMemory()


@pytest.fixture
async def api(space: Namespace) -> AsyncIterator[Api]:
    """A client with the rights of whoever runs the cluster. It is not bound to the workload that its settings name."""
    async with aclosing(api_of(space)) as talking:
        yield talking


@pytest.fixture
def shop(space: Namespace, api: Api) -> Shop:
    """A Deployment `web` of one pod; nothing is deployed yet. A test that needs none, or more, says so."""
    return Shop(space, api, replicas=1)


@pytest.fixture
async def target(shop: Shop, memory: FakeMemory) -> AsyncIterator[KubernetesTarget]:
    """Kaeru for `shop`, with all its defaults. A test whose kaeru is another one makes it itself."""
    async with aclosing(KubernetesTarget(shop.settings(), memory)) as made:
        yield made


@pytest.fixture
async def proxy(cluster: KubernetesCluster) -> AsyncIterator[FaultProxy]:
    """A way to the cluster on which faults can be asked for."""
    async with fault_proxy(cluster.kubeconfig) as standing:
        yield standing


@pytest.fixture
async def gitops(shop: Shop) -> Gitops:
    """What may own `shop`, of which nothing runs. A test that needs more says so."""
    shop.replicas = 0
    await shop.deploy("v1.2.9", wait=False)
    return Gitops(shop)


@pytest.fixture
def owners(api: Api, shop: Shop) -> Owners:
    """As kaeru looks for them, with Argo CD's own namespace being the shop's."""
    return Owners(api, shop.settings(argocd_namespace=shop.space.name))
