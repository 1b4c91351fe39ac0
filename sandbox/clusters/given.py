"""Clusters that are given for tests: they are used as they are, and nothing is started or stopped."""

import os
from pathlib import Path

from sandbox.clusters.errors import ClusterError

KUBECONFIG = "KAERU_TEST_KUBECONFIG"
DOCKER_HOST = "KAERU_TEST_DOCKER_HOST"
# KUBECONFIG and DOCKER_HOST alone may well name production: it has to be said in so many words that they are for tests.
CONSENT = "KAERU_TEST_CLUSTER"
_ADDRESSES = ("unix://", "tcp://")


def kubeconfig() -> Path | None:
    """The kubeconfig of a Kubernetes given for tests. Raises ClusterError when it does not exist."""
    variable, named = _given(KUBECONFIG, "KUBECONFIG")
    if not named:
        return None
    path = Path(named).expanduser()
    if not path.is_file():
        raise ClusterError(f"{variable} names {path}, which does not exist: correct it or unset it.")
    return path


def docker_host() -> str | None:
    """The Docker daemon (a Swarm manager) given for tests. Raises ClusterError when it is named in another way."""
    variable, named = _given(DOCKER_HOST, "DOCKER_HOST")
    if named and not named.startswith(_ADDRESSES):
        raise ClusterError(
            f"{variable} names {named}, which tests cannot use: name a Swarm manager as unix:///… or tcp://HOST:PORT, "
            "or unset it."
        )
    return named or None


def docker_variable() -> str:
    """The variable that names the daemon, for whoever has to correct it."""
    return _given(DOCKER_HOST, "DOCKER_HOST")[0]


def _given(ours: str, common: str) -> tuple[str, str]:
    """The variable that counts, and what it says; empty where nothing is given."""
    named = os.environ.get(ours, "")
    if not named and os.environ.get(CONSENT) == "given":
        return common, os.environ.get(common, "")
    return ours, named
