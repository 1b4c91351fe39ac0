"""Clusters that are given for tests: they are used as they are, and nothing is started or stopped."""

import os
from pathlib import Path

from sandbox.clusters.errors import ClusterError

KUBECONFIG = "KAERU_TEST_KUBECONFIG"
DOCKER_HOST = "KAERU_TEST_DOCKER_HOST"
# KUBECONFIG alone may well name production: it has to be said in so many words that it is for tests.
CONSENT = "KAERU_TEST_CLUSTER"


def kubeconfig() -> Path | None:
    """The kubeconfig of a Kubernetes given for tests. Raises ClusterError when it does not exist."""
    named = os.environ.get(KUBECONFIG)
    variable = KUBECONFIG
    if not named and os.environ.get(CONSENT) == "given":
        named, variable = os.environ.get("KUBECONFIG"), "KUBECONFIG"
    if not named:
        return None
    path = Path(named).expanduser()
    if not path.is_file():
        raise ClusterError(f"{variable} names {path}, which does not exist: correct it or unset it.")
    return path


def docker_host() -> str | None:
    """The Docker daemon (a Swarm manager) given for tests."""
    return os.environ.get(DOCKER_HOST) or None
