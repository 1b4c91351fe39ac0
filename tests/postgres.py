"""A real PostgreSQL for tests: Debian's own server in a temporary folder, one fresh database per test."""

import contextlib
import functools
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from tests.templates import filled

_HOMES = Path("/usr/lib/postgresql")
_USER = "postgres"
_SETTINGS = (
    "listen_addresses=",
    "fsync=off",
    "full_page_writes=off",
    "max_connections=60",
    "log_min_messages=fatal",
)


@dataclass
class Server:
    """A running server, reachable by a socket in `folder` alone."""

    folder: Path
    process: subprocess.Popen[bytes]
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def url(self, database: str) -> str:
        return f"postgresql://{_USER}@/{database}?host={self.folder}"

    def run(self, statement: str, database: str = "postgres") -> None:
        """Run one statement as the superuser, outside of any transaction."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def create_database(self) -> str:
        """Make an empty database and return its name."""
        name = f"test_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return name


def binaries() -> Path | None:
    """Where the newest installed server's programs lie."""
    found = sorted(_HOMES.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def as_user_of(name: str, folder: Path) -> Sequence[str]:
    """How to run something as the user that may run this server, which gets `folder`, `folder/data` in it."""
    data = folder / "data"
    data.mkdir(mode=0o700)
    folder.chmod(0o755)
    as_user = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        # The server declines to run as root.
        owner = pwd.getpwnam(name)
        for path in (folder, data):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        as_user += [f"--reuid={name}", f"--regid={name}", "--clear-groups"]
    return as_user


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """A server of one's own. It dies with this process, whatever happens to it."""
    home = binaries()
    if home is None:
        raise FileNotFoundError(
            "no PostgreSQL server is installed (Debian and Ubuntu: apt-get install postgresql)"
        )
    folder = Path(tempfile.mkdtemp(prefix="kaeru-pg-"))
    data = folder / "data"
    try:
        as_user = as_user_of(_USER, folder)
        initdb = [
            *as_user,
            str(home / "initdb"),
            "-D",
            str(data),
            "-U",
            _USER,
            "-A",
            "trust",
            "-N",
            "-E",
            "UTF8",
        ]
        make = functools.partial(
            subprocess.run, initdb, cwd=folder, check=True, capture_output=True, timeout=60
        )
        filled(data, "postgresql", make)
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        argv = [*as_user, str(home / "postgres"), "-D", str(data), "-k", str(folder), *settings]
        with subprocess.Popen(argv, cwd=folder, stderr=subprocess.DEVNULL) as process:
            try:
                server = Server(folder, process)
                _await_ready(server)
                yield server
            finally:
                # SIGINT: do not wait for clients.
                process.send_signal(signal.SIGINT)
                process.wait(timeout=30)
    finally:
        shutil.rmtree(folder)


def _await_ready(server: Server) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            server.run("SELECT 1")
        except psycopg.OperationalError:
            assert server.process.poll() is None, "PostgreSQL ended while it was starting"
            assert time.monotonic() < deadline, "PostgreSQL did not become ready within 30 s"
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    if binaries() is None:
        reason = "no PostgreSQL server is installed (Debian and Ubuntu: apt-get install postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with running() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Server) -> Iterator[str]:
    """The URL of a fresh database, dropped afterwards."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.run(f"DROP DATABASE {name} WITH (FORCE)")
