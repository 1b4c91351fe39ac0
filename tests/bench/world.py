"""Where benchmarks run: a workspace process, a bot process, and what the bot looks after."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import aiohttp

from sandbox.demo.processes import Child
from sandbox.demo.stage import READY_S, Stage, manifest
from sandbox.workspace import forms
from sandbox.workspace.model import Json
from sandbox.workspace.person import Person
from tests.bench.database import LOOK_EVERY_S, Looking

OLD, NEW = "v1.0.0", "v1.1.0"

_HEAD = """\
workspace: { stakeholders: incidents }
people:
  alice: { slack: U0ALICE, name: Alice }
  bob: { slack: U0BOB, name: Bob }
groups: { oncall: [alice, bob] }
policies: { default: { quorum: 1, approvers: ["@oncall"] } }
services:
"""
_SERVICE = """\
  {name}:
    description: A folder of releases
    responders: ["@oncall"]
    target:
      kind: symlink
      releases: {root}/releases
      link: {root}/current
      restart: ["true"]
"""


class Workspace:
    """The timed workspace in a process of its own, and what it says about itself."""

    def __init__(self, data: Path, *, rate_limits: bool) -> None:
        argv = [sys.executable, "-m", "tests.bench.workspace", "--manifest", str(manifest())]
        argv += [] if rate_limits else ["--no-rate-limits"]
        self.child = Child("workspace", argv, data / "workspace.log")
        self.url = ""
        self.bot_env: dict[str, str] = {}

    async def start(self) -> Json:
        await self.child.start()
        ready = await self.child.first_line(READY_S)
        self.url = ready["url"].rstrip("/")
        self.bot_env = {
            "KAERU_SLACK_API_URL": f"{self.url}/api/",
            "SLACK_BOT_TOKEN": ready["bot_token"],
            "SLACK_APP_TOKEN": ready["app_token"],
        }
        return ready


class BotWorld:
    """A workspace, and a bot that looks after the services of `listed`: a part of kaeru.yml, each indented by two."""

    def __init__(self, data: Path, listed: str) -> None:
        self.data = data
        self.listed = listed
        self.workspace = Workspace(data, rate_limits=False)

    async def __aenter__(self) -> Self:
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / "kaeru.yml").write_text(_HEAD + self.listed, encoding="utf-8")
        await self.workspace.start()
        env = {
            **self.workspace.bot_env,
            "KAERU_CONFIG": str(self.data / "kaeru.yml"),
            "KAERU_DATA": str(self.data / "bot"),
        }
        self.bot = Child(
            "bot", [sys.executable, "-m", "bot", "run", "--announce"], self.data / "bot.log", env
        )
        return self

    async def start_bot(self) -> float:
        """Seconds from the start of the process until it listens."""
        began = time.monotonic()
        await self.bot.start()
        await self.bot.first_line(READY_S)
        return time.monotonic() - began

    async def __aexit__(self, *_: object) -> None:
        await self.bot.stop()
        await self.workspace.child.stop()

    @property
    def url(self) -> str:
        return self.workspace.url

    @property
    def database(self) -> Path:
        return self.data / "bot" / "kaeru.sqlite"


class World(BotWorld):
    """Services that are folders with a link, without anything that serves: for what does not need the shop."""

    def __init__(self, data: Path, services: tuple[str, ...]) -> None:
        self.services = services
        self._root = data / "services"
        listed = (_SERVICE.format(name=name, root=self.root(name)) for name in services)
        super().__init__(data, "".join(listed))

    async def __aenter__(self) -> Self:
        for name in self.services:
            root = self.root(name)
            for version in (OLD, NEW):
                (root / "releases" / version).mkdir(parents=True)
            (root / "current").symlink_to(root / "releases" / NEW)
        return await super().__aenter__()

    def root(self, service: str) -> Path:
        return self._root / service


class ShopStage(Stage):
    """The demo's stage, with its shop and customers, beside the timed workspace."""

    async def _workspace(self) -> dict[str, Any]:
        workspace = Workspace(self.data, rate_limits=True)
        self._children.append(workspace.child)
        return await workspace.start()

    @property
    def database(self) -> Path:
        return self.data / "bot" / "kaeru.sqlite"

    @property
    def bot_pid(self) -> int:
        return next(child.pid for child in self._children if child.name == "bot")


class Incident:
    """An incident that a benchmark plays through. `id` and `channel` are known once it is declared."""

    def __init__(self, alice: Person, database: Looking, service: str, *, version: str = "") -> None:
        self._alice = alice
        self._database = database
        self._version = version
        self.service = service
        self.id = ""
        self.channel = ""

    async def declare(self) -> float:
        """Type /rollback. Returns the time at which it was sent."""
        before = self._database.one("SELECT count(*) FROM kaeru_incident WHERE service = ?", self.service)
        sent = time.monotonic()
        await self._alice.command("#general", f"/rollback {self.service} {self._version}".rstrip())
        opened = (
            "SELECT channel_id IS NOT NULL FROM kaeru_incident WHERE service = ? AND status <> 'closed' "
            "AND (SELECT count(*) FROM kaeru_incident WHERE service = ?) > ?"
        )
        await self._database.until(opened, self.service, self.service, before)
        found = "FROM kaeru_incident WHERE service = ? AND status <> 'closed'"
        self.id = self._database.one(f"SELECT id {found}", self.service)
        self.channel = self._database.one(f"SELECT channel_id {found}", self.service)
        return sent

    async def say_how_bad(self) -> float:
        """Click Critical as soon as it can be clicked. Returns the time of the click."""
        prompt = await self._alice.message(self.channel, has_button("Critical"), timeout=20)
        clicked = time.monotonic()
        await self._alice.click(prompt, "Critical")
        return clicked

    async def plan_card(self) -> Json:
        return await self._alice.message(self.channel, has_button("Approve"), timeout=20)

    async def reached(self, status: str, *, timeout_s: float = 60.0, every_s: float = LOOK_EVERY_S) -> float:
        """Wait until the bot has committed that the incident stands there. Returns the time."""
        is_there = "SELECT status = ? FROM kaeru_incident WHERE id = ?"
        return await self._database.until(is_there, status, self.id, timeout_s=timeout_s, every_s=every_s)


def has_button(text: str) -> Callable[[Json], bool]:
    return lambda message: any(
        element["type"] == "button" and forms.label(element) == text for _, element in forms.elements(message)
    )


async def calls(url: str) -> list[Json]:
    """Every call that the bot made since the last `forget`, in the order of their answers."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/bench/calls") as response:
        answered: list[Json] = await response.json()
    return answered


async def type_at_once(url: str, commands: list[tuple[str, str, str]]) -> Json:
    """Commands as (user, channel, text), all at the same moment. Returns the milliseconds until the acks."""
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}/bench/forget"):
            pass
        async with session.post(f"{url}/bench/commands", json={"commands": commands}) as response:
            refused = (await response.json())["refused"]
        async with session.get(f"{url}/stats") as response:
            ack_ms: Json = (await response.json())["ack_ms"]["slash_commands"]
    return {**ack_ms, "refused": refused}
