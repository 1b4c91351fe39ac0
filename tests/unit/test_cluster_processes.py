"""Processes that outlive their parent: found again, ended, and never mistaken for another."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sandbox.clusters.errors import ClusterError
from sandbox.clusters.processes import Daemon, descendants, end, identity, is_running, processes_naming, send

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="clusters need Linux; the rest of kaeru does not"
)

SLEEP = ["sleep", "60"]
STUBBORN = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon("sleeper", tmp_path / "run")
    yield made
    made.stop(grace_s=0)


def test_a_daemon_is_found_by_its_pid_file(daemon: Daemon) -> None:
    started = daemon.start(SLEEP)
    assert Daemon(daemon.name, daemon.folder).running() == started


def test_starting_twice_starts_one(daemon: Daemon) -> None:
    assert daemon.start(SLEEP) == daemon.start(SLEEP)


def test_a_daemon_has_a_session_of_its_own(daemon: Daemon) -> None:
    assert os.getsid(daemon.start(SLEEP).pid) != os.getsid(0)


def test_stop_ends_it(daemon: Daemon) -> None:
    started = daemon.start(SLEEP)
    daemon.stop()
    assert not is_running(started)
    assert daemon.running() is None


def test_stop_is_patient_and_then_is_not(daemon: Daemon) -> None:
    started = daemon.start(STUBBORN)
    until(lambda: "ready" in daemon.log.read_text())
    before = time.monotonic()
    daemon.stop(grace_s=0.3)
    assert time.monotonic() - before >= 0.3
    assert not is_running(started)


def test_one_that_was_killed_is_not_running_and_starts_again(daemon: Daemon) -> None:
    first = daemon.start(SLEEP)
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: daemon.running() is None)
    assert daemon.start(SLEEP) != first


def test_its_last_words_are_kept(daemon: Daemon) -> None:
    with contextlib.suppress(ClusterError):  # it may be gone before it is looked at
        daemon.start(["sh", "-c", "echo started; echo no such bridge >&2; exit 3"])
    until(lambda: daemon.running() is None)
    assert "started / no such bridge" in daemon.last_words()


@pytest.mark.parametrize("changed", [{"started": 1}, {"boot": "another boot"}])
def test_a_process_that_took_over_the_pid_is_left_alone(daemon: Daemon, changed: dict[str, object]) -> None:
    real = daemon.start(SLEEP)
    stale = replace(real, **changed)  # type: ignore[arg-type]  # the two fields have different types
    (daemon.folder / "sleeper.pid").write_text(json.dumps(asdict(stale)))
    assert daemon.running() is None
    daemon.stop()
    assert not send(stale, signal.SIGKILL)
    assert is_running(real)
    end(real, grace_s=0)


def test_a_zombie_is_nobody() -> None:
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert Path(f"/proc/{process.pid}/stat").exists()
        assert identity(process.pid) is None


def test_processes_are_found_by_a_path_of_theirs_with_their_children(tmp_path: Path) -> None:
    sleep = shutil.copy(shutil.which("sleep") or "", tmp_path / "nap")
    with (
        subprocess.Popen(["sh", "-c", f"{sleep} 60; true"]) as parent,
        subprocess.Popen(["tail", "-f", str(sleep)], stdout=subprocess.DEVNULL) as reader,
    ):
        until(lambda: len(processes_naming(str(tmp_path), ("sh", "nap"))) == 2)
        shell = identity(parent.pid)
        assert shell is not None
        found = processes_naming(str(tmp_path), ("sh", "nap"))
        children = descendants(shell)
        assert [process for process in found if process != shell] == children
        assert reader.pid not in [process.pid for process in found]  # somebody looks at a file of ours
        for process in [*children, shell]:
            end(process, grace_s=0)
        reader.kill()


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises((ClusterError, FileNotFoundError), match="no-such-program"):
        Daemon("nothing", tmp_path).start(["no-such-program"])
