"""Kubernetes' programs, compiled from Debian's source package. Once: the programs stay in the cache folder.

An interrupted build goes on where it was: each program is compiled on its own and renamed into place, and the
compiler's cache is kept.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import environ, getpid
from pathlib import Path

from sandbox.clusters import debian, mend, sources
from sandbox.clusters.commands import run, search_path
from sandbox.clusters.debian import Program
from sandbox.clusters.errors import ClusterError
from sandbox.clusters.places import Places, locked

TOOLS = (
    Program("go", "golang-go"),
    Program("dpkg-source", "dpkg-dev"),
    Program("xz", "xz-utils"),
)
# The seconds each took on two cores, in this order; what one compiles, the next need not.
PROGRAMS = {
    "kube-apiserver": 206,
    "kubelet": 42,
    "kube-controller-manager": 25,
    "kube-scheduler": 9,
    "kube-proxy": 2,
}
_BEFORE = 40  # fetching, unpacking, generating
_PATIENCE_S = 3 * 3600
_TELL_EVERY_S = 20
_COMMIT = "faecb196815e248d3ecfb03c680a4507229c2a56"  # of v1.20.2


def missing(where: Places) -> list[str]:
    """The programs that are not compiled yet."""
    return [name for name in PROGRAMS if not (where.binaries / name).exists()]


def why_not(where: Places) -> str | None:
    """Why what is missing cannot be compiled here, as a sentence; None when nothing is missing or it can."""
    if not missing(where):
        return None
    if not sources.archives():
        return (
            "Kubernetes is compiled from Debian's source package, and no Debian archive is set up in "
            "/etc/apt: run this on Debian 12, or name a cluster given for tests."
        )
    return None


def build(where: Places) -> None:
    """Compile what is missing. Two of these at once: the second waits and finds the work done."""
    if not missing(where):
        return
    lock = where.root / "build.lock"
    with locked(lock, patience_s=_PATIENCE_S, doing="compiling Kubernetes"):
        todo = missing(where)
        if not todo:
            return
        minutes = (_BEFORE + sum(PROGRAMS[name] for name in todo)) / 60
        print(
            f"Compiling Kubernetes {sources.VERSION} from Debian's source, once: about {minutes:.0f} minutes on two "
            f"cores. It may be interrupted; it goes on where it was. The result stays in {where.binaries}.",
            flush=True,
        )
        log = where.root / "build.log"
        debian.install(debian.missing(TOOLS), where.root / "apt.log")
        description = sources.fetch(where.build / "source", where.root / "apt.log")
        tree = where.build / "gopath" / "src" / "k8s.io" / "kubernetes"
        sources.unpack(description, tree)
        mend.mend(tree, where.root / "apt.log")
        builder = Builder(where, tree, log)
        builder.generate()
        clock = Clock(todo)
        for name in todo:
            builder.compile(name, clock)
        print(f"Kubernetes is compiled, in {clock.spent_s / 60:.0f} minutes.", flush=True)


@dataclass
class Clock:
    """Tells how long is left, by what the finished programs took against what they should have."""

    todo: list[str]
    started: float = field(default_factory=time.monotonic)
    done: list[str] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)

    @property
    def spent_s(self) -> float:
        return time.monotonic() - self.started

    def finish(self, name: str) -> None:
        self.done.append(name)
        self._since = time.monotonic()

    def words(self) -> str:
        """How long is left; a step that takes longer than it should leaves that open."""
        late_s = time.monotonic() - self._since - self._expected_s(self._rest()[0])
        if late_s > 0:
            return f"slower than expected, {self.spent_s / 60:.0f} minutes so far"
        return f"about {max(self.left_s() / 60, 1):.0f} minutes left"

    def left_s(self) -> float:
        """Seconds, never less than a few."""
        rest = [self._expected_s(name) for name in self._rest()]
        if not rest:
            return 0.0
        return max(rest[0] - (time.monotonic() - self._since), 5.0) + sum(rest[1:])

    def _rest(self) -> list[str]:
        return [name for name in self.todo if name not in self.done]

    def _expected_s(self, name: str) -> float:
        expected = sum(PROGRAMS[name] for name in self.done)
        pace = (self._since - self.started) / expected if expected else 1.0
        return PROGRAMS[name] * pace


class Builder:
    def __init__(self, where: Places, tree: Path, log: Path) -> None:
        self._where = where
        self._tree = tree
        self._log = log
        self._scratch = where.build / "tmp"
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._environment = {
            **environ,
            "PATH": search_path(),
            "GOPATH": str(where.build / "gopath"),
            "GOCACHE": str(where.build / "go-cache"),
            "GO111MODULE": "off",  # the source is laid out for the time before modules, vendored code included
            "GOFLAGS": "",
            "CGO_ENABLED": "0",
        }

    def generate(self) -> None:
        """Make the only generated file that the source package lacks: the description of the API's types."""
        made = self._tree / "pkg/generated/openapi/zz_generated.openapi.go"
        if made.exists():
            return
        tool = self._scratch / "openapi-gen"
        self._go(["build", "-o", str(tool), "./vendor/k8s.io/kube-openapi/cmd/openapi-gen"])
        argv = [
            str(tool),
            "--logtostderr",
            *("-i", ",".join(described_packages(self._tree))),
            *("-p", "k8s.io/kubernetes/pkg/generated/openapi"),
            *("-O", "zz_generated.openapi"),
            *("-h", "hack/boilerplate/boilerplate.generatego.txt"),
            *("-r", str(self._scratch / "violations")),
            # Written next to its place, so that an interrupted run leaves no half a file.
            *("--output-base", str(self._scratch / "generated")),
        ]
        shutil.rmtree(self._scratch / "generated", ignore_errors=True)
        run(argv, timeout_s=600, cwd=self._tree, environment=self._environment)
        new = self._scratch / "generated/k8s.io/kubernetes/pkg/generated/openapi/zz_generated.openapi.go"
        new.rename(made)

    def compile(self, name: str, clock: Clock) -> None:
        """Compile one program and put it into its place."""
        new = self._scratch / f"{name}.{getpid()}"
        flags = ["-trimpath", "-ldflags", f"-s -w {' '.join(_version_flags())}"]
        argv = ["build", *flags, "-o", str(new), f"./cmd/{name}"]
        for _ in self._progress(argv):
            print(f"  {name}: compiling; {clock.words()}", flush=True)
        new.rename(self._where.binaries / name)
        clock.finish(name)
        print(f"  {name}: done after {clock.spent_s / 60:.1f} minutes", flush=True)

    def _go(self, arguments: list[str]) -> None:
        for _ in self._progress(arguments):
            pass

    def _progress(self, arguments: list[str]) -> Iterator[None]:
        """Run the compiler; yields every now and then. A build that is given up ends the compiler."""
        self._where.binaries.mkdir(parents=True, exist_ok=True)
        with self._log.open("a") as out:
            # Nice: somebody works on this machine. And no compiler goes on when this process is killed.
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "nice", "go", *arguments],
                cwd=self._tree, env=self._environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )  # fmt: skip
            try:
                while True:
                    try:
                        code = process.wait(_TELL_EVERY_S)
                    except subprocess.TimeoutExpired:
                        yield
                    else:
                        break
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
        if code != 0:
            words = " ".join(self._log.read_text(errors="replace").split()[-60:])
            raise ClusterError(
                f"go {' '.join(arguments[:1])} failed; see {self._log}. Its last words: {words}"
            )


def described_packages(tree: Path) -> list[str]:
    """The Go packages whose types the API describes, as upstream's Makefile chooses them."""
    tag = re.compile(rb"\+k8s:openapi-gen=")
    found = set()
    for top in ("staging/src", "pkg", "cmd", "plugin"):
        for file in (tree / top).rglob("*.go"):
            package = str(file.parent.relative_to(tree)).replace("staging/src/", "vendor/")
            if re.search(r"code-generator|sample-apiserver|/example", package):
                continue
            if tag.search(file.read_bytes()):
                found.add(f"k8s.io/kubernetes/{package}")
    return sorted(found)


def _version_flags() -> Iterator[str]:
    major, minor, _ = sources.VERSION.split(".")
    values = {
        "gitVersion": f"v{sources.VERSION}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": _COMMIT,
    }
    for package in ("component-base/version", "client-go/pkg/version"):
        for name, value in values.items():
            yield f"-X k8s.io/kubernetes/vendor/k8s.io/{package}.{name}={value}"
