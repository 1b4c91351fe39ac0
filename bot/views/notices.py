"""Notices in the words of their audience, by templates that a team may replace one by one.

Whatever somebody wrote, a subject stays one line and no control character gets through. A template that does not
work never costs the notice: the built-in one takes its place, and the log says why.
"""

import logging
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.domain.durations import human
from bot.domain.notices import Known, Notice
from bot.views.limits import clip
from bot.views.markdown import cleaned

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

_log = logging.getLogger(__name__)

SUBJECT = 160
_BLANK = re.compile(r"\n{3,}")


def notice(known: Known, templates: Path | None = None) -> Notice:
    """`known` in words. `templates` is a folder with `AUDIENCE.txt.j2` for each audience that is told differently."""
    if templates is not None and (templates / _name(known)).is_file():
        try:
            return notice_strictly(known, templates)
        except ValueError as error:
            _log.warning("%s The built-in one is used.", error)
    return notice_strictly(known, None)


def notice_strictly(known: Known, templates: Path | None) -> Notice:
    """The same by the template in `templates` alone. Raises ValueError: a sentence that says what is wrong with it."""
    name = _name(known)
    try:
        template = _environment(templates).get_template(name)
        subject, text = (_part(template, block, known) for block in ("subject", "text"))
    except Exception as error:  # a template is a program; it may raise anything
        line = getattr(error, "lineno", None)
        where = f" in line {line}" if line else ""
        what = str(error) or type(error).__name__
        raise ValueError(f"The template {name} does not work{where}: {what.rstrip('.')}.") from error
    subject = clip(" ".join(subject.split()), SUBJECT)
    text = _BLANK.sub("\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip()
    for block, rendered in (("subject", subject), ("text", text)):
        if not rendered:
            raise ValueError(f"The template {name} does not work: its block `{block}` is empty.")
    return Notice(subject=subject, text=text, known=known)


def _name(known: Known) -> str:
    return f"{known.audience.value}.txt.j2"


def _part(template: Any, block: str, known: Known) -> str:
    if block not in template.blocks:
        raise ValueError(f"it has no block `{block}`")
    return "".join(template.blocks[block](template.new_context({"k": known})))


@cache
def _environment(folder: Path | None) -> "ImmutableSandboxedEnvironment":
    # Late, as for the postmortem: every start of the bot would pay.
    from jinja2 import FileSystemLoader, PackageLoader, StrictUndefined  # noqa: PLC0415 - see above
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415 - see above

    environment = ImmutableSandboxedEnvironment(
        loader=PackageLoader("bot.views", "templates/notices")
        if folder is None
        else FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=False,  # plain text, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=cleaned,
    )
    environment.filters.update(time=_time, length_of=human)
    return environment


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M %Z}"
