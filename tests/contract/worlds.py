"""Targets with a world around them, for the contract suite: one world per adapter, real or in memory."""

from typing import Protocol

from bot.domain.base import Version
from bot.ports.target import Change, Inspection, Target
from sandbox.shop.control import point_current
from tests.contract.shop import RunningShop
from tests.fakes.target import MemoryTarget
from tests.kubernetes.world import FragileShop, Started
from tests.swarm.world import Service


class World(Protocol):
    """`v1.3.0` runs; `v1.2.9` and `v1.2.8` could. What is done here is done past kaeru.

    A new adapter joins the suite with a world of its own and one more parameter of the `world` fixture.
    """

    @property
    def target(self) -> Target: ...

    @property
    def survivors(self) -> tuple[Version | None, ...]:
        """What may still run where v1.2.9 was to replace v1.3.0 and does not start; None is nothing."""
        ...

    async def deploy(self, version: Version) -> None:
        """Someone else changes the version, in the target's own way."""
        ...

    async def break_release(self, version: Version) -> None:
        """From now on this version does not start."""
        ...

    async def starts(self) -> int:
        """How often a version was started so far."""
        ...


class MemoryWorld:
    survivors = ("v1.3.0",)

    def __init__(self) -> None:
        self.target = MemoryTarget("v1.3.0", ("v1.2.8", "v1.2.9", "v1.3.0"))

    async def deploy(self, version: Version) -> None:
        self.target.deploy(version)

    async def break_release(self, version: Version) -> None:
        self.target.broken |= {version}

    async def starts(self) -> int:
        return len(self.target.starts)


class SymlinkWorld:
    survivors = ("v1.3.0",)

    def __init__(self, target: Target, shop: RunningShop) -> None:
        self.target = target
        self.shop = shop

    async def deploy(self, version: Version) -> None:
        point_current(self.shop.root, version)
        done = self.shop.command("restart")
        assert done.returncode == 0, done.stderr

    async def break_release(self, version: Version) -> None:
        settings = self.shop.shop.releases / version / "shop" / "settings.py"
        text = 'raise SystemExit("shop: the payment account is missing, API_KEY=hunter2 was not enough")\n'
        settings.write_text(text, encoding="ascii")

    async def starts(self) -> int:
        log = (self.shop.root / "log" / "shop.log").read_text(encoding="utf-8")
        return log.count(" serves port ")


class SwarmWorld:
    """The daemon stops an old task as soon as the new one has come up or failed, if it has not paused before."""

    survivors = ("v1.3.0", None)

    def __init__(self, target: Target, service: Service) -> None:
        self.target = target
        self.service = service

    async def deploy(self, version: Version) -> None:
        await self.service.deploy(version)

    async def break_release(self, version: Version) -> None:
        await self.service.break_release(version)

    async def starts(self) -> int:
        return await self.service.starts()


class KubernetesWorld:
    survivors = ("v1.3.0",)

    def __init__(self, target: Target, shop: FragileShop) -> None:
        self.target = target
        self.shop = shop
        self._started = Started(shop)

    async def deploy(self, version: Version) -> None:
        await self.shop.deploy(version)

    async def break_release(self, version: Version) -> None:
        await self.shop.break_release(version)

    async def starts(self) -> int:
        return await self._started.count()


def change(seen: Inspection, to_version: Version, *, fingerprint: str | None = None) -> Change:
    """A change as it would be planned against what was seen."""
    return Change(
        component="shop",
        from_version=seen.current,
        to_version=to_version,
        fingerprint=seen.fingerprint if fingerprint is None else fingerprint,
    )
