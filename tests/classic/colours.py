"""Two colours of the demo shop, each with its own supervisor, and the target in front of them."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bot.domain.base import Version
from integrations.bluegreen import BlueGreenSettings, BlueGreenTarget
from integrations.bluegreen.settings import COLOURS, Colour, other
from sandbox.shop.control import ask, point_current
from sandbox.shop.releases import Shop
from tests.classic.proxies import Proxy
from tests.contract.shop import RunningShop, copied, running
from tests.fakes.memory import FakeMemory

STARTS: Mapping[Colour, Version] = {"blue": "v1.3.0", "green": "v1.2.9"}


class Colours:
    """blue runs v1.3.0 and green v1.2.9, until somebody deploys."""

    def __init__(self, shops: Mapping[Colour, RunningShop]) -> None:
        self.shops = shops

    @property
    def ports(self) -> dict[Colour, int]:
        return {colour: int(shop.url.rpartition(":")[2]) for colour, shop in self.shops.items()}

    def version(self, colour: Colour) -> Version:
        return str(self.shops[colour].get("/version")[2]["version"])

    def run(self, colour: Colour, version: Version) -> None:
        """Deploy a version to a colour, past kaeru; nothing is started where it runs already."""
        shop = self.shops[colour]
        if self.version(colour) != version:
            point_current(shop.root, version)
            ask(shop.root, "restart")

    def starts(self) -> int:
        """How often a shop was started so far."""
        logs = (shop.root / "log" / "shop.log" for shop in self.shops.values())
        return sum(log.read_text(encoding="utf-8").count(" serves port ") for log in logs)


@contextlib.contextmanager
def two_shops(built: Shop, folder: Path) -> Iterator[Colours]:
    with contextlib.ExitStack() as stack:
        shops: dict[Colour, RunningShop] = {}
        for colour in COLOURS:
            shop = copied(built, folder / colour)
            point_current(shop.root, STARTS[colour])
            shops[colour] = stack.enter_context(running(shop))
        yield Colours(shops)


def bluegreen_settings(urls: Mapping[Colour, str], proxy: Proxy, **other_settings: Any) -> BlueGreenSettings:
    """In a hurry, unless told otherwise."""
    usual = {
        "blue": {"url": urls["blue"]},
        "green": {"url": urls["green"]},
        "live_url": proxy.url,
        "switch": proxy.switch,
        "consecutive": 3,
        "interval": "60ms",  # a little more than the 100 ms for which nginx answers with both, in three answers
        "settle": "3s",
        "drain": "5s",
    }
    return BlueGreenSettings(**{**usual, **other_settings})


class BlueGreenWorld:
    """For the contract suite. Only two versions can be there at once: a third one takes the idle colour's place."""

    survivors = ("v1.3.0",)
    faults = None

    def __init__(self, colours: Colours, proxy: Proxy) -> None:
        self.colours = colours
        self.proxy = proxy
        urls = {colour: shop.url for colour, shop in colours.shops.items()}
        self.target = BlueGreenTarget(bluegreen_settings(urls, proxy), FakeMemory())

    async def deploy(self, version: Version) -> None:
        """As people do it: to the colour that does not serve, and then the switch."""
        await asyncio.to_thread(self._deploy, version)

    def _deploy(self, version: Version) -> None:
        serving = self.proxy.stands()
        if self.colours.version(serving) != version:
            self.colours.run(other(serving), version)
            self.proxy.turn(other(serving))

    async def break_release(self, version: Version) -> None:
        """The colour that runs it falls ill: its checkout fails, and its process says so with a secret."""
        raise NotImplementedError

    async def starts(self) -> int:
        return self.colours.starts() + self.proxy.turns()

    def reset(self) -> None:
        for colour in COLOURS:
            self.colours.run(colour, STARTS[colour])
        if self.proxy.stands() != "blue":
            self.proxy.turn("blue")
