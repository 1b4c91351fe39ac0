"""The shop's restart command, with an accident: `python -m tests.crash.restarter ROOT NOTES`.

The file `accident` in the NOTES folder says which, once: the bot is killed `before` the supervisor is asked, `after` it has
changed over, or before and then, `during` the next bot's first look, the supervisor is asked all the same. Without the file it is
an ordinary restart.
"""

import os
import signal
import sys
import time
from pathlib import Path

from sandbox.shop.control import ask

LOOK_S = 20.0


def main(root: Path, notes: Path) -> None:
    accident = notes / "accident"
    what = accident.read_text(encoding="ascii") if accident.exists() else ""
    accident.unlink(missing_ok=True)
    if what in ("before", "during"):
        kill_bot(notes)
    if what == "during":
        wait_for_the_next(notes)
    if what != "before":
        ask(root, "restart")
    if what == "after":
        kill_bot(notes)


def kill_bot(notes: Path) -> None:
    os.kill(int((notes / "pid").read_text(encoding="ascii")), signal.SIGKILL)


def wait_for_the_next(notes: Path) -> None:
    """Until another bot has come to the step, and a moment longer, in which it does whatever it does."""
    deadline = time.monotonic() + LOOK_S
    while (notes / "passed").read_text(encoding="utf-8").count("before:apply:0\n") < 2:
        if time.monotonic() > deadline:
            raise TimeoutError("no other bot came to the step")
        time.sleep(0.02)
    time.sleep(1.0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
