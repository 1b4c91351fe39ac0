"""What people outside are told."""

from typing import Literal

from bot.domain.audiences import Addressee, Audience, Moment, Telling
from bot.domain.events.base import Happened


class UpdateWritten(Happened):
    """Somebody of the team wants an audience to know this, in these words."""

    type: Literal["update_written"] = "update_written"
    audience: Audience
    text: str


class NoticesDue(Happened):
    """The event before this one is one that people outside are told of; it is number `number` of the incident."""

    type: Literal["notices_due"] = "notices_due"
    number: int
    moment: Moment
    addressees: tuple[Addressee, ...]


class NoticeSent(Happened):
    """`name` (of kaeru.yml) was told. `already`: that had been before. `declined` are those who were not told, and why.

    `whom` is shown to people; it has no secrets. `text` is plain.
    """

    type: Literal["notice_sent"] = "notice_sent"
    number: int
    moment: Moment
    name: str
    audience: Audience
    whom: str
    subject: str
    text: str
    reference: str = ""
    url: str = ""
    already: bool = False
    declined: tuple[str, ...] = ()
    note: str = ""


class NoticeFailed(Happened):
    """`name` was not told; with the state `unknown` nobody knows. `reason` says what to do."""

    type: Literal["notice_failed"] = "notice_failed"
    number: int
    moment: Moment
    name: str
    audience: Audience
    whom: str
    reason: str
    state: Literal[Telling.FAILED, Telling.UNKNOWN, Telling.OUTDATED] = Telling.FAILED
    subject: str = ""
