"""What holds for every test."""

import gc

import pytest

from tests.clusters import kubernetes_cluster, kubernetes_namespace, swarm_cluster
from tests.order import in_shares, on_cluster

__all__ = ["kubernetes_cluster", "kubernetes_namespace", "swarm_cluster"]

# A plugin of some modules, and imported by others: whichever comes first.
pytest.register_assert_rewrite("tests.postgres")

RARELY = 50_000
"""After so many new objects garbage is looked for: what is imported here makes that cost a sixth of all tests."""
CLUSTER_S = 300
"""A test on a real cluster waits for pods that start beside those of other tests."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if on_cluster(item) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(CLUSTER_S))
    if of_xdist := getattr(config, "workerinput", None):
        items[:] = in_shares(items, of_xdist["workercount"])


def pytest_collection_finish() -> None:
    gc.freeze()  # modules and tests stay to the end: there is no garbage among them
    gc.set_threshold(RARELY, 20, 50)
