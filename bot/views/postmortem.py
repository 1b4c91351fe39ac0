"""The postmortem as Markdown, by a template that a team may replace, and as the message for the channel.

Everything a template prints is made harmless (see `bot.views.markdown`), also where it uses no filter.
A template that does not work never costs the postmortem: the built-in one takes its place and says why.
"""

import traceback
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bot.domain.comparison import Comparison
from bot.domain.durations import NOT_KNOWN, human
from bot.domain.evidence import Outcome
from bot.domain.postmortem import Postmortem
from bot.ports.chat import Blocks
from bot.views.blocks import context, divider, fields, header, section
from bot.views.limits import FALLBACK_TEXT, clip, fit
from bot.views.markdown import Markdown, block, cell, inline
from bot.views.mrkdwn import escape
from bot.views.verdict_table import verdict_line, verdict_markdown

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

BUILT_IN = "postmortem.md.j2"
_VERDICTS = {
    Outcome.SUCCEEDED: "within limits",
    Outcome.FAILED: "beyond limits",
    Outcome.UNKNOWN: "not measured",
}


def render(postmortem: Postmortem, template: Path | None = None) -> str:
    """The postmortem as Markdown. `template` replaces the built-in one; where it fails, a note stands on top."""
    try:
        return render_strictly(postmortem, template)
    except ValueError as error:
        if template is None:
            raise
        note = inline(f"{error} This is the built-in one.")
        return f"> **{note}**\n\n{render_strictly(postmortem, None)}"


def render_strictly(postmortem: Postmortem, template: Path | None) -> str:
    """The same by `template` alone, for trying one out. Raises ValueError: a sentence with the line at fault."""
    folder, name = (None, BUILT_IN) if template is None else (template.parent, template.name)
    try:
        text = _environment(folder).get_template(name).render(pm=postmortem)
        source = None if template is None else template.read_text(encoding="utf-8")
    except Exception as error:  # a template is a program; it may raise anything
        raise ValueError(_complaint(name, error)) from error
    if text == source:
        raise ValueError(
            f"The postmortem template {name} says nothing of the incident: is it another file? "
            "docs/postmortem.md has what a template can use."
        )
    return text


@cache
def _environment(folder: Path | None) -> "ImmutableSandboxedEnvironment":
    # Late, because only the end of an incident needs them, and every start of the bot would pay.
    from jinja2 import FileSystemLoader, PackageLoader, StrictUndefined  # noqa: PLC0415 - see above
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415 - see above

    environment = ImmutableSandboxedEnvironment(
        loader=PackageLoader("bot.views") if folder is None else FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=False,  # Markdown, not HTML; `finalize` makes every printed value harmless
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_printed,
    )
    environment.filters.update(
        cell=cell,
        inline=inline,
        block=block,
        link=link,
        markdown=Markdown,
        when=when,
        length_of=length_of,
        share=share,
        ms=milliseconds,
        verdict=_VERDICTS.__getitem__,
        verdict_table=lambda table: Markdown(verdict_markdown(table)),
    )
    return environment


def _complaint(name: str, error: Exception) -> str:
    """One sentence: which template, which line, and what is wrong with it."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).name == name]
    # A template that cannot be read at all says where by itself.
    line = getattr(error, "lineno", None) or (lines[-1] if lines else None)
    where = f" in line {line}" if line else ""
    what = str(error) or type(error).__name__
    return f"The postmortem template {name} does not work{where}: {what.rstrip('.')}."


def _printed(value: object) -> Markdown:
    """What `{{ value }}` prints: harmless, but with the spaces around it, which keep words apart."""
    if isinstance(value, Markdown):
        return value
    text = str(value)
    before, after = (" " if edge.isspace() else "" for edge in (text[:1], text.strip() and text[-1:]))
    return Markdown(f"{before}{inline(text)}{after}")


def link(text: object, url: str) -> Markdown:
    """`text` as a link to `url`; without one where that is no address on the web."""
    shown = inline(text)
    if not url.startswith(("https://", "http://")) or any(c.isspace() or c in "<>" for c in url):
        return shown
    return Markdown(f"[{shown}](<{url}>)")


def when(at: datetime | None, missing: str = NOT_KNOWN) -> Markdown:
    """`2026-11-24 14:11:30 UTC`: always with date and zone."""
    return Markdown(missing if at is None else f"{at:%Y-%m-%d %H:%M:%S} {at.tzname() or ''}".rstrip())


def length_of(length: timedelta | None, missing: str = NOT_KNOWN) -> Markdown:
    """`1 min 42 s`."""
    return Markdown(missing if length is None else human(length))


def share(value: float) -> Markdown:
    """A share between 0 and 1 as `12.5 %`."""
    return Markdown(f"{value * 100:.1f}".removesuffix(".0") + " %")


def milliseconds(value: float | None) -> Markdown:
    return Markdown("not measured" if value is None else f"{value:.0f} ms")


def summary_blocks(postmortem: Postmortem) -> tuple[str, Blocks]:
    """The message for the channel: the fallback text and at most 12 blocks. Buttons are the caller's to add."""
    pm = postmortem
    lost = [escape(f"{loss.what}: {loss.reason}") for loss in pm.losses]
    missing = [what for what, said in (("root cause", pm.root_cause), ("lessons", pm.lessons)) if not said]
    blocks = [
        header(f"Postmortem {pm.incident_id}"),
        section(escape(pm.summary).strip() or "No summary was recorded."),
        fields(*(f"*{label}*\n{escape(value)}" for label, value in _facts(pm))),
        divider(),
        section(f"*Times*\n{_times(pm)}"),
        section(f"*Decision*\n{_decision(pm)}"),
        section(f"*Evidence*\n{_evidence(pm)}"),
    ]
    if pm.actions:
        blocks.append(section(f"*Open actions*\n{_listing(_actions(pm))}"))
    if lost:
        blocks.append(section(f":warning: *Not delivered to Slack*\n{_listing(lost)}"))
    if missing:
        blocks.append(section(f":memo: Not recorded yet: {' and '.join(missing)}."))
    blocks.append(context(f"{'' if pm.complete else ':warning: '}{escape(pm.completeness)}"))
    return clip(f"Postmortem {pm.incident_id}: {pm.status}", FALLBACK_TEXT), fit(blocks)


