"""Where a crash happens while the service is in a cluster: a workspace that lives on, and a bot that is started again."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.workspace import forms
from sandbox.workspace.local import LocalWorkspace
from sandbox.workspace.timings import Timings
from tests.contract.shop import RunningShop
from tests.crash import cluster_victim
from tests.crash.scene import MANIFEST, Bot, Scene
from tests.forks import PROCESSES
from tests.scenarios import services
from tests.scenarios.clusters import HEALTH, PATIENCE_S


class ClusterBot(Bot):
    def _begin(self) -> None:
        self._process = PROCESSES.Process(target=cluster_victim.main, args=(self.environment, self.log))
        self._process.start()


@dataclass
class ClusterScene(Scene):
    shop: RunningShop = field(init=False, repr=False)  # there is none: the service is in the cluster

    async def connected(self) -> None:
        hub = self.workspace.context.hub
        await self.until(
            lambda: self.bot.listening and bool(hub.connections), "a bot that listens", within=PATIENCE_S
        )

    async def knows(self, version: str) -> None:
        """Wait until the bot has seen `version` serve well."""
        alice = self.workspace.person("alice")

        async def known() -> bool:
            home = await alice.open_home()
            text = "" if home is None else forms.text_of(home)
            return version in text and "seen serving well" in text

        await self.until_async(known, f"kaeru to know {version}", within=PATIENCE_S, every=0.5)


@contextlib.asynccontextmanager
async def cluster_scene(
    data: Path, target: Mapping[str, Any], url: str, *, die_at: Sequence[str]
) -> AsyncIterator[ClusterScene]:
    """The service `shop` has one component of this name, `target` in kaeru.yml, and answers customers at `url`."""
    service = {
        "responders": ["@oncall"],
        "target": dict(target),
        "health": {"url": url, **HEALTH},
        "watch": "1s",
        "watch_interval": "250ms",
    }
    (data / "kaeru.yml").write_text(services.whole_file({"shop": service}, {}), encoding="utf-8")
    timings = Timings(ack=2.0, redelivery=(0.0, 5.0, 20.0))
    async with LocalWorkspace(manifest=MANIFEST, rate_limits=False, timings=timings) as workspace:
        environment = {
            "KAERU_CONFIG": str(data / "kaeru.yml"),
            "KAERU_DATA": str(data / "bot"),
            "KAERU_SLACK_API_URL": workspace.api_url,
            "SLACK_BOT_TOKEN": workspace.bot_token,
            "SLACK_APP_TOKEN": workspace.app_token,
            "KAERU_CRASH_NOTES": str(data / "notes"),
            "KAERU_CRASH_AT": " ".join(die_at),
        }
        bot = ClusterBot(environment, data / "notes", data / "bot.log")
        bot.start()
        try:
            found = ClusterScene(workspace, bot, data)
            await found.connected()
            yield found
        finally:
            await bot.stop()
