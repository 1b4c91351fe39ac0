"""A real Alertmanager for tests: Debian's own, in a temporary folder, which tells one webhook of everything."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

PROGRAM = "prometheus-alertmanager"
READY_S = 30.0

_CONFIG = """\
route:
  receiver: kaeru
  group_by: [alertname, service]
  group_wait: 100ms
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: kaeru
    webhook_configs:
      - url: {webhook}
        send_resolved: true
        http_config:
          authorization:
            credentials: {token}
"""


@dataclass
class Alertmanager:
    """A running one. It dies with this process, whatever happens to it."""

    url: str
    log: Path

    def fire(
        self,
        name: str,
        *,
        since: datetime,
        labels: Mapping[str, str],
        summary: str = "",
        until: datetime | None = None,
    ) -> None:
        """As Prometheus says it; `until` a moment in the past resolves it."""
        alert: dict[str, Any] = {
            "labels": {"alertname": name, **labels},
            "annotations": {"summary": summary} if summary else {},
            "startsAt": since.isoformat(),
            "endsAt": (until or since + timedelta(days=1)).isoformat(),
            "generatorURL": "http://prometheus.example.com/graph?g0.expr=up",
        }
        with httpx.Client(trust_env=False, timeout=5) as client:
            client.post(f"{self.url}/api/v2/alerts", json=[alert]).raise_for_status()


def need() -> None:
    """Skip, or fail in CI, where there is none."""
    if shutil.which(PROGRAM) is None:
        reason = f"no Alertmanager is installed (Debian and Ubuntu: apt-get install {PROGRAM})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@contextlib.contextmanager
def running(webhook: str, token: str) -> Iterator[Alertmanager]:
    """One that tells `webhook`, with `token` as its bearer token."""
    folder = Path(tempfile.mkdtemp(prefix="kaeru-alertmanager-"))
    try:
        config = folder / "alertmanager.yml"
        config.write_text(_CONFIG.format(webhook=webhook, token=token), encoding="utf-8")
        port = _free_port()
        argv = ["setpriv", "--pdeathsig", "TERM", PROGRAM, f"--config.file={config}"]
        argv += [f"--storage.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
        argv += ["--cluster.listen-address=", "--log.level=debug"]
        log = folder / "log"
        with log.open("wb") as out, subprocess.Popen(argv, cwd=folder, stdout=out, stderr=out) as process:
            try:
                _await_ready(f"http://127.0.0.1:{port}", process, log)
                yield Alertmanager(f"http://127.0.0.1:{port}", log)
            finally:
                process.terminate()
                process.wait(timeout=30)
    finally:
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _await_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    with httpx.Client(trust_env=False, timeout=5) as client:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if client.get(f"{url}/-/ready").status_code == 200:
                    return
            assert process.poll() is None, (
                f"Alertmanager ended while it was starting: {log.read_text()[-500:]}"
            )
            assert time.monotonic() < deadline, f"Alertmanager was not ready within {READY_S:.0f} s"
            time.sleep(0.05)
