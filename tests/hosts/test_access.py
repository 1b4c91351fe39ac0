"""Who is let in and who is talked to, what a command becomes on its way, and what a host refuses."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import psutil
import pytest

from bot.domain.evidence import Outcome
from bot.ports import AuthFailed, PortError, Refused, Unavailable
from bot.workflows.applying import applied, put_back
from integrations.hosts import HostsSettings
from integrations.hosts.target import HostsTarget
from tests.contract.shop import eventually
from tests.contract.worlds import change
from tests.hosts.rack import BAD, GOOD, Rack, rack_of
from tests.hosts.sshd import new_key, public

KEY = "INC-1/apply"
SFTP_SERVER = "/usr/lib/openssh/sftp-server"
SECRET = "BEGIN OPENSSH PRIVATE KEY"


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rack]:
    with rack_of(tmp_path_factory.mktemp("rack"), "web1", "web2", together=True) as found:
        yield found


async def refused(rack: Rack, kind: type[PortError], **other: Any) -> PortError:
    """How looking at one host fails."""
    async with aclosing(rack.target("web1", **other)) as target:
        with pytest.raises(kind) as found:
            await target.inspect()
    assert found.value.remedy or kind is Unavailable
    assert SECRET not in found.value.advice
    return found.value


async def test_a_host_with_another_key_is_not_talked_to(rack: Rack, tmp_path: Path) -> None:
    other = public(new_key(tmp_path / "other"))
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{rack.servers['web1'].port} {other}\n", encoding="ascii")
    error = await refused(rack, Refused, known_hosts=known)
    assert f"shows another key than {known} has for it" in str(error)
    assert not isinstance(error, AuthFailed)


async def test_a_host_that_is_not_known_is_not_talked_to(rack: Rack, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.touch()
    error = await refused(rack, Refused, known_hosts=known)
    port = rack.servers["web1"].port
    assert str(error).startswith(f"web1 ([127.0.0.1]:{port}) is not in {known}")
    assert f"ssh-keyscan -p {port} 127.0.0.1" in error.remedy


async def test_without_a_list_of_keys_nobody_is_talked_to(rack: Rack, tmp_path: Path) -> None:
    error = await refused(rack, Refused, known_hosts=tmp_path / "nowhere")
    assert "cannot be read" in str(error)
    assert "No such file" in str(error)


async def test_a_key_that_is_not_authorized(rack: Rack, tmp_path: Path) -> None:
    key = new_key(tmp_path / "stranger")
    error = await refused(rack, AuthFailed, identity=key)
    assert f"in with the key {key}." in str(error)
    assert "authorized_keys" in error.remedy


async def test_a_key_that_is_missing_or_locked(rack: Rack, tmp_path: Path) -> None:
    error = await refused(rack, AuthFailed, identity=tmp_path / "nowhere")
    assert "cannot be used: No such file" in str(error)
    locked = new_key(tmp_path / "locked", passphrase="open sesame")
    error = await refused(rack, AuthFailed, identity=locked)
    assert "a key with a passphrase belongs into an SSH agent" in error.remedy


async def test_without_key_and_agent(rack: Rack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert "SSH_AUTH_SOCK names no SSH agent" in str(await refused(rack, AuthFailed, identity=None))
    agent = tmp_path / "agent"
    error = await refused(rack, AuthFailed, identity=None, agent=agent)
    assert f"the SSH agent's socket {agent} is missing" in str(error)


@contextmanager
def ssh_agent(folder: Path, *keys: Path) -> Iterator[Path]:
    path = folder / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL) as agent:
        try:
            eventually(path.exists)
            environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}
            for key in keys:
                argv = ["ssh-add", "-q", str(key)]
                subprocess.run(argv, env=environment, check=True, timeout=10, stdin=subprocess.DEVNULL)
            yield path
        finally:
            agent.terminate()


async def test_the_keys_of_an_agent(rack: Rack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ssh_agent(tmp_path, rack.identity) as agent:
        async with aclosing(rack.target("web1", identity=None, agent=agent)) as target:
            assert (await target.inspect()).running == BAD
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        async with aclosing(rack.target("web1", identity=None)) as target:
            assert (await target.inspect()).running == BAD
    (tmp_path / "empty").mkdir()
    with ssh_agent(tmp_path / "empty") as agent:
        assert "the keys of the SSH agent" in str(await refused(rack, AuthFailed, identity=None, agent=agent))


async def test_a_host_that_accepts_and_says_nothing(rack: Rack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        known = rack.folder / "known_silent"
        known.write_text(f"[127.0.0.1]:{port} {public(rack.identity)}\n", encoding="ascii")
        hosts = [{"name": "web1", "address": f"127.0.0.1:{port}"}]
        error = await refused(rack, Unavailable, hosts=hosts, known_hosts=known, connect_timeout="300ms")
    assert "does not answer: no connection in time" in str(error)


async def test_by_way_of_another_host(rack: Rack, tmp_path: Path) -> None:
    jump = rack.servers["web1"].address
    async with aclosing(rack.target("web1", "web2", jump=jump)) as target:
        done = await applied(target, change(await target.inspect(), GOOD), key=KEY)
    assert (done.outcome, done.detail) == (Outcome.SUCCEEDED, f"2 of 2 on {GOOD}.")
    error = await refused(rack, Refused, jump="elsewhere.example.com")
    assert str(error).startswith("web1 cannot be reached: The jump host (elsewhere.example.com) is not in")


async def test_this_machine_can_be_one_of_the_hosts(rack: Rack) -> None:
    rack.deploy(BAD)
    hosts = [{"name": "web1", "address": "local"}, {"name": "web2", "address": rack.servers["web2"].address}]
    async with aclosing(rack.target(hosts=hosts)) as target:
        planned = change(await target.inspect(), GOOD)
        assert [check.name for check in (await target.plan(planned)).checks if not check.ok] == []
        done = await applied(target, planned, key=KEY)
        assert done.detail == f"2 of 2 on {GOOD}."
        back = await put_back(target, planned, key="INC-1/revert")
        assert back.detail == f"2 of 2 on {BAD}."
    assert rack.restarts() == {"web1": 2, "web2": 2}
    assert rack.left_behind() == []


async def test_arguments_arrive_as_they_are(rack: Rack) -> None:
    odd = (
        "a b",
        "it's",
        '"$HOME"',
        "$(touch /tmp/never)",
        ";",
        "*",
        "",
        "-n",
        "ü",
        "back\\slash",
        "{host}-{version}",
    )
    out = rack.folder / "arguments"
    program = f"import sys; open({str(out)!r}, 'w').write(repr(sys.argv[1:]))"
    async with aclosing(
        rack.target("web1", restart=(sys.executable, "-c", program, *odd), version_url=None)
    ) as target:
        done = await applied(target, change(await target.inspect(), GOOD), key=KEY)
    assert done.outcome is Outcome.SUCCEEDED, done
    assert out.read_text(encoding="utf-8") == repr([*odd[:-1], f"web1-{GOOD}"])


async def test_what_hangs_is_killed_with_all_it_started(rack: Rack, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 60 & echo $$ $! > {pids}; wait"
    async with aclosing(
        rack.target("web1", restart=("sh", "-c", script), restart_timeout="500ms", settle="300ms")
    ) as target:
        planned = change(await target.inspect(), GOOD)
        assert (await target.apply(planned, KEY)).outcome is Outcome.UNKNOWN
        async with aclosing(target.follow(planned, KEY)) as looks:
            async for seen in looks:
                if "was stopped" in seen.detail:
                    break
        assert seen.outcome is Outcome.UNKNOWN
        assert "web1: the restart command was stopped after 0.5 s." in seen.detail
    for pid in map(int, pids.read_text(encoding="ascii").split()):
        eventually(lambda pid=pid: is_dead(pid))  # type: ignore[misc] # late binding


def is_dead(pid: int) -> bool:
    """Ended, and perhaps not yet collected by whoever adopted it."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


