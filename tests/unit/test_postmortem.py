"""The postmortem: complete, honest about what it does not know, and unbreakable by what people write."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment
from markdown_it import MarkdownIt
from syrupy.assertion import SnapshotAssertion

from bot.domain import events as e
from bot.domain.base import Value
from bot.domain.comparison import compare, illness
from bot.domain.evidence import Outcome, Probe
from bot.domain.lifecycle import fold
from bot.domain.postmortem import Postmortem, build, state_completeness
from bot.domain.timeline import Completeness, Entry, Kind
from bot.views.limits import validate
from bot.views.markdown import CELL_LIMIT, Markdown, block, cell, inline
from bot.views.postmortem import _environment, render, render_strictly, summary_blocks
from tests import story

NASTY = (
    "a | b\n# `c` <img src=x onerror=alert(1)> @channel [x](javascript:1) \\| \x00 *bold* ~~no~~ 1. 😀 שלום"
)
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def told(
    events: Sequence[e.Event] | None = None,
    *,
    entries: Sequence[Entry] | None = None,
    probes: Sequence[Probe] | None = None,
    expected: int | None = 7,
) -> Postmortem:
    happened = story.events() if events is None else events
    kept = entries
    if kept is None:
        kept = story.entries() if events is None else _sealed(happened)
    return build(
        fold(happened),
        kept,
        story.probes() if probes is None else probes,
        kept=Completeness.of(kept),
        expected_messages=expected,
        verification=story.verification(kept),
        names=story.NAMES | {story.CHANNEL: story.ID},
        zone=ZoneInfo("Europe/Berlin"),
        now=story.at("14:31:08"),
    )


def _sealed(events: Sequence[e.Event]) -> tuple[Entry, ...]:
    return story.seal_all(
        story.ID, [(ev.at, Kind.EVENT, ev.by, None, ev.model_dump(mode="json")) for ev in events]
    )


def test_the_story_as_markdown(snapshot: SnapshotAssertion) -> None:
    assert render(told()) == snapshot


def test_the_rough_story_as_markdown(snapshot: SnapshotAssertion) -> None:
    assert render(told(story.rough_events(), probes=(), expected=None)) == snapshot


def test_the_message_for_the_channel(snapshot: SnapshotAssertion) -> None:
    assert summary_blocks(told()) == snapshot


def test_every_moment_is_in_the_zone_that_was_asked_for() -> None:
    text = render(told())
    moments = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (\w+)", text)
    assert len(moments) > 60
    assert set(moments) == {"CET", "UTC"}
    assert all("ill since" in line for line in text.splitlines() if "UTC" in line)  # said within a sentence


@pytest.mark.parametrize("end", range(1, len(story.rough_events()) + 1))
def test_it_can_be_written_at_any_time(end: int) -> None:
    """After every single event, with everything open or half done."""
    text, blocks = summary_blocks(told(story.rough_events()[:end], probes=()))
    assert validate({"text": text, "blocks": blocks}) == []
    assert "## Timeline" in render(told(story.rough_events()[:end], probes=()))


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("incident_verified", "Mitigated and verified; still open"),
        ("incident_mitigated", "Mitigated, not verified; still open"),
        ("rollback_approved", "Not mitigated, not verified: the last rollback has not ended; still open"),
        ("severity_set", "No rollback was made; not verified; still open"),
    ],
)
def test_the_status_says_what_was_not_proven(end: str, status: str) -> None:
    types = [event.type for event in story.events()]
    assert told(story.events()[: types.index(end) + 1]).status == status  # type: ignore[arg-type] # a type's name


def test_closed_without_verification_says_so() -> None:
    early = [ev for ev in story.events() if ev.at <= story.at("14:13:41")]
    closed = e.IncidentClosed(at=story.at("14:14:00"), by=story.ALICE)
    assert told([*early, closed]).status == "Mitigated, not verified"
    assert not told([*early, closed]).verified


def test_a_forward_fix_has_no_rollback() -> None:
    low = story.rough_events()[:5]
    closed = e.IncidentClosed(at=story.at("24:00:00"), by=story.DAVE)
    pm = told([*low, closed])
    assert pm.status == "Forward fix, no rollback was made; not verified by kaeru"
    assert pm.to_version is None
    assert "v1.3.0, not rolled back" in render(pm)


def test_what_was_not_recorded_is_said() -> None:
    events = [ev for ev in story.events() if ev.type not in ("lessons_recorded", "action_added")]
    text = render(told(events, probes=()))
    assert text.count("Not recorded yet: press *Root cause and lessons* in the channel.") == 2
    assert "## Impact\n\nNot recorded.\n" in text
    assert "no probe saw the service ill" in text
    assert "## Open actions\n\nNone were recorded.\n" in text


def test_the_illness_is_measured_between_the_first_sight_and_the_last_bad_answer() -> None:
    pm = told()
    assert pm.illness is not None
    assert pm.illness.since == story.at("14:08:00")
    assert pm.illness.until == story.at("14:13:00")
    inside = [p for p in story.probes() if story.at("14:08:00") <= p.at <= story.at("14:13:00")]
    assert (pm.illness.count, pm.illness.errors) == (len(inside), sum(not p.ok for p in inside))


def leaving(version: str) -> tuple[e.Event, ...]:
    """The story, in which `version` was left."""
    return tuple(
        ev.model_copy(update={"plan": ev.plan.model_copy(update={"from_version": version})})
        if isinstance(ev, e.PlanReady)
        else ev
        for ev in story.events()
    )


def test_the_answers_of_a_shape_are_known_by_its_versions_name() -> None:
    """Every request succeeds here: nothing but the version says until when it was ill."""
    slow = [p.model_copy(update={"ok": True, "error": ""}) for p in story.probes()]
    ill = told(leaving(f"{story.BAD}+r4711"), probes=slow).illness
    assert ill is not None
    assert ill.until == story.at("14:13:00")
    # Where only settings went back, the good ones answer by the same name.
    assert told(leaving(f"{story.GOOD}+r4711"), probes=slow).illness is None


def test_evidence_compares_before_while_and_after() -> None:
    rows = {row.endpoint: row for row in told().evidence}
    assert set(rows) == set(story.ENDPOINTS)
    checkout = rows["/checkout"]
    assert checkout.before is not None
    assert checkout.before == next(s for s in story.baseline().endpoints if s.endpoint == "/checkout")
    assert checkout.during_verdict is Outcome.FAILED
    assert checkout.after_verdict is Outcome.SUCCEEDED
    assert checkout.limit_p95_ms == story.baseline().limit_p95_ms("/checkout")
    counts = [row.during.count + row.after.count for row in rows.values() if row.during and row.after]
    assert sum(counts) == sum(p.at >= story.at("14:08:00") for p in story.probes())


def test_without_a_baseline_the_probes_before_speak() -> None:
    incident = story.incident()
    ill = illness(incident, story.probes(), {story.BAD})
    rows = compare(story.probes(), ill, None, began=incident.declared_at)
    assert all(row.before is not None and row.before.count == 96 for row in rows)
    assert {row.limit_p95_ms for row in rows} == {1000.0}


def test_a_deleted_message_keeps_its_text_to_itself() -> None:
    text = render(told())
    assert "tea-time-42" not in text
    assert "Message \\[deleted later\\]" in text


def test_the_short_timeline_has_marked_messages_and_no_chatter() -> None:
    short = [line.text for line in told().timeline]
    assert any(text.startswith("The rates call hangs:") for text in short)
    assert not any("Checkouts fail since" in text for text in short)
    assert {line.text for line in told().everything} >= set(short)


def test_every_way_in_which_the_timeline_is_not_whole_is_said() -> None:
    kept = Completeness(messages=409, edits=3, deletions=1, events=44)
    fine = story.verification()
    broken = fine.model_copy(update={"broken_at": 12, "reason": "entry 12 was changed after it was written"})
    whole, said = state_completeness(kept, 409, fine)
    assert whole
    assert said.startswith("The timeline holds 409 of 409 messages, 3 edits, 1 deletion and 44 events. ")
    assert fine.head in said
    assert state_completeness(kept, 412, fine)[0] is False
    assert "409 of 412 messages, so 3 missing" in state_completeness(kept, 412, fine)[1]
    assert state_completeness(kept, None, fine)[0] is False
    assert "could not be counted" in state_completeness(kept, None, fine)[1]
    assert "(the channel itself still has 400)" in state_completeness(kept, 400, fine)[1]
    assert state_completeness(kept, 409, broken)[0] is False
    assert "The chain is broken: entry 12 was changed" in state_completeness(kept, 409, broken)[1]


def test_a_team_s_own_template_is_used_and_made_harmless(tmp_path: Path) -> None:
    template = tmp_path / "ours.md"
    template.write_text(
        "{% include 'head.md' %}| {{ pm.service }} | {{ pm.root_cause }} |\n", encoding="utf-8"
    )
    (tmp_path / "head.md").write_text("ACME\n", encoding="utf-8")
    pm = told().model_copy(update={"root_cause": NASTY})
    text = render(pm, template)
    assert text.startswith("ACME\n")
    assert _cells("| a | b |\n| --- | --- |\n" + text.removeprefix("ACME\n")) == 2


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("fine\n{% if %}", "line 2"),
        ("fine\n\n{{ pm.serivce }}", r"line 3: .*serivce"),
        ("{{ 1 // 0 }}", "line 1"),
        ("{{ pm.__class__.__mro__ }}", "unsafe"),
        ("{% include '../secret' %}", "secret"),
        ("{{ pm.service | frobnicate }}", "frobnicate"),
        ("a\n{% for x in pm.runs %}\n{{ x.nothing }}\n{% endfor %}", "line 3"),
    ],
)
def test_a_broken_template_never_costs_the_postmortem(tmp_path: Path, source: str, complaint: str) -> None:
    (tmp_path.parent / "secret").write_text("hidden", encoding="utf-8")
    template = tmp_path / "ours.md"
    template.write_text(source, encoding="utf-8")
    text = render(told(), template)
    note, _, rest = text.partition("\n\n")
    assert note.startswith("> **The postmortem template ours.md does not work")
    assert re.search(complaint, note)
    assert rest == render(told())


def test_a_missing_or_unreadable_template_is_said_too(tmp_path: Path) -> None:
    assert "gone.md does not work" in render(told(), tmp_path / "gone.md")
    (tmp_path / "latin.md").write_bytes(b"caf\xe9")
    assert "latin.md does not work" in render(told(), tmp_path / "latin.md")


def _nasty(text: str) -> Postmortem:
    """The story with `text` wherever people or other systems may write something."""
    changed: list[e.Event] = []
    for event in story.events():
        match event:
            case e.NoteAdded() | e.ActionAdded() | e.StakeholdersTold():
                changed.append(event.model_copy(update={"text": text}))
            case e.LessonsRecorded():
                changed.append(event.model_copy(update={"root_cause": text, "lessons": text, "impact": text}))
            case e.IncidentClosed():
                changed.append(event.model_copy(update={"summary": text}))
            case e.StepFinished():
                changed.append(event.model_copy(update={"detail": text}))
            case e.DeliveryFailed():
                changed.append(event.model_copy(update={"what": text, "reason": text}))
            case _:
                changed.append(event)
    lines = [(ev.at, Kind.EVENT, ev.by, None, ev.model_dump(mode="json")) for ev in changed]
    said = (story.at("14:12:11"), Kind.MESSAGE, story.DAVE, "1.0", {"text": text})
    mark = (story.at("14:12:12"), Kind.MARK, story.DAVE, "1.0", {"note": text})
    entries = story.seal_all(story.ID, [*lines, said, mark])
    return told(changed, entries=entries)


ANYTHING = st.one_of(
    st.text(max_size=80),
    st.text(
        alphabet=st.sampled_from("|\\`*_[]()<>~@#&!-+=.:1$\n\r\t \x00\u2028\u202eא😀é\u0301"), max_size=60
    ),
)


def _cells(table: str) -> int:
    """How many cells the first body row of `table` has, as a Markdown parser sees it."""
    tokens = MARKDOWN.parse(table)
    begin = next(i for i, token in enumerate(tokens) if token.type == "tbody_open")
    row_end = next(i for i, token in enumerate(tokens) if i > begin and token.type == "tr_close")
    return sum(token.type == "td_open" for token in tokens[begin:row_end])


def _kinds(tokens: Sequence[object]) -> set[str]:
    found: set[str] = set()
    for token in tokens:
        found.add(token.type)  # type: ignore[attr-defined] # markdown-it's Token
        found |= _kinds(token.children or ())  # type: ignore[attr-defined] # the same
    return found


@given(ANYTHING)
def test_a_table_row_never_breaks(text: str) -> None:
    table = f"| a | b | c |\n| --- | --- | --- |\n| x | {cell(text)} | z |\n\nafter"
    tokens = MARKDOWN.parse(table)
    rows = [t for t in tokens if t.type == "tr_open"]
    assert len(rows) == 2
    assert _cells(table) == 3
    assert _kinds(tokens) <= {
        "table_open", "table_close", "thead_open", "thead_close", "tbody_open", "tbody_close", "tr_open", "tr_close",
        "th_open", "th_close", "td_open", "td_close", "inline", "text", "text_special", "html_inline",
        "paragraph_open", "paragraph_close",
    }  # fmt: skip
    html = MARKDOWN.render(table)
    assert set(re.findall(r"</?\w+", html)) <= {
        f"<{slash}{tag}" for slash in ("", "/") for tag in ("table", "thead", "tbody", "tr", "th", "td", "p")
    } | {"<br"}


@given(ANYTHING)
def test_what_a_cell_shows_is_what_was_written(text: str) -> None:
    shown = MARKDOWN.render(f"| a |\n| - |\n| x{cell(text)} |\n")
    body = re.search(r"<td>(.*)</td>", shown, re.DOTALL)
    assert body is not None
    plain = body.group(1).replace("<br>", "\n")
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        plain = plain.replace(entity, character)
    visible = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp"))
    kept = "".join(c for c in plain if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp"))
    assert kept == f"x{visible}"


@given(ANYTHING)
def test_inline_stays_one_plain_line_wherever_it_stands(text: str) -> None:
    for shown in (inline(text), f"word {inline(text)} word", f"- {inline(text)}", f"# {inline(text)}"):
        assert "\n" not in shown
        kinds = _kinds(MARKDOWN.parse(shown))
        assert not kinds & {"html_block", "html_inline", "link_open", "image", "code_inline", "fence", "code_block", "em_open", "strong_open", "s_open", "hr", "blockquote_open", "ordered_list_open", "table_open"}  # fmt: skip
    assert not {"heading_open", "bullet_list_open"} & _kinds(MARKDOWN.parse(inline(text)))


@given(ANYTHING)
def test_a_block_has_nothing_but_paragraphs(text: str) -> None:
    assert _kinds(MARKDOWN.parse(block(text))) <= {
        "paragraph_open", "paragraph_close", "inline", "text", "text_special", "hardbreak", "softbreak",
    }  # fmt: skip


@pytest.mark.parametrize("make", [cell, inline, block])
@given(text=ANYTHING)
def test_nobody_is_pinged_and_nothing_unseen_stays(make: object, text: str) -> None:
    shown = make(text)  # type: ignore[operator] # one of the three functions
    assert not re.search(r"@\w", shown)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff\u202a-\u202e]", shown)
    assert make(shown) == shown  # type: ignore[operator] # the same


def test_very_long_text_is_cut_and_says_so() -> None:
    shown = cell("é\u0301" * 5000)
    assert len(shown) < CELL_LIMIT + 100
    assert "9400 more characters in the timeline export" in shown
    assert isinstance(shown, Markdown)


@pytest.mark.parametrize("text", [NASTY, "x" * 50_000, "\n\n\n", "| --- |", "```\nopen", "@here " * 3000])
def test_the_whole_postmortem_stays_whole_whatever_people_wrote(text: str) -> None:
    pm = _nasty(text)
    rendered = render(pm)
    expected = [t.type for t in MARKDOWN.parse(render(_nasty("plain"))) if t.type.endswith("_open")]
    structure = [t.type for t in MARKDOWN.parse(rendered) if t.type.endswith("_open")]
    blocks = {"table_open", "tr_open", "td_open", "th_open", "heading_open"}
    assert [t for t in structure if t in blocks] == [t for t in expected if t in blocks]
    message, shown = summary_blocks(pm)
    assert validate({"text": message, "blocks": shown}) == []


def test_many_of_everything_still_fits_into_a_message() -> None:
    pm = told()
    crowded = pm.model_copy(
        update={
            "actions": pm.actions * 200,
            "losses": pm.losses * 200,
            "evidence": pm.evidence * 60,
            "runs": pm.runs * 40,
            "summary": "<&>" * 4000,
            "impact": "&" * 9000,
        }
    )
    text, blocks = summary_blocks(crowded)
    assert validate({"text": text, "blocks": blocks}) == []


def test_times_are_those_of_the_events() -> None:
    assert told().times.total == timedelta(minutes=19, seconds=35)
    assert told().written_at.astimezone(UTC) == story.at("14:31:08")


def _fields(value: object) -> set[str]:
    """The names of all fields within a value, properties included."""
    if isinstance(value, tuple):
        return set().union(*(_fields(item) for item in value))
    if not isinstance(value, Value):
        return set()
    names = set(type(value).model_fields)
    return names.union(*(_fields(getattr(value, name)) for name in names))


def test_every_variable_and_filter_is_documented_and_nothing_else_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "postmortem.md").read_text(encoding="utf-8")
    written = {word for code in re.findall(r"`([^`]+)`", page) for word in re.findall(r"[a-z_0-9]+", code)}
    assert sorted(_fields(told()) - written) == []
    environment = _environment(None)
    own = set(environment.filters) - set(Environment().filters)  # noqa: S701 # only its list of filters is looked at
    assert sorted(own - written) == []
    table = re.findall(r"(?m)^\| ((?:`\w+`(?:, )?)+) \|", page.split("## The variables")[1])
    documented = {name for names in table for name in re.findall(r"\w+", names)}
    assert documented == set(Postmortem.model_fields)


def test_trying_a_template_out_says_what_is_wrong(tmp_path: Path) -> None:
    template = tmp_path / "ours.md"
    template.write_text("{{ pm.service }}\n{{ pm.nope }}\n", encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"^The postmortem template ours\.md does not work in line 2: .*nope"
    ):
        render_strictly(told(), template)
    template.write_text("{{ pm.service }}\n", encoding="utf-8")
    assert render_strictly(told(), template) == "shop\n"


def test_a_file_that_is_no_template_is_not_taken_for_one(tmp_path: Path) -> None:
    other = tmp_path / "kaeru.yml"
    other.write_text("services:\n  shop: {}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"^The postmortem template kaeru\.yml says nothing of the incident"):
        render_strictly(told(), other)
    assert "kaeru.yml says nothing of the incident" in render(told(), other).splitlines()[0]
    (tmp_path / "ours.md").write_text("{% include 'part.md' %}", encoding="utf-8")
    (tmp_path / "part.md").write_text("{{ pm.service }}\n", encoding="utf-8")
    assert render_strictly(told(), tmp_path / "ours.md") == "shop\n"
