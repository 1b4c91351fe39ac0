"""How long anything outside may take to answer: no call of an adapter is waited for without end.

Adapters have time limits of their own, which are shorter. These here are the last ones: a call that hangs all
the same becomes the port's own error, so that whoever waits does what that error asks for.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from bot.ports import OutcomeUnknown, PortError, Unavailable

READ_S = 30.0
WRITE_S = 15 * 60.0

T = TypeVar("T")


async def bounded(call: Awaitable[T], seconds: float, error: PortError) -> T:
    """The result of `call`, which is cancelled after `seconds`. Raises `error` then."""
    try:
        async with asyncio.timeout(seconds):
            return await call
    except TimeoutError as timeout:
        raise error from timeout


async def reading(call: Awaitable[T], what: str, seconds: float | None = None) -> T:
    """`call`, which changes nothing. Raises Unavailable ("WHAT did not answer within 30 s.") in time."""
    limit = READ_S if seconds is None else seconds
    return await bounded(call, limit, Unavailable(f"{what} did not answer within {limit:g} s."))


async def writing(call: Awaitable[T], what: str, seconds: float | None = None) -> T:
    """`call`, which changes something. Raises OutcomeUnknown ("WHAT did not end within 900 s.") in time."""
    limit = WRITE_S if seconds is None else seconds
    return await bounded(call, limit, OutcomeUnknown(f"{what} did not end within {limit:g} s."))
