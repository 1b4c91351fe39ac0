"""What only an endpoint that is sampled can get wrong."""

import contextlib
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from bot.catalog import Adapter
from bot.domain.series import SHARE
from bot.ports import AuthFailed, Refused, Unavailable
from integrations import registry
from integrations.metrics.settings import JsonSettings
from tests.contract.metrics_worlds import STEP, JsonWorld, closing, endpoint


@pytest.fixture
def world() -> Iterator[JsonWorld]:
    with endpoint() as stands:
        yield JsonWorld(stands)


def counted(*pairs: tuple[float, float] | None) -> list[Any]:
    return [None if pair is None else {"checkout": {"failed": pair[0], "all": pair[1]}} for pair in pairs]


async def read(world: JsonWorld, answers: list[Any], *, at: float = 0.5, **more: Any) -> Any:
    async with closing(world.made(**more)) as metrics:
        await world.went_by(metrics, answers, at=at)
        return await metrics.series(world.begin, world.begin + STEP * len(answers))


@pytest.mark.parametrize("at", [0.001, 0.05, 0.5, 0.95, 1.0])
async def test_a_sample_that_failed_is_a_gap_whenever_it_was_due(world: JsonWorld, at: float) -> None:
    answers = [*({"n": n} for n in range(1, 4)), None, {"n": 5}]
    found = await read(world, answers, value="/n", at=at)
    assert found.values == (1, 2, 3, None, 5)


async def test_samples_that_nobody_took_are_a_gap(world: JsonWorld) -> None:
    async with closing(world.made("/n")) as metrics:
        for n in (0.5, 1.5, 3.5, 6.5):
            world.now = world.begin + STEP * n
            world.stands.answer = {"n": n}
            await metrics.sample()
        world.now = world.begin + STEP * 9
        found = await metrics.series(world.begin, world.now)
    assert found.values == (0.5, 1.5, None, 3.5, None, None, 6.5, None, None)


async def test_a_sampler_that_is_a_little_late_makes_no_gap(world: JsonWorld) -> None:
    async with closing(world.made("/n")) as metrics:
        for n, late in enumerate((0.0, 0.06, 0.02, 0.09, 0.01)):
            world.now = world.begin + STEP * (n + late)
            world.stands.answer = {"n": n}
            await metrics.sample()
        world.now = world.begin + STEP * 5
        found = await metrics.series(world.begin, world.now)
    assert found.gaps == 0


async def test_what_has_not_ended_yet_is_not_known(world: JsonWorld) -> None:
    async with closing(world.made("/n")) as metrics:
        await world.went_by(metrics, [{"n": 1}, {"n": 2}])
        world.now = world.begin + STEP * 1.9
        found = await metrics.series(world.begin, world.begin + STEP * 4)
    assert found.values == (1, None, None, None)


async def test_a_counter_is_its_growth_per_second(world: JsonWorld) -> None:
    answers = [{"orders": total} for total in (100, 160, 160, 400)]
    found = await read(world, answers, value="/orders", counter=True, unit="orders/s")
    assert found.values == (None, 1.0, 0.0, 4.0)
    assert found.unit == "orders/s"


async def test_a_counter_that_began_anew_is_a_gap(world: JsonWorld) -> None:
    answers = [{"orders": total} for total in (100, 160, 5, 65)]
    found = await read(world, answers, value="/orders", counter=True)
    assert found.values == (None, 1.0, None, 1.0)


async def test_growth_across_a_missing_sample_is_a_gap(world: JsonWorld) -> None:
    answers = [{"orders": 100}, None, {"orders": 220}, {"orders": 280}]
    found = await read(world, answers, value="/orders", counter=True)
    assert found.values == (None, None, None, 1.0)


async def test_counters_of_parts_and_wholes_make_a_share_with_counts(world: JsonWorld) -> None:
    answers = counted((10, 1000), (10, 1100), (12, 1300), (12, 1300), (1, 5))
    found = await read(world, answers, value="/checkout/failed", of="/checkout/all", counter=True)
    assert found.unit == SHARE
    assert found.values == (None, 0.0, 0.01, None, None)
    assert found.counts == (None, 100, 200, 0, None)


