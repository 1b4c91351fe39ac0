"""What every source of metrics promises, on the real thing: Prometheus, an HTTP endpoint; CloudWatch is moto's server."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from moto.server import ThreadedMotoServer

from bot.domain.series import Series
from bot.ports import Unavailable
from tests import prometheus
from tests.contract.metrics_worlds import (
    CREDENTIALS,
    LATENCY,
    STEP,
    CloudWatchWorld,
    JsonWorld,
    MemoryWorld,
    PrometheusWorld,
    World,
    begin,
    closing,
    endpoint,
    put,
)


@pytest.fixture(scope="module")
def prometheus_world() -> Iterator[PrometheusWorld]:
    prometheus.need()
    began = begin()
    with prometheus.running({"latency_ms": prometheus.steps(began, STEP, LATENCY)}) as server:
        yield PrometheusWorld(server, began)


@pytest.fixture(scope="module")
def cloudwatch_world() -> Iterator[CloudWatchWorld]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url, began = f"http://{host}:{port}", begin()
    put(url, began, {"Latency": LATENCY})
    yield CloudWatchWorld(url, began)
    server.stop()


@pytest.fixture(scope="module")
def json_world() -> Iterator[JsonWorld]:
    with endpoint() as stands:
        yield JsonWorld(stands)


@pytest.fixture(params=["memory", "prometheus", "json", "cloudwatch"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "memory":
        return MemoryWorld()
    found: World = request.getfixturevalue(f"{request.param}_world")
    return found


async def read(world: World, since: datetime, until: datetime) -> Series:
    metrics = world.latency()
    async with closing(metrics):
        if isinstance(world, JsonWorld):
            await world.went_by(
                metrics, [None if v is None else {"checkout": {"p95_ms": v}} for v in LATENCY]
            )
        return await metrics.series(since, until)


async def test_it_gives_one_value_per_step_and_none_for_gaps(world: World) -> None:
    found = await read(world, world.begin, world.begin + STEP * len(LATENCY))
    assert found.values == LATENCY
    assert (found.unit, found.since, found.step) == ("ms", world.begin, STEP)
    assert found.until == world.begin + STEP * len(LATENCY)
    assert (found.gaps, found.partial) == (3, False)


async def test_only_whole_steps_are_given_and_windows_that_touch_share_none(world: World) -> None:
    cut = world.begin + STEP * 4 + timedelta(seconds=20)
    earlier = await read(world, world.begin - timedelta(seconds=10), cut)
    later = await read(world, cut, world.begin + STEP * len(LATENCY) + timedelta(seconds=59))
    assert earlier.values == LATENCY[:4]
    assert later.values == LATENCY[5:]
    assert later.since == world.begin + STEP * 5


async def test_what_lies_beyond_its_history_is_a_gap(world: World) -> None:
    found = await read(world, world.begin - STEP * 2, world.begin + STEP * (len(LATENCY) + 2))
    assert found.values == (None, None, *LATENCY, None, None)


async def test_a_window_without_a_whole_step_is_empty(world: World) -> None:
    found = await read(world, world.begin + STEP * 2, world.begin + STEP * 2 + timedelta(seconds=59))
    assert found.values == ()


async def test_the_time_zone_of_whoever_asks_does_not_matter(world: World) -> None:
    plus = datetime.now(UTC).astimezone().tzinfo
    since, until = world.begin.astimezone(plus), (world.begin + STEP * 3).astimezone(plus)
    assert (await read(world, since, until)).values == LATENCY[:3]


async def test_of_what_nobody_has_everything_is_a_gap(world: World) -> None:
    async with closing(world.nothing()) as metrics:
        found = await metrics.series(world.begin, world.begin + STEP * 3)
    assert found.values == (None, None, None)
    assert found.known == ()


async def test_a_source_that_cannot_be_reached_is_unavailable(world: World) -> None:
    async with closing(world.unreachable()) as metrics:
        sampled = metrics.sample_every is not None
        with pytest.raises(Unavailable) as raised:
            await (metrics.sample() if sampled else metrics.series(world.begin, world.begin + STEP))
    assert raised.value.retry_after_s > 0


async def test_its_identity_is_that_of_what_it_measures_and_holds_no_secret(world: World) -> None:
    one, same, other = world.latency(), world.latency(), world.unreachable()
    assert one.identity == same.identity
    assert one.identity
    assert not any(secret in one.identity for secret in (CREDENTIALS["secret_key"],))
    for metrics in (one, same, other):
        await metrics.aclose()


async def test_it_says_whether_it_has_to_be_sampled(world: World) -> None:
    metrics = world.latency()
    async with closing(metrics):
        assert (metrics.sample_every is not None) == isinstance(world, JsonWorld)
        assert metrics.delay >= timedelta(0)
