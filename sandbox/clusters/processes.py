"""Processes that outlive the one that started them, and are ended by that very process and no other."""

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.clusters.commands import search_path
from sandbox.clusters.errors import ClusterError

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_GARBAGE = "400"
"""All of them are written in Go: memory may grow to five times what lives before it is looked through."""


@dataclass(frozen=True)
class Identity:
    """One process for all time: a pid is used again, together with start and boot it is not."""

    pid: int
    started: int  # clock ticks since boot
    boot: str


def identity(pid: int) -> Identity | None:
    """Who runs under this pid now; None when nobody does (a zombie is nobody)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        # Ours, if we are its parent: let it go.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        return None
    return Identity(pid, int(fields[19]), _BOOT.read_text().strip())


def is_running(who: Identity) -> bool:
    return identity(who.pid) == who


def send(who: Identity, signal_number: int) -> bool:
    """Send a signal to this process and no other that took its pid; False when it has ended."""
    try:
        pidfd = os.pidfd_open(who.pid)
    except ProcessLookupError:
        return False
    try:
        # Asked after opening: from here on the descriptor means this process, whoever gets the pid later.
        if not is_running(who):
            return False
        signal.pidfd_send_signal(pidfd, signal_number)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True


def end(who: Identity, *, grace_s: float) -> None:
    """End the process: SIGTERM, after `grace_s` seconds SIGKILL; returns when it is gone."""
    if grace_s > 0 and send(who, signal.SIGTERM) and _gone(who, grace_s):
        return
    if send(who, signal.SIGKILL) and not _gone(who, 10):
        raise ClusterError(f"Process {who.pid} does not end even by SIGKILL; look at it, then try again.")


def _gone(who: Identity, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    try:
        pidfd = os.pidfd_open(who.pid)
    except ProcessLookupError:
        return True
    try:
        while is_running(who):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            select.select([pidfd], [], [], left)
    finally:
        os.close(pidfd)
    return True


@dataclass(frozen=True)
class Daemon:
    """A process with a pid file and a log in `folder`. Any process may ask for it or end it."""

    name: str
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def _pid_file(self) -> Path:
        return self.folder / f"{self.name}.pid"

    def running(self) -> Identity | None:
        """The process, if it runs."""
        try:
            written = json.loads(self._pid_file.read_text())
        except FileNotFoundError:
            return None
        who = Identity(**written)
        return who if is_running(who) else None

    def start(
        self,
        argv: Sequence[str],
        *,
        network: str | None = None,
        hostname: str | None = None,
    ) -> Identity:
        """Start it unless it runs already.

        `network` is the name of a network namespace, `hostname` what the process takes for the machine's name.
        """
        if who := self.running():
            return who
        self.folder.mkdir(parents=True, exist_ok=True)
        argv = [*_inside(network, hostname), *argv]
        out = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        # posix_spawn leaves no Popen behind that would complain that its process outlives it.
        pid = os.posix_spawnp(
            argv[0],
            argv,
            {**os.environ, "PATH": search_path(), "GOGC": _GARBAGE},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log), out, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        started = identity(pid)
        if started is None:
            raise ClusterError(f"{self.name} ended at once. Its last words: {self.last_words()}")
        new = self._pid_file.with_suffix(".new")
        new.write_text(json.dumps(started.__dict__))
        new.rename(self._pid_file)
        return started

    def stop(self, *, grace_s: float = 10) -> None:
        """End it if it runs; 0 seconds of grace is a power cut."""
        if who := self.running():
            end(who, grace_s=grace_s)
        self._pid_file.unlink(missing_ok=True)

    def last_words(self) -> str:
        """The end of its log, for an error message."""
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except FileNotFoundError:
            return f"none ({self.log} does not exist)."
        return f"{' / '.join(lines[-3:])[-600:]} (all of it: {self.log})"


def _inside(network: str | None, hostname: str | None) -> list[str]:
    argv: list[str] = []
    if network:
        # Not `ip netns exec`: that one mounts a new /sys, in which a container runtime finds no cgroups.
        argv += ["nsenter", f"--net=/run/netns/{network}", "--wd=/"]
    if hostname:
        argv += ["unshare", "--uts", "/bin/sh", "-c", 'hostname "$0" && exec "$@"', hostname]
    return argv


def processes_naming(text: str, programs: tuple[str, ...]) -> list[Identity]:
    """The processes of these programs (beginnings of names) with `text`, a path of ours, in their command line."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            name, words = (folder / "comm").read_text(), (folder / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if name.startswith(programs) and text.encode() in words and (who := identity(int(folder.name))):
            found.append(who)
    return found


def descendants(of: Identity) -> list[Identity]:
    """The children of a process, their children and so on, the deepest last."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = (folder / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(folder.name))
    found: list[Identity] = []
    todo = [of.pid]
    while todo:
        for pid in parents.get(todo.pop(), []):
            if who := identity(pid):
                found.append(who)
                todo.append(pid)
    return found
