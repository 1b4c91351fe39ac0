"""A Docker daemon of our own: its own data, socket and network namespace; the machine's Docker is left alone."""

import contextlib
import json
import shutil
import signal
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.clusters.commands import run
from sandbox.clusters.engine import Engine
from sandbox.clusters.errors import ClusterError
from sandbox.clusters.processes import Daemon, descendants, end, identity, processes_naming, send

_CAP_SYS_RESOURCE = 24

# The kernel lets nobody without CAP_SYS_RESOURCE lower an OOM score, and a pod's first container asks for that.
_RUNTIME = """\
#!/bin/sh
bundle=
previous=
for word in "$@"; do
  [ "$previous" = --bundle ] && bundle=$word
  previous=$word
done
[ -n "$bundle" ] && sed -i 's/"oomScoreAdj":-[0-9]*/"oomScoreAdj":0/' "$bundle/config.json"
exec runc "$@"
"""


@dataclass(frozen=True)
class Dockerd:
    """`home` holds everything of it; `bridge` is the address and width of its own bridge (198.18.1.1/24)."""

    home: Path
    network: str
    bridge: str
    pool: str
    hostname: str
    filters: bool = True
    lowers_oom_scores: bool = False

    @property
    def socket(self) -> Path:
        return self.home / "docker.sock"

    @property
    def docker_host(self) -> str:
        return f"unix://{self.socket}"

    @property
    def containerd(self) -> Path:
        return self.home / "exec" / "containerd" / "containerd.sock"

    @property
    def daemon(self) -> Daemon:
        return Daemon("dockerd", self.home)

    @property
    def engine(self) -> Engine:
        return Engine(self.docker_host)

    @property
    def _cgroup(self) -> str:
        return f"kaeru/{self.network}"

    def start(self, more: Mapping[str, object] | None = None) -> None:
        """Start it unless it runs; `await_ready` says when it answers. `more` goes into its daemon.json."""
        if self.daemon.running():
            return
        self.home.mkdir(parents=True, exist_ok=True)
        self._forget_the_dead()
        settings: dict[str, object] = {
            "data-root": str(self.home / "data"),
            "exec-root": str(self.home / "exec"),
            "pidfile": str(self.home / "docker.pid"),
            "hosts": [self.docker_host],
            "bip": self.bridge,
            "default-address-pools": [{"base": self.pool, "size": 26}],
            "cgroup-parent": f"/{self._cgroup}",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "iptables": self.filters,
            "max-concurrent-downloads": 1,
            "shutdown-timeout": 2,
        }
        if self.lowers_oom_scores and not may_lower_oom_scores():
            wrapper = self.home / "runc-without-oom-score"
            wrapper.write_text(_RUNTIME)
            wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
            settings |= {"runtimes": {"kaeru": {"path": str(wrapper)}}, "default-runtime": "kaeru"}
        config = self.home / "daemon.json"
        config.write_text(json.dumps(settings | dict(more or {}), indent=2))
        self.daemon.start(
            ["dockerd", "--config-file", str(config)], network=self.network, hostname=self.hostname
        )

    def _forget_the_dead(self) -> None:
        """Remove pid files of processes that have ended: a zombie that nobody reaped passes for alive."""
        for file in (self.home / "docker.pid", self.containerd.with_suffix(".pid")):
            if file.exists() and identity(int(file.read_text())) is None:
                file.unlink()

    def await_ready(self, within_s: float = 30) -> Engine:
        deadline = time.monotonic() + within_s
        while not self.engine.answers():
            if self.daemon.running() is None or time.monotonic() > deadline:
                raise ClusterError(
                    f"dockerd did not become ready. Its last words: {self.daemon.last_words()}"
                )
            time.sleep(0.05)
        return self.engine

    def stop(self) -> None:
        """End it the way a service manager does: containers are stopped with it."""
        self.daemon.stop(grace_s=30)

    def kill(self) -> None:
        """End it with all containers at once, as a power cut would."""
        running = self.daemon.running()
        children = descendants(running) if running else []
        self.daemon.stop(grace_s=0)
        # containerd, and a shim per container; the containers' processes are the shims' children.
        helpers = processes_naming(str(self.home / "exec"), ("containerd", "runc"))
        children += [child for helper in helpers for child in descendants(helper)]
        for process in [*helpers, *children]:
            send(process, signal.SIGKILL)
        for process in [*helpers, *children]:
            end(process, grace_s=0)

    def remove(self) -> None:
        """Kill it and leave nothing behind: no mount, no cgroup, no file but the log."""
        self.kill()
        # The one thing that containerd keeps elsewhere: each shim's socket.
        for address in (self.home / "exec/containerd/daemon").glob("*/*/*/address"):
            Path(address.read_text().removeprefix("unix://")).unlink(missing_ok=True)
        unmount_below(self.home)
        remove_cgroups(self._cgroup)
        for name in ("exec", "data"):
            remove_folder(self.home / name)
        for file in (self.socket, self.home / "docker.pid"):
            file.unlink(missing_ok=True)


def may_lower_oom_scores() -> bool:
    """Whether this process (and so what it starts) has CAP_SYS_RESOURCE."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_SYS_RESOURCE & 1)
    raise ClusterError("/proc/self/status names no capabilities: this is no Linux that can run containers.")


def mounts_below(folder: Path) -> list[Path]:
    """The mount points in a folder, the deepest first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        # Space, tab, newline and backslash are written in octal.
        point = Path(line.split()[4].encode().decode("unicode_escape"))
        if point.is_relative_to(folder):
            found.append(point)
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def unmount_below(folder: Path) -> None:
    points = [str(point) for point in mounts_below(folder)]
    for start in range(0, len(points), 100):
        run(["umount", "--lazy", *points[start : start + 100]])


def remove_folder(folder: Path, within_s: float = 10) -> None:
    """Delete a folder that a process that is ending may still write to."""
    deadline = time.monotonic() + within_s
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            if time.monotonic() > deadline:
                raise ClusterError(f"{folder} could not be deleted: {error}.") from error
            time.sleep(0.05)


def remove_cgroups(parent: str, within_s: float = 5) -> None:
    """Delete the control groups below `parent` in every hierarchy; their processes have ended."""
    deadline = time.monotonic() + within_s
    roots: Sequence[Path] = [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()]
    for root in roots:
        top = root / parent
        while top.is_dir():
            folders = [path for path in top.rglob("*") if path.is_dir()]
            try:
                for folder in [*sorted(folders, key=lambda path: len(path.parts), reverse=True), top]:
                    folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError as error:
                if time.monotonic() > deadline:
                    raise ClusterError(f"The control group {top} could not be deleted: {error}.") from error
                time.sleep(0.05)
        with contextlib.suppress(OSError):
            # The common parent, if no other cluster is in it.
            top.parent.rmdir()
