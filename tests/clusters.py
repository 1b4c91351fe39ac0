"""Real clusters for tests: brought up before them by `make test`, and found by every worker."""

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NoReturn

import pytest

from sandbox.clusters import build, kubernetes, swarm
from sandbox.clusters.errors import ClusterError, Unavailable
from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.namespaces import Namespace, namespace
from sandbox.clusters.places import places
from sandbox.clusters.swarm import SwarmCluster


@dataclass(frozen=True)
class _Kind:
    name: str
    find: Callable[[], object | None]
    up: Callable[[], object]
    down: Callable[[], None]
    suites: str


_KINDS = (
    _Kind("Kubernetes", kubernetes.find, kubernetes.up, kubernetes.down, "everything on a real Kubernetes"),
    _Kind("Docker Swarm", swarm.find, swarm.up, swarm.down, "everything on a real Docker Swarm"),
)


@contextlib.contextmanager
def running(*, ci: bool) -> Iterator[list[str]]:
    """Bring both clusters up for as long as the tests run; yields a sentence for each that cannot be had.

    What ran before goes on running afterwards. With `ci`, what cannot be had ends the program instead.
    """
    started: list[_Kind] = []
    with ThreadPoolExecutor() as pool:
        outcomes = list(pool.map(_bring_up, _KINDS))
    for kind, (is_new, reason) in zip(_KINDS, outcomes, strict=True):
        if is_new and reason is None:
            started.append(kind)
    sentences = [
        f"NOT RUN: {kind.suites}. {reason}"
        for kind, (_, reason) in zip(_KINDS, outcomes, strict=True)
        if reason is not None
    ]
    try:
        if ci and sentences:
            raise SystemExit("\n".join([*sentences, "Every suite has to run in CI."]))
        yield sentences
    finally:
        for kind in started:
            kind.down()


def _bring_up(kind: _Kind) -> tuple[bool, str | None]:
    """Whether it was started just now, and why it cannot be had."""
    try:
        if kind.find():
            return False, None
        kind.up()
    except ClusterError as error:
        return False, str(error)
    return True, None


@pytest.fixture(scope="session")
def kubernetes_cluster() -> KubernetesCluster:
    """The shared Kubernetes. Compiling it takes longer than a test may, so that is left to what comes before."""
    try:
        found = kubernetes.find()
        if found is None and kubernetes.available() is None and build.missing(places()):
            _without("Kubernetes is not compiled yet: run `make cluster-up` once")
        return found or kubernetes.up()
    except Unavailable as error:
        _without(str(error))


@pytest.fixture(scope="session")
def swarm_cluster() -> SwarmCluster:
    """The shared Docker Swarm."""
    try:
        return swarm.up()
    except Unavailable as error:
        _without(str(error))


@pytest.fixture
def kubernetes_namespace(kubernetes_cluster: KubernetesCluster) -> Iterator[Namespace]:
    """A namespace of this test alone."""
    with namespace(kubernetes_cluster) as own:
        yield own


def _without(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
