"""`make test`: lint, bring what the tests need, run them all, and say loudly what did not run.

Debian packages are installed where that is possible (root, apt-get). Where it is not, the suites that need
them are left out with a notice at the end; with CI=true a missing component is a failure.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import clusters, templates
from tests.chromium import chromium

TESTS_FAILED = 1
LINT_FAILED = 2
FEW = 12
WORKERS_PER_CPU = 3
"""Most of what tests do is waiting: for pods, for processes, for the next round of probes."""

MEMORY = Path("/dev/shm")  # noqa: S108 - only looked at; what is made there has a name of its own
ROOM = 6 * 1024**3
"""Bytes. Temporary folders of the tests take up a tenth of it, mostly; databases of real servers are among them."""

ROOT = Path(__file__).resolve().parents[1]


def postgres() -> bool:
    return bool(shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin/initdb")))


def program(name: str) -> Callable[[], bool]:
    """Whether there is a program of this name, also one for administrators."""
    return lambda: shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin") is not None


def active_record() -> bool:
    if shutil.which("ruby") is None:
        return False
    argv = ["ruby", "-e", 'require "active_record"; require "pg"']
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class Component:
    """Something that is no Python package. `suites` is what cannot run without it, `package` what Debian calls it."""

    name: str
    package: str
    there: Callable[[], bool]
    suites: str


COMPONENTS = (
    Component(
        "Chromium", "chromium", lambda: chromium() is not None, "the page in a real browser (tests/browser)"
    ),
    Component("PostgreSQL", "postgresql", postgres, "the store and a whole incident on PostgreSQL"),
    Component(
        "git",
        "git",
        program("git"),
        "the shop's releases and everything that rolls them back, papers and filing",
    ),
    Component(
        "MariaDB", "mariadb-server", program("mariadbd"), "backups of MariaDB, and what migrations do there"
    ),
    Component(
        "nginx", "nginx-light", program("nginx"), "blue-green behind nginx, and users brought back in stages"
    ),
    Component(
        "HAProxy",
        "haproxy",
        program("haproxy"),
        "blue-green behind HAProxy, and users brought back in stages",
    ),
    Component("the SSH server", "openssh-server", program("sshd"), "releases on hosts over SSH"),
    Component("the SSH client", "openssh-client", program("ssh"), "what needs keys, and a Swarm over SSH"),
    Component("Prometheus", "prometheus", program("promtool"), "metrics of a real Prometheus"),
    Component(
        "Alertmanager",
        "prometheus-alertmanager",
        program("prometheus-alertmanager"),
        "alerts of a real Alertmanager",
    ),
    Component("the journal", "systemd", program("journalctl"), "logs that a real journald keeps"),
    Component(
        "Active Record", "ruby-activerecord ruby-pg", active_record, "the migrations that Rails really runs"
    ),
)


def missing() -> list[Component]:
    return [component for component in COMPONENTS if not component.there()]


def install(components: list[Component]) -> None:
    """Install Debian packages; silent where this machine has no apt-get or we are not root."""
    if not components or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    packages = [package for component in components for package in component.package.split()]
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


def once_more_alone() -> int:
    """Run a few failures again, one after the other: real processes side by side may be late on a small machine.

    What passes only alone is named, so that it is seen and looked into. Many failures are failures.
    """
    cache = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"
    failed = list(json.loads(cache.read_text())) if cache.exists() else []
    if not 0 < len(failed) <= FEW:
        return TESTS_FAILED
    print("\nFAILED BESIDE OTHERS, run again alone:", *failed, sep="\n  ", file=sys.stderr, flush=True)
    argv = _running("--last-failed", "--last-failed-no-failures", "none")
    return subprocess.run(argv, cwd=ROOT, check=False).returncode


def _pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", *arguments]


def _running(*arguments: str) -> list[str]:
    """With short paths: those of sockets may have a hundred characters, and the names of tests are long."""
    return _pytest(f"--basetemp={Path(tempfile.gettempdir()) / 't'}", *arguments)


def main() -> int:
    install(missing())
    left_out = missing()
    in_ci = clusters.in_ci()
    if left_out and in_ci:
        names = ", ".join(component.name for component in left_out)
        print(f"Missing in CI: {names}. Every suite has to run there.", file=sys.stderr)
        return 1
    linting = subprocess.Popen(["make", "--no-print-directory", "lint"], cwd=ROOT)
    # Every worker would compile all tests for itself; what one process has compiled, the others read.
    compiling = subprocess.Popen(_pytest("--collect-only", "--quiet"), cwd=ROOT, stdout=subprocess.DEVNULL)
    with clusters.running(ci=in_ci) as without, temporary_folders():
        compiling.wait()
        if linting.wait() != 0:
            return LINT_FAILED
        code = run_all()
    for component in left_out:
        print(
            f"\nNOT RUN: {component.suites}. {component.name} is missing; "
            f"as root on Debian or Ubuntu: apt-get install {component.package}",
            file=sys.stderr,
        )
    for sentence in without:
        print(f"\n{sentence}", file=sys.stderr)
    return code


@contextlib.contextmanager
def temporary_folders() -> Iterator[None]:
    """Give the tests a folder for all that is temporary, and what servers are copied from.

    In memory, where there is room: they write to disk durably, thousands of times.
    """
    room = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM
    place = MEMORY if room else None
    with tempfile.TemporaryDirectory(prefix="kaeru-", dir=place, ignore_cleanup_errors=True) as folder:
        # Servers that give their rights up have to get through to theirs.
        Path(folder).chmod(0o755)
        servers = Path(folder) / "templates"
        servers.mkdir()
        ours = {"TMPDIR": folder, templates.PLACE: str(servers)}
        before = {name: os.environ.get(name) for name in ours}
        os.environ |= ours
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = None
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def run_all() -> int:
    """Every test, several at once; the exit code of pytest."""
    workers = str(WORKERS_PER_CPU * (os.cpu_count() or 2))
    # Long rows of tests for each worker: their servers are started fewer times, and who waits works beside others.
    argv = _running("--cache-clear", "-n", workers, "--dist", "worksteal", *sys.argv[1:])
    code = subprocess.run(argv, cwd=ROOT, check=False).returncode
    return once_more_alone() if code == TESTS_FAILED else code


if __name__ == "__main__":
    sys.exit(main())
