"""A real Prometheus for tests: Debian's own, in a temporary folder, with history that was written before it started."""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

READY_S = 30.0

Sample = tuple[datetime, float]


@dataclass
class Server:
    """A running Prometheus. It dies with this process, whatever happens to it."""

    url: str
    process: subprocess.Popen[bytes]


def there() -> bool:
    return shutil.which("prometheus") is not None and shutil.which("promtool") is not None


def need() -> None:
    """Skip, or fail in CI, where there is none."""
    if not there():
        reason = "no Prometheus is installed (Debian and Ubuntu: apt-get install prometheus)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


def steps(begin: datetime, step: timedelta, values: Sequence[float | None]) -> list[Sample]:
    """One sample in the middle of each step, and none where there is none."""
    return [(begin + step * n + step / 2, value) for n, value in enumerate(values) if value is not None]


@contextlib.contextmanager
def running(
    history: Mapping[str, Sequence[Sample]] | None = None,
    *,
    config: str = "",
    web: str = "",
    ca: Path | None = None,
) -> Iterator[Server]:
    """A server that knows `history`, by the name of a metric with its labels, such as `lat{host="a"}`.

    `config` is added to its configuration, `web` is its `--web.config.file`, which makes it speak TLS with `ca`.
    """
    folder = Path(tempfile.mkdtemp(prefix="kaeru-prom-"))
    try:
        _backfill(folder, history or {})
        (folder / "prometheus.yml").write_text(f"global: {{scrape_interval: 1s}}\n{config}", encoding="utf-8")
        port = _free_port()
        argv = ["setpriv", "--pdeathsig", "TERM", "prometheus", f"--config.file={folder / 'prometheus.yml'}"]
        argv += [f"--storage.tsdb.path={folder / 'data'}", "--storage.tsdb.retention.time=30d"]
        argv += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
        if web:
            (folder / "web.yml").write_text(web, encoding="utf-8")
            argv.append(f"--web.config.file={folder / 'web.yml'}")
        log = folder / "log"
        with log.open("wb") as out, subprocess.Popen(argv, cwd=folder, stdout=out, stderr=out) as process:
            try:
                url = f"{'https' if web else 'http'}://127.0.0.1:{port}"
                _await_ready(url, process, log, ca)
                yield Server(url, process)
            finally:
                process.terminate()
                process.wait(timeout=30)
    finally:
        shutil.rmtree(folder)


def _backfill(folder: Path, history: Mapping[str, Sequence[Sample]]) -> None:
    if not history:
        return
    lines, typed = [], set()
    for name, samples in sorted(history.items()):
        if (family := name.partition("{")[0]) not in typed:
            typed.add(family)
            lines.append(f"# TYPE {family} unknown")
        lines += [f"{name} {value} {at.timestamp():.3f}" for at, value in samples]
    text = "\n".join([*lines, "# EOF", ""])
    (folder / "history").write_text(text, encoding="ascii")
    argv = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "history", "data"]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True, timeout=60)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _await_ready(url: str, process: subprocess.Popen[bytes], log: Path, ca: Path | None) -> None:
    deadline = time.monotonic() + READY_S
    trust = ssl.create_default_context(cafile=None if ca is None else str(ca))
    with httpx.Client(verify=trust, trust_env=False, timeout=5) as client:
        while True:
            with contextlib.suppress(httpx.TransportError):
                # Whoever is asked who they are has been answered by a server that runs.
                if client.get(f"{url}/-/ready").status_code in (200, 401):
                    return
            assert process.poll() is None, f"Prometheus ended while it was starting: {log.read_text()[-500:]}"
            assert time.monotonic() < deadline, f"Prometheus was not ready within {READY_S:.0f} s"
            time.sleep(0.05)
