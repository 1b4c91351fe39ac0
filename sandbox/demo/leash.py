"""Become another program that is asked to end when its parent dies: run as a script, before anything else of the demo.

    python leash.py PARENT PROGRAM ARGUMENT...

A parent that is killed can stop nobody any more. Linux tells its children then; elsewhere they are only stopped in
the ordinary way.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    parent, argv = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0) != 0:
            sys.exit(f"This program cannot be tied to its parent: {os.strerror(ctypes.get_errno())}.")
        if os.getppid() != parent:
            sys.exit("The parent has ended already.")  # it died before it could have been noticed
    os.execv(argv[0], argv)  # noqa: S606 - the very program that the demo was to start, without a shell


if __name__ == "__main__":
    main()
