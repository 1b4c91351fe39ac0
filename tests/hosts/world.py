"""Three hosts: three SSH servers, each with releases, a link, and the shop's real process behind it."""

import contextlib
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.domain.base import Version
from bot.ports.target import Target
from integrations.hosts import HostsSettings
from integrations.hosts.target import HostsTarget
from sandbox.shop.control import ControlError, ask, point_current
from sandbox.shop.releases import Shop
from tests.contract.shop import PROJECT, SUPERVISOR, RunningShop, copied, running
from tests.hosts.sshd import Sshd, new_key, public, serving

NAMES = ("web1", "web2", "web3")
BAD, GOOD, OLDER = "v1.3.0", "v1.2.9", "v1.2.8"


@dataclass
class Site:
    """All hosts. `folder` holds one folder per host; `settings` are how kaeru sees them."""

    folder: Path
    servers: Mapping[str, Sshd]
    shops: Mapping[str, RunningShop]
    known_hosts: Path
    identity: Path

    def settings(self, names: Sequence[str] = NAMES, **other: Any) -> HostsSettings:
        hosts = [
            {
                "name": name,
                "address": self.servers[name].address,
                "version_url": f"{self.shops[name].url}/version",
            }
            for name in names
        ]
        usual: dict[str, Any] = {
            "hosts": hosts,
            "releases": f"{self.folder}/{{host}}/releases",
            "link": f"{self.folder}/{{host}}/current",
            "restart": self.restart,
            "known_hosts": self.known_hosts,
            "identity": self.identity,
            "settle": "5s",
        }
        return HostsSettings(**{**usual, **other})

    def target(self, names: Sequence[str] = NAMES, **other: Any) -> HostsTarget:
        return HostsTarget(self.settings(names, **other))

    @property
    def restart(self) -> tuple[str, ...]:
        return (
            "env",
            f"PYTHONPATH={PROJECT}",
            sys.executable,
            *SUPERVISOR[1:],
            "restart",
            "--root",
            f"{self.folder}/{{host}}",
        )

    def link(self, name: str) -> Path:
        return self.folder / name / "current"

    def links(self) -> list[str]:
        return [self.link(name).readlink().name for name in self.shops]

    def serves(self) -> list[str]:
        return [str(shop.get("/version")[2]["version"]) for shop in self.shops.values()]

    def left_behind(self) -> list[Path]:
        """What kaeru forgot beside a link."""
        return [path for name in self.shops for path in (self.folder / name).glob(".current*")]

    def deploy(self, version: Version, names: Sequence[str] = NAMES) -> None:
        """What somebody does past kaeru."""
        for name in names:
            point_current(self.shops[name].root, version)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: ask(self.shops[name].root, "restart"), names))

    def break_release(self, version: Version, names: Sequence[str] = NAMES) -> None:
        text = 'raise SystemExit("shop: the payment account is missing, API_KEY=hunter2 was not enough")\n'
        for name in names:
            self._settings_of(name, version).write_text(text, encoding="ascii")

    def starts(self) -> int:
        logs = [shop.root / "log" / "shop.log" for shop in self.shops.values()]
        return sum(log.read_text(encoding="utf-8").count(" serves port ") for log in logs)

    def reset(self, built: Shop) -> None:
        """As it was: the bad version everywhere, whole releases, servers that answer, nothing left behind."""
        for server in self.servers.values():
            if not server.is_running:
                server.start()
        stray: list[str] = []
        for name, shop in self.shops.items():
            for release in shop.shop.releases.iterdir():
                if not (built.releases / release.name).exists():
                    shutil.rmtree(release)
            for version in (BAD, GOOD, OLDER):
                self._restore(built, name, version)
            if self.link(name).readlink().name != BAD or self._running(shop) != BAD:
                stray.append(name)
        self.deploy(BAD, stray)
        for path in self.left_behind():
            path.unlink()

    def _restore(self, built: Shop, name: str, version: Version) -> None:
        mine = self.shops[name].shop.releases / version
        if not mine.exists():
            shutil.copytree(built.releases / version, mine)
        original = built.releases / version / "shop" / "settings.py"
        self._settings_of(name, version).write_bytes(original.read_bytes())

    def _settings_of(self, name: str, version: Version) -> Path:
        return self.shops[name].shop.releases / version / "shop" / "settings.py"

    @staticmethod
    def _running(shop: RunningShop) -> str | None:
        try:
            found = shop.status()["running"]
        except ControlError:
            return None
        return str(found["version"]) if found else None


@contextlib.contextmanager
def site(folder: Path, built: Shop) -> Iterator[Site]:
    """Everything started; everything stopped afterwards."""
    with contextlib.ExitStack() as stack:
        identity = new_key(folder / "identity")
        keys = folder / "authorized_keys"
        keys.write_text(f"{public(identity)}\n", encoding="ascii")
        servers, shops = {}, {}
        for name in NAMES:
            servers[name] = stack.enter_context(serving(Sshd(folder / "ssh" / name, keys)))
            shops[name] = stack.enter_context(running(copied(built, folder / name)))
        known = folder / "known_hosts"
        known.write_text("".join(server.known for server in servers.values()), encoding="ascii")
        yield Site(folder, servers, shops, known, identity)


class HostsWorld:
    """The site, for the tests that every target has to pass."""

    survivors = (BAD,)

    def __init__(self, target: Target, at: Site) -> None:
        self.target = target
        self.site = at

    async def deploy(self, version: Version) -> None:
        self.site.deploy(version)

    async def break_release(self, version: Version) -> None:
        self.site.break_release(version)

    async def starts(self) -> int:
        return self.site.starts()
