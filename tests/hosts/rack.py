"""Hosts that cost little: folders behind SSH servers, a script that restarts, and a server that says what "runs".

The contract suite has the shop's real process on each host; what is tried here is the way from host to host.
"""

import contextlib
import http.server
import json
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.domain.base import Version
from integrations.hosts import HostsSettings
from integrations.hosts.target import HostsTarget
from tests.hosts.sshd import Sshd, new_key, public, serving

BAD, GOOD, OLDER = "v1.3.0", "v1.2.9", "v1.2.8"
VERSIONS = (OLDER, GOOD, BAD)

RESTART = """\
#!/bin/sh
# Notes when it begins and ends, and where another one runs beside it; waits at the gate, if it is shut.
cd "$(dirname "$0")" || exit 9
mkdir busy 2>/dev/null || echo overlap >> log
version=$(basename "$(readlink current)")
echo "begin $version" >> log
while [ -e gate ]; do sleep 0.02; done
rmdir busy
if [ -e "releases/$version/broken" ]; then
    echo "$version starts" >&2
    echo "payment: token=hunter2 was not enough" >&2
    exit 1
fi
echo "$version" > running
echo "end $version" >> log
"""


class Voice(http.server.BaseHTTPRequestHandler):
    """`/HOST/version`: what the last restart of that host has brought up."""

    folder: Path

    def do_GET(self) -> None:
        name = self.path.split("/")[1]
        try:
            body = json.dumps({"version": (self.folder / name / "running").read_text().strip()}).encode()
        except FileNotFoundError:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class' signature
        """Says nothing."""


@dataclass
class Rack:
    """`servers` by the name of the host. `url` is where the versions are asked for."""

    folder: Path
    servers: Mapping[str, Sshd]
    known_hosts: Path
    identity: Path
    url: str

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.servers)

    def settings(self, *names: str, **other: Any) -> HostsSettings:
        usual: dict[str, Any] = {
            "hosts": [{"name": n, "address": self.servers[n].address} for n in names or self.names],
            "releases": f"{self.folder}/{{host}}/releases",
            "link": f"{self.folder}/{{host}}/current",
            "restart": (f"{self.folder}/{{host}}/restart",),
            "version_url": f"{self.url}/{{host}}/version",
            "known_hosts": self.known_hosts,
            "identity": self.identity,
            "settle": "2s",
            "reconnect": "10s",
        }
        return HostsSettings(**{**usual, **other})

    def target(self, *names: str, **other: Any) -> HostsTarget:
        return HostsTarget(self.settings(*names, **other))

    def host(self, name: str) -> Path:
        return self.folder / name

    def link(self, name: str) -> Path:
        return self.folder / name / "current"

    def links(self, *names: str) -> list[str]:
        return [self.link(name).readlink().name for name in names or self.names]

    def serves(self) -> list[str]:
        return [(self.host(name) / "running").read_text().strip() for name in self.names]

    def log(self, name: str) -> list[str]:
        """What the restart script noted."""
        log = self.host(name) / "log"
        return log.read_text(encoding="ascii").splitlines() if log.exists() else []

    def restarts(self) -> dict[str, int]:
        """How often each host was restarted, ones that failed too."""
        return {name: sum(line.startswith("begin") for line in self.log(name)) for name in self.names}

    def left_behind(self) -> list[Path]:
        """What kaeru forgot beside a link."""
        return list(self.folder.glob("*/.current*"))

    def deploy(self, version: Version, *names: str) -> None:
        """What somebody does past kaeru."""
        for name in names or self.names:
            fresh = self.host(name) / "fresh"
            fresh.symlink_to(f"releases/{version}")
            fresh.replace(self.link(name))
            (self.host(name) / "running").write_text(f"{version}\n")

    def break_release(self, version: Version, *names: str) -> None:
        for name in names or self.names:
            (self.host(name) / "releases" / version / "broken").touch()

    def reset(self) -> None:
        """Nothing has happened yet: the bad version runs everywhere."""
        for name, server in self.servers.items():
            if not server.is_running:
                server.start()
            shutil.rmtree(self.host(name), ignore_errors=True)
            for version in VERSIONS:
                (self.host(name) / "releases" / version).mkdir(parents=True)
            script = self.host(name) / "restart"
            script.write_text(RESTART, encoding="ascii")
            script.chmod(0o755)
        self.deploy(BAD)


@contextlib.contextmanager
def rack_of(folder: Path, *names: str, together: bool = False, **server: Any) -> Iterator[Rack]:
    """Each host with a server of its own, or all of them behind one (`together`)."""
    identity = new_key(folder / "identity")
    keys = folder / "authorized_keys"
    keys.write_text(f"{public(identity)}\n", encoding="ascii")
    voice = type("VoiceOfRack", (Voice,), {"folder": folder})
    with contextlib.ExitStack() as stack:
        servers: dict[str, Sshd] = {}
        for name in names:
            shared = together and servers
            servers[name] = (
                next(iter(servers.values()))
                if shared
                else stack.enter_context(serving(Sshd(folder / "ssh" / name, keys, **server)))
            )
        known = folder / "known_hosts"
        known.write_text("".join(s.known for s in dict.fromkeys(servers.values())), encoding="ascii")
        speaking = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), voice))
        thread = threading.Thread(target=speaking.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        stack.callback(thread.join)
        stack.callback(speaking.shutdown)
        rack = Rack(folder, servers, known, identity, f"http://127.0.0.1:{speaking.server_port}")
        rack.reset()
        yield rack
