"""A loop that ends by itself is said, and ends the process with it."""

import asyncio
import logging

import pytest

from bot.workflows.loops import Loops


async def nothing() -> None:
    """Nothing is to be done first."""


async def forever() -> None:
    await asyncio.Event().wait()


async def ends() -> None:
    """As a loop never should."""


async def fails() -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("loop", [ends, fails])
async def test_one_that_ends_by_itself(loop: object, caplog: pytest.LogCaptureFixture) -> None:
    loops = Loops()
    loops.start("delivery", forever())
    loops.start("recorder", loop())  # type: ignore[operator]  # one of the two above
    async with asyncio.timeout(5):
        await loops.broken.wait()
    assert loops.sentence == "The recorder ended by itself."
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]
    await loops.end(nothing)


async def test_being_ended_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    loops = Loops()
    loops.start("delivery", forever())
    await loops.end(nothing)
    assert not loops.broken.is_set()
    assert not caplog.records
