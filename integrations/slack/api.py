"""Calls to Slack's Web API: one attempt each, answers as dicts, errors as the ports name them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.ports.errors import Unavailable
from integrations.slack.errors import classify

Answer = dict[str, Any]
Function = Callable[..., Awaitable[Any]]
"""A method of AsyncWebClient, such as `client.chat_postMessage`."""


def make_client(
    token: str, *, base_url: str | None = None, timeout_s: float = 15.0, proxy: str | None = None
) -> AsyncWebClient:
    """A client that sends every request exactly once. To be called within a running event loop.

    It has no retry handlers: the SDK's own send a message again when only the answer got lost. It keeps its
    connections (a new one costs three round trips); close them with `close_client`.
    """
    session = aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(5.0, timeout_s))
    )
    return AsyncWebClient(
        token=token,
        base_url=base_url or AsyncWebClient.BASE_URL,
        timeout=round(timeout_s),
        session=session,
        proxy=proxy,
        retry_handlers=[],
    )


async def close_client(client: AsyncWebClient) -> None:
    """Close the connections of a client of `make_client`."""
    if client.session is not None:
        await client.session.close()


class Api:
    """What all of this package calls Slack through."""

    def __init__(self, client: AsyncWebClient) -> None:
        self.client = client
        self._bot_user: str | None = None

    async def write(self, function: Function, /, **arguments: Any) -> Answer:
        """A call that changes something. Raises Unavailable, Refused, AuthFailed, OutcomeUnknown."""
        return await self._call(function, arguments, writing=True)

    async def read(self, function: Function, /, *, patience_s: float = 0.0, **arguments: Any) -> Answer:
        """A call that changes nothing. Raises Unavailable, Refused, AuthFailed.

        Waits up to `patience_s` in all where Slack asks to wait.
        """
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return await self._call(function, arguments, writing=False)
            except Unavailable as unavailable:
                if time.monotonic() + unavailable.retry_after_s > deadline:
                    raise
                await asyncio.sleep(unavailable.retry_after_s)

    async def pages(
        self, function: Function, /, *, most: int, patience_s: float = 0.0, **arguments: Any
    ) -> AsyncIterator[Answer]:
        """Up to `most` pages, in Slack's order."""
        cursor: str | None = None
        for _ in range(most):
            answer = await self.read(function, patience_s=patience_s, cursor=cursor, **arguments)
            yield answer
            cursor = (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return

    async def bot_user(self) -> str:
        """The bot's own user id; asked once."""
        if self._bot_user is None:
            self._bot_user = str((await self.read(self.client.auth_test))["user_id"])
        return self._bot_user

    async def _call(self, function: Function, arguments: dict[str, Any], *, writing: bool) -> Answer:
        name = getattr(function, "__name__", "call")
        method = name.replace("_", ".", 1)
        try:
            response = await function(**arguments)
        except (SlackClientError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise classify(error, method=method, writing=writing) from error
        data = response.data
        return data if isinstance(data, dict) else {}