async def test_a_daemon_that_the_restart_leaves_behind_lives_on(rack: Rack, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {pid_file}; exec {rack.host('web1')}/restart"
    async with aclosing(rack.target("web1", restart=("sh", "-c", script))) as target:
        done = await applied(target, change(await target.inspect(), GOOD), key=KEY)
    daemon = psutil.Process(int(pid_file.read_text(encoding="ascii")))
    daemon.kill()
    assert done.outcome is Outcome.SUCCEEDED


async def test_a_program_that_is_not_there(rack: Rack) -> None:
    async with aclosing(rack.target("web1", restart=("/nowhere/restart", "now"))) as target:
        planned = change(await target.inspect(), GOOD)
        plan = await target.plan(planned)
        assert [check.detail for check in plan.checks if not check.ok] == [
            "/nowhere/restart is no program on web1"
        ]
        done = await applied(target, planned, key=KEY)
    assert done.outcome is Outcome.FAILED
    assert "web1: the restart command ended with 127: " in done.detail
    assert "/nowhere/restart: not found" in done.detail


async def test_what_a_program_said_is_told_without_secrets(rack: Rack) -> None:
    rack.break_release(GOOD)
    async with aclosing(rack.target("web1")) as target:
        done = await applied(target, change(await target.inspect(), GOOD), key=KEY)
    assert done.detail.startswith("web1: the restart command ended with 1: payment: token=[redacted] was not")
    assert "hunter2" not in done.detail


async def test_the_link_is_never_missing_while_it_moves(rack: Rack) -> None:
    seen: set[str] = set()
    missing: list[OSError] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.0005):
            try:
                seen.add(str(rack.link("web1").readlink()))
            except OSError as error:
                missing.append(error)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        async with aclosing(rack.target("web1")) as target:
            host = target._hosts["web1"]
            for turn in range(40):
                here, there = (BAD, GOOD) if turn % 2 == 0 else (GOOD, BAD)
                await host.switch(here, there, str(turn))
    finally:
        stop.set()
        watcher.join()
    assert missing == []
    assert seen == {f"releases/{BAD}", f"releases/{GOOD}"}


