"""Data folders of database servers: made once in a run of the tests, and copied for each further server."""

import fcntl
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

PLACE = "KAERU_TEST_TEMPLATES"
"""The folder that `tests.run` gives to all processes of one run; without it each server makes its own."""


def filled(data: Path, kind: str, make: Callable[[], object]) -> None:
    """Fill `data`, which is empty: by `make` the first time, else with what came of that. `kind` is a file's name."""
    place = os.environ.get(PLACE)
    if place is None:
        make()
        return
    kept, lock = Path(place) / kind, Path(place) / f"{kind}.lock"
    with lock.open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not kept.exists():
            make()
            fresh = kept.with_suffix(".new")
            _copied(data, fresh)
            fresh.rename(kept)
            return
    _copied(kept, data)


def _copied(source: Path, target: Path) -> None:
    """With owners and rights: such a server starts in a folder of its own only."""
    argv = ["cp", "-a", "--no-target-directory", str(source), str(target)]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
