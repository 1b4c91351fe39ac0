"""Somebody in the workspace, for tests and scripts: they write, click and wait for what they see."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from sandbox.workspace import forms
from sandbox.workspace.model import Json
from sandbox.workspace.session import ClientError, Session

Matching = str | Callable[[Json], bool]


class Person(Session):
    """Acts through the page's protocol.

    Channels go by name ("#incidents", "incidents"), by id, or as "@kaeru" for
    the IM with somebody. Messages are Slack's own objects plus `channel`, so that they can be clicked.

        card = await alice.message("#inc-1", "Roll back")       # waits until one says so
        await alice.click(card, "Approve")                       # by the button's text or action_id
        modal = await alice.modal("Choose a version")
        await alice.submit_view(modal, {"Version": "v1.2.9"})    # by label, action_id or block_id
    """

    # channels

    async def channels(self) -> list[Json]:
        """Those they can see, as boot gives them."""
        found: list[Json] = (await self.call("boot"))["channels"]
        return found

    async def channel(self, name: str, *, timeout: float = 5.0) -> Json:  # noqa: ASYNC109  waits for something to appear
        """Waits for a channel whose name is, or starts with, `name`."""
        wanted = name.removeprefix("#")

        async def look() -> Json | None:
            return next(
                (one for one in await self.channels() if one.get("name", "").startswith(wanted)), None
            )

        return await self.wait_for(look, timeout=timeout, what=f"a channel #{wanted}…")

    async def create_channel(self, name: str) -> Json:
        channel: Json = (await self.call("create_channel", name=name))["channel"]
        return channel

    async def join(self, channel: str) -> None:
        await self.call("join", channel=await self.channel_id(channel))

    async def leave(self, channel: str) -> None:
        await self.call("leave", channel=await self.channel_id(channel))

    async def invite(self, channel: str, user: str) -> None:
        """`user` is a name or id."""
        await self.call("invite", channel=await self.channel_id(channel), **{"with": user})

    # writing

    async def send(
        self, channel: str, text: str, *, thread: str | None = None, broadcast: bool = False
    ) -> str:
        """Writes a message; its ts."""
        answer = await self.call(
            "send",
            channel=await self.channel_id(channel),
            text=text,
            thread_ts=thread,
            broadcast=broadcast or None,
        )
        return str(answer["ts"])

    async def command(self, channel: str, text: str) -> Json | None:
        """A slash command; the message its acknowledgement held, if any. Raises ClientError(dispatch_failed, ...)."""
        channel_id = await self.channel_id(channel)
        answer = await self.call("send", channel=channel_id, text=text)
        if answer.get("ts") is None:
            return None
        return next((one for one in await self.messages(channel_id) if one["ts"] == answer["ts"]), None)

    async def edit(self, channel: str, ts: str, text: str) -> None:
        await self.call("edit", channel=await self.channel_id(channel), ts=ts, text=text)

    async def delete(self, channel: str, ts: str) -> None:
        await self.call("delete", channel=await self.channel_id(channel), ts=ts)

    async def react(self, channel: str, ts: str, name: str) -> None:
        await self.call("react", channel=await self.channel_id(channel), ts=ts, name=name)

    async def unreact(self, channel: str, ts: str, name: str) -> None:
        await self.call("unreact", channel=await self.channel_id(channel), ts=ts, name=name)

    async def upload(self, channel: str, name: str, content: bytes, *, title: str | None = None) -> Json:
        answer = await self.call(
            "upload",
            channel=await self.channel_id(channel),
            name=name,
            content_base64=base64.b64encode(content).decode(),
            title=title,
        )
        file: Json = answer["file"]
        return file

    async def download(self, url: str) -> bytes:
        """A file's content by its url_private, as the page would load it."""
        jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address without a name
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            async with session.get(f"{self.base_url}/") as page:
                await page.read()
            async with session.get(url, allow_redirects=False) as response:
                if response.status != 200:
                    raise ClientError("file_not_found", f"The file answered {response.status}.")
                return await response.read()

    # reading

    async def messages(self, channel: str, *, limit: int = 1000) -> list[Json]:
        """What the channel shows them, oldest first, ephemerals included."""
        channel_id = await self.channel_id(channel)
        found = (await self.call("history", channel=channel_id, limit=limit))["messages"]
        return [{**message, "channel": channel_id} for message in found]

    async def thread(self, channel: str, ts: str) -> list[Json]:
        channel_id = await self.channel_id(channel)
        found = (await self.call("replies", channel=channel_id, thread_ts=ts))["messages"]
        return [{**message, "channel": channel_id} for message in found]

    async def bookmarks(self, channel: str) -> list[Json]:
        found: list[Json] = (await self.call("history", channel=await self.channel_id(channel), limit=1))[
            "bookmarks"
        ]
        return found

    async def members(self, channel: str) -> list[str]:
        found: list[str] = (await self.call("history", channel=await self.channel_id(channel), limit=1))[
            "members"
        ]
        return found

    async def message(
        self, channel: str, matching: Matching, *, thread: str | None = None, timeout: float = 5.0  # noqa: ASYNC109 - a test's own patience
    ) -> Json:  # fmt: skip
        """Waits for a message and gives the latest one.

        `matching` is a text that it contains (in text, blocks or
        buttons), or a function of the message. `thread` looks among the replies of a ts.
        """
        seen: list[str] = []

        async def look() -> Json | None:
            found = await (self.messages(channel) if thread is None else self.thread(channel, thread))
            seen[:] = [forms.text_of(one)[:200] for one in found[-5:]]
            fits = [one for one in found if forms.fits(one, matching)]
            return fits[-1] if fits else None

        try:
            return await self.wait_for(look, timeout=timeout)
        except TimeoutError:
            wanted = repr(matching) if isinstance(matching, str) else "the wanted message"
            last = "\n  ".join(seen) or "(nothing)"
            raise TimeoutError(
                f"{self.name} waited {timeout:g} s in {channel} for {wanted}. Last there:\n  {last}"
            ) from None

    # clicking

    async def act(self, thing: Json, action: Json, state: Json | None = None) -> None:
        """Sends an action on a message or a view as it is."""
        if "ts" in thing:
            container = {"type": "message", "channel": thing["channel"], "ts": thing["ts"]}
        else:
            container = {"type": "view", "view_id": thing["id"]}
            state = state or forms.state_of(thing, {}, strict=False)
        await self.call("action", container=container, action=action, state=state)

    async def click(self, thing: Json, button: str) -> None:
        """Clicks a button of a message or view, by its action_id or its text.

        It may be one that is gone by now: people click on what they see. Raises LookupError when the object given
        has no such button.
        """
        await self.act(thing, forms.button_action(thing, button))

    async def select(self, thing: Json, element: str, choice: str | list[str]) -> None:
        """Chooses in a select, picker or overflow of a message or view.

        The element goes by action_id, block_id or placeholder; the choice by its text or value (a list for multi
        selects and checkboxes).
        """
        await self.act(thing, forms.select_action(thing, element, choice))

    # modals

    async def open_modals(self) -> list[Json]:
        """Those open for this person, the last on top."""
        found: list[Json] = (await self.call("views"))["views"]
        return found

    async def modal(self, title: str = "", *, timeout: float = 5.0) -> Json:  # noqa: ASYNC109 - as message
        """Waits until the top modal's title contains `title`, and gives it."""

        async def look() -> Json | None:
            stack = await self.open_modals()
            return stack[-1] if stack and title in stack[-1]["title"]["text"] else None

        return await self.wait_for(look, timeout=timeout, what=f"a modal {title!r}")

    async def submit_view(self, view: Json, values: Mapping[str, Any] | None = None) -> Json:
        """Submits a modal with `values` by label, action_id or block_id; what is not named keeps its initial value.

        Gives the bot's response_action object, {} when it closed. Raises LookupError for a value with no input, or a
        required input with no value.
        """
        state = forms.state_of(view, values or {})
        response: Json = (await self.call("submit_view", view_id=view["id"], state=state))["response"]
        return response

    async def close_view(self, view: Json) -> None:
        await self.call("close_view", view_id=view["id"])

    async def shortcut(self, callback_id: str, message: Json | None = None) -> None:
        """A global shortcut, or one on a message."""
        place = {"channel": message["channel"], "ts": message["ts"]} if message is not None else {}
        await self.call("shortcut", callback_id=callback_id, **place)

    async def open_home(self) -> Json | None:
        """Opens the App Home; the view published before, if any."""
        view: Json | None = (await self.call("open_home"))["view"]
        return view
