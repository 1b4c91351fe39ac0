"""nginx's processes as the kernel shows them: which old workers still finish what they have begun."""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_ESTABLISHED = "01"


@dataclass(frozen=True)
class Open:
    """What is still open on what was left. `known` is False where this cannot count."""

    count: int
    text: str
    known: bool = True


class Workers:
    """The workers of the master whose pid stands in `pid_file`."""

    def __init__(self, pid_file: Path) -> None:
        self._pid_file = pid_file
        self._before: frozenset[int] = frozenset()

    def remember(self) -> None:
        """To be called before a reload: the workers of now are the old ones then."""
        self._before = frozenset(self._all() or {})

    @property
    def known(self) -> bool:
        """Whether the master runs and its workers can be seen."""
        return bool(self._all())

    def replaced(self) -> bool:
        """Whether others have come since `remember`, and all from before say that they shut down or are gone."""
        workers = self._all() or {}
        before = [title for pid, title in workers.items() if pid in self._before]
        return bool(workers.keys() - self._before) and all("shutting down" in title for title in before)

    def since(self) -> float | None:
        """When the eldest of those that take requests was started, in seconds of time.time(); None without any."""
        workers = [pid for pid, title in (self._all() or {}).items() if "shutting down" not in title]
        begun = [moment for pid in workers if (moment := _began(pid)) is not None]
        return min(begun, default=None)

    def old(self) -> Open:
        """Those from before the last reload that are still there, and those that say that they shut down.

        Between the two lies a tenth of a second in which an old one still accepts.
        The kernel shows their connections only to root and to their own user; else only workers are counted.
        """
        workers = self._all()
        if workers is None:
            return Open(
                0, f"{self._pid_file} names no running nginx, so old workers cannot be counted", known=False
            )
        replaced = self._before if workers.keys() - self._before else frozenset()
        old = [pid for pid, title in workers.items() if pid in replaced or "shutting down" in title]
        if not old:
            return Open(0, "no old worker is left")
        counts = [_connections(pid) for pid in old]
        plural = "worker" if len(old) == 1 else "workers"
        if None in counts:
            return Open(len(old), f"{len(old)} old {plural} still open")
        total = sum(count for count in counts if count is not None)
        sockets = "connection" if total == 1 else "connections"
        return Open(len(old), f"{len(old)} old {plural} with {total} open {sockets}")

    def _all(self) -> dict[int, str] | None:
        """The title of each worker by its pid; None without a running master."""
        try:
            master = int(self._pid_file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
        if not (_PROC / str(master)).exists():
            return None
        found = {}
        for entry in _PROC.iterdir():
            if entry.name.isdigit() and _parent(entry) == master:
                with contextlib.suppress(OSError):  # it has just ended
                    title = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if title.startswith("nginx: worker"):
                        found[int(entry.name)] = title
        return found


def _parent(entry: Path) -> int | None:
    try:
        status = (entry / "stat").read_text(encoding="ascii", errors="replace")
        return int(status.rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def _began(pid: int) -> float | None:
    try:
        status = (_PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    ticks = int(status.rpartition(")")[2].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def _connections(pid: int) -> int | None:
    """How many TCP connections a process has open; None where the kernel does not tell us."""
    try:
        links = [fd.readlink().name for fd in (_PROC / str(pid) / "fd").iterdir()]
        mine = {link.removeprefix("socket:[").rstrip("]") for link in links if link.startswith("socket:")}
        lines = [
            line.split()
            for table in ("tcp", "tcp6")
            for line in (_PROC / str(pid) / "net" / table).read_text(encoding="ascii").splitlines()[1:]
        ]
    except FileNotFoundError:
        return 0  # it has just ended
    except OSError:
        return None
    return sum(line[3] == _ESTABLISHED and line[9] in mine for line in lines)
