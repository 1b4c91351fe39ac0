"""The verdict's table in chat and in Markdown: it fits, it keeps its shape, and nothing in it means anything."""

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.domain.verdict import Cell, Moment, Row, Verdict, VerdictTable
from bot.views.verdict_table import verdict_card, verdict_markdown
from tests.unit.test_views_properties import assert_fine_message

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)

text = st.text(max_size=400) | st.sampled_from(
    ["a|b", "<!channel>", "<@U123ABC>", "`x`", "*b*", "\n\n# x", "| --- |", "@here", "<b>", "&amp;"]
)
cells = st.none() | st.builds(Cell, shown=text)
rows = st.builds(
    Row,
    source=text,
    what=text,
    before=cells,
    during=cells,
    after=cells,
    verdict=st.sampled_from(Verdict),
    sentence=text,
    required=st.booleans(),
)
tables = st.builds(
    VerdictTable,
    moment=st.sampled_from(Moment),
    at=st.just(NOW),
    rows=st.lists(rows, max_size=40).map(tuple),
)


@given(tables, text)
@settings(max_examples=60, deadline=None)
def test_slack_can_show_every_table(table: VerdictTable, service: str) -> None:
    made = verdict_card(table, service)
    assert_fine_message(made.text, made.blocks)


@given(tables)
@settings(max_examples=60, deadline=None)
def test_every_table_keeps_its_shape_in_markdown(table: VerdictTable) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(verdict_markdown(table))
    kinds = [token.type for token in tokens]
    assert kinds.count("table_open") == bool(table.rows)
    assert kinds.count("tr_open") == (len(table.rows) + 1 if table.rows else 0)
    assert kinds.count("td_open") == 7 * len(table.rows)
    assert "heading_open" not in kinds


def made(count: int) -> VerdictTable:
    cell = Cell(shown="131 ms")
    one = Row(
        source="metrics",
        what="checkout p95",
        before=cell,
        during=Cell(shown="900 ms"),
        after=None,
        verdict=Verdict.UNVERIFIED,
        sentence="1 of 20 values since are missing",
        required=False,
    )
    failed = one.model_copy(update={"verdict": Verdict.FAIL, "what": "errors", "required": True})
    return VerdictTable(moment=Moment.VERIFIED, at=NOW, rows=(one,) * (count - 1) + (failed,))


def test_what_failed_comes_first_and_all_is_said_of_a_row() -> None:
    card = verdict_card(made(2), "shop")
    shown = json.dumps(card.blocks, ensure_ascii=False)
    assert card.text.startswith("shop: It is not well, after the watch. 1 failed, 1 unverified of 2.")
    assert shown.index(":x: metrics `errors`") < shown.index(":grey_question: metrics `checkout p95`")
    assert "before 131 ms → during 900 ms" in shown
    assert "1 of 20 values since are missing" in shown
    assert "(not required)" in shown


def test_many_rows_are_counted_in_chat_and_all_there_in_markdown() -> None:
    table = made(30)
    assert "and 10 more rows: 10 unverified" in json.dumps(verdict_card(table, "shop").blocks)
    assert verdict_markdown(table).count("checkout p95") == 29


def test_markdown_says_the_whole_and_marks_what_is_missing() -> None:
    lines = verdict_markdown(made(2)).splitlines()
    assert lines[0] == "**fail** after the watch: 1 failed, 1 unverified of 2."
    assert lines[4] == (
        "| fail | metrics | errors | 131 ms | 900 ms | – | 1 of 20 values since are missing |"
    )
