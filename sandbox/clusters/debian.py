"""Debian's packages: installed where that is possible, never more than is missing."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.clusters.commands import search_path
from sandbox.clusters.errors import ClusterError, Unavailable


@dataclass(frozen=True)
class Program:
    name: str
    package: str

    def there(self) -> bool:
        return shutil.which(self.name, path=search_path()) is not None


CONTAINERS = (
    Program("dockerd", "docker.io"),
    Program("containerd", "containerd"),
    Program("runc", "runc"),
    Program("iptables", "iptables"),
    Program("ip", "iproute2"),
    Program("sysctl", "procps"),
    Program("busybox", "busybox-static"),
)


def missing(programs: Sequence[Program]) -> list[str]:
    """The packages that have to be installed for these programs."""
    return sorted({program.package for program in programs if not program.there()})


def why_not(programs: Sequence[Program], what: str) -> str | None:
    """A sentence on why `what` cannot be had on this machine; None when it can."""
    if not Path("/proc/self/ns/net").exists():
        return f"{what} needs Linux: run it there, or name a cluster given for tests."
    if os.geteuid() != 0:
        return f"{what} needs root (namespaces, mounts, packet filters): run it as root, in a container if you like."
    packages = missing(programs)
    if packages and shutil.which("apt-get") is None:
        return f"{what} needs {', '.join(packages)}, and this machine has no apt-get: install them."
    return None


def install(packages: Sequence[str], log: Path) -> None:
    """Install packages; raises ClusterError when apt-get fails."""
    if not packages:
        return
    print(f"Installing {', '.join(packages)} from Debian …", flush=True)
    apt_get(["update"], log)
    apt_get(["install", "-y", "--no-install-recommends", *packages], log)


def apt_get(arguments: Sequence[str], log: Path, *, cwd: Path | None = None) -> None:
    """Run apt-get without questions, its words appended to `log`."""
    if shutil.which("apt-get") is None:
        raise Unavailable("This machine has no apt-get: the clusters are made from Debian's packages.")
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "PATH": search_path(),
        "DEBIAN_FRONTEND": "noninteractive",
        "LC_ALL": "C.UTF-8",
    }
    argv = ["apt-get", "-o", "DPkg::Lock::Timeout=300", *arguments]
    with log.open("a") as out:
        code = subprocess.run(
            argv, env=environment, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False
        ).returncode
    if code != 0:
        raise ClusterError(f"apt-get {arguments[0]} failed; see {log}, mend it and try again.")
