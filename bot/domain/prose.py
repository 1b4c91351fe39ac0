"""People and what they typed, in Slack's text form and in plain text.

Slack's text form is what messages carry: `<@U1>` mentions a person, `<https://…|label>` is a link, and
`&`, `<`, `>` stand escaped everywhere else. Plain text has none of that and pings nobody.
"""

import re
from collections.abc import Mapping, Sequence

from bot.domain.base import BOT, UserId

Names = Mapping[str, str]
"""Display names by the id of a person or a channel."""

_COMMAND_LINE = "cli:"
_SLACK_USER = re.compile(r"[UW][A-Z0-9]{2,20}")
_MENTION = re.compile(r"<@([^<>|\n]+)(?:\|[^<>\n]*)?>")
_KEPT = re.compile(r"<[@#][A-Z0-9]{2,}(?:\|[^<>|\n]*)?>|&(?:amp|lt|gt);")
_MARKUP = re.compile(r"<([@#!]?)([^<>|\n]+)(?:\|([^<>\n]*))?>")
_DATE = re.compile(r"<!date\^[^<>|]*\|([^<>]*)>")
_DECORATION = re.compile(r":[a-z][a-z0-9_+-]*:\s?|[*`]")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


def is_slack_user(user: str) -> bool:
    """Whether it has the form of a person's id in Slack. A word in capitals may have it too: ask only of ids."""
    return _SLACK_USER.fullmatch(user) is not None


def mentioned(text: str) -> frozenset[UserId]:
    """The people that a text in Slack's form mentions: `<@U0ALICE>`, also with a label."""
    return frozenset(user for user in _MENTION.findall(text) if is_slack_user(user))


def person(user: UserId) -> str:
    """A person in Slack's text form; kaeru itself and people of the command line by their names."""
    if user == BOT:
        return BOT
    if user.startswith(_COMMAND_LINE):
        return f"{typed(user.removeprefix(_COMMAND_LINE))} (command line)"
    return f"<@{user}>"


def people(users: Sequence[UserId]) -> str:
    """`<@U1>, <@U2> and <@U3>`; "nobody" for none."""
    return listed([person(user) for user in users])


def listed(words: Sequence[str]) -> str:
    """`a, b and c`; "nobody" for none."""
    if not words:
        return "nobody"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def typed(text: str) -> str:
    """Anything that somebody or something wrote, as one line in Slack's text form; see `escaped`."""
    return escaped(" ".join(text.split()))


def undecorated(text: str) -> str:
    """What kaeru wrote for Slack, as a sentence: without emoji, bold and code type, times as everybody reads them."""
    return _DECORATION.sub("", _DATE.sub(r"\1", text)).strip()


def escaped(text: str) -> str:
    """What was written, in Slack's text form, its lines kept.

    Mentions of people and channels stay; `<!channel>` and every other markup is shown, not obeyed.
    Text that is in Slack's form already is not escaped twice.
    """
    parts, end = [], 0
    for kept in _KEPT.finditer(text):
        parts += [_escape(text[end : kept.start()]), kept.group()]
        end = kept.end()
    return "".join(parts) + _escape(text[end:])


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def name(user: UserId, names: Names) -> str:
    """A person in plain text: the display name, or the id where no name is known."""
    if user.startswith(_COMMAND_LINE):
        return f"{user.removeprefix(_COMMAND_LINE)} (command line)"
    return names.get(user) or user


def plain(text: str, names: Names) -> str:
    """Slack's text form as plain text: mentions become names, links `label (address)`, entities characters.

    A channel's id tells people nothing: one without a known name is "another channel".
    """

    def replace(match: re.Match[str]) -> str:
        sign, what, label = match.groups()
        if sign == "@":
            return name(what, names)
        if sign == "#":
            known = label or names.get(what)
            return f"#{known.removeprefix('#')}" if known else "another channel"
        if sign == "!":
            return label or f"@{what.split('^')[0]}"
        return f"{label} ({what})" if label and label != what else what

    shown = _MARKUP.sub(replace, text)
    for entity, character in _ENTITIES:
        shown = shown.replace(entity, character)
    return shown
