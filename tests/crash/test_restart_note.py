"""The note about a restart that is under way, as the next bot finds it."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.symlink.restarts import RestartNote

SLOW_S = 0.6


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "current"


@pytest.fixture
def restart() -> Iterator[subprocess.Popen[bytes]]:
    """A restart command in a session of its own, which takes a moment."""
    argv = [sys.executable, "-S", "-c", f"import time; time.sleep({SLOW_S})"]
    with subprocess.Popen(argv, start_new_session=True) as process:
        yield process
        process.kill()


async def never() -> bool:
    return False


async def waited(link: Path, *, timeout_s: float = 30.0) -> float:
    """How many seconds the next bot waits."""
    began = time.monotonic()
    await RestartNote(link, timeout_s=timeout_s).earlier_ended(never)
    assert not list(link.parent.glob(".current.restart*"))
    return time.monotonic() - began


async def test_a_restart_that_runs_is_waited_for(link: Path, restart: subprocess.Popen[bytes]) -> None:
    RestartNote(link, timeout_s=30.0).begin(restart.pid)
    assert SLOW_S * 0.7 < await waited(link) < SLOW_S + 10
    assert restart.poll() == 0


async def test_its_goal_being_reached_is_enough(link: Path, restart: subprocess.Popen[bytes]) -> None:
    note = RestartNote(link, timeout_s=30.0)
    note.begin(restart.pid)

    async def at_once() -> bool:
        return True

    await note.earlier_ended(at_once)
    assert restart.poll() is None


async def test_it_is_waited_for_no_longer_than_it_may_take(
    link: Path, restart: subprocess.Popen[bytes]
) -> None:
    RestartNote(link, timeout_s=30.0).begin(restart.pid)
    assert await waited(link, timeout_s=0.0) < SLOW_S
    assert restart.poll() is None


async def test_one_that_has_ended_is_not_waited_for(link: Path, restart: subprocess.Popen[bytes]) -> None:
    RestartNote(link, timeout_s=30.0).begin(restart.pid)
    restart.kill()
    # Dead, and not buried: a zombie.
    await asyncio.to_thread(os.waitid, os.P_PID, restart.pid, os.WEXITED | os.WNOWAIT)
    assert await waited(link) < SLOW_S
    await asyncio.to_thread(restart.wait)
    RestartNote(link, timeout_s=30.0).begin(restart.pid)
    assert await waited(link) < SLOW_S


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"pid": "x"}', "\\x00"])
async def test_a_note_that_cannot_be_read_holds_nobody_up(link: Path, text: str) -> None:
    link.with_name(".current.restart").write_text(text, encoding="ascii")
    assert await waited(link) < SLOW_S


async def test_without_a_pid_nobody_knows_for_a_moment(link: Path) -> None:
    RestartNote(link, timeout_s=30.0).begin()
    assert SLOW_S < await waited(link, timeout_s=1.0) < 5