async def test_a_part_larger_than_its_whole_is_a_gap_and_told(world: JsonWorld) -> None:
    found = await read(world, counted((1, 10), (11, 10)), value="/checkout/failed", of="/checkout/all")
    assert (found.values, found.counts) == ((0.1, None), None)
    assert found.notes == ("1 values are no shares: they are not between 0 and 1",)


@pytest.mark.parametrize(
    ("answer", "pointer"),
    [
        ({"a": {"b": "7"}}, "/a/b"),
        ({"a": {"b": True}}, "/a/b"),
        ({"a": {"b": None}}, "/a/b"),
        ({"a": {"b": [7]}}, "/a/b"),
        ({"a": [7]}, "/a/1"),
        ({"a": [7]}, "/a/-1"),
        ({"a": [7]}, "/a/²"),
        ({"a": float("nan")}, "/a"),
        ({"a": float("inf")}, "/a"),
        ({"a": 10**400}, "/a"),
        ([], "/a"),
        ("text", "/a"),
        ({}, "/a"),
    ],
)
async def test_what_is_no_number_is_said_and_is_a_gap(world: JsonWorld, answer: Any, pointer: str) -> None:
    async with closing(world.made(pointer)) as metrics:
        world.stands.answer = answer
        with pytest.raises(Refused, match=f"has no number at {pointer}"):
            await metrics.sample()
        world.now += STEP * 2
        assert (await metrics.series(world.begin, world.now)).known == ()


async def test_pointers_reach_into_lists_and_odd_names(world: JsonWorld) -> None:
    answer = {"a/b": {"m~n": [{"": 7}]}}
    assert (await read(world, [answer], value="/a~1b/m~0n/0/")).values == (7.0,)


@pytest.mark.parametrize(
    ("status", "raw", "error", "words"),
    [
        (404, None, Refused, "HTTP 404"),
        (301, None, Refused, "sends elsewhere"),
        (429, None, Unavailable, "HTTP 429"),
        (502, None, Unavailable, "HTTP 502"),
        (401, None, AuthFailed, "HTTP 401"),
        (403, None, AuthFailed, "HTTP 403"),
        (200, b"<html>", Refused, "does not answer with JSON"),
        (200, b"[" * 200_000, Refused, "does not answer with JSON"),
        (200, b" " * (9 * 2**20), Refused, "more than 8 MiB"),
    ],
)
async def test_what_went_wrong_is_told(
    world: JsonWorld, status: int, raw: bytes | None, error: type[Exception], words: str
) -> None:
    world.stands.status, world.stands.raw = status, raw
    async with closing(world.made("/n")) as metrics:
        with pytest.raises(error, match=words):
            await metrics.sample()


async def test_who_kaeru_is_is_in_the_request_alone(world: JsonWorld) -> None:
    world.stands.wanted = "Bearer very-secret"
    world.stands.answer = {"n": 1}
    url = f"{world.stands.url}?key=also-secret"
    async with closing(world.made("/n", url=url, token="very-secret")) as metrics:
        await metrics.sample()
        assert "secret" not in metrics.identity
        world.stands.wanted = "Bearer another"
        with pytest.raises(AuthFailed) as raised:
            await metrics.sample()
    assert "secret" not in raised.value.advice


async def test_silence_ends_in_time(world: JsonWorld) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        async with closing(world.made("/n", url=url, timeout="200ms")) as metrics:
            with pytest.raises(Unavailable, match=r"within 0\.2 s"):
                await metrics.sample()


async def test_old_samples_are_forgotten(world: JsonWorld) -> None:
    async with closing(world.made("/n", keep="3m")) as metrics:
        await world.went_by(metrics, [{"n": n} for n in range(6)])
        found = await metrics.series(world.begin, world.begin + STEP * 6)
    assert found.values == (None, None, None, 3, 4, 5)


async def test_it_is_made_from_its_kind(world: JsonWorld) -> None:
    model = registry.METRICS["json"].settings_model()
    settings = model.model_validate({"url": world.stands.url, "value": "/n", "every": "1s"})
    assert isinstance(settings, JsonSettings)
    world.stands.answer = {"n": 1}
    async with contextlib.AsyncExitStack() as stack:
        metrics = await stack.enter_async_context(
            closing(registry.make_metrics(Adapter(kind="json", settings=settings)))
        )
        await metrics.sample()
        assert metrics.sample_every == timedelta(seconds=1)
