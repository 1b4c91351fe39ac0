"""Where the clusters keep their things: what may be thrown away at any time, and what is worth keeping."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.clusters.errors import ClusterError

VARIABLE = "KAERU_CLUSTER_CACHE"
RECIPE = "2"
"""Counts up when the programs have to be compiled anew: other sources, other flags."""
LONGEST = 60  # characters: a Unix socket's path ends at 107, and Docker's own part of it needs some 45

_QUIET_S = 0.5  # a wait shorter than this is not worth a word


@dataclass(frozen=True)
class Places:
    root: Path

    @property
    def binaries(self) -> Path:
        """Compiled programs; expensive. Each way to make them has a folder of its own."""
        return self.root / "bin" / RECIPE

    @property
    def build(self) -> Path:
        """Sources and the compiler's cache; lets an interrupted build go on."""
        return self.root / "build"

    @property
    def images(self) -> Path:
        """Layers of container images, as tar files."""
        return self.root / "images"

    @property
    def run(self) -> Path:
        """Pid files, sockets, logs and data of what runs; worthless once it has stopped."""
        return self.root / "run"


def places() -> Places:
    """The folders that the environment names. Raises ClusterError when the path is too long for a socket."""
    if named := os.environ.get(VARIABLE):
        root = Path(named).absolute()
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        root = cache / "kaeru" / "clusters"
    if len(str(root)) > LONGEST:
        raise ClusterError(
            f"{root} is too long for the sockets in it: set {VARIABLE} to a folder of at most "
            f"{LONGEST} characters."
        )
    return Places(root)


@contextlib.contextmanager
def locked(path: Path, *, patience_s: float, doing: str) -> Iterator[None]:
    """Hold the lock file `path`, which ends with this process whatever happens to it.

    Raises ClusterError when another process holds it for longer than `patience_s`, or it may not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("w")
    except PermissionError as error:
        raise ClusterError(
            f"{path} may not be written: run this as its owner, or set {VARIABLE} to a folder of yours."
        ) from error
    with opened as file:
        asked = time.monotonic()
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() - asked > patience_s:
                    raise ClusterError(
                        f"Another process has been {doing} for {patience_s:.0f} s (it holds {path}). "
                        "Wait for it, or end it, and try again."
                    ) from error
                if not told and time.monotonic() - asked > _QUIET_S:
                    print(f"Another process is {doing}; waiting for it …", flush=True)
                    told = True
                time.sleep(0.1)
            else:
                break
        yield
