"""The shop's releases behave as meant, and the supervisor changes them without hurting anyone."""

import asyncio
import io
import json
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.shop.load import Load, LoadError
from sandbox.shop.releases import Shop, build
from tests.contract.shop import PROJECT, SUPERVISOR, RunningShop, copied, eventually, running


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build(tmp_path_factory.mktemp("built"), broken_versions=("v1.2.8",))


@pytest.fixture
def shop(built: Shop, tmp_path: Path) -> Iterator[RunningShop]:
    with running(copied(built, tmp_path / "shop")) as found:
        yield found


@pytest.fixture
def good_shop(tmp_path: Path) -> Iterator[RunningShop]:
    with running(build(tmp_path / "shop", current="v1.2.8")) as found:
        yield found


def timed(shop: RunningShop, path: str) -> float:
    begun = time.perf_counter()
    assert shop.get(path)[0] == 200
    return time.perf_counter() - begun


def checkouts(shop: RunningShop) -> list[int]:
    return [shop.get("/checkout", "POST")[0] for _ in range(20)]


def report_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_good_release_is_quick_and_right(shop: RunningShop) -> None:
    assert set(checkouts(shop)) == {201}
    assert statistics.median(timed(shop, "/products") for _ in range(5)) < 0.05
    status, headers, body = shop.get("/version")
    assert (status, body["version"], headers["X-Version"]) == (200, "v1.2.9", "v1.2.9")
    assert body["pid"] == shop.status()["running"]["pid"]
    status, headers, _ = shop.get("/nothing")
    assert (status, headers["X-Version"], headers["Cache-Control"]) == (404, "v1.2.9", "no-store")


def test_the_bad_release_fails_and_is_slow_and_calls_itself_healthy(shop: RunningShop) -> None:
    done = shop.command("deploy", "v1.3.0")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("v1.3.0 is running (pid ")
    statuses = checkouts(shop)
    assert (statuses.count(500), statuses.count(201)) == (6, 14)
    assert timed(shop, "/products") > 0.25
    assert shop.get("/health")[2] == {"status": "ok"}
    log = (shop.root / "log" / "shop.log").read_text(encoding="utf-8")
    assert log.count("ERROR POST /checkout failed\nTraceback") == 6
    assert log.count("KeyError: 'currency'") == 6


@pytest.mark.parametrize("version", ["v1.2.9"])
def test_another_release_can_be_bad_too(version: str, tmp_path: Path) -> None:
    with running(build(tmp_path / "shop", bad_versions=(version,))) as shop:
        assert shop.get("/version")[2]["version"] == version
        assert checkouts(shop).count(500) == 6


async def test_a_restart_loses_no_request(good_shop: RunningShop) -> None:
    report = io.StringIO()
    load = Load(good_shop.url, rps=60, seconds=30)
    visiting = asyncio.create_task(load.run(report))
    for version in ("v1.2.9", "v1.2.8", "v1.2.9", "v1.2.8", "v1.2.9"):
        await asyncio.sleep(0.3)  # let the crowd visit this release
        begun = time.perf_counter()
        done = await asyncio.to_thread(good_shop.command, "deploy", version)
        spent = time.perf_counter() - begun
        assert done.returncode == 0, done.stderr
        assert spent < 2, "about 0.1 s on a quiet machine"
        assert good_shop.get("/version")[2]["version"] == version, "the old release accepted a connection"
    load.stopped.set()
    await visiting
    seconds = report_of(report.getvalue())
    assert sum(second["failed"] for second in seconds) == 0, seconds
    assert sum(second["ok"] for second in seconds) > 60
    assert {version for second in seconds for version in second["versions"]} == {"v1.2.8", "v1.2.9"}


