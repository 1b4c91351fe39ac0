"""Words in Slack's own markup: everything that somebody else wrote goes through here.

`line` is for what repositories, targets and files say: nothing in it means anything to Slack. `said` is
for what people wrote in Slack: mentions of people and channels in it stay.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from bot.domain.base import BOT, UserId
from bot.domain.durations import human
from bot.domain.prose import is_slack_user, listed, person, typed
from bot.views.limits import clip

# Control characters, and the invisible ones that turn the direction of what follows.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_PEOPLE_SHOWN = 8


def clean(text: str) -> str:
    """Without what cannot be seen or sent."""
    return _UNSEEN.sub("", text.replace("\r\n", "\n"))


def plain(text: str, most: int = 150) -> str:
    """One line for `plain_text`, where nothing needs escaping; a dash for nothing."""
    return clip(" ".join(clean(text).split()), most) or "–"


def escape(text: str) -> str:
    """For markup: `&`, `<` and `>` are shown, not obeyed."""
    return clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def line(text: str, most: int = 200) -> str:
    """One escaped line of at most `most` characters as people count them."""
    return escape(plain(text, most)) if text.strip() else ""


def said(text: str, most: int = 500) -> str:
    """One escaped line in which mentions stay, `most` characters of markup at most."""
    return clip(typed(clean(text)), most)


def ended(text: str) -> str:
    """With a full stop, where there is no other end yet."""
    return text if not text or text[-1] in ".!?…:`" else f"{text}."


def because(reason: str) -> str:
    """`: the reason.` after what happened, or only the full stop. `reason` is markup already."""
    return f": {ended(reason)}" if reason else "."


def code(text: str, most: int = 60) -> str:
    """A version, path or endpoint in code type."""
    return f"`{line(text.replace('`', 'ˋ'), most) or '–'}`"


def who(user: UserId) -> str:
    """A mention of a person; kaeru, people of the command line and anything odd by name."""
    if user == BOT or user.startswith("cli:") or is_slack_user(user):
        return clean(person(user))
    return line(user, 40) or "someone"


def whom(users: Sequence[UserId], *, last: str = "and") -> str:
    """`<@U1>, <@U2> and <@U3>`; long lists end with a number. "nobody" for none."""
    names = [who(user) for user in users[:_PEOPLE_SHOWN]]
    if len(users) > _PEOPLE_SHOWN:
        names.append(f"{len(users) - _PEOPLE_SHOWN} more")
    if last == "or" and len(names) > 1:
        return f"{', '.join(names[:-1])} or {names[-1]}"
    return listed(names)


def is_member(user: UserId) -> bool:
    """Whether this is a person of the Slack workspace, not the bot or the command line."""
    return is_slack_user(user)


def when(at: datetime) -> str:
    """A moment in the reader's own zone, with the date; UTC where Slack cannot show it."""
    return _moment(at, "{date_short_pretty} {time_secs}")


def clock(at: datetime) -> str:
    """A time of day in the reader's own zone, for moments that are near."""
    return _moment(at, "{time}")


def _moment(at: datetime, form: str) -> str:
    utc = at.astimezone(UTC)
    return f"<!date^{int(utc.timestamp())}^{form}|{utc:%Y-%m-%d %H:%M:%S} UTC>"


def utc(at: datetime) -> str:
    """A moment where no markup is possible."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def length(of: timedelta | float) -> str:
    """`0.4 s`, `1 min 42 s`; a number is seconds."""
    return human(of if isinstance(of, timedelta) else timedelta(seconds=of))


def percent(share: float) -> str:
    """`2 %`, `0.4 %`."""
    return f"{share * 100:.1f}".removesuffix(".0") + " %"


def ms(value: float | None) -> str:
    return "unmeasured" if value is None else f"{value:.0f} ms"


def counted(count: int, one: str, many: str = "") -> str:
    """`1 commit`, `3 commits`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def bullets(lines: Iterable[str], *, most: int, more: str = "") -> list[str]:
    """The first `most` lines with bullets, and how many are not shown."""
    every = list(lines)
    shown = [f"•  {text}" for text in every[:most]]
    if len(every) > most:
        shown.append(f"•  and {len(every) - most} more{more}")
    return shown


def paragraphs(lines: Iterable[str], most: int) -> list[str]:
    """Lines joined into texts of at most `most` characters, broken between lines; an empty one begins no text."""
    texts: list[str] = []
    for each in lines:
        text = clip(each, most)
        if texts and len(texts[-1]) + 1 + len(text) <= most:
            texts[-1] = f"{texts[-1]}\n{text}"
        elif text.strip():
            texts.append(text)
    return texts
