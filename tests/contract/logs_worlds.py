"""Logs with what writes them, for the contract suite: real processes and containers, and one log in memory."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol

import pytest

from bot.ports.logs import Logs
from integrations import registry
from sandbox.clusters.engine import Engine
from sandbox.clusters.namespaces import Namespace
from sandbox.clusters.shop_images import WEB
from tests.clusters import in_ci, namespace, the_kubernetes
from tests.fakes.logs import MemoryLogs
from tests.swarm.world import the_swarm

JOURNALD = Path("/lib/systemd/systemd-journald")
CGROUPS = Path("/sys/fs/cgroup/unified")
PORT = 9000
PATIENCE_S = 90.0

# What it is told on its port is its log; told to die it ends with 1.
TALKER = f"""\
echo "INFO ready"
while :; do
  nc -l -p {PORT} > /tmp/told
  cat /tmp/told
  if /bin/busybox grep -q '^die$' /tmp/told; then exit 1; fi
done
"""


class World(Protocol):
    """One log. Its lines are written by somebody else than the test."""

    def logs(self, **changed: Any) -> Logs:
        """A fresh reader."""
        ...

    def gone(self) -> Logs:
        """A reader of a log that does not exist."""
        ...

    def write(self, *lines: bytes) -> None: ...

    def replace(self) -> None:
        """Whoever writes it ends, and another one goes on; or it is rotated."""
        ...


def made(kind: str, **settings: Any) -> Logs:
    entry = registry.LOGS[kind]
    model = entry.settings_model()
    found: Logs = entry.make(model.model_validate(settings))
    return found


class MemoryWorld:
    def __init__(self) -> None:
        self.lines = MemoryLogs()

    def logs(self, **changed: Any) -> Logs:
        other = MemoryLogs()
        other.lines = self.lines.lines
        return other

    def gone(self) -> Logs:
        from bot.ports.errors import Refused  # noqa: PLC0415 - for this one

        other = MemoryLogs()
        other.trouble = Refused("There is no such log.", remedy="Name another one.")
        return other

    def write(self, *lines: bytes) -> None:
        self.lines.write(*(line.decode(errors="replace") for line in lines))

    def replace(self) -> None:
        """Nothing writes it but the test."""


class Writer:
    """A process that appends what it is told to a file, which it holds open. Without `append` it keeps its own place."""

    def __init__(self, path: Path, *, append: bool = True) -> None:
        out = path.open("ab" if append else "wb")
        self._process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=out)
        out.close()

    def write(self, *lines: bytes) -> None:
        self.raw(b"".join(line + b"\n" for line in lines))

    def raw(self, content: bytes) -> None:
        told: IO[bytes] | None = self._process.stdin
        assert told is not None
        told.write(content)
        told.flush()

    def end(self) -> None:
        self._process.communicate(timeout=10)


class FileWorld:
    """A file; `replace` renames it, as logrotate does, and a new process writes the new one."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "shop.log"
        self._writer = Writer(self.path)

    def logs(self, **changed: Any) -> Logs:
        return made("file", path=self.path, every="50ms", **changed)

    def gone(self) -> Logs:
        return made("file", path=self.path.with_name("other.log"))

    def write(self, *lines: bytes) -> None:
        self._writer.write(*(stamp() + line for line in lines))

    def replace(self) -> None:
        for number in range(8, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(f"shop.log.{number}").rename(
                    self.path.with_name(f"shop.log.{number + 1}")
                )
        self.path.rename(self.path.with_name("shop.log.1"))
        before, self._writer = self._writer, Writer(self.path)
        before.end()

    def close(self) -> None:
        self._writer.end()


class CommandWorld(FileWorld):
    """A program that prints the file, which is all that it can."""

    def logs(self, **changed: Any) -> Logs:
        script = "import sys, glob; [sys.stdout.write(open(n, errors='surrogateescape').read()) for n in sorted(glob.glob(sys.argv[1] + '*'), reverse=True)]"
        argv = [sys.executable, "-X", "utf8", "-c", script, str(self.path), "{since}", "{until_s}"]
        environment = {"PYTHONIOENCODING": "utf8:surrogateescape"}
        argv = ["env", *(f"{name}={value}" for name, value in environment.items()), *argv]
        return made("command", argv=argv, every="50ms", **changed)

    def gone(self) -> Logs:
        return made("command", argv=["cat", str(self.path.with_name("other.log"))])


class JournalWorld:
    """A journald of its own, in a namespace, and a process in the control group of a unit."""

    def __init__(self) -> None:
        self.namespace = f"kaeru-{secrets.token_hex(4)}"
        self.unit = f"{self.namespace}.service"
        self._socket = Path(f"/run/systemd/journal.{self.namespace}/dev-log")
        self._group = CGROUPS / "system.slice" / self.unit
        self._group.mkdir(parents=True)
        self._start()

    def _start(self) -> None:
        self._journald = subprocess.Popen(
            [str(JOURNALD), self.namespace], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._socket.exists, "journald listens")
        # It lives on while journald looks up whose line it was.
        logger = ["logger", "--socket", str(self._socket), "--tag", "shop", "--id"]
        enter = ["sh", "-c", f'echo $$ > {self._group}/cgroup.procs && exec "$@"', "sh"]
        self._logger = subprocess.Popen([*enter, *logger], stdin=subprocess.PIPE)

    @property
    def folder(self) -> Path:
        """Where its files are."""
        (found,) = (
            at for root in ("/var", "/run") for at in Path(root, "log/journal").glob(f"*.{self.namespace}")
        )
        return found

    def logs(self, **changed: Any) -> Logs:
        told = {"units": [self.unit], "namespace": self.namespace, "every": "100ms"}
        return made("journald", **(told | changed))

    def gone(self) -> Logs:
        return made("journald", units=["shop.service"], directory="/nowhere/at/all")

    def write(self, *lines: bytes) -> None:
        told: IO[bytes] | None = self._logger.stdin
        assert told is not None
        told.write(b"".join(line + b"\n" for line in lines))
        told.flush()

    def replace(self) -> None:
        before = self._journald.pid
        subprocess.run(["journalctl", f"--namespace={self.namespace}", "--sync", "--rotate"], check=True)
        assert self._journald.poll() is None
        self._end()
        self._socket.unlink(missing_ok=True)
        self._start()
        assert self._journald.pid != before

    def _end(self) -> None:
        subprocess.run(["journalctl", f"--namespace={self.namespace}", "--sync"], check=True)
        self._logger.communicate(timeout=15)
        self._journald.terminate()
        self._journald.wait(timeout=15)

    def close(self) -> None:
        self._end()
        for folder in (
            self._socket.parent,
            *Path("/var/log/journal").glob(f"*.{self.namespace}"),
            *Path("/run/log/journal").glob(f"*.{self.namespace}"),
        ):
            shutil.rmtree(folder)
        self._group.rmdir()


class PodWorld:
    """A Deployment of one pod; told to die, its container ends and is started again."""

    def __init__(self, space: Namespace) -> None:
        self.space = space
        labels = {"app": "web"}
        container = {"name": "web", "image": f"{WEB}:v1.2.9", "command": ["/bin/sh", "-c", TALKER]}
        pod = {"terminationGracePeriodSeconds": 0, "containers": [container]}
        template = {"metadata": {"labels": labels}, "spec": pod}
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        space.apply(
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
        )
        until(lambda: self.pods() and self._state(0), "the pod runs")

    def logs(self, **changed: Any) -> Logs:
        told = {"kubeconfig": self.space.cluster.kubeconfig, "namespace": self.space.name, "name": "web"}
        return made("kubernetes", **(told | {"every": "300ms"} | changed))

    def gone(self) -> Logs:
        return self.logs(name="other")

    def pods(self) -> list[Any]:
        found: list[Any] = json.loads(self.space.kubectl("get", "pods", "--output", "json"))["items"]
        return found

    def write(self, *lines: bytes) -> None:
        tell(self.pods()[0]["status"]["podIP"], *lines)

    def replace(self) -> None:
        restarts = self.pods()[0]["status"]["containerStatuses"][0]["restartCount"]
        self.write(b"die")
        until(lambda: self._state(restarts + 1), "the container was started again")

    def _state(self, restarts: int) -> bool:
        (pod,) = self.pods()
        status = (pod["status"].get("containerStatuses") or [{}])[0]
        return status.get("restartCount", -1) >= restarts and "running" in status["state"]


class TaskWorld:
    """A service of one task; told to die, it is replaced by another one."""

    def __init__(self, docker_host: str) -> None:
        self._engine = Engine(docker_host)
        self._host = docker_host
        self.name = f"kt-logs-{secrets.token_hex(4)}"
        image = {"Image": f"{WEB}:v1.2.9", "Command": ["/bin/sh", "-c", TALKER]}
        restart = {"Condition": "any", "Delay": 100_000_000}
        spec = {
            "Name": self.name,
            "Labels": {"kaeru-test": "swarm"},
            "Mode": {"Replicated": {"Replicas": 1}},
            "TaskTemplate": {"ContainerSpec": image, "RestartPolicy": restart},
        }
        self._engine.ask("POST", "/services/create", body=spec)
        until(self._address, "the task runs")

    def logs(self, **changed: Any) -> Logs:
        return made("swarm", **({"service": self.name, "host": self._host, "every": "300ms"} | changed))

    def gone(self) -> Logs:
        return self.logs(service="other")

    def write(self, *lines: bytes) -> None:
        tell(self._address(), *lines)

    def replace(self) -> None:
        before = self._containers()[0]["Id"]
        self.write(b"die")

        def another() -> bool:
            return any(one["Id"] != before for one in self._containers()) and self._address() != ""

        until(another, "another task runs")

    def _containers(self) -> list[Any]:
        label = f"com.docker.swarm.service.name={self.name}"
        filters = {"label": [label], "status": ["running"]}
        found: list[Any] = self._engine.ask("GET", "/containers/json", query={"filters": json.dumps(filters)})
        return found

    def _address(self) -> str:
        for container in self._containers():
            for network in container["NetworkSettings"]["Networks"].values():
                if network["IPAddress"]:
                    return str(network["IPAddress"])
        return ""

    def close(self) -> None:
        self._engine.ask("DELETE", f"/services/{self.name}")


def tell(address: str, *lines: bytes) -> None:
    """Again and again, until it listens: between two connections it does not, and who waited for it is turned away."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with socket.create_connection((address, PORT), timeout=5) as line:
                line.sendall(b"".join(one + b"\n" for one in lines))
                line.shutdown(socket.SHUT_WR)
                line.recv(1)  # its end, where it was taken
        except (ConnectionRefusedError, ConnectionResetError):
            assert time.monotonic() < deadline, f"nothing listens on {address}"
            time.sleep(0.05)
        else:
            return


def until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"after {PATIENCE_S:g} s: not {what}"
        time.sleep(0.1)


def stamp() -> bytes:
    return datetime.now(UTC).isoformat().encode() + b" "


def no_journald() -> str:
    """Why there can be no journald of one's own here; empty where there can."""
    if not JOURNALD.exists():
        return "systemd-journald is missing: apt-get install systemd"
    if os.geteuid() != 0:
        return "only root starts a journald"
    if not (CGROUPS / "cgroup.procs").exists():
        return f"there are no control groups at {CGROUPS}"
    return ""


@contextlib.contextmanager
def world_of(kind: str, folder: Path) -> Iterator[World]:
    if kind == "memory":
        yield MemoryWorld()
    elif kind in ("file", "command"):
        on_disk = FileWorld(folder) if kind == "file" else CommandWorld(folder)
        with contextlib.closing(on_disk):
            yield on_disk
    elif kind == "journald":
        if why := no_journald():
            (pytest.fail if in_ci() else pytest.skip)(why)
        with contextlib.closing(JournalWorld()) as journal:
            yield journal
    elif kind == "kubernetes":
        with namespace(the_kubernetes()) as space:
            yield PodWorld(space)
    else:
        with contextlib.closing(TaskWorld(the_swarm().docker_host)) as tasks:
            yield tasks