def _facts(pm: Postmortem) -> tuple[tuple[str, str], ...]:
    """Label and value, in plain text; a section takes ten at most."""
    back = f"{pm.from_version} → {pm.to_version}" if pm.to_version else "no rollback"
    return (
        ("Service", pm.service),
        ("Severity", pm.severity or "not set"),
        ("Status", pm.status),
        ("Versions", back),
        ("Declared", f"{when(pm.declared_at)} by {pm.declared_by}"),
        ("Duration", human(pm.times.total)),
        ("Impact", _impact(pm)),
        ("Responders", pm.responders),
    )


def _impact(pm: Postmortem) -> str:
    measured = ""
    if pm.illness:
        ill = pm.illness
        measured = f"{ill.errors} of {ill.count} probes failed ({share(ill.error_rate)})"
    return "; ".join(part for part in (pm.impact.rstrip("."), measured) if part) or "not recorded"


def _times(pm: Postmortem) -> str:
    named = (
        ("detect", pm.times.detect),
        ("decide", pm.times.decide),
        ("approve", pm.times.approve),
        ("roll back", pm.times.roll_back),
        ("mitigate", pm.times.mitigate),
        ("verify", pm.times.verify),
    )
    return " · ".join(f"{name} {human(length)}" for name, length in named)


def _decision(pm: Postmortem) -> str:
    told = []
    for run in pm.runs:
        glass = f", *glass broken*: {escape(run.glass_broken)}" if run.glass_broken else ""
        why = f": {escape(run.reason)}" if run.reason else ""
        by = escape(run.approved_by)
        told.append(
            f"{run.from_version} → {run.to_version} by plan {run.plan_number}, approved by {by}{glass}; {run.outcome}{why}"
        )
    return _listing(told) if told else "Nothing was rolled back."


def _evidence(pm: Postmortem) -> str:
    def told(row: Comparison) -> str:
        rates = [f"{share(s.error_rate)} errors" if s else "not measured" for s in (row.during, row.after)]
        slow = [f", p95 {milliseconds(s.p95_ms)}" if s else "" for s in (row.during, row.after)]
        endpoint = escape(row.endpoint)
        return f"{endpoint}: {rates[0]}{slow[0]} while ill → {rates[1]}{slow[1]} after ({_VERDICTS[row.after_verdict]})"

    judged = [f"*Verdict* {escape(verdict_line(pm.verdicts[-1]))}"] if pm.verdicts else []
    if not pm.evidence:
        return _listing(judged) if judged else "Nothing was measured from outside."
    return _listing([*judged, *(told(row) for row in pm.evidence)])


def _actions(pm: Postmortem) -> list[str]:
    return [
        escape(
            f"{action.text} ({', '.join(x for x in (action.owner or 'no owner yet', action.reference) if x)})"
        )
        for action in pm.actions
    ]


def _listing(lines: Sequence[str], most: int = 8) -> str:
    shown = [f"• {clip(line, 330)}" for line in lines[:most]]
    rest = [f"… and {len(lines) - most} more, in the file"] if len(lines) > most else []
    return "\n".join((*shown, *rest))
