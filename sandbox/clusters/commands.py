"""Running a program to its end, with its own words in the error."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.clusters.errors import ClusterError


def search_path() -> str:
    """PATH, with the folders of system programs that a plain user's PATH lacks."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def run(
    argv: Sequence[str],
    *,
    timeout_s: float = 60,
    text: str | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return what the program prints. Raises ClusterError with its last words when it fails or takes too long."""
    try:
        done = subprocess.run(
            argv,
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            cwd=cwd,
            env=environment or {**os.environ, "PATH": search_path()},
            check=False,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{argv[0]} is not installed.") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"`{_short(argv)}` did not end within {timeout_s:.0f} s.") from error
    if done.returncode != 0:
        words = " ".join((done.stderr or done.stdout).split())[-500:]
        raise ClusterError(f"`{_short(argv)}` failed ({done.returncode}): {words}")
    return done.stdout


def _short(argv: Sequence[str]) -> str:
    words = " ".join(argv)
    return words if len(words) <= 200 else f"{words[:200]} …"
