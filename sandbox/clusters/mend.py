"""What has to be exchanged in the source before today's compiler makes working programs of it.

The vendored reflect2 1.0.1 calls a function of the Go runtime as it was before Go 1.18; compiled with a later one,
the API server dies as soon as it reads a custom resource. Debian's own reflect2 has the repair.
"""

import shutil
import tempfile
from pathlib import Path

from sandbox.clusters.commands import run
from sandbox.clusters.debian import apt_get
from sandbox.clusters.errors import ClusterError

PACKAGE = "golang-github-modern-go-reflect2-dev"
_LIBRARY = Path("github.com/modern-go/reflect2")
_REPAIRED = "go_above_118.go"  # a file of the repaired version only


def mend(tree: Path, log: Path) -> None:
    """Put Debian's reflect2 in the place of the vendored one. What is mended already is left alone."""
    place = tree / "vendor" / _LIBRARY
    if (place / _REPAIRED).exists():
        return
    with tempfile.TemporaryDirectory(dir=tree.parent) as scratch:
        folder = Path(scratch)
        download = ["-o", "APT::Sandbox::User=root", "download", PACKAGE]
        try:
            apt_get(download, log, cwd=folder)
        except ClusterError:
            apt_get(["update"], log)  # a new machine has no lists of packages yet, or old ones
            apt_get(download, log, cwd=folder)
        (package,) = folder.glob("*.deb")
        run(["dpkg-deb", "--extract", str(package), str(folder / "root")])
        fresh = folder / "root" / "usr/share/gocode/src" / _LIBRARY
        if not (fresh / _REPAIRED).exists():
            raise ClusterError(
                f"Debian's {PACKAGE} has no {_REPAIRED}: Kubernetes cannot be compiled with it."
            )
        (fresh / "go.mod").unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(fresh, place)
