"""A user group of Slack as the on-call: a mention in the incident's channel, and a message to each of its people."""

import html
from collections.abc import Iterable
from typing import Any, Literal

from slack_sdk.web.async_client import AsyncWebClient

from bot.ports.errors import Refused
from bot.ports.oncall import OnCallPerson, Page, Paged
from integrations.oncall.settings import SlackUsergroupSettings
from integrations.slack.api import Api, close_client, make_client
from integrations.slack.errors import SlackRefused

EVENT_TYPE = "kaeru_page"
PAGE_SIZE = 100
PAGES = 5
TEXT = 3000

State = Literal["open", "acknowledged", "resolved"]
Message = dict[str, Any]


class SlackUsergroup:
    """`bot.ports.oncall.OnCall` on the Web API.

    What was sent is found again by its metadata: the newest message about an incident in a person's conversation
    says whether they were called, and what became of it since.
    """

    def __init__(self, settings: SlackUsergroupSettings) -> None:
        self._settings = settings
        self._made: tuple[AsyncWebClient, Api] | None = None

    @property
    def identity(self) -> str:
        return f"Slack user group {self._settings.usergroup}"

    async def who(self) -> tuple[OnCallPerson, ...]:
        """See the port. All are called at the same time. Who is a bot, or deactivated, is not on call."""
        _, api = self._slack()
        found = []
        for user in await self._members():
            answer = await api.read(api.client.users_info, user=user)
            about = answer.get("user") or {}
            if about.get("is_bot") or about.get("deleted"):
                continue
            profile = about.get("profile") or {}
            name = profile.get("real_name") or about.get("real_name") or about.get("name") or user
            found.append(OnCallPerson(name=str(name), email=str(profile.get("email") or ""), slack=user))
        return tuple(found)

    async def page(self, page: Page) -> Paged:
        people = await self.who()
        if not people:
            raise Refused(
                f"Nobody is in the user group {self._settings.usergroup}.",
                remedy="Add whoever is on call to it in Slack.",
            )
        threads = {person.slack: await self._conversation(person.slack) for person in people}
        calls = {user: await self._newest(room, page.incident_id) for user, room in threads.items()}
        uncalled = [user for user, call in calls.items() if call is None or _state(call) == "resolved"]
        notes = []
        if uncalled and page.channel:
            notes += await self._mention(page)
        reached = len(people) - len(uncalled)
        for user in uncalled:
            try:
                await self._say(threads[user], page)
                reached += 1
            except SlackRefused as error:
                notes.append(f"<@{user}> could not be told: {error}")
        if not reached:
            raise Refused(" ".join(notes), remedy="Call somebody yourself.")
        return Paged(reference=self._settings.usergroup, note=" ".join(notes))

    async def acknowledge(self, incident_id: str, *, by: str) -> Paged:
        return await self._close(
            incident_id, "acknowledged", f"Acknowledged by {html.escape(by, quote=False)}."
        )

    async def resolve(self, incident_id: str, *, by: str) -> Paged:
        return await self._close(incident_id, "resolved", f"Over, says {html.escape(by, quote=False)}.")

    async def _close(self, incident_id: str, state: State, said: str) -> Paged:
        """Write it below what those were told who are in the group now."""
        _, api = self._slack()
        done = ""
        earlier: tuple[State, ...] = ("open",) if state == "acknowledged" else ("open", "acknowledged")
        for user in await self._members():
            room = await self._conversation(user)
            call = await self._newest(room, incident_id)
            if call is None or _state(call) not in earlier:
                continue
            text = f"{str(call.get('text', ''))[:TEXT]}\n{said}"
            await api.write(
                api.client.chat_update,
                channel=room,
                ts=call["ts"],
                text=text,
                metadata=_mark(incident_id, state),
            )
            done = self._settings.usergroup
        return Paged(reference=done)

    async def _mention(self, page: Page) -> list[str]:
        """In the channel, once for this call; what kept it from being said, as a sentence."""
        _, api = self._slack()
        told = f"<!subteam^{self._settings.usergroup}> {_text(page)}"
        try:
            if await self._newest(page.channel, page.incident_id, at=page.at.isoformat()) is None:
                mark = _mark(page.incident_id, "open", at=page.at.isoformat())
                await api.write(api.client.chat_postMessage, channel=page.channel, text=told, metadata=mark)
        except SlackRefused as error:
            return [f"The user group could not be mentioned in the channel: {error}"]
        return []

    async def _say(self, room: str, page: Page) -> None:
        _, api = self._slack()
        where = f" It is talked about in <#{page.channel}>." if page.channel else f" {page.link}".rstrip()
        await api.write(
            api.client.chat_postMessage,
            channel=room,
            text=f":pager: {_text(page)}{where}",
            metadata=_mark(page.incident_id, "open", at=page.at.isoformat()),
        )

    async def _members(self) -> tuple[str, ...]:
        _, api = self._slack()
        answer = await api.read(
            api.client.usergroups_users_list, usergroup=self._settings.usergroup, include_disabled=False
        )
        return tuple(str(user) for user in answer.get("users") or ())

    async def _conversation(self, user: str) -> str:
        _, api = self._slack()
        # Opening a conversation that is open already changes nothing, so a lost answer loses nothing.
        answer = await api.read(api.client.conversations_open, users=user)
        return str(answer["channel"]["id"])

    async def _newest(self, room: str, incident_id: str, *, at: str | None = None) -> Message | None:
        """The newest call of that incident there; with `at`, of that moment."""
        _, api = self._slack()
        pages = api.pages(
            api.client.conversations_history,
            most=PAGES,
            channel=room,
            limit=PAGE_SIZE,
            include_all_metadata=True,
        )
        async for answer in pages:
            for message in _ours(answer.get("messages") or ()):
                payload = message["metadata"]["event_payload"]
                if payload.get("incident") == incident_id and at in (None, payload.get("at")):
                    return message
        return None

    def _slack(self) -> tuple[AsyncWebClient, Api]:
        """Made where it is used first: it belongs to the running event loop."""
        if self._made is None:
            client = make_client(
                self._settings.token.get_secret_value(),
                base_url=self._settings.url,
                timeout_s=self._settings.timeout.total_seconds(),
            )
            self._made = (client, Api(client))
        return self._made

    async def aclose(self) -> None:
        if self._made is not None:
            await close_client(self._made[0])


def _text(page: Page) -> str:
    return html.escape(page.summary[:TEXT], quote=False)


def _mark(incident_id: str, state: State, *, at: str = "") -> dict[str, Any]:
    return {"event_type": EVENT_TYPE, "event_payload": {"incident": incident_id, "state": state, "at": at}}


def _state(message: Message) -> str:
    return str(message["metadata"]["event_payload"].get("state", "open"))


def _ours(messages: Iterable[Message]) -> Iterable[Message]:
    for message in messages:
        mark = message.get("metadata") or {}
        if mark.get("event_type") == EVENT_TYPE and isinstance(mark.get("event_payload"), dict):
            yield message
