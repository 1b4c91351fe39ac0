"""The verdict as one table: in chat, where a row is a short paragraph, and in Markdown, where it is a row."""

from collections.abc import Sequence

from bot.domain.verdict import Cell, Moment, Row, Verdict, VerdictTable
from bot.views.blocks import Block, Card, card, context, header, section, sections
from bot.views.markdown import cell, inline
from bot.views.mrkdwn import clock, code, counted, line

_SHOWN = 20
_LINES = 3
_EMOJI = {
    Verdict.FAIL: ":x:",
    Verdict.UNVERIFIED: ":grey_question:",
    Verdict.PASS: ":white_check_mark:",
}
_WORDS = {Verdict.FAIL: "fail", Verdict.UNVERIFIED: "unverified", Verdict.PASS: "pass"}
_HEADINGS = {
    Verdict.FAIL: "It is not well",
    Verdict.UNVERIFIED: "Not proven to be well",
    Verdict.PASS: "It is well again",
}
_MOMENTS = {
    Moment.MITIGATED: "when it was mitigated",
    Moment.VERIFIED: "after the watch",
    Moment.RELAPSED: "at the relapse",
}
_NOTHING = "–"
_HEAD = ("", "Source", "What", "Before", "During", "After", "Why")


def verdict_card(table: VerdictTable, service: str) -> Card:
    """The whole as a message of its own."""
    heading = f"{service}: {_heading(table)}"
    lead = f"{_EMOJI[table.overall]} *{_WORDS[table.overall]}* {_MOMENTS[table.moment]}, {clock(table.at)}"
    waits = (
        f"\nkaeru waits for what is missing until {clock(table.waits_until)}." if table.waits_until else ""
    )
    told = f"{lead}\n{line(table.sentence)}{waits}"
    blocks = [header(heading), section(told), *verdict_blocks(table)]
    return card(f"{line(heading)}, {_MOMENTS[table.moment]}. {line(table.sentence)}", blocks)


def _heading(table: VerdictTable) -> str:
    if table.moment is Moment.RELAPSED:
        return "It is ill again"
    if table.moment is Moment.MITIGATED and table.overall is Verdict.UNVERIFIED:
        return "Mitigated, and not all of it proven yet"
    return _HEADINGS[table.overall]


def verdict_blocks(table: VerdictTable) -> list[Block]:
    """One paragraph per row, those that matter most first; nothing where nothing was measured."""
    ranked = table.ranked
    blocks = sections([_row(row) for row in ranked[:_SHOWN]])
    if len(ranked) > _SHOWN:
        hidden = ranked[_SHOWN:]
        blocks.append(context(f"and {counted(len(hidden), 'more row')}: {_counts(hidden)}"))
    return blocks


def _row(row: Row) -> str:
    optional = "" if row.required else " (not required)"
    head = f"{_EMOJI[row.verdict]} {line(row.source, 40)} {code(row.what)}{optional}"
    cells = ((name, found) for name, found in _cells(row) if found is not None)
    measured = " → ".join(f"{name} {line(found.shown, 80)}" for name, found in cells)
    said = (f"> new {line(text, 250)}" for text in row.lines[:_LINES])
    told = (head, measured or "nothing was measured", line(row.sentence, 300), *said)
    return "\n".join(text for text in told if text)


def _cells(row: Row) -> tuple[tuple[str, Cell | None], ...]:
    return ("before", row.before), ("during", row.during), ("after", row.after)


def _counts(rows: Sequence[Row]) -> str:
    counts = {verdict: sum(row.verdict is verdict for row in rows) for verdict in _WORDS}
    return ", ".join(f"{count} {_WORDS[verdict]}" for verdict, count in counts.items() if count)


def verdict_line(table: VerdictTable) -> str:
    """The whole in one line of plain text."""
    return f"{_WORDS[table.overall]} {_MOMENTS[table.moment]}: {table.sentence}"


def verdict_markdown(table: VerdictTable) -> str:
    """A table with all rows, ended by a newline; one sentence where there is none."""
    told = f"**{_WORDS[table.overall]}** {_MOMENTS[table.moment]}: {inline(table.sentence)}\n"
    if not table.rows:
        return told
    lines = [" | ".join(_HEAD), " | ".join(["---"] * len(_HEAD))]
    for row in table.ranked:
        optional = "" if row.required else " (not required)"
        texts = [
            _WORDS[row.verdict],
            cell(row.source),
            f"{cell(row.what)}{optional}",
            *(_NOTHING if found is None else cell(found.shown) for _, found in _cells(row)),
            cell("; new ".join((row.sentence, *row.lines[:_LINES]))),
        ]
        lines.append(" | ".join(texts))
    return told + "\n" + "".join(f"| {each} |\n" for each in lines)
