"""A real deploy script: it moves the link of a real shop and restarts it."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from bot.domain.base import Version
from bot.ports.memory import Forgetful
from bot.ports.target import Change
from integrations import runner
from integrations.runs import Runs
from integrations.script import ScriptSettings, ScriptTarget
from sandbox.shop.control import ask, point_current
from tests.classic.crashing import die
from tests.contract.shop import PROJECT, SUPERVISOR, RunningShop
from tests.fakes.memory import FakeMemory

DEPLOY = """\
#!/bin/sh
# deploy.sh VERSION [--strategy=rolling]: let the shop run a version
set -eu
version=$1
echo "deploying $version ($2)"
test -d "{root}/releases/$version" || {{ echo "there is no release $version" >&2; exit 4; }}
ln -s "releases/$version" "{root}/.current.new"
mv -T "{root}/.current.new" "{root}/current"
echo "restarting with token=$DEPLOY_TOKEN"
PYTHONPATH={project} {restart}
echo "done"
"""


def deploy_script(folder: Path, shop: RunningShop) -> Path:
    script = folder / "deploy.sh"
    restart = " ".join((sys.executable, *SUPERVISOR[1:], "restart", "--root", str(shop.root)))
    text = DEPLOY.format(root=shop.root, project=PROJECT, restart=restart)
    script.write_text(text, encoding="ascii")
    script.chmod(0o755)
    return script


def script_settings(folder: Path, url: str | None, **other: Any) -> ScriptSettings:
    """In a hurry, unless told otherwise."""
    usual = {
        "command": ["./deploy.sh", "{version}", "--strategy=rolling"],
        "cwd": folder,
        "state": folder / "state",
        "environment": {"DEPLOY_TOKEN": "hunter2"},
        "known_versions": ["v1.2.8", "v1.2.9", "v1.3.0"],
        "version_url": url and f"{url}/version",
        "settle": "300ms",
        "grace": "500ms",
        "timeout": "20s",
    }
    return ScriptSettings(**{**usual, **other})


class ScriptWorld:
    """For the contract suite: the link says what is deployed, the shop what runs."""

    survivors = ("v1.3.0",)
    faults = None

    def __init__(self, folder: Path, shop: RunningShop) -> None:
        self.shop = shop
        deploy_script(folder, shop)
        settings = script_settings(
            folder,
            shop.url,
            current=["sh", "-c", f"basename $(readlink {shop.root}/current)"],
            versions=["ls", str(shop.shop.releases)],
            known_versions=[],
        )
        self.target = ScriptTarget(settings, FakeMemory())

    async def deploy(self, version: Version) -> None:
        await asyncio.to_thread(self._deploy, version)

    def _deploy(self, version: Version) -> None:
        point_current(self.shop.root, version)
        ask(self.shop.root, "restart")

    async def break_release(self, version: Version) -> None:
        settings = self.shop.shop.releases / version / "shop" / "settings.py"
        text = 'raise SystemExit("shop: the payment account is missing, API_KEY=hunter2 was not enough")\n'
        settings.write_text(text, encoding="ascii")

    async def starts(self) -> int:
        log = (self.shop.root / "log" / "shop.log").read_text(encoding="utf-8")
        return log.count(" serves port ")


def run_and_die(settings: str, change: str, at: str, said: str) -> None:
    """Apply and follow, and be killed: while it is started, or once it has handed over lines, which go into `said`."""
    match at:
        case "before the order":
            runner.write = lambda *_: die()  # type: ignore[assignment] # this process ends here
        case "before the start":
            Runs._spawn = lambda *_: die()  # type: ignore[method-assign] # as above
        case "after the start":
            real = Runs._spawn

            def spawn(*arguments: Any) -> None:
                real(*arguments)
                die()

            Runs._spawn = spawn  # type: ignore[method-assign] # as above
    asyncio.run(_run_and_die(settings, change, Path(said)))


async def _run_and_die(settings: str, change: str, said: Path) -> None:
    target = ScriptTarget(ScriptSettings.model_validate_json(settings), Forgetful())
    planned = Change.model_validate_json(change)
    await target.apply(planned, "k")
    async for seen in target.follow(planned, "k"):
        if seen.output:
            said.write_text("\n".join(seen.output), encoding="utf-8")  # noqa: ASYNC240 - the last thing it does
            die()
