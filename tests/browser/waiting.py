"""Waiting for what the bot or the workspace will have seen."""

import asyncio
from collections.abc import Callable


async def until(done: Callable[[], object], what: str, seconds: float = 8) -> None:
    """Returns once `done()` is true; fails with `what` after `seconds`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not done():
        assert loop.time() < deadline, f"still not so after {seconds:g} s: {what}"
        await asyncio.sleep(0.02)
