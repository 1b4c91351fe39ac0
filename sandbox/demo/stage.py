"""Everything the demo consists of: a workspace, a shop with customers, and the bot, each a real process."""

import asyncio
import json
import socket
import sys
import time
from pathlib import Path
from typing import Any, Self

from sandbox.demo import kaeru_yml
from sandbox.demo.processes import Child, StartError, run
from sandbox.shop.control import point_current
from sandbox.shop.releases.builder import build

GOOD, BAD = "v1.2.9", "v1.3.0"
LOAD_SECONDS = 3600
READY_S = 20.0


class Stage:
    """Starts and stops it all. `data` holds every file; `url` is the page's address once it is up."""

    def __init__(self, data: Path, *, port: int = 0, watch: str = "15s") -> None:
        self.data = data
        self.url = ""
        self.shop_url = ""
        self._port = port
        self._watch = watch
        self._children: list[Child] = []
        self._bot_env: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def shop(self) -> Path:
        return self.data / "shop"

    @property
    def report(self) -> Path:
        """Where the customers write, second by second, how they were served."""
        return self.data / "load.jsonl"

    async def _start(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self.report.unlink(missing_ok=True)
        workspace, _ = await asyncio.gather(self._workspace(), self._shop())
        self.url = workspace["url"].rstrip("/")
        kaeru_yml.write(self.data / "kaeru.yml", root=self.shop, url=self.shop_url, watch=self._watch)
        self._bot_env = {
            "KAERU_CONFIG": str(self.data / "kaeru.yml"),
            "KAERU_DATA": str(self.data / "bot"),
            "KAERU_SLACK_API_URL": f"{self.url}/api/",
            "SLACK_BOT_TOKEN": workspace["bot_token"],
            "SLACK_APP_TOKEN": workspace["app_token"],
        }
        bot = self._child("bot", [sys.executable, "-m", "bot", "run", "--announce"], self._bot_env)
        await bot.start()
        await bot.first_line(READY_S)

    async def _workspace(self) -> dict[str, Any]:
        argv = [sys.executable, "-m", "sandbox.workspace", "--port", str(self._port)]
        # With the data the talk is kept as well: the bot goes on with the incidents that it knows.
        argv += ["--manifest", str(manifest()), "--state", str(self.data / "workspace.json")]
        workspace = self._child("workspace", argv)
        await workspace.start()
        return await workspace.first_line(READY_S)

    async def _shop(self) -> None:
        await asyncio.to_thread(build, self.shop, current=GOOD)
        await asyncio.to_thread(self._point_at_good)
        port = free_port()
        self.shop_url = f"http://127.0.0.1:{port}"
        argv = [
            sys.executable,
            "-m",
            "sandbox.shop.supervisor",
            "run",
            "--root",
            str(self.shop),
            "--port",
            str(port),
        ]
        await self._child("shop", argv).start()
        await self._answering(self.shop_url)
        load = [sys.executable, "-m", "sandbox.shop.load", "--url", self.shop_url, "--rps", "20"]
        load += ["--seconds", str(LOAD_SECONDS), "--report", str(self.report)]
        await self._child("customers", load).start()

    def _point_at_good(self) -> None:
        point_current(self.shop, GOOD)

    def _child(self, name: str, argv: list[str], env: dict[str, str] | None = None) -> Child:
        child = Child(name, argv, self.data / f"{name}.log", env)
        self._children.append(child)
        return child

    async def _answering(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        deadline = time.monotonic() + READY_S
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError as error:
                if time.monotonic() > deadline:
                    raise StartError(f"Nothing answers at {url}.") from error
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return

    async def deploy(self, version: str) -> None:
        """What an engineer does on a bad day. Raises StartError."""
        argv = [sys.executable, "-m", "sandbox.shop.supervisor", "deploy", version, "--root", str(self.shop)]
        code, printed = await run(argv)
        if code != 0:
            raise StartError(f"Deploying {version} failed: {printed.strip()}")

    async def kaeru(self, *words: str) -> tuple[int, str]:
        """Run the kaeru command line against this stage's bot."""
        return await run([sys.executable, "-m", "bot", *words], self._bot_env)

    def seconds(self) -> list[dict[str, Any]]:
        """What the customers have reported so far, oldest second first."""
        if not self.report.exists():
            return []
        whole = self.report.read_text(encoding="utf-8")
        return [json.loads(line) for line in whole.splitlines(keepends=True) if line.endswith("\n")]

    def dead(self) -> list[str]:
        """The names of parts that have ended although they should run."""
        return [child.name for child in self._children if not child.running]

    async def stop(self) -> None:
        """End every process, the last started first."""
        for child in reversed(self._children):
            await child.stop()
        self._children.clear()


def manifest() -> Path:
    """The Slack app's manifest: at the root of the repository, or beside the bot in an installed package."""
    root = Path(__file__).resolve().parents[2]
    return next(path for path in (root / "manifest.yml", root / "bot" / "manifest.yml") if path.exists())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether something can listen on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
