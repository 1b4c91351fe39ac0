"""Files: three requests, and a share that Slack makes a moment after it has answered.

Nothing is visible to anybody before the last request, so only that one can have an unknown outcome.
"""

import asyncio
import json
import time
from typing import Any

import aiohttp

from bot.ports.chat import Done, Upload
from bot.ports.errors import OutcomeUnknown, PortError, Refused, Unavailable
from integrations.slack.api import Answer, Api
from integrations.slack.errors import SlackRefused, classify
from integrations.slack.marks import block_id, has_block
from integrations.slack.messages import PAGE, UNSEEN
from integrations.slack.rooms import Rooms

SECTION = 3000
POLL_S = 0.1
# How long an upload is looked for when it is in doubt: sharing takes Slack a few seconds at most.
DOUBT_S = 3.0
FIND_PAGES = 5


class Uploads:
    """`share_wait_s` is how long to wait for the file to appear in the channel."""

    def __init__(self, api: Api, rooms: Rooms, *, share_wait_s: float = 10.0) -> None:
        self._api = api
        self._client = api.client
        self._rooms = rooms
        self._share_wait_s = share_wait_s

    async def upload(self, operation: Upload, key: str, content: bytes) -> Done:
        if not content:
            raise Refused(f"{operation.filename} is empty, and Slack takes no empty files.")
        channel = operation.channel
        # Reserving and filling a place shows nothing to anybody; for the reader's sake these are reads.
        place = await self._api.read(
            self._client.files_getUploadURLExternal, filename=operation.filename, length=len(content)
        )
        file = str(place["file_id"])
        await self._put(str(place["upload_url"]), content, operation.filename)
        try:
            await self._rooms.inside(channel, lambda: self._complete(file, channel, operation, key))
        except OutcomeUnknown:
            shared = await self._shared(file, channel, wait_s=DOUBT_S)
            if shared is None:
                raise
            return Done(channel=channel, file=file, ts=shared)
        shared = await self._shared(file, channel, wait_s=self._share_wait_s)
        note = "" if shared else "Slack has the file; it is not visible in the channel yet."
        return Done(channel=channel, file=file, ts=shared, note=note)

    async def find(self, operation: Upload, key: str) -> Done | None:
        """Looks for a few seconds: the share may still be on its way."""
        wanted = block_id(key)
        deadline = time.monotonic() + DOUBT_S
        channel = operation.channel
        while True:
            found = await self._with_block(channel, wanted)
            if found is not None or time.monotonic() > deadline:
                return found
            await asyncio.sleep(DOUBT_S / 3)

    async def _with_block(self, channel: str, wanted: str) -> Done | None:
        pages = self._api.pages(
            self._client.conversations_history, most=FIND_PAGES, channel=channel, limit=PAGE
        )
        try:
            async for page in pages:
                for message in page["messages"]:
                    if has_block(message, wanted) and message.get("files"):
                        return Done(channel=channel, ts=message["ts"], file=message["files"][0]["id"])
        except SlackRefused as refused:
            if refused.code not in UNSEEN:
                raise
        return None

    async def _put(self, url: str, content: bytes, filename: str) -> None:
        client = self._client
        timeout = aiohttp.ClientTimeout(total=max(60.0, client.timeout))
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(url, data=content, proxy=client.proxy, ssl=client.ssl or True) as response,
            ):
                status = response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise classify(error, method="the upload of a file", writing=False) from error
        if status != 200:
            raise Unavailable(f"Slack did not take {filename} (HTTP {status}).")

    async def _complete(self, file: str, channel: str, operation: Upload, key: str) -> Answer:
        # By hand rather than by the SDK's method, which puts everything into the URL: comments may be long.
        async def files_completeUploadExternal(**arguments: Any) -> Any:  # noqa: N802 - names Slack's method in errors
            return await self._client.api_call("files.completeUploadExternal", data=arguments)

        return await self._api.write(
            files_completeUploadExternal,
            files=json.dumps([{"id": file, "title": operation.title}]),
            channel_id=channel,
            blocks=json.dumps(comment_blocks(operation, key)),
        )

    async def _shared(self, file: str, channel: str, *, wait_s: float) -> str | None:
        """The ts of the message that shows the file in the channel, once there is one."""
        deadline = time.monotonic() + wait_s
        pause = POLL_S
        while True:
            ts = await self._share_of(file, channel)
            if ts is not None or time.monotonic() > deadline:
                return ts
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)

    async def _share_of(self, file: str, channel: str) -> str | None:
        try:
            shape = (await self._api.read(self._client.files_info, file=file))["file"]
        except PortError:
            # Not being able to look is no answer; the caller looks again or leaves the question open.
            return None
        for places in (shape.get("shares") or {}).values():
            for share in places.get(channel) or ():
                return str(share["ts"])
        return None


def comment_blocks(operation: Upload, key: str) -> list[dict[str, Any]]:
    """The comment as sections; the first one's `block_id` carries the key."""
    text = operation.comment or operation.title or operation.filename
    parts = [text[start : start + SECTION] for start in range(0, len(text), SECTION)]
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": part}} for part in parts
    ]
    blocks[0]["block_id"] = block_id(key)
    return blocks
