"""Two hosts behind a proxy, restarted one after the other while customers come and go: nobody may notice."""

import asyncio
import collections
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, aclosing
from pathlib import Path

from bot.domain.evidence import Outcome
from bot.workflows.applying import applied
from integrations.hosts import HostsSettings
from integrations.hosts.target import HostsTarget
from tests.bench.result import Result, at_most, demand_load
from tests.contract.shop import eventually
from tests.contract.worlds import change
from tests.hosts.sshd import Sshd, free_port, new_key, public, serving

NAMES = ("symlink_switch_failed_requests",)
CHANGES = 4
RPS, DIRECT_RPS = 500, 100
LONGEST_S = 90.0
FEWEST = 2000
"""Requests, for a restart to have met some."""
TICK_S = 0.01
ANSWER_S = 5.0
KEPT_S = 2.0
"""A connection that was idle for longer is not used again: the proxy closes such ones after 10 s, as any does."""
VERSIONS = ("v1.2.9", "v1.3.0")
HOSTS = ("web1", "web2")

NGINX = """\
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/tmp; proxy_temp_path {folder}/tmp; fastcgi_temp_path {folder}/tmp;
  uwsgi_temp_path {folder}/tmp; scgi_temp_path {folder}/tmp;
  server {{ listen 127.0.0.1:{port}; include {folder}/root.conf; }}
}}
"""

# As `systemctl restart` does it: what has begun is finished, then nobody listens, then the new one starts. It serves
# the release that the link named when it was started.
RESTART = """\
#!/bin/sh
cd "$(dirname "$0")" || exit 9
if pid=$(cat nginx.pid 2>/dev/null); then
    {nginx} -p . -e error.log -c "$PWD/nginx.conf" -s quit
    while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
fi
echo "root $(readlink -f current);" > root.conf
exec {nginx} -p . -e error.log -c "$PWD/nginx.conf"
"""

HAPROXY = """\
global
  maxconn 2000
defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response response-timeout
frontend customers
  bind 127.0.0.1:{port}
  default_backend shop
backend shop
  balance roundrobin
  server web1 127.0.0.1:{web1} check inter 200ms
  server web2 127.0.0.1:{web2} check inter 200ms
"""


