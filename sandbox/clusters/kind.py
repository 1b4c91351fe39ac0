"""A Kubernetes by `kind`, on machines that have it together with a working Docker: nothing has to be compiled."""

import functools
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sandbox.clusters.commands import run
from sandbox.clusters.errors import ClusterError
from sandbox.clusters.images import Image, load
from sandbox.clusters.places import Places
from sandbox.clusters.shop_images import standard_images

_NAME = "kaeru-test"


@functools.cache
def usable() -> bool:
    """Whether kind is installed and Docker answers."""
    if shutil.which("kind") is None or shutil.which("docker") is None:
        return False
    try:
        code = subprocess.run(["docker", "info"], capture_output=True, timeout=20, check=False).returncode
    except subprocess.TimeoutExpired:
        return False
    return code == 0


def running(where: Places) -> Path | None:
    """The kubeconfig of our kind cluster, if it runs."""
    path = _kubeconfig(where)
    if not path.exists() or not usable() or _NAME not in run(["kind", "get", "clusters"]).split():
        return None
    try:
        run(["kubectl", "--kubeconfig", str(path), "get", "--raw", "/readyz"], timeout_s=20)
    except ClusterError:
        return None
    return path


def up(where: Places) -> Path:
    """Create the cluster, or create it anew when it does not answer; returns its kubeconfig."""
    path = _kubeconfig(where)
    if found := running(where):
        return found
    down(where)
    path.parent.mkdir(parents=True, exist_ok=True)
    print("Creating a Kubernetes cluster with kind …", flush=True)
    run(
        ["kind", "create", "cluster", "--name", _NAME, "--kubeconfig", str(path), "--wait", "180s"],
        timeout_s=600,
    )
    load_images(standard_images())
    return path


def load_images(images: Sequence[Image]) -> None:
    """Bring images into the nodes, by way of this machine's Docker."""
    load("unix:///var/run/docker.sock", images)
    run(["kind", "load", "docker-image", "--name", _NAME, *(image.name for image in images)], timeout_s=300)


def down(where: Places) -> None:
    path = _kubeconfig(where)
    if path.exists() and usable():
        run(["kind", "delete", "cluster", "--name", _NAME, "--kubeconfig", str(path)], timeout_s=120)
        path.unlink(missing_ok=True)


def _kubeconfig(where: Places) -> Path:
    return where.run / "kind" / "kubeconfig"
