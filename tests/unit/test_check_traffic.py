"""What `kaeru check` says of traffic and caches, with a world in memory."""

from datetime import UTC, datetime

from bot.domain.plan import Check, Level, Warn
from bot.ports.caches import CachePlan, Invalidation
from bot.ports.errors import AuthFailed, Unavailable
from bot.ports.traffic import TrafficCapabilities
from bot.usecases.check_report import Row, State
from bot.usecases.check_traffic import look_around
from bot.usecases.fleet import Hands, OutsideHands
from tests.fakes.traffic import MemoryTraffic

BUSY = Check(name="room for another invalidation", ok=False, detail="15 under way", required=False)


class MemoryCache:
    """Has something to say, or declines."""

    identity = "memory"

    def __init__(self, *, declines: bool = False) -> None:
        self._declines = declines

    async def plan(self, paths: object = ()) -> CachePlan:
        if self._declines:
            raise AuthFailed("It may not be looked at.", remedy="Grant it.")
        warning = Warn(level=Level.WARNING, text="Everything is fetched anew.")
        return CachePlan(paths=("/*",), actions=("forget",), warnings=(warning,), checks=(BUSY,))

    async def invalidate(self, paths: object, key: str) -> Invalidation:
        return Invalidation(key=key, paths=("/*",), since=datetime.now(UTC), done=bool(paths), look_again_s=1)

    async def observe(self, key: str) -> Invalidation | None:
        raise Unavailable(key)

    async def aclose(self) -> None:
        """Nothing is open."""


def hands(**outside: object) -> Hands:
    return Hands({}, None, None, outside=OutsideHands(**outside))  # type: ignore[arg-type]  # named as there


def said(rows: list[Row]) -> list[tuple[str, State, str]]:
    return [(row.name, row.state, row.seen) for row in rows]


async def test_nothing_is_said_where_nothing_is_configured() -> None:
    assert await look_around("shop", hands()) == []


async def test_what_is_well_is_one_row_each() -> None:
    rows = await look_around("shop", hands(traffic=MemoryTraffic(share=0.25)))
    assert said(rows) == [("traffic", State.OK, "25% to the service")]


async def test_what_is_not_well_comes_with_a_remedy() -> None:
    blind = TrafficCapabilities(kind="memory", measures=False)
    rows = await look_around("shop", hands(traffic=MemoryTraffic(share=None, ready=0, capabilities=blind)))
    assert said(rows) == [
        ("traffic: a backend is healthy", State.FAIL, "0 of 2"),
        ("traffic", State.WARN, "the share that is served cannot be measured"),
        ("traffic", State.WARN, "it is split in a way that kaeru cannot express"),
    ]
    assert all(row.remedy for row in rows)


async def test_what_does_not_answer_fails() -> None:
    gone = MemoryTraffic(failing=[Unavailable("The socket is gone.")])
    rows = await look_around("shop", hands(traffic=gone, caches={"cdn": MemoryCache(declines=True)}))
    assert said(rows) == [
        ("traffic", State.FAIL, "The socket is gone."),
        ("cache cdn", State.FAIL, "It may not be looked at."),
    ]
    assert [row.remedy for row in rows] == ["Look at `traffic` in kaeru.yml.", "Grant it."]


async def test_what_a_cache_says() -> None:
    rows = await look_around("shop", hands(caches={"cdn": MemoryCache()}))
    assert said(rows) == [
        ("cache cdn", State.WARN, "Everything is fetched anew."),
        ("cache cdn: room for another invalidation", State.WARN, "15 under way"),
        ("cache cdn", State.OK, "forgets /*"),
    ]
