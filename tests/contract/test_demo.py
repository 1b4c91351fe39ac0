"""The demo as a person starts and ends it. Its whole story is played by `make demo-check`."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def started(*words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`kaeru demo` on a terminal of its own; whatever is left of it afterwards is ended."""
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "demo", *words],
        cwd=ROOT,
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
    )
    os.close(inside)
    try:
        yield process, terminal
    finally:
        for child in (
            [*psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
        ):
            child.kill()
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(terminal)


def read_until(terminal: int, pattern: str, within_s: float = 60.0) -> str:
    """What the terminal shows up to and including a match. Raises AssertionError when it does not come."""
    shown = ""
    deadline = time.monotonic() + within_s
    os.set_blocking(terminal, False)
    while not re.search(pattern, shown):
        assert time.monotonic() < deadline, f"waited for {pattern!r}; the terminal shows:\n{shown}"
        try:
            shown += os.read(terminal, 65536).decode(errors="replace")
        except BlockingIOError:
            time.sleep(0.05)
        except OSError as error:  # the other end is closed
            pytest.fail(f"ended before {pattern!r} ({error}); the terminal shows:\n{shown}")
    return shown


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def all_gone(processes: list[psutil.Process], within_s: float = 20.0) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=within_s)
    return not alive


def test_it_says_where_to_go_and_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    with started("--data", str(tmp_path / "demo")) as (process, terminal):
        shown = read_until(terminal, r"Ctrl-C ends it all")
        address = re.search(r"http://127\.0\.0\.1:\d+/\?as=alice", shown)
        assert address is not None
        assert all(thing in shown for thing in ("/rollback shop", "Approve", "/incident close"))
        with urllib.request.urlopen(address[0], timeout=5) as page:  # noqa: S310 - an address of this machine
            assert b"<html" in page.read().lower()
        children = family(process)
        assert len(children) >= 4, "a workspace, a shop, its customers and the bot"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert all_gone(children)


def test_a_check_that_is_terminated_leaves_no_process(tmp_path: Path) -> None:
    with started("--check", "--data", str(tmp_path / "demo")) as (process, terminal):
        read_until(terminal, r"serves; kaeru has seen that it is good")
        children = family(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 130
        assert all_gone(children)


def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path: Path) -> None:
    with started("--data", str(tmp_path / "one")) as (first, terminal):
        shown = read_until(terminal, r"Ctrl-C ends it all")
        port = re.search(r"127\.0\.0\.1:(\d+)/\?as", shown)
        assert port is not None
        with started("--port", port[1], "--data", str(tmp_path / "two")) as (second, other):
            said = read_until(other, r"taken.*\n")
            assert second.wait(30) == 1
            assert said.strip() == (
                f"Port {port[1]} is taken. Choose another one, or leave it out and take a free one."
            )
        first.send_signal(signal.SIGINT)
        assert first.wait(30) == 0
