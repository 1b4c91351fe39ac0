"""Where clusters keep their things, and who may change them at one time."""

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.clusters import given
from sandbox.clusters.errors import ClusterError
from sandbox.clusters.places import LONGEST, locked, places

HOLD = """
import sys
from pathlib import Path
from sandbox.clusters.places import locked
with locked(Path(sys.argv[1]), patience_s=5, doing="holding"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAERU_CLUSTER_CACHE", "XDG_CACHE_HOME", "KUBECONFIG", given.KUBECONFIG, given.CONSENT):
        monkeypatch.delenv(name, raising=False)


def test_they_are_in_the_cache_folder_of_whoever_runs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert places().root == Path("/home/someone/.cache/kaeru/clusters")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert places().root == Path("/cache/kaeru/clusters")
    monkeypatch.setenv("KAERU_CLUSTER_CACHE", "/elsewhere")
    assert places().root == Path("/elsewhere")


def test_a_path_too_long_for_a_socket_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAERU_CLUSTER_CACHE", "/" + "x" * LONGEST)
    with pytest.raises(ClusterError, match="set KAERU_CLUSTER_CACHE to a folder of at most"):
        places()


def test_a_lock_keeps_others_out_and_ends_with_its_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "folder" / "it.lock"
    argv = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(ClusterError, match="Another process has been compiling"),
            locked(lock, patience_s=1, doing="compiling"),
        ):
            pytest.fail("two processes held one lock")
        holder.kill()
        holder.wait()
        with locked(lock, patience_s=5, doing="compiling"):
            pass
    assert capsys.readouterr().out.count("Another process is compiling") == 1


def test_kubeconfig_alone_is_not_consent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It may well name production."""
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for path in (mine, theirs):
        path.touch()
    monkeypatch.setenv("KUBECONFIG", str(theirs))
    assert given.kubeconfig() is None
    monkeypatch.setenv("KAERU_TEST_CLUSTER", "given")
    assert given.kubeconfig() == theirs
    monkeypatch.setenv("KAERU_TEST_KUBECONFIG", str(mine))
    assert given.kubeconfig() == mine


def test_a_kubeconfig_that_does_not_exist_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KAERU_TEST_KUBECONFIG", str(tmp_path / "gone"))
    with pytest.raises(ClusterError, match=r"KAERU_TEST_KUBECONFIG names .*gone, which does not exist"):
        given.kubeconfig()
