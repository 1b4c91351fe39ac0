"""Notices in Slack: channels and direct messages, through the bot's own outbox."""

from bot.domain.audiences import Audience, Moment
from bot.domain.notices import Notice
from bot.ports.errors import OutcomeUnknown, Refused
from bot.ports.notices import Declined, Postbox, Sent
from integrations.notices.settings import SlackSettings


class SlackNotifier:
    """Tells channels and people. What the outbox has once is delivered once, so it may be told again."""

    recognises = True

    def __init__(self, settings: SlackSettings, postbox: Postbox) -> None:
        self._settings = settings
        self._postbox = postbox

    @property
    def identity(self) -> str:
        everyone = [f"#{channel}" for channel in self._settings.channels]
        everyone += [f"<@{user}>" for user in self._settings.people]
        return f"Slack {', '.join(everyone)}"

    @property
    def audience(self) -> Audience:
        return self._settings.audience

    @property
    def moments(self) -> frozenset[Moment]:
        return self._settings.moments

    async def send(self, notice: Notice, key: str) -> Sent:
        declined, waiting = [], []
        everyone = (*self._settings.channels, *self._settings.people)
        for place in everyone:
            try:
                await self._postbox.put(
                    place, notice.subject, notice.text, thread=notice.known.thread, key=f"{key}/{place}"
                )
            except Refused as error:
                declined.append(Declined(recipient=place, reason=error.advice))
            except OutcomeUnknown as error:
                waiting.append(error)
        if waiting:
            raise waiting[0]
        if len(declined) == len(everyone):
            raise Refused("; ".join(one.reason for one in declined))
        return Sent(declined=tuple(declined))

    async def check(self) -> str:
        there = len(self._settings.channels) + len(self._settings.people)
        return f"the bot itself posts to {there} {'place' if there == 1 else 'places'}; nothing was sent"

    async def aclose(self) -> None:
        """Nothing stays open."""
