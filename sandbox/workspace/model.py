"""The nouns of a workspace, in memory, and the shapes Slack gives them on the wire."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


def stamp(microseconds: int) -> str:
    """A `ts`: "seconds.microseconds". Ten digits of seconds, so text order is time order."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{seconds:010d}.{rest:06d}"


def parse_stamp(text: str) -> str | None:
    """What a caller gave as `oldest`, `latest` or `ts` ("0", "1700000000.5"), normalised; None if it is no number."""
    seconds, _, rest = text.strip().partition(".")
    if not seconds.isdigit() or (rest and not rest.isdigit()):
        return None
    return stamp(int(seconds) * 1_000_000 + int(f"{rest:0<6}"[:6] or 0))


@dataclass(slots=True)
class User:
    id: str
    name: str
    real_name: str
    is_bot: bool = False

    def shape(self, team_id: str) -> Json:
        profile = {"real_name": self.real_name, "display_name": self.name, "team": team_id, "status_text": ""}
        return {
            "id": self.id,
            "team_id": team_id,
            "name": self.name,
            "real_name": self.real_name,
            "deleted": False,
            "profile": profile,
            "is_bot": self.is_bot,
            "is_admin": False,
            "is_app_user": False,
            "tz": "Etc/UTC",
            "tz_label": "Coordinated Universal Time",
            "tz_offset": 0,
            "updated": 0,
        }


@dataclass(slots=True)
class UserGroup:
    """`handle` is what is typed after the @; `users` are ids."""

    id: str
    handle: str
    name: str
    users: list[str] = field(default_factory=list)

    def shape(self, team_id: str) -> Json:
        return {
            "id": self.id,
            "team_id": team_id,
            "is_usergroup": True,
            "is_subteam": True,
            "name": self.name,
            "description": "",
            "handle": self.handle,
            "is_external": False,
            "date_create": 0,
            "date_update": 0,
            "date_delete": 0,
            "auto_type": None,
            "created_by": "",
            "updated_by": "",
            "deleted_by": None,
            "prefs": {"channels": [], "groups": []},
            "user_count": len(self.users),
        }


@dataclass(slots=True)
class Channel:
    """A channel or an IM with everything in it.

    `messages` holds all messages by ts; `order` the ts of those shown in the channel (no plain thread replies), and
    `threads` the replies of each parent, both ascending. Message objects are never changed in place: an edit
    replaces them, so whoever holds one holds a snapshot.
    """

    id: str
    name: str
    creator: str
    created: int
    is_private: bool = False
    is_im: bool = False
    is_archived: bool = False
    topic: Json = field(default_factory=lambda: {"value": "", "creator": "", "last_set": 0})
    purpose: Json = field(default_factory=lambda: {"value": "", "creator": "", "last_set": 0})
    members: dict[str, None] = field(default_factory=dict)
    previous_names: list[str] = field(default_factory=list)
    messages: dict[str, Json] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    threads: dict[str, list[str]] = field(default_factory=dict)
    ephemerals: dict[str, dict[str, Json]] = field(default_factory=dict)
    bookmarks: list[Json] = field(default_factory=list)
    last_read: dict[str, str] = field(default_factory=dict)
    mentions: dict[str, list[str]] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """The word that scopes and event names use for this kind: channels, groups, im."""
        if self.is_im:
            return "im"
        return "groups" if self.is_private else "channels"

    @property
    def channel_type(self) -> str:
        return {"im": "im", "groups": "group", "channels": "channel"}[self.family]

    def other(self, user: str) -> str:
        """The other person of an IM (oneself in an IM with oneself)."""
        return next((member for member in self.members if member != user), user)

    def shape(self, viewer: str, team_id: str) -> Json:
        if self.is_im:
            return {
                "id": self.id,
                "created": self.created,
                "is_im": True,
                "is_archived": False,
                "is_org_shared": False,
                "context_team_id": team_id,
                "user": self.other(viewer),
                "is_user_deleted": False,
                "priority": 0,
            }
        return {
            "id": self.id,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": not self.is_private,
            "is_group": self.is_private,
            "is_im": False,
            "is_mpim": False,
            "is_private": self.is_private,
            "is_archived": self.is_archived,
            "is_general": self.name == "general",
            "is_member": viewer in self.members,
            "is_shared": False,
            "is_ext_shared": False,
            "is_org_shared": False,
            "created": self.created,
            "creator": self.creator,
            "context_team_id": team_id,
            "updated": self.created * 1000,
            "unlinked": 0,
            "topic": self.topic,
            "purpose": self.purpose,
            "previous_names": self.previous_names,
        }


@dataclass(slots=True)
class StoredFile:
    """An upload. `content` is None between the request of an upload URL and the upload itself."""

    shape: Json
    length: int
    content: bytes | None = None
    completed: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened, for whoever tells the bot (events) and the people (pushes).

    kind: message, message_changed, message_deleted, thread_changed, ephemeral, ephemeral_changed,
    ephemeral_deleted, reaction_added, reaction_removed,
    member_joined, member_left, channel_created, channel_renamed, channel_archived, channel_unarchived,
    channel_changed, bookmarks, read. `user` is who did it or who it concerns.
    """

    kind: str
    channel: Channel
    user: str = ""
    ts: str = ""
    message: Json | None = None
    previous: Json | None = None
    detail: Json = field(default_factory=dict)


Listener = Callable[[Change], None]