def test_a_request_in_flight_is_finished_by_the_old_release(shop: RunningShop) -> None:
    assert shop.command("deploy", "v1.3.0").returncode == 0
    argv = [
        "curl",
        "--silent",
        "--fail",
        "--dump-header",
        "-",
        "--output",
        os.devnull,
        f"{shop.url}/products",
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as slow:
        log = shop.root / "log" / "shop.log"
        pid = shop.status()["running"]["pid"]
        eventually(lambda: bool(established(pid)))
        assert shop.command("deploy", "v1.2.9").returncode == 0
        head, _ = slow.communicate(timeout=10)
    assert slow.returncode == 0
    assert "X-Version: v1.3.0" in head
    assert "Connection: close" in head
    eventually(lambda: "v1.3.0 has stopped" in log.read_text(encoding="utf-8"))
    eventually(lambda: shop.status()["draining"] == [])


def established(pid: int) -> list[Any]:
    connections = psutil.Process(pid).net_connections(kind="tcp")
    return [connection for connection in connections if connection.status == psutil.CONN_ESTABLISHED]


def test_a_release_that_does_not_start_leaves_the_old_one_serving(shop: RunningShop) -> None:
    before = shop.get("/version")[2]
    done = shop.command("deploy", "v1.2.8")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "v1.2.8 did not start (exit 1): shop: SHOP_PAYMENT_ACCOUNT is not set" in done.stderr
    assert done.stderr.endswith("v1.2.9 keeps serving.\n")
    assert shop.get("/version")[2] == before
    status = shop.status()
    assert (status["current"], status["running"]["version"]) == ("v1.2.8", "v1.2.9")
    assert done.stderr.strip() == status["last_error"]


def test_a_killed_release_is_started_again(shop: RunningShop) -> None:
    for crashes in (1, 2):
        pid = shop.status()["running"]["pid"]
        os.kill(pid, signal.SIGKILL)
        # The listening socket outlives the process, so the question waits for an answer and is not refused.
        assert shop.get("/version")[2]["pid"] != pid
        eventually(lambda crashes=crashes: shop.status()["crashes"] == crashes)  # type: ignore[misc] # late binding


def test_sigterm_leaves_no_process(shop: RunningShop) -> None:
    family = [psutil.Process(shop.process.pid), *psutil.Process(shop.process.pid).children(recursive=True)]
    assert len(family) == 2
    shop.process.terminate()
    assert shop.process.wait(timeout=15) == 0
    assert [process for process in family if process.is_running()] == []
    done = shop.command("status")
    assert (done.returncode, done.stderr.startswith("No supervisor runs for ")) == (1, True)


def test_a_killed_supervisor_takes_the_shop_with_it_and_can_be_followed(shop: RunningShop) -> None:
    (child,) = psutil.Process(shop.process.pid).children()
    shop.process.kill()
    shop.process.wait(timeout=15)
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running()
    with running(shop.shop) as again:
        assert again.command("restart").returncode == 0
        second = subprocess.run(
            [*SUPERVISOR, "run", "--port", "0", "--root", str(shop.root)],
            cwd=PROJECT, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert second.returncode == 1
        assert second.stderr.startswith("Another supervisor already runs for ")


def test_an_unknown_version_is_refused(shop: RunningShop) -> None:
    done = shop.command("deploy", "../elsewhere")
    assert done.returncode == 1
    assert done.stderr == "There is no release ../elsewhere; choose from v1.2.8, v1.2.9, v1.3.0.\n"
    assert shop.shop.current_version() == "v1.2.9"


async def test_the_load_says_who_was_hurt(shop: RunningShop) -> None:
    assert shop.command("deploy", "v1.3.0").returncode == 0
    report = io.StringIO()
    await Load(shop.url, rps=40, seconds=2.2).run(report)
    seconds = report_of(report.getvalue())
    assert 2 <= len(seconds) <= 4
    assert sum(second["ok"] + second["failed"] for second in seconds) == 88
    errors = {kind for second in seconds for kind in second["errors"]}
    assert errors == {"500 /checkout"}
    assert max(second["p95_ms"] or 0 for second in seconds) > 250
    assert {version for second in seconds for version in second["versions"]} == {"v1.3.0"}


def test_the_load_only_visits_this_machine() -> None:
    with pytest.raises(LoadError, match="only visits this machine"):
        Load("http://example.com", rps=1, seconds=1)
    with pytest.raises(LoadError, match="at most 200 requests"):
        Load("http://127.0.0.1:1", rps=1000, seconds=1)


async def test_the_load_counts_a_shop_that_is_gone(unused_tcp_port: int) -> None:
    report = io.StringIO()
    await Load(f"http://127.0.0.1:{unused_tcp_port}", rps=10, seconds=0.5).run(report)
    (second,) = report_of(report.getvalue())
    assert (second["ok"], second["errors"], second["p95_ms"]) == (0, {"ConnectError": 5}, None)
