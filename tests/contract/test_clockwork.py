"""What happens by the clock happens at once and then again, never overlaps, and ends when it is told to."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

import pytest

from bot.workflows.clockwork import Clockwork


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - counted by a job
            await asyncio.sleep(0.005)


async def test_the_first_time_is_at_once() -> None:
    done = asyncio.Event()

    async def job() -> None:
        done.set()

    clockwork = Clockwork()
    clockwork.every(timedelta(hours=1), "hourly", job)
    clockwork.start()
    async with asyncio.timeout(5):
        await done.wait()
    await clockwork.stop()


async def test_a_job_that_outlasts_its_interval_neither_overlaps_nor_warns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    inside, most, runs, ticks = 0, 0, 0, 0

    async def slow() -> None:
        nonlocal inside, most, runs
        inside += 1
        most = max(most, inside)
        start = ticks
        await until(lambda: ticks >= start + 10)
        inside -= 1
        runs += 1

    async def tick() -> None:
        nonlocal ticks
        ticks += 1

    clockwork = Clockwork()
    clockwork.every(timedelta(milliseconds=10), "slow", slow)
    clockwork.every(timedelta(milliseconds=10), "tick", tick)
    clockwork.start()
    await until(lambda: runs >= 3)
    await clockwork.stop()
    assert most == 1
    assert not caplog.records


async def test_an_error_is_logged_and_the_job_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    runs = 0

    async def job() -> None:
        nonlocal runs
        runs += 1
        raise ZeroDivisionError

    clockwork = Clockwork()
    clockwork.every(timedelta(milliseconds=10), "failing", job)
    clockwork.start()
    await until(lambda: runs >= 3)
    await clockwork.stop()
    assert "ZeroDivisionError" in caplog.text


async def test_stopping_lets_what_is_under_way_end() -> None:
    begun, ended = asyncio.Event(), False

    async def job() -> None:
        nonlocal ended
        begun.set()
        await asyncio.sleep(0.1)
        ended = True

    clockwork = Clockwork()
    clockwork.every(timedelta(hours=1), "short", job)
    clockwork.start()
    await begun.wait()
    await clockwork.stop()
    assert ended
