"""The way to a running supervisor, and the `current` link. Imports little: `restart` has to be quick."""

import json
import os
import socket
from pathlib import Path
from typing import Any

Answer = dict[str, Any]


class ControlError(Exception):
    """What was asked did not happen; the message says why and what to do."""


def state_file(root: Path) -> Path:
    """Where a running supervisor writes its pid, its url and the path of its control socket."""
    return root / "run" / "supervisor.json"


def ask(root: Path, command: str, timeout: float = 10.0) -> Answer:
    """Send one command (`status`, `restart`) and wait at most `timeout` seconds for what came of it.

    Raises ControlError when no supervisor runs for `root`, when it refuses, and when the time is over.
    """
    try:
        path = json.loads(state_file(root).read_text(encoding="utf-8"))["control"]
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout + 1)  # the supervisor's own deadline comes first
            connection.connect(path)
            connection.sendall(json.dumps({"command": command, "timeout": timeout}).encode() + b"\n")
            with connection.makefile("rb") as stream:
                line = stream.readline()
    except (FileNotFoundError, ConnectionError) as error:
        raise ControlError(
            f"No supervisor runs for {root}. Start one: python -m sandbox.shop.supervisor run --root {root}"
        ) from error
    except TimeoutError as error:
        raise ControlError(
            f"The supervisor of {root} did not answer within {timeout:g} s; ask for its status."
        ) from error
    if not line:
        raise ControlError(f"The supervisor of {root} ended before it answered; start it again.")
    answer: Answer = json.loads(line)
    if not answer.pop("ok"):
        raise ControlError(str(answer["error"]))
    return answer


def linked_release(root: Path) -> Path:
    """The release folder that `current` points at. Raises ControlError when it points nowhere."""
    try:
        return (root / "current").resolve(strict=True)
    except OSError as error:
        raise ControlError(f"{root / 'current'} points at no release; deploy a version first.") from error


def point_current(root: Path, version: str) -> None:
    """Let `current` point at a release, in one atomic step. Raises ControlError for an unknown version."""
    known = sorted(entry.name for entry in (root / "releases").iterdir() if entry.is_dir())
    if version not in known:
        raise ControlError(f"There is no release {version}; choose from {', '.join(known)}.")
    fresh = root / f".current-{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(Path("releases", version))
    fresh.replace(root / "current")
