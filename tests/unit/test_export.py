"""The exported timeline can be verified by anybody and holds everything that was said."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from syrupy.assertion import SnapshotAssertion

from bot.domain.lifecycle import fold
from bot.domain.timeline import Entry, Kind
from bot.views.export import timeline_json, timeline_markdown
from tests import story

PAGE = Path(__file__).parents[2] / "docs" / "timeline-format.md"


def exported(entries: Sequence[Entry] = story.entries()) -> str:
    return timeline_json(
        story.incident(),
        entries,
        verification=story.verification(entries),
        names=story.NAMES,
        now=story.at("14:31:08"),
    )


def shown(entries: Sequence[Entry] = story.entries()) -> str:
    return timeline_markdown(
        story.incident(),
        entries,
        verification=story.verification(entries),
        names=story.NAMES,
        zone=ZoneInfo("Europe/Berlin"),
    )


def spoken(*texts: str) -> tuple[Entry, ...]:
    """A timeline of the declaration and messages a second apart."""
    first = story.events()[0]
    lines: list[Any] = [(first.at, Kind.EVENT, first.by, None, first.model_dump(mode="json"))]
    lines += [
        (story.at(f"14:20:{number:02}"), Kind.MESSAGE, story.DAVE, f"{number}.0", {"text": text})
        for number, text in enumerate(texts)
    ]
    return story.seal_all(story.ID, lines)


def verifier(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    """The program of the documentation, run on an export."""
    program = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert program is not None
    (tmp_path / "verify.py").write_text(program.group(1), encoding="utf-8")
    (tmp_path / "timeline.json").write_text(text, encoding="utf-8")
    argv = [sys.executable, str(tmp_path / "verify.py"), str(tmp_path / "timeline.json")]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)


def test_the_json(snapshot: SnapshotAssertion) -> None:
    assert exported() == snapshot


def test_the_markdown(snapshot: SnapshotAssertion) -> None:
    assert shown() == snapshot


def test_the_documented_verifier_accepts_it(tmp_path: Path) -> None:
    done = verifier(tmp_path, exported())
    assert (done.returncode, done.stdout.strip()) == (0, story.entries()[-1].hash), done.stderr


def test_the_documented_verifier_accepts_odd_text(tmp_path: Path) -> None:
    odd = spoken("\ud83d alone", "\x00\u2028", "é e\u0301 😀", '"\\')
    done = verifier(tmp_path, exported(odd))
    assert (done.returncode, done.stdout.strip()) == (0, odd[-1].hash), done.stderr


def _change_text(data: dict[str, Any]) -> None:
    entry = next(entry for entry in data["entries"] if entry["kind"] == "message")
    entry["body"]["text"] += "!"


def _drop_one(data: dict[str, Any]) -> None:
    del data["entries"][5]


def _drop_end(data: dict[str, Any]) -> None:
    del data["entries"][-1]


def _swap(data: dict[str, Any]) -> None:
    data["entries"][3:5] = reversed(data["entries"][3:5])


@pytest.mark.parametrize("tamper", [_change_text, _drop_one, _drop_end, _swap])
def test_the_documented_verifier_sees_every_change(tmp_path: Path, tamper: Any) -> None:
    data = json.loads(exported())
    tamper(data)
    assert verifier(tmp_path, json.dumps(data)).returncode == 1


def test_every_field_is_documented() -> None:
    page = PAGE.read_text(encoding="utf-8")
    data = json.loads(exported())
    fields = set(data) | set(data["entries"][0]) | {key for item in data["timeline"] for key in item}
    assert [field for field in sorted(fields) if f"`{field}`" not in page] == []
    assert [kind for kind in Kind if f"`{kind.value}`" not in page] == []


def test_it_is_ordered_by_when_it_happened_and_nothing_is_left_out() -> None:
    data = json.loads(exported())
    moments = [item["at"] for item in data["timeline"]]
    assert moments == sorted(moments)
    told = sorted(seq for item in data["timeline"] for seq in item["seqs"])
    assert told == list(range(1, len(story.entries()) + 1))


def test_a_backfilled_message_stands_where_it_was_said() -> None:
    late = (story.at("14:00:30"), Kind.MESSAGE, story.BOB, "9.0", {"text": "earlier than all"})
    lines = [(en.at, en.kind, en.actor, en.slack_ts, en.body) for en in story.entries()]
    entries = story.seal_all(story.ID, [*lines, late])
    assert json.loads(exported(entries))["timeline"][0]["text"] == "earlier than all"
    assert shown(entries).index("earlier than all") < shown(entries).index("declared by Alice")


def test_revisions_deletions_reactions_files_threads_and_marks_are_there() -> None:
    messages = {
        item["slack_ts"]: item for item in json.loads(exported())["timeline"] if item["kind"] == "message"
    }
    edited = messages[story.slack_ts("14:11:50")]
    assert (edited["revisions"], edited["text"]) == (["it's the cache"], "it's the currency call")
    assert messages[story.slack_ts("14:14:02")]["deleted"]
    marked = messages[story.slack_ts("14:12:10")]
    assert (marked["reactions"], marked["notes"]) == ({"eyes": ["Dave"]}, ["first sight of the cause"])
    assert messages[story.slack_ts("14:12:30")]["thread_ts"] == story.slack_ts("14:12:10")
    assert messages[story.slack_ts("14:14:20")]["files"][0]["name"] == "graph.png"
    text = shown()
    assert "until 2026-11-24 15:12:55 CET it said: it's the cache" in text
    assert "reply in the thread of 2026-11-24 15:12:10 CET" in text
    assert ":eyes: by Dave" in text
    assert "file: graph.png" in text
    assert "the key is tea-time-42" in text
    assert "deleted later" in text


def test_a_broken_chain_is_said() -> None:
    broken = [
        *story.entries()[:3],
        story.entries()[3].model_copy(update={"actor": "U0EVE"}),
        *story.entries()[4:],
    ]
    data = json.loads(exported(broken))
    assert data["verified"] is False
    assert data["problem"] == "entry 4 was changed after it was written"
    assert "broken: entry 4 was changed" in shown(broken)


def test_nothing_recorded_is_a_file_too() -> None:
    incident = fold(story.events()[:1])
    fine = story.verification()
    data = json.loads(timeline_json(incident, (), verification=fine, names={}, now=story.at("14:31:08")))
    assert (data["length"], data["head"], data["entries"]) == (0, "0" * 64, [])
    assert "0 entries" in timeline_markdown(incident, (), verification=fine, names={}, zone=UTC)


@given(
    st.lists(
        st.text(alphabet=st.sampled_from("|\\`*_[]()<>~@#&-+=.:1$\n\t \x00\u2028א😀ab"), max_size=50),
        max_size=5,
    )
)
def test_one_list_item_each_whatever_was_said(texts: list[str]) -> None:
    tokens = MarkdownIt("commonmark").parse(shown(spoken(*texts)))
    top = [t for t in tokens if t.type == "list_item_open" and t.level == 1]
    assert len(top) == len(texts) + 1
    kinds = {t.type for t in tokens}
    assert not kinds & {"html_block", "fence", "code_block", "hr", "blockquote_open"}
    assert sum(t.type == "heading_open" for t in tokens) == 1
