"""Processes that begin with everything imported: each is a fork of one that has done that already.

Importing the bot takes seconds of a busy core, and most of these processes live shorter than that. They are
processes of their own all the same: they are killed, they end, and nothing of theirs is shared with the tests.
"""

import multiprocessing
import multiprocessing.process
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PRELOADED = (
    "tests.crash.victim",
    "tests.crash.cluster_victim",
    "tests.classic.crashing",
    "tests.classic.scripts",
    "integrations.symlink",
    "integrations.git",
    "integrations.http_health.probe",
    "tests.command_line",  # the last one: it freezes all that was imported
)
PROCESSES = multiprocessing.get_context("forkserver")
# There is one such process for each worker, and the list is read when it starts.
PROCESSES.set_forkserver_preload(list(_PRELOADED))
KILLED_S = 10.0


def ran(
    main: Callable[[], object],
    words: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    typed: str,
    scratch: Path,
    timeout_s: float,
) -> tuple[int, str, str]:
    """What the command `main` does with `words`: its exit code, what it printed, and its errors.

    `environment` is all that it sees of variables; what it prints passes through files in `scratch`.
    Raises TimeoutError, with the command killed.
    """
    streams = [scratch / name for name in ("in", "out", "err")]
    streams[0].write_text(typed, encoding="utf-8")
    arguments = (main, tuple(words), folder, dict(environment), streams)
    process = PROCESSES.Process(target=_command, args=arguments)
    process.start()
    process.join(timeout_s)
    if process.exitcode is None:
        process.kill()
        process.join(KILLED_S)
        raise TimeoutError(f"{' '.join(words)} did not end within {timeout_s:g} s")
    code, out, err = process.exitcode, *(path.read_text(encoding="utf-8") for path in streams[1:])
    process.close()
    return code, out, err


def _command(
    main: Callable[[], object],
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    streams: Sequence[Path],
) -> None:
    """Become the command: nothing of the process that this is a fork of shows."""
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    warnings.simplefilter("error")
    for number, path in enumerate(streams):
        handle = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - it lives as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as above
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as above
    sys.argv = ["kaeru", *words]
    try:
        main()
    except SystemExit:
        raise
    except BaseException:  # noqa: BLE001 - the interpreter of a command says it in the same way
        traceback.print_exc()
        raise SystemExit(1) from None
