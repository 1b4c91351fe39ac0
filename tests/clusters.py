"""Real clusters for tests: brought up before them by `make test`, and found by every worker."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NoReturn, TypeVar

import pytest

from sandbox.clusters import build, kubernetes, namespaces, swarm
from sandbox.clusters.errors import ClusterError
from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.namespaces import Namespace
from sandbox.clusters.places import places
from sandbox.clusters.swarm import SwarmCluster

EXPECTED = "KAERU_TEST_EXPECTED"
"""The clusters that were brought up before the tests, for the workers: a test that does not find one must fail."""
ENDING = "KAERU_TEST_ENDING"
"""Those of them that end with the tests."""
PATIENCE_S = 30.0
"""How long a cluster that is expected may not answer: the machine is busy, or it is being mended."""

T = TypeVar("T")


@dataclass(frozen=True)
class Kind:
    """`up` starts it and gives it; `find` gives None where it does not answer."""

    name: str
    find: Callable[[], object | None]
    up: Callable[[], object]
    down: Callable[[], None]
    suites: str


KINDS = (
    Kind("Kubernetes", kubernetes.find, kubernetes.up, kubernetes.down, "everything on a real Kubernetes"),
    Kind("Docker Swarm", swarm.find, swarm.up, swarm.down, "everything on a real Docker Swarm"),
)


@contextlib.contextmanager
def running(*, ci: bool, kinds: Sequence[Kind] = KINDS) -> Iterator[list[str]]:
    """Bring the clusters up for as long as the tests run; yields a sentence for each that cannot be had.

    What ran before goes on running afterwards. With `ci`, what cannot be had ends the program instead.
    """
    with ThreadPoolExecutor() as pool:
        outcomes = list(zip(kinds, pool.map(_bring_up, kinds), strict=True))
    started = [kind for kind, (is_new, reason) in outcomes if is_new and reason is None]
    without = [f"NOT RUN: {kind.suites}. {reason}" for kind, (_, reason) in outcomes if reason is not None]
    try:
        if ci and without:
            raise SystemExit("\n".join([*without, "Every suite has to run in CI."]))
        os.environ[EXPECTED] = ",".join(kind.name for kind, (_, reason) in outcomes if reason is None)
        os.environ[ENDING] = ",".join(kind.name for kind in started)
        yield without
    finally:
        for variable in (EXPECTED, ENDING):
            os.environ.pop(variable, None)
        for kind in started:
            kind.down()


def _bring_up(kind: Kind) -> tuple[bool, str | None]:
    """Whether it was started just now, and why it cannot be had."""
    try:
        if kind.find():
            return False, None
        kind.up()
    except ClusterError as error:
        return False, str(error)
    return True, None


def in_ci() -> bool:
    return os.environ.get("CI") == "true"


def the_kubernetes() -> KubernetesCluster:
    """The shared one. Compiling it takes longer than a test may, so that is left to what comes before."""
    try:
        found = _found("Kubernetes", kubernetes.find)
        if found is None and kubernetes.available() is None and build.missing(places()):
            without("Kubernetes", "it is not compiled yet: run `make cluster-up` once")
        return found or kubernetes.up()
    except ClusterError as error:
        without("Kubernetes", str(error))


def the_swarm() -> SwarmCluster:
    """The shared one."""
    try:
        return _found("Docker Swarm", swarm.find) or swarm.up()
    except ClusterError as error:
        without("Docker Swarm", str(error))


def _found(name: str, find: Callable[[], T | None]) -> T | None:
    """What answers; waited for where it answered before the tests."""
    deadline = time.monotonic() + (PATIENCE_S if _is_among(EXPECTED, name) else 0)
    while (found := find()) is None and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def _is_among(variable: str, name: str) -> bool:
    return name in os.environ.get(variable, "").split(",")


def without(name: str, reason: str) -> NoReturn:
    """Skip a test that needs the cluster. In CI, and where the cluster answered before the tests, it fails."""
    if in_ci() or _is_among(EXPECTED, name):
        pytest.fail(f"{name}: {reason}")
    pytest.skip(f"{name}: {reason}")


def namespace(cluster: KubernetesCluster) -> contextlib.AbstractContextManager[Namespace]:
    """A fresh one, whose pods end with it; the rest as well, unless the cluster does."""
    return namespaces.namespace(cluster, left=kubernetes_ends())


def kubernetes_ends() -> bool:
    """Whether it was started for the tests, and ends with them."""
    return _is_among(ENDING, "Kubernetes")


@pytest.fixture(scope="session")
def kubernetes_cluster() -> KubernetesCluster:
    return the_kubernetes()


@pytest.fixture(scope="session")
def swarm_cluster() -> SwarmCluster:
    return the_swarm()


@pytest.fixture
def kubernetes_namespace(kubernetes_cluster: KubernetesCluster) -> Iterator[Namespace]:
    """A namespace of this test alone."""
    with namespace(kubernetes_cluster) as own:
        yield own
