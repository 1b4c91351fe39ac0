"""Everything a workspace remembers: pure memory, no I/O. Who changes it tells the listeners."""

import time
from collections.abc import Callable
from itertools import count

from sandbox.workspace.errors import SlackError
from sandbox.workspace.model import Change, Channel, Json, Listener, StoredFile, User, UserGroup, stamp

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Workspace:
    """Team, users, channels, files. Times are Unix seconds from `clock`."""

    def __init__(
        self,
        *,
        team_name: str = "kaeru demo",
        app_name: str = "kaeru",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.clock = clock
        self.team_id = "T0KAERU"
        self.team_name = team_name
        self.app_id = "A0KAERU"
        self.app_name = app_name
        self.bot_id = "B0KAERU"
        self.bot_user = "U0KAERU"
        self.users: dict[str, User] = {}
        self.usergroups: dict[str, UserGroup] = {}
        self.channels: dict[str, Channel] = {}
        self.names: dict[str, str] = {}
        self.ims: dict[tuple[str, str], str] = {}
        self.files: dict[str, StoredFile] = {}
        self.listeners: list[Listener] = []
        self.last_stamp = 0
        self.serial = count(1)

    # time and ids

    def now(self) -> int:
        return int(self.clock())

    def next_ts(self) -> str:
        """A ts that no message of this workspace has, later than every one before."""
        self.last_stamp = max(self.last_stamp + 1, int(self.clock() * 1_000_000))
        return stamp(self.last_stamp)

    def new_id(self, prefix: str) -> str:
        number, digits = next(self.serial), ""
        for _ in range(8):
            number, digit = divmod(number, 36)
            digits = ALPHABET[digit] + digits
        return f"{prefix}0{digits}"

    def emit(self, change: Change) -> None:
        for listener in self.listeners:
            listener(change)

    # people

    def add_user(self, user: User) -> User:
        self.users[user.id] = user
        return user

    def user(self, user_id: str) -> User:
        found = self.users.get(user_id)
        if found is None:
            raise SlackError("user_not_found")
        return found

    def named(self, name_or_id: str) -> User:
        return self.by_name(name_or_id) or self.user(name_or_id)

    def by_name(self, name: str) -> User | None:
        return next((user for user in self.users.values() if user.name == name), None)

    def add_usergroup(self, group: UserGroup) -> UserGroup:
        self.usergroups[group.id] = group
        return group

    # channels

    def add_channel(self, channel: Channel) -> Channel:
        """Takes in a channel as it is, without telling anybody (seed, saved state)."""
        self.channels[channel.id] = channel
        if channel.is_im:
            self.ims[im_key(*channel.members)] = channel.id
        else:
            self.names[channel.name] = channel.id
        return channel

    def channel(self, channel_id: str, viewer: str | None = None) -> Channel:
        """The channel of an id. `viewer` cannot see a private one they are not in: channel_not_found, as Slack says."""
        found = self.channels.get(channel_id)
        if found is None or (
            viewer is not None and (found.is_private or found.is_im) and viewer not in found.members
        ):
            raise SlackError("channel_not_found")
        return found

    def channels_of(self, user: str) -> list[Channel]:
        return [channel for channel in self.channels.values() if user in channel.members]

    def create_channel(self, name: str, creator: str, *, is_private: bool = False) -> Channel:
        """A new channel with its creator in it. Raises name_taken (archived names stay taken)."""
        if name in self.names:
            raise SlackError("name_taken")
        channel = Channel(
            id=self.new_id("C"), name=name, creator=creator, created=self.now(), is_private=is_private
        )
        self.add_channel(channel)
        self.emit(Change("channel_created", channel, creator))
        return channel

    def rename_channel(self, channel: Channel, name: str, user: str) -> None:
        if self.names.get(name, channel.id) != channel.id:
            raise SlackError("name_taken")
        old = channel.name
        self.names.pop(old, None)
        self.names[name] = channel.id
        channel.name = name
        channel.previous_names = [*channel.previous_names, old]
        self.emit(Change("channel_renamed", channel, user, detail={"old_name": old}))

    def open_im(self, first: str, second: str) -> tuple[Channel, bool]:
        """The IM of two people, and whether it is new."""
        known = self.ims.get(im_key(first, second))
        if known is not None:
            return self.channels[known], False
        channel = Channel(
            id=self.new_id("D"), name="", creator=first, created=self.now(), is_im=True,
            members=dict.fromkeys((first, second)),
        )  # fmt: skip
        self.add_channel(channel)
        self.emit(Change("channel_created", channel, first))
        return channel, True

    def join(self, channel: Channel, user: str, inviter: str = "") -> bool:
        """False if they are in it already."""
        if user in channel.members:
            return False
        channel.members[user] = None
        channel.last_read[user] = channel.order[-1] if channel.order else "0000000000.000000"
        self.emit(Change("member_joined", channel, user, detail={"inviter": inviter} if inviter else {}))
        return True

    def leave(self, channel: Channel, user: str) -> bool:
        if user not in channel.members:
            return False
        del channel.members[user]
        self.emit(Change("member_left", channel, user))
        return True

    def set_archived(self, channel: Channel, user: str, *, archived: bool) -> None:
        channel.is_archived = archived
        self.emit(Change("channel_archived" if archived else "channel_unarchived", channel, user))

    def set_about(self, channel: Channel, what: str, value: str, user: str) -> None:
        """`what` is topic or purpose."""
        about: Json = {"value": value, "creator": user, "last_set": self.now()}
        if what == "topic":
            channel.topic = about
        else:
            channel.purpose = about
        self.emit(Change("channel_changed", channel, user))

    def set_bookmarks(self, channel: Channel, bookmarks: list[Json]) -> None:
        channel.bookmarks = bookmarks
        self.emit(Change("bookmarks", channel))

    def mark_read(self, channel: Channel, user: str, ts: str) -> None:
        channel.last_read[user] = ts
        self.emit(Change("read", channel, user, ts))


def im_key(first: str, second: str | None = None) -> tuple[str, str]:
    low, high = sorted((first, second or first))
    return low, high
