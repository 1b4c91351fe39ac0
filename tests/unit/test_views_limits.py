"""Slack's limits: nothing is cut in the middle of a meaning, and what breaks a limit is found."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.base import Refusal
from bot.views.blocks import actions, button, context, header, section
from bot.views.ids import MAX_REF, Action, Ref, pattern
from bot.views.limits import MESSAGE_BLOCKS, MESSAGE_TEXT, clip, fit, total_text, validate
from bot.views.mrkdwn import because, bullets, code, escape, line, paragraphs, percent, said, when, who, whom
from tests.story import ALICE, BOB, CAROL, DAVE, at

pieces = st.lists(
    st.sampled_from(("&amp;", "&lt;", "<@U0ALICE>", "<!date^1^{time}|x UTC>", "a", " ", "–", "\n", "word"))
)


@given(pieces, st.integers(0, 60))
def test_a_clipped_text_is_no_longer_than_asked_and_holds_only_whole_entities(
    parts: list[str], most: int
) -> None:
    text = "".join(parts)
    short = clip(text, most)
    assert len(short) <= most
    if len(text) <= most:
        assert short == text
        return
    rest = re.sub(r"&(?:amp|lt|gt);|<[^<>\n]*>", "", short)
    assert not re.search("[<>&]", rest)
    assert text.startswith(short.removesuffix("…"))


@given(st.text(), st.integers(1, 200))
def test_whatever_is_written_becomes_one_line_without_markup(text: str, most: int) -> None:
    for shown in (line(text, most), escape(text)):
        assert not re.search(r"<|>|&(?!(?:amp|lt|gt);)", shown)
    assert "\n" not in line(text, most)
    assert len(re.sub("&(?:amp|lt|gt);", "x", line(text, most))) <= most


def test_repository_text_mentions_nobody_and_people_may() -> None:
    subject = "Thanks <@U0BOB>, see <https://example.org|this> & <!channel>"
    assert line(subject) == (
        "Thanks &lt;@U0BOB&gt;, see &lt;https://example.org|this&gt; &amp; &lt;!channel&gt;"
    )
    assert said("ask <@U0BOB> in <#C0GENERAL|general>, <!here>") == (
        "ask <@U0BOB> in <#C0GENERAL|general>, &lt;!here&gt;"
    )


def test_a_direction_override_cannot_turn_a_line_around() -> None:
    assert line("safe \u202egnp.exe") == "safe gnp.exe"


def test_words() -> None:
    assert code("a`b") == "`aˋb`"
    assert code("") == "`–`"
    assert because("") == "."
    assert because("it is late.") == ": it is late."
    assert because("it is late") == ": it is late."
    assert percent(0.02) == "2 %"
    assert percent(0.0041) == "0.4 %"
    assert (
        when(at("14:11:30")) == "<!date^1795529490^{date_short_pretty} {time_secs}|2026-11-24 14:11:30 UTC>"
    )
    assert who("kaeru") == "kaeru"
    assert who("cli:<root>") == "&lt;root&gt; (command line)"
    assert who("<!channel>") == "&lt;!channel&gt;"
    assert whom((ALICE, BOB, CAROL, DAVE), last="or") == "<@U0ALICE>, <@U0BOB>, <@U0CAROL> or <@U0DAVE>"
    assert whom(()) == "nobody"
    assert whom([f"U0P{n}" for n in range(30)]).endswith("and 22 more")
    assert bullets(["a", "b", "c"], most=2) == ["•  a", "•  b", "•  and 1 more"]
    assert paragraphs(["aa", "bb", "cc"], 5) == ["aa\nbb", "cc"]


def test_fit_leaves_alone_what_fits() -> None:
    blocks = [header("Title"), section("text")]
    assert fit(blocks) == tuple(blocks)


@given(st.integers(0, 80), st.integers(1, 3000))
def test_fit_keeps_the_title_and_everything_one_can_press(count: int, size: int) -> None:
    row = actions(button("Approve", Action.ROLLBACK_APPROVE, Ref(incident_id="inc-1")))
    blocks = [header("Title"), *(section("x" * size) for _ in range(count)), row, context("small print")]
    kept = fit(blocks)
    assert kept[0] == header("Title")
    assert row in kept
    assert len(kept) <= MESSAGE_BLOCKS
    assert total_text(kept) <= MESSAGE_TEXT
    assert validate({"text": "x", "blocks": kept}) == []
    assert (kept == tuple(blocks)) == ("did not fit" not in str(kept))


def _button(**changes: Any) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": "A"}, "action_id": "a", **changes}


_OPTION = {"text": {"type": "plain_text", "text": "A"}, "value": "a"}


@pytest.mark.parametrize(
    ("blocks", "finding"),
    [
        ([{"type": "divider"}] * 51, "blocks: 51 items"),
        (
            [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}],
            "3001 characters, at most 3000",
        ),
        ([{"type": "section", "text": {"type": "mrkdwn", "text": " "}}], "blocks[0]: empty"),
        ([{"type": "section"}], "neither text nor fields"),
        ([{"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11}], "11 items"),
        ([{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}], "151 characters"),
        ([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], "must be plain text"),
        ([{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}], "11 items"),
        ([{"type": "context", "elements": []}], "0 items"),
        ([{"type": "actions", "elements": [_button(action_id=str(n)) for n in range(26)]}], "26 items"),
        ([{"type": "actions", "elements": [_button(), _button()]}], "a is there twice"),
        ([{"type": "actions", "elements": [_button()]}] * 2, "a is there twice"),
        ([{"type": "actions", "elements": [_button(value="x" * 2001)]}], "2001 characters"),
        (
            [{"type": "actions", "elements": [_button(text={"type": "plain_text", "text": "x" * 76})]}],
            "76 characters",
        ),
        (
            [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}}] * 5,
            "14500 characters in all",
        ),
        ([{"type": "video"}], "video is not a block"),
        (
            [
                {
                    "type": "actions",
                    "elements": [{"type": "static_select", "action_id": "s", "options": [_OPTION, _OPTION]}],
                }
            ],
            "the same value twice",
        ),
        (
            [
                {
                    "type": "actions",
                    "elements": [{"type": "checkboxes", "action_id": "s", "options": [_OPTION] * 11}],
                }
            ],
            "11 items",
        ),
    ],
)
def test_what_slack_would_refuse_is_found(blocks: list[dict[str, Any]], finding: str) -> None:
    assert finding in " / ".join(validate({"text": "x", "blocks": blocks}))


def test_an_empty_notification_is_found() -> None:
    assert validate({"text": "  ", "blocks": []}) == ["fallback text: empty"]


def test_a_form_without_a_way_to_send_it_is_found() -> None:
    view = {
        "type": "modal",
        "title": {"type": "plain_text", "text": "x" * 25},
        "blocks": [
            {
                "type": "input",
                "label": {"type": "plain_text", "text": "Why"},
                "element": {"type": "plain_text_input", "action_id": "a"},
            }
        ],
    }
    found = validate(view)
    assert "title: 25 characters, at most 24" in found
    assert any("submit: missing" in each for each in found)


refs = st.builds(
    Ref,
    incident_id=st.from_regex(r"\A[a-z0-9_-]{1,80}\Z"),
    number=st.integers(0, 9999),
    digest=st.from_regex(r"\A[0-9a-f]{0,16}\Z"),
    arg=st.text(max_size=150),
)


@given(refs)
def test_a_button_gives_back_what_it_was_given(ref: Ref) -> None:
    assert len(ref.encode()) <= MAX_REF
    assert Ref.decode(ref.encode()) == ref


@given(st.text())
def test_rubbish_on_a_button_is_refused_with_a_sentence(value: str) -> None:
    if value.count("|") >= 3 and value[0] != "|":
        return  # it may be a button's by chance
    with pytest.raises(Refusal, match="/incident status"):
        Ref.decode(value)


@pytest.mark.parametrize(
    "value", ["", "approve", "a|b|c", "inc-1|x||", "inc-1|-1||", "inc-1|1|XYZ|", "a b|1||"]
)
def test_values_that_no_button_has(value: str) -> None:
    with pytest.raises(Refusal, match="newest card"):
        Ref.decode(value)


def test_a_listener_finds_its_buttons_and_no_others() -> None:
    assert pattern(Action.SEVERITY_PICK).match("severity_pick:high")
    assert pattern(Action.LESSONS_OPEN).match("lessons_open")
    assert not pattern(Action.ROLLBACK_REJECT).match("rollback_reject_reason")
