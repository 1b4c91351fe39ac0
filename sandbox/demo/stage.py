"""Everything the demo consists of: a workspace, a shop with customers, and the bot, each a real process."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Self

from sandbox.demo import kaeru_yml
from sandbox.demo.places import BAD, GOOD, Place
from sandbox.demo.places.processes import Processes
from sandbox.demo.ports import is_free, taken
from sandbox.demo.processes import Child, StartError, run

__all__ = ["BAD", "GOOD", "Stage"]

LOAD_SECONDS = 3600
READY_S = 60.0
"""A part that ends is noticed at once; only one that hangs is waited for as long as this. A busy machine is no failure."""


class Stage:
    """Starts and stops it all. `data` holds every file; `url` is the page's address once it is up.

    `place` is where the shop runs; left out: as processes of this machine.
    """

    def __init__(self, data: Path, *, port: int = 0, watch: str = "15s", place: Place | None = None) -> None:
        self.data = data
        self.url = ""
        self.place = place or Processes(data / "shop")
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
        """The folder with the shop's repository."""
        return self.data / "shop"

    @property
    def shop_url(self) -> str:
        return self.place.url

    @property
    def report(self) -> Path:
        """Where the customers write, second by second, how they were served."""
        return self.data / "load.jsonl"

    async def _start(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self.report.unlink(missing_ok=True)
        workspace, shop = await asyncio.gather(self._workspace(), self._shop(), return_exceptions=True)
        # Both have ended, well or not: nothing goes on starting while the rest is stopped.
        for failed in (workspace, shop):
            if isinstance(failed, BaseException):
                raise failed
        self.url = workspace["url"].rstrip("/")
        kaeru_yml.write(
            self.data / "kaeru.yml",
            root=self.shop,
            url=self.shop_url,
            target=self.place.target(),
            watch=self._watch,
        )
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
        try:
            return await workspace.first_line(READY_S)
        except StartError as error:
            if self._port and not workspace.running and not is_free(self._port):
                raise StartError(taken(self._port)) from error
            raise

    async def _shop(self) -> None:
        await self.place.start()
        load = [sys.executable, "-m", "sandbox.shop.load", "--url", self.shop_url, "--rps", "20", "--fresh"]
        load += ["--seconds", str(LOAD_SECONDS), "--report", str(self.report)]
        await self._child("customers", load).start()

    def _child(self, name: str, argv: list[str], env: dict[str, str] | None = None) -> Child:
        child = Child(name, argv, self.data / f"{name}.log", env)
        self._children.append(child)
        return child

    async def deploy(self, version: str) -> None:
        """What an engineer does on a bad day. Raises StartError."""
        await self.place.deploy(version)

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
        return [*(child.name for child in self._children if not child.running), *self.place.dead()]

    async def stop(self) -> None:
        """End every process, the last started first."""
        for child in reversed(self._children):
            await child.stop()
        self._children.clear()
        await self.place.stop()


def manifest() -> Path:
    """The Slack app's manifest: at the root of the repository, or beside the bot in an installed package."""
    root = Path(__file__).resolve().parents[2]
    return next(path for path in (root / "manifest.yml", root / "bot" / "manifest.yml") if path.exists())
