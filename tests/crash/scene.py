"""Where a crash happens: a workspace and a shop that live on, and a bot that is started again whenever it dies."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

import yaml

from sandbox.demo import kaeru_yml
from sandbox.shop.control import point_current
from sandbox.shop.releases import Shop
from sandbox.workspace.local import LocalWorkspace
from sandbox.workspace.timings import Timings
from tests.contract.shop import PROJECT, RunningShop, copied, running
from tests.crash import victim
from tests.forks import PROCESSES

GOOD, BAD = "v1.2.9", "v1.3.0"
MANIFEST = PROJECT / "manifest.yml"
STOP_S = 25.0
Seen = TypeVar("Seen")


@dataclass
class Bot:
    """A bot with a keeper: as a service manager would, it starts the bot again when it has been killed.

    `deaths` counts the kills. A bot that ends in any other way is not started again; `failure` says so.
    """

    environment: dict[str, str]
    notes: Path
    log: Path
    deaths: int = 0
    failure: str = ""
    _process: BaseProcess | None = None
    _keeper: "asyncio.Task[None] | None" = None
    _stopping: bool = False

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    def start(self) -> None:
        self.notes.mkdir(parents=True, exist_ok=True)
        self._begin()
        self._keeper = asyncio.create_task(self._keep(), name="keeper")

    def _begin(self) -> None:
        self._process = PROCESSES.Process(target=victim.main, args=(self.environment, self.log))
        self._process.start()

    async def _keep(self) -> None:
        while (code := await self._ended()) == -signal.SIGKILL and not self._stopping:
            self.deaths += 1
            self._begin()
        if not self._stopping:
            self.failure = f"The bot ended by itself with {code}; see {self.log}."

    async def _ended(self) -> int | None:
        process = self._process
        assert process is not None
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(process.sentinel, over.set)
        try:
            await over.wait()
        finally:
            loop.remove_reader(process.sentinel)
        process.join()
        return process.exitcode

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def passed(self) -> list[str]:
        """The places that all lives of the bot have passed, in order."""
        return (self.notes / "passed").read_text(encoding="utf-8").split("\n")[:-1]

    @property
    def listening(self) -> bool:
        """Whether the present life has come so far that people can reach it."""
        told = self.notes / "listening"
        return told.exists() and told.read_text(encoding="ascii") == str(self.pid)

    def missed(self, places: Sequence[str]) -> list[str]:
        """Those of the places where it should have been killed and was not."""
        return [place for place in places if not victim.mark(self.notes, place).exists()]

    async def stop(self) -> None:
        """End it as an operator would, and for good. Raises AssertionError where it does not end well."""
        self._stopping = True
        if self._process is None or self._keeper is None:
            return
        if not self._keeper.done():
            self._process.terminate()
        # Only the keeper asks for the exit code: it can be read once.
        _, late = await asyncio.wait([self._keeper], timeout=STOP_S)
        if late:
            self._process.kill()
        await self._keeper
        code, self._process = self._process.exitcode, None
        assert not self.failure, self.failure
        assert code == 0, f"The bot ended with {code}; see {self.log}."


@dataclass
class Scene:
    workspace: LocalWorkspace
    shop: RunningShop
    bot: Bot
    data: Path

    @property
    def database(self) -> str:
        return f"sqlite:///{self.data / 'bot' / 'kaeru.sqlite'}"

    @property
    def engine_file(self) -> Path:
        return self.data / "bot" / "engine.sqlite"

    def accident(self, what: str) -> None:
        """The next restart of the shop goes with an accident; see restarter.py."""
        (self.bot.notes / "accident").write_text(what, encoding="ascii")

    async def connected(self) -> None:
        """Wait until a bot listens."""
        hub = self.workspace.context.hub
        await self.until(lambda: self.bot.listening and bool(hub.connections), "a bot that listens")

    async def until(
        self, look: Callable[[], Seen | None], what: str, *, within: float = 40.0, every: float = 0.03
    ) -> Seen:
        """Look again and again until there is something; fails where the bot has ended by itself."""

        async def looking() -> Seen | None:
            return look()

        return await self.until_async(looking, what, within=within, every=every)

    async def until_async(
        self,
        look: Callable[[], Awaitable[Seen | None]],
        what: str,
        *,
        within: float = 40.0,
        every: float = 0.1,
    ) -> Seen:
        deadline = time.monotonic() + within
        while not (seen := await look()):
            assert not self.bot.failure, self.bot.failure
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {within:g} s for {what}; see {self.bot.log}")
            await asyncio.sleep(every)
        return seen


@contextlib.asynccontextmanager
async def scene(
    data: Path,
    shop: Shop,
    *,
    serving: str,
    memory: Path | None = None,
    die_at: Sequence[str] = (),
    databases: Mapping[str, Any] | None = None,
    around: Mapping[str, Any] | None = None,
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[Scene]:
    """`shop` is copied and serves `serving`; `memory` is a data folder from an earlier life of the bot.

    `databases` are those of the shop, as they stand in kaeru.yml, and `around` are more of its sections. `more` is
    what the bot's environment has besides.
    """
    mine = furnished(data, shop, serving, memory)
    timings = Timings(ack=2.0, redelivery=(0.0, 5.0, 20.0))
    with running(mine) as live:
        async with LocalWorkspace(manifest=MANIFEST, rate_limits=False, timings=timings) as workspace:
            notes = data / "notes"
            write_config(data / "kaeru.yml", live, notes, {"databases": databases, **(around or {})})
            environment = {
                "KAERU_CONFIG": str(data / "kaeru.yml"),
                "KAERU_DATA": str(data / "bot"),
                "KAERU_SLACK_API_URL": workspace.api_url,
                "SLACK_BOT_TOKEN": workspace.bot_token,
                "SLACK_APP_TOKEN": workspace.app_token,
                "KAERU_CRASH_NOTES": str(notes),
                "KAERU_CRASH_AT": " ".join(die_at),
                **(more or {}),
            }
            bot = Bot(environment, notes, data / "bot.log")
            bot.start()
            try:
                found = Scene(workspace, live, bot, data)
                await found.connected()
                yield found
            finally:
                await bot.stop()


def furnished(data: Path, shop: Shop, serving: str, memory: Path | None) -> Shop:
    data.mkdir(parents=True, exist_ok=True)
    mine = copied(shop, data / "shop")
    point_current(mine.root, serving)
    if memory is not None:
        shutil.copytree(memory, data / "bot")
    return mine


def write_config(path: Path, shop: RunningShop, notes: Path, sections: Mapping[str, Any]) -> None:
    """The demo's services file, with short windows and a restart command that may have an accident."""
    kaeru_yml.write(path, root=shop.root, url=shop.url, interval="150ms", watch="2s")
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    service = written["services"]["shop"]
    service["watch_interval"] = "200ms"
    service["health"]["probe_every"] = "400ms"
    service["target"]["restart"] = [sys.executable, "-m", "tests.crash.restarter", str(shop.root), str(notes)]
    for name, section in sections.items():
        if section:
            service[name] = section if isinstance(section, str) else dict(section)
    path.write_text(yaml.safe_dump(written), encoding="utf-8")
