"""Nodes that a script deploys to, one after the other, and that really answer by what it did."""

import itertools
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.scenarios.world import BAD, GOOD, OLDER

Json = dict[str, Any]

VERSIONS = (OLDER, GOOD, BAD)
SEARCH = """\
#!/bin/sh
# deploy.sh VERSION: let one node after the other serve it
set -eu
for node in node1 node2; do
  echo "$node: $1"
  ln -s "../releases/$1" "$node/.current.new"
  mv -T "$node/.current.new" "$node/current"
done
"""


@dataclass(frozen=True)
class Nodes:
    """Two nodes behind one address that a script deploys to, one after the other. Each serves what its link leads to."""

    folder: Path
    url: str

    def deploy(self, version: str) -> None:
        argv = ["./deploy.sh", version]
        subprocess.run(argv, cwd=self.folder, check=True, capture_output=True, timeout=20)

    def links(self) -> list[str]:
        return [(self.folder / node / "current").readlink().name for node in ("node1", "node2")]

    @property
    def target(self) -> Json:
        return {
            "kind": "script",
            "command": ["./deploy.sh", "{version}"],
            "cwd": str(self.folder),
            "state": str(self.folder / "state"),
            "versions": ["ls", "releases"],
            "version_url": f"{self.url}/version",
        }


@contextmanager
def two_nodes(folder: Path) -> Iterator[Nodes]:
    for version in VERSIONS:
        release = folder / "releases" / version
        release.mkdir(parents=True)
        (release / "version").write_text(json.dumps({"version": version}), encoding="ascii")
    turns = itertools.cycle(("node1", "node2"))
    for node in ("node1", "node2"):
        (folder / node).mkdir()
    script = folder / "deploy.sh"
    script.write_text(SEARCH, encoding="ascii")
    script.chmod(0o755)

    class Handler(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            return str(folder / next(turns) / "current" / path.strip("/").partition("?")[0])

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Whoever asks hangs up when they know enough."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            nodes = Nodes(folder, f"http://127.0.0.1:{server.server_port}")
            nodes.deploy(GOOD)
            yield nodes
        finally:
            server.shutdown()
            thread.join()
