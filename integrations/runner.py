"""Looks after one program of a deploy: a process of its own, so that the program's end is known also without the bot.

Run by path, with the standard library alone: `runner.py FOLDER ID TIMEOUT_S GRACE_S LIMIT PROGRAM ARGUMENT…`. It holds
the lock that it has inherited until the program has ended, and writes into FOLDER, each file with the ID of its run:

    running.json   the program's pid with its start time; without it just before it is started
    output.log     what the program prints; cut to nothing whenever it is longer than LIMIT bytes
    ended.json     how the program ended: code, or why it never started; whether it was stopped, and why
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

POLL_S = 0.05


class Stopped(Exception):
    """Somebody has sent SIGTERM."""


def main(arguments: list[str]) -> int:
    folder, run = Path(arguments[0]), arguments[1]
    timeout_s, grace_s, limit = (float(each) for each in arguments[2:5])
    signal.signal(signal.SIGTERM, _stop)
    write(folder / "running.json", {"id": run})
    try:
        with (folder / "output.log").open("ab") as output:
            # A session of its own: all that it starts can be ended together.
            process = subprocess.Popen(
                arguments[5:],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    except OSError as error:
        why = f"it cannot be started: {error.strerror}"
        write(folder / "ended.json", {"id": run, "code": None, "why": why})
        return 1
    why = ""
    try:
        # Where the disk is full, the program goes on all the same; the lock still says that it does.
        with contextlib.suppress(OSError):
            write(folder / "running.json", {"id": run, "program": identity(process.pid)})
        if not _ended(process, timeout_s, folder / "output.log", limit):
            why = f"it did not end within {timeout_s:g} s"
    except Stopped:
        why = "kaeru was told to stop"
    if why:
        _end(process, grace_s)
    write(folder / "ended.json", {"id": run, "code": process.returncode, "why": why})
    return 0


def identity(pid: int) -> dict[str, Any]:
    """What tells a process from a later one with the same pid. Empty where there is no such process, or a dead one."""
    try:
        after = (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        )
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return {}
    return {} if after[0] == "Z" else {"pid": pid, "started": after[19], "boot": boot}


def write(path: Path, content: dict[str, Any]) -> None:
    """The whole file or none of it, also after a power failure."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("w", encoding="utf-8") as out:
        json.dump({**content, "at": time.time()}, out)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)


def _ended(process: subprocess.Popen[bytes], timeout_s: float, output: Path, limit: float) -> bool:
    until = time.monotonic() + timeout_s
    while process.poll() is None:
        if time.monotonic() >= until:
            return False
        with contextlib.suppress(FileNotFoundError):  # somebody has tidied up
            if output.stat().st_size > limit:
                os.truncate(output, 0)  # it is written at its end, wherever that is
        time.sleep(POLL_S)
    return True


def _end(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """End the program and everything in its group: politely, and after the grace not any more."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _signal(process.pid, signal.SIGTERM)
    until = time.monotonic() + grace_s
    while time.monotonic() < until and (process.poll() is None or _signal(process.pid, 0)):
        time.sleep(POLL_S)
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def _signal(group: int, number: int) -> bool:
    """Whether there is still somebody in the group."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def _stop(*_: object) -> None:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
