"""`make test`: bring what the tests need, run them all, and say loudly what did not run.

Debian packages are installed where that is possible (root, apt-get). Where it is not, the suites that need
them are left out with a notice at the end; with CI=true a missing component is a failure.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chromium import chromium

ROOT = Path(__file__).resolve().parents[1]


def postgres() -> bool:
    return bool(shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin/initdb")))


def git() -> bool:
    return shutil.which("git") is not None


@dataclass(frozen=True)
class Component:
    """Something that is no Python package. `suites` is what cannot run without it."""

    name: str
    package: str
    there: Callable[[], bool]
    suites: str


COMPONENTS = (
    Component(
        "Chromium", "chromium", lambda: chromium() is not None, "the page in a real browser (tests/browser)"
    ),
    Component("PostgreSQL", "postgresql", postgres, "the store and a whole incident on PostgreSQL"),
    Component("git", "git", git, "the shop's releases and everything that rolls them back"),
)


def missing() -> list[Component]:
    return [component for component in COMPONENTS if not component.there()]


def install(components: list[Component]) -> None:
    """Install Debian packages; silent where this machine has no apt-get or we are not root."""
    if not components or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    packages = [component.package for component in components]
    print(f"Installing {', '.join(packages)} from Debian …", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    log = ROOT / "build" / "apt.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("w") as out:
        for argv in (
            ["apt-get", "update"],
            ["apt-get", "install", "-y", "--no-install-recommends", *packages],
        ):
            done = subprocess.run(argv, env=environment, stdout=out, stderr=out, check=False)
            if done.returncode != 0:
                print(f"{' '.join(argv)} failed; see {log}.", file=sys.stderr)
                return


def main() -> int:
    install(missing())
    left_out = missing()
    in_ci = os.environ.get("CI") == "true"
    if left_out and in_ci:
        names = ", ".join(component.name for component in left_out)
        print(f"Missing in CI: {names}. Every suite has to run there.", file=sys.stderr)
        return 1
    workers = str(max(2, os.cpu_count() or 2))
    argv = [sys.executable, "-m", "pytest", "-n", workers, "--dist", "loadgroup", *sys.argv[1:]]
    code = subprocess.run(argv, cwd=ROOT, check=False).returncode
    for component in left_out:
        print(
            f"\nNOT RUN: {component.suites}. {component.name} is missing; "
            f"as root on Debian or Ubuntu: apt-get install {component.package}",
            file=sys.stderr,
        )
    return code


if __name__ == "__main__":
    sys.exit(main())
