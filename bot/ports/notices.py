"""Tells people outside of an incident: by e-mail, to a webhook, on a status page."""

from typing import Protocol

from bot.domain.audiences import Audience, Moment
from bot.domain.base import Value
from bot.domain.notices import Notice
from bot.ports.errors import Refused


class Declined(Value):
    """A recipient that the other side did not take, and its words. `for_now`: it may take it later."""

    recipient: str
    reason: str
    for_now: bool = False


class Sent(Value):
    """What came of a notice. `already`: it had been sent before, now nothing was.

    `reference` is the other side's id of it, `url` where people can read it; `note` is a sentence where something
    was left out. The recipients in `declined` were not told, all others were.
    """

    reference: str = ""
    url: str = ""
    already: bool = False
    declined: tuple[Declined, ...] = ()
    note: str = ""


class Postbox(Protocol):
    """The way into the chat that the bot itself uses, in order and each thing once."""

    async def put(self, channel: str, subject: str, text: str, *, thread: str, key: str) -> None:
        """Let `channel` (a channel or a person) read it, both plain texts. The same `key` again changes nothing; `thread` is the incident's.

        Raises Refused where the chat does not take it, OutcomeUnknown where it has not yet: then it still may.
        """
        ...


class NoPostbox:
    """Where there is no bot, as in `kaeru check`."""

    async def put(self, channel: str, subject: str, text: str, *, thread: str, key: str) -> None:
        del subject, text, thread, key
        raise Refused(f"{channel} cannot be told from here: only a running kaeru posts into the chat.")


class Notifier(Protocol):
    """One way to tell one audience."""

    @property
    def identity(self) -> str:
        """Whom this tells and how, for people and for keys: the same for all that tell the same people. No secrets."""
        ...

    @property
    def audience(self) -> Audience: ...

    @property
    def moments(self) -> frozenset[Moment]:
        """Of what they are told."""
        ...

    @property
    def recognises(self) -> bool:
        """Whether the other side is known to recognise a key, so that `send` after OutcomeUnknown tells nobody twice.

        Where it is not (e-mail, a webhook whose receiver ignores the key), one that is told twice gets the same
        id twice.
        """
        ...

    async def send(self, notice: Notice, key: str) -> Sent:
        """Tell it once. `key` is the same on every retry of the same notice. Does not retry by itself.

        Raises Unavailable, Refused, AuthFailed: nobody was told. Raises OutcomeUnknown where they may have been.
        """
        ...

    async def check(self) -> str:
        """Look whether it would work, without telling anybody; what was seen, as the end of a sentence.

        Raises Unavailable, Refused, AuthFailed.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections. Nothing is called afterwards."""
        ...
