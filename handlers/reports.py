"""What users report: `/incident report`, and the form behind *Users report it*."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.domain.base import Refusal, Value
from bot.domain.reports import Standing
from bot.usecases import commands as c
from bot.views.ids import Field, Ref

USAGE = "Say what users say: `/incident report Checkout fails --users 12`, with `--gone` once it is well, or `--again`."
_QUOTES = "\"'“”„‟«»‘’"
# A keyboard may make one long dash of two.
_FLAG = re.compile(r"^(?:--|—|–)([a-z]+)(?:=(.*))?$", re.IGNORECASE)
_STANDINGS: dict[str, Standing] = {"still": "still", "again": "again", "gone": "gone"}


class ReportRequest(Value):
    """`TEXT [--users N] [--gone | --again]`, or `withdraw ID`, or `list`, or nothing: the form."""

    text: str = ""
    users: int = 1
    standing: Standing = "still"
    withdraw: str = ""
    listing: bool = False
    form: bool = False


def parse_report(rest: str) -> ReportRequest:
    """Raises Refusal."""
    words = rest.split()
    if not words:
        return ReportRequest(form=True)
    if words == ["list"]:
        return ReportRequest(listing=True)
    if words[0].lower() == "withdraw" and len(words) == 2:
        return ReportRequest(withdraw=words[1].strip("`"))
    text: list[str] = []
    users, standing = 1, "still"
    left = iter(words)
    for word in left:
        flag = _FLAG.match(word)
        if flag is None:
            text.append(word)
            continue
        name, value = flag[1].lower(), flag[2]
        if name == "users":
            users = how_many(value if value is not None else next(left, ""))
        elif name in _STANDINGS and value is None:
            standing = name
        else:
            raise Refusal(f"I do not know {word[:40]}. {USAGE}")
    said = " ".join(text).strip().strip(_QUOTES).strip()
    if not said and standing != "gone":
        raise Refusal(f"There is no text. {USAGE}")
    return ReportRequest(text=said, users=users, standing=_STANDINGS[standing])


def how_many(text: str) -> int:
    """How many users; one for nothing. Raises Refusal."""
    bare = re.sub(r"[\s,.'’_]", "", text)
    if not bare:
        return 1
    if not re.fullmatch(r"[0-9]{1,12}", bare):
        raise Refusal(f"{text[:20]!r} is no number of users. Write digits, such as 12.")
    return int(bare)


def report_wish(ref: Ref, by: str, values: Mapping[str, Any]) -> c.ReportUsers:
    """What the form says. Raises Refusal."""
    since = values.get(Field.SEEN_SINCE)
    return c.ReportUsers(
        by=by,
        incident_id=ref.incident_id,
        text=str(values.get(Field.REPORT) or ""),
        users=how_many(str(values.get(Field.HOW_MANY) or "")),
        standing=_STANDINGS[str(values.get(Field.STANDING) or "still")],
        seen_since=None if since is None else datetime.fromtimestamp(int(since), UTC),
    )
