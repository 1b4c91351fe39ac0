"""From what a person types to what Slack stores: `&`, `<`, `>`, mentions, channels, links."""

import re

from sandbox.workspace.state import Workspace

# Sequences that are Slack's already stay as they are, so a page (or a test) may send them itself.
READY = re.compile(
    r"(<(?:@[UW][A-Z0-9]+|#C[A-Z0-9]+|!(?:here|channel|everyone)|https?://[^>\s]+)(?:\|[^>]*)?>)"
)
TYPED = re.compile(r"(?<![\w@#/])(?:@([a-z0-9][\w.-]*)|#([a-z0-9][\w-]*)|(https?://[^\s<>]+))")
BROADCASTS = frozenset({"here", "channel", "everyone"})


def encode(state: Workspace, text: str) -> str:
    """A message: `@alice` becomes `<@U…>`, `#deploys` `<#C…>`, an address `<https://…>`."""
    return convert(state, text, labelled=False)


def escape_command(state: Workspace, text: str) -> str:
    """A command with should_escape: as a message, but with labels (`<@U…|alice>`, `<#C…|deploys>`)."""
    return convert(state, text, labelled=True)


def convert(state: Workspace, text: str, *, labelled: bool) -> str:
    if not any(mark in text for mark in "<>&@#:"):
        return text
    parts = READY.split(text)
    return "".join(
        ready if at % 2 else convert_typed(state, ready, labelled=labelled) for at, ready in enumerate(parts)
    )


def convert_typed(state: Workspace, text: str, *, labelled: bool) -> str:
    def replace(match: re.Match[str]) -> str:
        person, room, link = match.groups()
        if link:
            return f"<{link}>"
        if person in BROADCASTS:
            return f"<!{person}>"
        if person:
            user = state.by_name(person)
            if user is None:
                return match.group()
            return f"<@{user.id}|{user.name}>" if labelled else f"<@{user.id}>"
        channel_id = state.names.get(room)
        if channel_id is None:
            return match.group()
        return f"<#{channel_id}|{room}>" if labelled else f"<#{channel_id}>"

    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return TYPED.sub(replace, escaped)
