"""A real OpenSSH server on a free port of 127.0.0.1, with keys and configuration of its own in a folder."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.contract.shop import eventually

CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {keys}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowTcpForwarding yes
MaxStartups 100
Subsystem sftp {sftp}
"""


def program() -> str:
    """Where sshd is: rarely in PATH. Its full path is what it starts itself again by."""
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    assert found is not None, "sshd is missing; on Debian: apt-get install openssh-server"
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def new_key(path: Path, passphrase: str = "") -> Path:
    """A key pair; gives the private one's file."""
    path.unlink(missing_ok=True)
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(argv, check=True, timeout=30, stdin=subprocess.DEVNULL)
    return path


def public(private: Path) -> str:
    """Type and key, without the comment."""
    kind, key, *_ = private.with_suffix(".pub").read_text(encoding="ascii").split()
    return f"{kind} {key}"


class Sshd:
    """One "host". Stopping it cuts every connection; the programs that were started over them live on."""

    def __init__(self, folder: Path, authorized: Path, *, sftp: str = "internal-sftp") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.key = new_key(folder / "host_key")
        self._config = folder / "sshd_config"
        text = CONFIG.format(port=self.port, folder=folder, keys=authorized, sftp=sftp)
        self._config.write_text(text, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"{getpass.getuser()}@127.0.0.1:{self.port}"

    @property
    def known(self) -> str:
        """Its line in a known_hosts file."""
        return f"[127.0.0.1]:{self.port} {public(self.key)}\n"

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            argv = [program(), "-D", "-e", "-f", str(self._config)]
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(self._answers)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        servers = [child for child in _family(process.pid) if child.name().startswith("sshd")]
        process.terminate()
        process.wait(timeout=10)
        for server in servers:
            with contextlib.suppress(psutil.NoSuchProcess):
                server.kill()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text(encoding="utf-8")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as found:
                return found.recv(4) == b"SSH-"
        except OSError:
            return False


@contextlib.contextmanager
def serving(sshd: Sshd) -> Iterator[Sshd]:
    try:
        sshd.start()
        yield sshd
    finally:
        sshd.stop()


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
