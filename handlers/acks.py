"""Acknowledgements come first: Slack waits three seconds for them, and people wait for them before anything else.

When many type at once, work on the first requests would otherwise take the time that the last ones' wait for
their acknowledgement.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from handlers.intake import BATCH

_log = logging.getLogger(__name__)

PATIENCE_S = 0.25
"""How long work is held back at most: somebody waits for its answer too."""


class Acks:
    """How many requests of people are not acknowledged yet."""

    def __init__(self) -> None:
        self._open = 0
        self._none = asyncio.Event()
        self._none.set()

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """While one request is on its way to its acknowledgement."""
        self._open += 1
        self._none.clear()
        try:
            yield
        finally:
            self._open -= 1
            if not self._open:
                self._none.set()

    async def first(self) -> None:
        """Wait until all that came in are acknowledged, `PATIENCE_S` at most. To be called after one's own ack."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self._none.wait()


class CountingSocket(AsyncSocketModeHandler):
    """Bolt's Socket Mode handler, which tells `acks` of every request of a person.

    Events wait for their turn, as many at once as are written together: a flood of messages must neither fill
    the memory nor hold up the click that comes after it.
    """

    def __init__(self, app: AsyncApp, app_token: str, acks: Acks) -> None:
        super().__init__(app, app_token)
        self._acks = acks
        self._turns = asyncio.Semaphore(BATCH)

    async def handle(self, client: SocketModeClient, req: SocketModeRequest) -> None:  # type: ignore[override]  # as bolt itself does
        try:
            if req.type == "events_api":
                async with self._turns:
                    await super().handle(client, req)
                return
            with self._acks.awaited():
                await super().handle(client, req)
        except ConnectionError as error:
            # It is written down; Slack, or the person, sends it again, and it is recognised.
            _log.info("an acknowledgement could not be sent, the link is down: %r", error)
