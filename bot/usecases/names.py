"""How people are called in what leaves Slack: postmortems, exports, issues, notices."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from bot.domain.base import UserId
from bot.domain.prose import is_slack_user, mentioned
from bot.ports import Chat, PortError
from bot.usecases.bounds import reading

_log = logging.getLogger(__name__)

PATIENCE_S = 3.0
_PEOPLE = frozenset({"by", "owner", "user", "author", "inviter", "approved_by"})
"""What the fields of events and messages are called that hold a person's id."""


async def display_names(
    chat: Chat, known: Mapping[str, str], users: Iterable[UserId], *, patience_s: float = PATIENCE_S
) -> dict[str, str]:
    """`known`, and the display names of those of `users` that are Slack's and not among them.

    Who cannot be asked for stays without a name. Once `patience_s` seconds have been waited in vain, for all of them
    together, nobody else is asked for.
    """
    names, left = dict(known), patience_s
    clock = asyncio.get_running_loop().time
    for user in sorted(user for user in set(users) - known.keys() if is_slack_user(user)):
        if left <= 0:
            _log.warning("the name of %s is not asked for: Slack does not answer", user)
            continue
        began = clock()
        try:
            names[user] = await reading(chat.name_of(user), f"the name of {user}", left)
        except PortError as error:
            left -= clock() - began
            _log.warning("the name of %s is not to be had: %s", user, error)
    return names


def people_in(data: Any) -> frozenset[UserId]:
    """Whom the data of an event or a message names: in its fields that are people, and by a mention in its texts."""
    if isinstance(data, str):
        return mentioned(data)
    if isinstance(data, list | tuple):
        return frozenset[UserId]().union(*map(people_in, data))
    if not isinstance(data, dict):
        return frozenset()
    found = set[UserId]()
    for field, value in data.items():
        found |= people_in(value)
        if field in _PEOPLE:
            ids = value if isinstance(value, list | tuple) else (value,)
            found |= {one for one in ids if isinstance(one, str) and is_slack_user(one)}
    return frozenset(found)
