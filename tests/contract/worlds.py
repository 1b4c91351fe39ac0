"""Targets with a world around them, for the contract suite: one world per adapter, real or in memory."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Protocol

from aiohttp import web

from bot.domain.base import Version
from bot.ports.target import Change, Inspection, Target
from integrations.kubernetes.target import KubernetesTarget
from sandbox.shop.control import point_current
from sandbox.shop.releases import Shop
from tests.clusters import the_kubernetes
from tests.contract.shop import RunningShop, copied, running
from tests.contract.symlinks import symlink_target
from tests.fakes.memory import FakeMemory
from tests.fakes.target import MemoryTarget, Network
from tests.kubernetes import fault_proxy as proxies
from tests.kubernetes.fault_proxy import FaultProxy, fault_proxy
from tests.kubernetes.world import FragileShop, Started, shop_on
from tests.swarm.doors import Line, line_to
from tests.swarm.world import Service, service_on, the_swarm


class Faults(Protocol):
    """What the network between kaeru and the target does from now on, until it is mended."""

    @property
    def lost(self) -> int:
        """How many writes or their answers were lost so far."""
        ...

    async def lose_answers(self) -> None:
        """What is to be written arrives and is done, and nobody hears of it."""
        ...

    async def lose_writes(self) -> None:
        """What is to be written never arrives. What is only asked is answered."""
        ...

    async def cut_off(self) -> None:
        """Nothing can be reached."""
        ...

    async def mend(self) -> None: ...


class World(Protocol):
    """`v1.3.0` runs at first; `v1.2.9` and `v1.2.8` could. What is done here is done past kaeru.

    A new adapter joins the suite with a world of its own and one more of the suite's `KINDS`.
    """

    @property
    def faults(self) -> Faults | None:
        """None where kaeru and the target share a machine: nothing is between them that could lose a request."""
        ...

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
        self.faults = MemoryFaults(self.target)

    async def deploy(self, version: Version) -> None:
        self.target.deploy(version)

    async def break_release(self, version: Version) -> None:
        self.target.broken |= {version}

    async def starts(self) -> int:
        return len(self.target.starts)


class MemoryFaults:
    def __init__(self, target: MemoryTarget) -> None:
        self._target = target

    @property
    def lost(self) -> int:
        return self._target.lost

    async def lose_answers(self) -> None:
        self._target.network = Network.LOSES_ANSWERS

    async def lose_writes(self) -> None:
        self._target.network = Network.LOSES_WRITES

    async def cut_off(self) -> None:
        self._target.network = Network.GONE

    async def mend(self) -> None:
        self._target.network = Network.FINE


class SymlinkWorld:
    survivors = ("v1.3.0",)
    faults = None

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
    """The daemon stops an old task as soon as the new one has come up or failed, if it has not paused before.

    The target goes through `line`.
    """

    survivors = ("v1.3.0", None)

    def __init__(self, target: Target, service: Service, line: Line) -> None:
        self.target = target
        self.service = service
        self.faults = SwarmFaults(line)
        self._started: set[str] = set()

    async def deploy(self, version: Version) -> None:
        await self.service.deploy(version)

    async def break_release(self, version: Version) -> None:
        await self.service.break_release(version)

    async def starts(self) -> int:
        self._started |= {task["ID"] for task in await self.service.tasks()}  # it forgets old ones itself
        return len(self._started)


class SwarmFaults:
    def __init__(self, line: Line) -> None:
        self._line = line

    @property
    def lost(self) -> int:
        return self._line.lost + len(self._line.kept)

    async def lose_answers(self) -> None:
        self._line.lose_answers = _is_write

    async def lose_writes(self) -> None:
        self._line.keep = _is_write

    async def cut_off(self) -> None:
        self._line.lose_answers = lambda _head: True

    async def mend(self) -> None:
        self._line.keep = self._line.lose_answers = lambda _head: False


def _is_write(head: bytes) -> bool:
    return head.startswith(b"POST ")


class KubernetesWorld:
    """The target goes through `proxy`."""

    survivors = ("v1.3.0",)

    def __init__(self, target: Target, shop: FragileShop, proxy: FaultProxy) -> None:
        self.target = target
        self.shop = shop
        self.faults = KubernetesFaults(proxy)
        self._started = Started(shop)

    async def deploy(self, version: Version) -> None:
        await self.shop.deploy(version)

    async def break_release(self, version: Version) -> None:
        await self.shop.break_release(version)

    async def starts(self) -> int:
        return await self._started.count()


class KubernetesFaults:
    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self._is_dead = False
        self.lost = 0

    async def lose_answers(self) -> None:
        self._proxy.always(proxies.asking("PATCH"), self._counted(proxies.drop_answer))

    async def lose_writes(self) -> None:
        self._proxy.always(proxies.asking("PATCH"), self._counted(proxies.drop_request))

    def _counted(self, fault: proxies.Fault) -> proxies.Fault:
        async def counting(request: web.Request, forward: proxies.Forward) -> web.StreamResponse:
            self.lost += 1
            return await fault(request, forward)

        return counting

    async def cut_off(self) -> None:
        await self._proxy.die()
        self._is_dead = True

    async def mend(self) -> None:
        self._proxy.mend()
        if self._is_dead:
            await self._proxy.come_back()
            self._is_dead = False


@asynccontextmanager
async def symlink_world(built: Shop, folder: Path) -> AsyncIterator[World]:
    with running(copied(built, folder / "shop")) as shop:
        async with aclosing(symlink_target(shop)) as target:
            yield SymlinkWorld(target, shop)


@asynccontextmanager
async def swarm_world(folder: Path) -> AsyncIterator[World]:
    docker_host = the_swarm().docker_host
    async with (
        service_on(docker_host) as service,
        line_to(docker_host, at=folder / "line.sock") as line,
        aclosing(service.target(host=line.docker_host)) as target,
    ):
        await service.create("v1.3.0", replicas=1)
        await service.recorded("v1.2.8", "v1.2.9")
        yield SwarmWorld(target, service, line)


@asynccontextmanager
async def kubernetes_world(folder: Path) -> AsyncIterator[World]:
    cluster = the_kubernetes()
    async with shop_on(cluster) as shop, fault_proxy(cluster.kubeconfig) as proxy:
        settings = shop.settings(kubeconfig=proxy.kubeconfig(folder))
        async with aclosing(KubernetesTarget(settings, FakeMemory())) as target:
            yield KubernetesWorld(target, shop, proxy)


def change(seen: Inspection, to_version: Version, *, fingerprint: str | None = None) -> Change:
    """A change as it would be planned against what was seen."""
    return Change(
        component="shop",
        from_version=seen.current,
        to_version=to_version,
        fingerprint=seen.fingerprint if fingerprint is None else fingerprint,
    )
