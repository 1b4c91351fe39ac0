"""A line to the workspace over the page's protocol: calls, and waiting for what changes."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Self, TypeVar, overload

import aiohttp

from sandbox.workspace.model import Json

# Changes that come together are looked at together: a flood must not be answered by a flood of looks.
GATHER = 0.01

Seen = TypeVar("Seen")


class ClientError(Exception):
    """Something a person did was refused: `code` is Slack's word for it (dispatch_failed, is_archived, ...)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Session:
    """Opened by the first call; `close` ends it."""

    def __init__(self, base_url: str, user_id: str, name: str) -> None:
        self.base_url = base_url.rstrip("/")
        self.id = user_id
        self.name = name
        self.session: aiohttp.ClientSession | None = None
        self.listener: asyncio.Task[None] | None = None
        self.changed = asyncio.Event()
        self.ids: dict[str, str] = {}

    @classmethod
    async def at(cls, base_url: str, name: str) -> Self:
        """A person of a workspace in another process, by name or id. Close it, or use `async with`."""
        person = cls(base_url, name, name)
        try:
            boot = await person.call("boot")
        except BaseException:
            await person.close()
            raise
        person.id, person.name = boot["self"]["id"], boot["self"]["name"]
        return person

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self.listener is not None:
            self.listener.cancel()
            await asyncio.gather(self.listener, return_exceptions=True)
            self.listener = None
        if self.session is not None:
            await self.session.close()
            self.session = None

    async def call(self, verb: str, **fields: Any) -> Json:
        """One call of the page's protocol. Raises ClientError."""
        if self.session is None:
            self.session = aiohttp.ClientSession()
        body = {"user": self.id, **{name: value for name, value in fields.items() if value is not None}}
        async with self.session.post(f"{self.base_url}/client/{verb}", json=body) as response:
            answer: Json = await response.json()
        if not answer.get("ok"):
            raise ClientError(str(answer.get("error")), str(answer.get("message", "")))
        return answer

    async def channel_id(self, channel: str) -> str:
        """The id behind a name. Raises LookupError."""
        name = channel.removeprefix("#")
        known = self.ids.get(channel)
        if known is not None:
            return known
        boot = await self.call("boot")
        ids = {one["id"] for one in boot["channels"]}
        if channel in ids:
            return channel
        if channel.startswith("@"):
            other = next((user["id"] for user in boot["users"] if user["name"] == channel[1:]), None)
            if other is None:
                raise LookupError(f"There is nobody called {channel}.")
            found = str((await self.call("open_im", **{"with": other}))["channel"]["id"])
        else:
            by_name = {one.get("name"): str(one["id"]) for one in boot["channels"]}
            if name not in by_name:
                raise LookupError(
                    f"{self.name} sees no channel {channel!r}, only {sorted(filter(None, by_name))}."
                )
            found = by_name[name]
        self.ids[channel] = found
        return found

    @overload
    async def wait_for(
        self,
        look: Callable[[], Awaitable[Seen | None]],
        *,
        timeout: float = 5.0,  # noqa: ASYNC109  as below
        what: str = "",
    ) -> Seen: ...

    @overload
    async def wait_for(
        self,
        look: Callable[[], Seen | None],
        *,
        timeout: float = 5.0,  # noqa: ASYNC109  as below
        what: str = "",
    ) -> Seen: ...

    async def wait_for(self, look: Callable[[], Any], *, timeout: float = 5.0, what: str = "") -> Any:  # noqa: ASYNC109  the deadline is in the error
        """Looks again whenever something changes, until `look()` (plain or async) gives something true; gives that.

        Raises TimeoutError that names `what`.
        """
        await self.listen()
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            self.changed.clear()
            seen = look()
            value = await seen if inspect.isawaitable(seen) else seen
            if value:
                return value
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                raise TimeoutError(
                    f"{self.name} waited {timeout:g} s for {what or look} and it did not come."
                )
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, 0.25)):
                    await self.changed.wait()
                    await asyncio.sleep(GATHER)

    async def listen(self) -> None:
        if self.listener is None or self.listener.done():
            if self.session is None:
                self.session = aiohttp.ClientSession()
            socket = await self.session.ws_connect(
                f"{self.base_url}/client/ws", params={"user": self.id}, max_msg_size=0
            )
            self.listener = asyncio.create_task(self.hear(socket))

    async def hear(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async with socket:
            async for _ in socket:
                self.changed.set()