def program(name: str) -> str:
    """Where Debian has put it; /usr/sbin is not in everybody's path."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: apt-get install {name}")
    return found


class Crowd:
    """`rps` requests a second, started evenly whether or not earlier ones have been answered, over kept connections."""

    def __init__(self, port: int, rps: int) -> None:
        self.port = port
        self.rps = rps
        self.answered = 0
        self.errors: collections.Counter[str] = collections.Counter()
        self.stopped = asyncio.Event()
        self.took_s = 0.0
        self._idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def run(self) -> None:
        begun, started = time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            while not self.stopped.is_set() and time.monotonic() - begun < LONGEST_S:
                due = int((time.monotonic() - begun) * self.rps)
                for _ in range(due - started):
                    group.create_task(self._visit())
                started = due
                await asyncio.sleep(TICK_S)
            self.took_s = time.monotonic() - begun
        for _, _, writer in self._idle:
            writer.close()

    async def _visit(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                status, body = await self._asked()
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self.errors[type(error).__name__] += 1
            return
        if status != b"200" or json.loads(body)["version"] not in VERSIONS:
            self.errors[f"HTTP {status.decode()}"] += 1
        else:
            self.answered += 1

    async def _asked(self) -> tuple[bytes, bytes]:
        while self._idle and self._idle[0][0] < time.monotonic() - KEPT_S:
            self._idle.pop(0)[2].close()
        if self._idle:
            _, reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        kept = False
        try:
            writer.write(b"GET /version HTTP/1.1\r\nHost: shop\r\n\r\n")
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            kept = b"connection: close" not in head
        finally:
            if kept:
                self._idle.append((time.monotonic(), reader, writer))
            else:
                writer.close()
        return head.split(b" ", 2)[1], body


def _host(folder: Path, port: int) -> None:
    for version in VERSIONS:
        release = folder / "releases" / version
        release.mkdir(parents=True)
        (release / "version").write_text(json.dumps({"version": version}), encoding="ascii")
    (folder / "current").symlink_to(f"releases/{VERSIONS[0]}")
    user = "user root;" if os.geteuid() == 0 else ""  # the folder is root's alone
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, user=user), encoding="utf-8")
    script = folder / "restart"
    script.write_text(RESTART.format(nginx=program("nginx")), encoding="ascii")
    script.chmod(0o755)


@contextlib.contextmanager
def _running(folder: Path) -> Iterator[None]:
    subprocess.run([folder / "restart"], check=True, timeout=30)
    try:
        yield
    finally:
        argv = [program("nginx"), "-p", str(folder), "-e", "error.log", "-c", str(folder / "nginx.conf")]
        subprocess.run([*argv, "-s", "stop"], check=True, timeout=30, stderr=subprocess.DEVNULL)
        eventually(lambda: not (folder / "nginx.pid").exists())


@contextlib.contextmanager
def _proxy(folder: Path, ports: dict[str, int]) -> Iterator[int]:
    port = free_port()
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port, **ports), encoding="ascii")
    argv = [program("haproxy"), "-db", "-q", "-f", str(config)]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: _answers(port))
            yield port
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    done = subprocess.run(
        ["curl", "-fsS", "-o", "/dev/null", f"http://127.0.0.1:{port}/version"],
        check=False,
        timeout=10,
        stderr=subprocess.DEVNULL,
    )
    return done.returncode == 0


async def measure(data: Path) -> list[Result]:
    with ExitStack() as stack:
        identity, ports, hosts = new_key(data / "identity"), {}, []
        keys = data / "authorized_keys"
        keys.write_text(f"{public(identity)}\n", encoding="ascii")
        known = ""
        for name in HOSTS:
            ports[name] = free_port()
            _host(data / name, ports[name])
            stack.enter_context(_running(data / name))
            server = stack.enter_context(serving(Sshd(data / "ssh" / name, keys)))
            known += server.known
            url = f"http://127.0.0.1:{ports[name]}/version"
            hosts.append({"name": name, "address": server.address, "version_url": url})
        (data / "known_hosts").write_text(known, encoding="ascii")
        settings = HostsSettings.model_validate(
            {
                "hosts": hosts,
                "releases": f"{data}/{{host}}/releases",
                "link": f"{data}/{{host}}/current",
                "restart": [f"{data}/{{host}}/restart"],
                "known_hosts": str(data / "known_hosts"),
                "identity": str(identity),
                "soak": "500ms",  # the proxy looks every 200 ms
            }
        )
        proxied = Crowd(stack.enter_context(_proxy(data, ports)), RPS)
        direct = Crowd(ports["web1"], DIRECT_RPS)
        await _switched(settings, [proxied, direct])
    failed = sum(proxied.errors.values())
    asked = proxied.answered + failed
    rate = asked / proxied.took_s
    demand_load(NAMES[0], answered=proxied.answered, fewest=FEWEST, rate=rate, aimed_at=RPS)
    note = (
        f"{CHANGES} changes, {CHANGES * len(HOSTS)} restarts over SSH, two hosts behind HAProxy; {failed} of {asked} "
        f"failed at {rate:.0f} requests a second; past the proxy {sum(direct.errors.values())} of "
        f"{direct.answered + sum(direct.errors.values())}"
    )
    kinds = "".join(f", {kind}: {count}" for kind, count in proxied.errors.items())
    return [Result(NAMES[0], failed, "requests", at_most(0), note + kinds)]


async def _switched(settings: HostsSettings, crowds: list[Crowd]) -> None:
    async with aclosing(HostsTarget(settings)) as target, asyncio.TaskGroup() as group:
        for crowd in crowds:
            group.create_task(crowd.run())
        try:
            for turn in range(CHANGES):
                goal = VERSIONS[(turn + 1) % 2]
                done = await applied(target, change(await target.inspect(), goal), key=f"bench {turn}")
                if done.outcome is not Outcome.SUCCEEDED:
                    raise RuntimeError(f"the change to {goal} did not succeed: {done.detail}")
        finally:
            for crowd in crowds:
                crowd.stopped.set()
