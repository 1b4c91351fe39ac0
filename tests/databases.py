"""Real databases for the tests of backups: MariaDB in a temporary folder, and replicas that can be held back."""

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pymysql
import pytest

from tests.postgres import Server, as_user_of, binaries
from tests.templates import filled

MARIADB_USER = "mysql"
READY_S = 60


@dataclass
class Mariadb:
    """A running MariaDB, reachable by a socket and on 127.0.0.1; `root` has no password."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def socket(self) -> Path:
        return self.folder / "server.sock"

    def connect(
        self, database: str | None = None, *, user: str = "root", password: str = ""
    ) -> pymysql.Connection:
        return pymysql.connect(
            unix_socket=str(self.socket), user=user, password=password, database=database, autocommit=True
        )

    def run(self, *statements: str, database: str | None = None) -> None:
        with self.connect(database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def create_database(self) -> str:
        name = f"test_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return name


def mariadb_there() -> bool:
    return bool(_mariadbd() and shutil.which("mariadb-install-db"))


def _mariadbd() -> str | None:
    return shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def mariadb_running(*settings: str) -> Iterator[Mariadb]:
    """A MariaDB of one's own. It dies with this process, whatever happens to it."""
    daemon = _mariadbd()
    if daemon is None:
        raise FileNotFoundError(
            "no MariaDB server is installed (Debian and Ubuntu: apt-get install mariadb-server)"
        )
    folder = Path(tempfile.mkdtemp(prefix="kaeru-my-"))
    try:
        as_user = as_user_of(MARIADB_USER, folder)
        data = f"--datadir={folder / 'data'}"
        install = ["mariadb-install-db", "--no-defaults", data, "--auth-root-authentication-method=normal"]
        # Each server clears away, when it starts, what others have in the folder for temporary files.
        scratch = f"--tmpdir={folder}"
        install += ["--skip-test-db", "--skip-name-resolve", "--innodb-log-file-size=16M", scratch]

        def make() -> None:
            made = subprocess.run(
                [*as_user, *install], cwd=folder, check=False, capture_output=True, text=True, timeout=60
            )
            assert made.returncode == 0, made.stdout + made.stderr

        filled(folder / "data", "mariadb", make)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        argv = [
            *as_user,
            daemon,
            "--no-defaults",
            data,
            f"--socket={folder / 'server.sock'}",
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--pid-file={folder / 'server.pid'}",
            "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=0",
            scratch,
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=16M",
            *settings,
        ]
        with subprocess.Popen(
            argv, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                server = Mariadb(folder, port, process)
                # A socket of one's own: pymysql leaves one open where it cannot connect.
                until(lambda: _knock(server.socket), process, OSError)
                until(lambda: server.run("SELECT 1"), process, pymysql.err.OperationalError)
                yield server
            finally:
                process.send_signal(signal.SIGKILL)  # nobody wants its data any more
                process.wait(timeout=30)
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def standby_of(primary: Server) -> Iterator[Server]:
    """A standby of `primary` that follows it. It dies with this process."""
    home = binaries()
    assert home is not None
    folder = Path(tempfile.mkdtemp(prefix="kaeru-pg-standby-"))
    try:
        as_user = as_user_of("postgres", folder)
        copy = [
            "-h",
            str(primary.folder),
            "-U",
            "postgres",
            "-D",
            str(folder / "data"),
            "-R",
            "-c",
            "fast",
            "-N",
        ]
        subprocess.run(
            [*as_user, str(home / "pg_basebackup"), *copy],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=60,
        )
        settings = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "log_min_messages=fatal"]
        argv = [*as_user, str(home / "postgres"), "-D", str(folder / "data"), "-k", str(folder), *settings]
        with subprocess.Popen(
            [*argv, "-c", "max_connections=60"], cwd=folder, stderr=subprocess.DEVNULL
        ) as process:
            try:
                server = Server(folder, process)
                until(lambda: server.run("SELECT 1"), process, psycopg.OperationalError)
                yield server
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(timeout=30)
    finally:
        shutil.rmtree(folder)


def until(attempt: Callable[[], object], process: subprocess.Popen[bytes], *errors: type[Exception]) -> None:
    """Try until it works. Fails where the server ends or takes too long."""
    deadline = time.monotonic() + READY_S
    while True:
        try:
            attempt()
        except errors:
            assert process.poll() is None, "the server ended while it was starting"
            assert time.monotonic() < deadline, f"the server did not become ready within {READY_S} s"
            time.sleep(0.05)
        else:
            return


def _knock(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as attempt:
        attempt.connect(str(place))


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Mariadb]:
    if not mariadb_there():
        reason = "no MariaDB server is installed (Debian and Ubuntu: apt-get install mariadb-server)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with mariadb_running("--log-bin=changes", "--server-id=1") as server:
        yield server
