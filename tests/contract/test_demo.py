"""The demo as a person starts and ends it. Its whole story is played by `make demo-check` and its like for clusters."""

import asyncio
import io
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from bot.catalog import load_catalog
from integrations.registry import kinds
from sandbox.clusters.engine import Engine
from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.namespaces import kubectl
from sandbox.clusters.swarm import SwarmCluster
from sandbox.demo import kaeru_yml, places
from sandbox.demo.places import GOOD, Place, owner
from sandbox.demo.places.kubernetes import Kubernetes
from sandbox.demo.places.processes import Processes
from sandbox.demo.places.swarm import Swarm
from sandbox.demo.processes import Child, StartError
from sandbox.demo.stage import Stage
from sandbox.shop.load import Load

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def started(*words: str, env: dict[str, str] | None = None) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`kaeru demo` on a terminal of its own; whatever is left of it afterwards is ended."""
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "demo", *words],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
    )
    os.close(inside)
    try:
        yield process, terminal
    finally:
        for child in (
            [*psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
        ):
            child.kill()
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(terminal)


def read_until(terminal: int, pattern: str, within_s: float = 60.0) -> str:
    """What the terminal shows up to and including a match. Raises AssertionError when it does not come."""
    shown = ""
    deadline = time.monotonic() + within_s
    os.set_blocking(terminal, False)
    while not re.search(pattern, shown):
        assert time.monotonic() < deadline, f"waited for {pattern!r}; the terminal shows:\n{shown}"
        try:
            shown += os.read(terminal, 65536).decode(errors="replace")
        except BlockingIOError:
            time.sleep(0.05)
        except OSError as error:  # the other end is closed
            pytest.fail(f"ended before {pattern!r} ({error}); the terminal shows:\n{shown}")
    return shown


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def all_gone(processes: list[psutil.Process], within_s: float = 20.0) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=within_s)
    return not alive


def test_it_says_where_to_go_and_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    with started("--data", str(tmp_path / "demo")) as (process, terminal):
        shown = read_until(terminal, r"Ctrl-C ends it all")
        address = re.search(r"http://127\.0\.0\.1:\d+/\?as=alice", shown)
        assert address is not None
        assert all(thing in shown for thing in ("/rollback shop", "Approve", "/incident close"))
        with urllib.request.urlopen(address[0], timeout=5) as page:  # noqa: S310 - an address of this machine
            assert b"<html" in page.read().lower()
        children = family(process)
        assert len(children) >= 4, "a workspace, a shop, its customers and the bot"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert all_gone(children)


def test_a_demo_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    with started("--data", str(tmp_path / "demo")) as (process, terminal):
        read_until(terminal, r"Ctrl-C ends it all")
        children = family(process)
        try:
            process.kill()
            assert all_gone(children)
        finally:
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()


async def test_a_port_that_is_taken_while_the_demo_starts_is_said_in_the_same_sentence(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StartError) as caught:
            await Stage(tmp_path, port=port).__aenter__()
    assert str(caught.value) == (
        f"Port {port} is taken. Choose another one, or leave it out and take a free one."
    )


async def test_a_part_that_ends_early_is_told_of_at_once_with_what_it_logged(tmp_path: Path) -> None:
    silent = Child("clock", [sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "silent.log")
    await silent.start()
    with pytest.raises(StartError, match=r"^The clock ended before it was ready\. It has logged nothing\.$"):
        await silent.first_line(30)
    loud = Child("clock", [sys.executable, "-c", "raise SystemExit('no time')"], tmp_path / "loud.log")
    await loud.start()
    with pytest.raises(StartError, match=r"ready\. Its log ends with:\n  no time$"):
        await loud.first_line(30)


def test_a_check_that_is_terminated_leaves_no_process(tmp_path: Path) -> None:
    with started("--check", "--data", str(tmp_path / "demo")) as (process, terminal):
        read_until(terminal, r"serves; kaeru has seen that it is good")
        children = family(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 130
        assert all_gone(children)


def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path: Path) -> None:
    with started("--data", str(tmp_path / "one")) as (first, terminal):
        shown = read_until(terminal, r"Ctrl-C ends it all")
        port = re.search(r"127\.0\.0\.1:(\d+)/\?as", shown)
        assert port is not None
        with started("--port", port[1], "--data", str(tmp_path / "two")) as (second, other):
            said = read_until(other, r"taken.*\n")
            assert second.wait(30) == 1
            assert said.strip() == (
                f"Port {port[1]} is taken. Choose another one, or leave it out and take a free one."
            )
        first.send_signal(signal.SIGINT)
        assert first.wait(30) == 0


def test_kaeru_yml_of_each_place_is_one_that_kaeru_takes(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    processes = Processes(tmp_path / "shop")
    processes.url = "http://127.0.0.1:9"
    found = [
        processes,
        Kubernetes(KubernetesCluster(tmp_path / "kubeconfig", "127.0.0.1", None)),
        Swarm(SwarmCluster("unix:///run/docker.sock", "127.0.0.1", ingress=True)),
    ]
    written = []
    for place in found:
        path = tmp_path / "kaeru.yml"
        kaeru_yml.write(path, root=tmp_path / "shop", url="http://127.0.0.1:9", target=place.target())
        (component,) = load_catalog(path, kinds()).services["shop"].components
        written.append(component.target.kind)
    assert written == ["symlink", "kubernetes", "swarm"]


def test_only_what_an_ended_demo_of_this_machine_left_behind_is_removed() -> None:
    mine = owner.mine()
    assert not owner.has_ended(mine)
    pid, started, boot = mine.split(".")
    with subprocess.Popen([sys.executable, "-c", ""]) as other:
        ended = other.pid
    assert owner.has_ended(f"{ended}.{started}.{boot}")
    assert owner.has_ended(f"{pid}.{int(started) + 1}.{boot}"), "another process has this pid now"
    assert not owner.has_ended(f"{ended}.{started}.another-boot")
    assert not owner.has_ended("unknown")


def test_a_cluster_that_cannot_be_had_is_said_in_a_sentence(tmp_path: Path) -> None:
    env = {"KAERU_TEST_KUBECONFIG": str(tmp_path / "nowhere")}
    with started("--on", "kubernetes", "--data", str(tmp_path / "demo"), env=env) as (process, terminal):
        said = read_until(terminal, r"The demo stopped:.*\n")
        assert process.wait(30) == 1
        assert f"KAERU_TEST_KUBECONFIG names {tmp_path / 'nowhere'}, which does not exist" in said
        assert "Traceback" not in said


async def rolled_under_load(place: Place, *versions: str) -> list[dict[str, Any]]:
    """Deploy one version after the other while customers come; what each second saw."""
    report = io.StringIO()
    load = Load(place.url, rps=20, seconds=90, fresh=True)
    customers = asyncio.create_task(load.run(report))
    for version in versions:
        await place.deploy(version)
        await only_answers(report, version)
    load.stopped.set()
    await customers
    return [json.loads(line) for line in report.getvalue().splitlines()]


async def only_answers(report: io.StringIO, version: str, within_s: float = 20.0) -> None:
    """Return once a second has been answered by this version alone: the last of the others is gone."""
    async with asyncio.timeout(within_s):
        while True:
            lines = report.getvalue().splitlines()
            if lines and set(json.loads(lines[-1])["versions"]) == {version}:
                return
            await asyncio.sleep(0.1)


def served_by(seconds: list[dict[str, Any]]) -> set[str]:
    """The versions that answered; AssertionError for a request that was not answered well."""
    assert [second["errors"] for second in seconds if second["failed"]] == []
    return {version for second in seconds for version in second["versions"]}


@pytest.mark.kubernetes
async def test_a_rollout_in_kubernetes_costs_no_request_and_its_namespace_goes_with_the_demo(
    tmp_path: Path, kubernetes_cluster: KubernetesCluster
) -> None:
    place = await asyncio.to_thread(places.ready, "kubernetes", tmp_path / "shop")
    assert isinstance(place, Kubernetes)
    try:
        await place.start()
        seconds = await rolled_under_load(place, "v1.2.8", GOOD)
        assert served_by(seconds) == {"v1.2.8", GOOD}
    finally:
        await place.stop()
    left = kubectl(
        kubernetes_cluster.kubeconfig, "get", "namespace", place.namespace, "--ignore-not-found", "--output",
        "jsonpath={.status.phase}",
    )  # fmt: skip
    assert left in ("", "Terminating")


@pytest.mark.swarm
async def test_a_rollout_in_a_swarm_costs_no_request_and_its_service_goes_with_the_demo(
    tmp_path: Path, swarm_cluster: SwarmCluster
) -> None:
    place = await asyncio.to_thread(places.ready, "swarm", tmp_path / "shop")
    assert isinstance(place, Swarm)
    try:
        await place.start()
        seconds = await rolled_under_load(place, "v1.2.8")
        assert served_by(seconds) == {"v1.2.8", GOOD}
    finally:
        await place.stop()
    services = Engine(swarm_cluster.docker_host).ask("GET", "/services")
    assert place.service not in [service["Spec"]["Name"] for service in services]