async def test_a_link_to_elsewhere_and_no_link_are_refused(rack: Rack) -> None:
    rack.link("web1").unlink()
    assert str(await refused(rack, Refused)).startswith(f"There is no link {rack.link('web1')} on web1")
    rack.link("web1").symlink_to("/etc")
    assert "on web1 points at /etc, which is not a release" in str(await refused(rack, Refused))
    rack.link("web1").unlink()
    rack.link("web1").mkdir()
    assert "on web1 is not a symbolic link" in str(await refused(rack, Refused))


async def test_absolute_links_and_other_ways_to_the_same_folder(rack: Rack) -> None:
    rack.link("web1").unlink()
    rack.link("web1").symlink_to(rack.host("web1") / "releases" / BAD)
    (rack.folder / "srv").symlink_to(rack.folder)
    settings = {"releases": f"{rack.folder}/srv/{{host}}/releases"}
    async with aclosing(rack.target("web1", **settings)) as target:
        done = await applied(target, change(await target.inspect(), GOOD), key=KEY)
    (rack.folder / "srv").unlink()
    assert done.outcome is Outcome.SUCCEEDED
    assert rack.link("web1").readlink() == rack.host("web1") / "releases" / GOOD


async def test_where_nothing_may_be_written_beside_the_link(rack: Rack) -> None:
    """The kernel's own links, which not even root may move."""
    settings = rack.settings("web1", releases="/sys/devices/virtual/net", link="/sys/class/net/lo")
    async with aclosing(HostsTarget(settings)) as target:
        assert (await target.inspect()).current == "lo"
        with pytest.raises(
            AuthFailed, match=r"/sys/class/net/lo on web1 cannot be moved: Permission denied"
        ) as failed:
            await target._hosts["web1"].switch("lo", "eth9", "k")
    assert "the right to write in /sys/class/net" in failed.value.remedy


async def test_a_server_without_an_atomic_rename_is_refused(rack: Rack, tmp_path: Path) -> None:
    with rack_of(tmp_path, "web1", sftp=f"{SFTP_SERVER} -P posix-rename") as poor:
        async with aclosing(poor.target()) as target:
            done = await applied(target, change(await target.inspect(), GOOD), key=KEY)
        assert (done.outcome, done.untouched) == (Outcome.FAILED, True)
        assert "the SFTP server of web1 offers no atomic rename (posix-rename@openssh.com)" in done.detail
        assert poor.links() == [BAD]
        assert poor.left_behind() == []


class FullDisk(asyncssh.SFTPServer):
    """A disk on which nothing more can be written; SFTP has no word for that."""

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPFailure("Failure")

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        if pflags & asyncssh.FXF_WRITE:
            raise asyncssh.SFTPFailure("Failure")
        return super().open(path, pflags, attrs)

    def statvfs(self, path: bytes) -> asyncssh.SFTPVFSAttrs:
        return asyncssh.SFTPVFSAttrs(bsize=4096, frsize=4096, blocks=100, bfree=0, bavail=0)


@asynccontextmanager
async def full_disk(rack: Rack) -> AsyncIterator[HostsSettings]:
    key = str(rack.servers["web1"].key)
    async with asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[key],
        authorized_client_keys=str(rack.folder / "authorized_keys"),
        sftp_factory=FullDisk,
    ) as server:
        port = server.get_port()
        known = rack.folder / "known_full"
        known.write_text(f"[127.0.0.1]:{port} {public(rack.servers['web1'].key)}\n", encoding="ascii")
        hosts = [{"name": "web1", "address": f"127.0.0.1:{port}"}]
        yield rack.settings(hosts=hosts, known_hosts=known, version_url=None, restart=(), reconnect="200ms")


async def test_a_full_disk_is_said(rack: Rack) -> None:
    async with full_disk(rack) as settings, aclosing(HostsTarget(settings)) as target:
        done = await applied(target, change(await target.inspect(), GOOD), key=KEY)
    assert done.outcome is Outcome.FAILED
    assert "No space left on device. Make room in " in done.detail
    assert rack.links("web1") == [BAD]
