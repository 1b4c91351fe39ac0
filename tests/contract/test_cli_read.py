"""Reading on the command line: a whole incident that was kept, looked at from every side."""

import json
import sqlite3
from datetime import datetime
from pathlib import Path

import pytest

from bot.domain.timeline import Entry, Kind, verify
from bot.ports.chat import Post
from bot.store.unit import UnitOfWork
from sandbox.shop.releases.builder import build
from tests import story
from tests.contract.cli_worlds import CommandLine, command_line

ID = story.ID
NASTY = "clear the \x1b[2J screen \u202egnp.exe"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def kaeru(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """The story's incident, as a bot would have kept it, and one message that means to harm a terminal."""
    folder = tmp_path_factory.mktemp("kept")
    build(folder / "shop", current="v1.2.9")
    kaeru = command_line(folder)

    def keep(uow: UnitOfWork) -> None:
        uow.incidents.add(story.incident())
        for entry in story.entries():
            uow.timeline.append(
                ID, at=entry.at, kind=entry.kind, actor=entry.actor, body=entry.body, slack_ts=entry.slack_ts
            )
        uow.timeline.append(
            ID,
            at=story.at("14:15:00"),
            kind=Kind.MESSAGE,
            actor=story.BOB,
            body={"text": NASTY},
            slack_ts=story.slack_ts("14:15:00"),
        )
        uow.probes.add(story.SERVICE, story.probes())
        lane = f"incident:{ID}"
        uow.outbox.put(lane, "event-7", Post(channel="C0GONE", text="hello"), incident_id=ID)

    kaeru.stored(keep, write=True)

    def give_up(uow: UnitOfWork) -> None:
        (item,) = uow.outbox.claim(story.at("15:00:00").replace(year=2100), busy=(), limit=1)
        uow.outbox.dead(item.id, "Slack answered that the channel is archived.")

    kaeru.stored(give_up, write=True)
    return kaeru


def test_the_list_has_a_line_for_each(kaeru: CommandLine) -> None:
    (line,) = kaeru.ok("incident", "list", "--all").splitlines()
    assert line.startswith(ID)
    assert "Critical" in line
    assert "Alice" in line
    assert kaeru.ok("incident", "list") == "No incident is open.\n"


def test_what_is_shown_says_where_it_stands_and_what_was_lost(kaeru: CommandLine) -> None:
    out = kaeru.ok("incident", "show", ID)
    assert "v1.3.0 → v1.2.9" in out
    assert "succeeded after" in out
    assert "the channel is archived" in out
    whole = kaeru.json("incident", "show", ID)
    assert whole["undelivered"][0]["reason"].endswith("archived.")
    assert whole["parked"] == []


def test_the_timeline_reads_in_order_and_obeys_nobody(kaeru: CommandLine) -> None:
    out = kaeru.ok("timeline", "show", ID)
    assert out.index("declared by Alice") < out.index("Bob: Support has 14 calls") < out.index("Mitigated")
    assert "tea-time-42" not in out
    assert "clear the [2J screen gnp.exe" in out
    assert "\x1b" not in out
    assert "\u202e" not in out
    short = kaeru.ok("timeline", "show", ID, "--short")
    assert 0 < len(short.splitlines()) < len(out.splitlines())
    lines = kaeru.json("timeline", "show", ID)
    moments = [datetime.fromisoformat(line["at"]) for line in lines]
    assert moments == sorted(moments)


def test_a_search_finds_whatever_its_case_and_says_when_there_is_nothing(kaeru: CommandLine) -> None:
    out = kaeru.ok("timeline", "search", ID, "CURRENCY")
    assert "U0DAVE edited a message: it's the currency call" in out
    said = kaeru("timeline", "search", ID, "100%_")
    assert (said.code, said.out) == (1, "")
    assert kaeru.json("timeline", "search", ID, "14 calls")[0]["actor"] == story.BOB


def test_the_export_can_be_verified_by_anybody(kaeru: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "there" / "timeline.json"
    kaeru.ok("timeline", "export", ID, "--format", "json", "--output", str(file))
    whole = json.loads(file.read_text(encoding="utf-8"))
    entries = [Entry.model_validate({"incident_id": ID, **entry}) for entry in whole["entries"]]
    assert verify(entries, head=whole["head"], length=whole["length"]).intact
    assert whole["names"][story.ALICE] == "Alice"
    assert kaeru.ok("timeline", "export", ID).startswith("# Timeline of inc")


def test_an_export_that_cannot_be_written_says_so(kaeru: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    said = kaeru("timeline", "export", ID, "--output", str(tmp_path / "file" / "timeline.md"))
    assert said.code == 1
    assert "cannot be written" in said.err


def test_following_a_closed_incident_tells_it_and_ends(kaeru: CommandLine) -> None:
    out = kaeru.ok("incident", "follow", ID)
    assert "Incident closed by" in out
    assert len(out.splitlines()) >= len(story.entries())


def test_the_postmortem_is_written_with_its_picture_and_posted_nowhere(
    kaeru: CommandLine, tmp_path: Path
) -> None:
    before = kaeru.stored(lambda uow: uow.outbox.backlog())
    out = kaeru.ok("postmortem", ID, "--output", str(tmp_path))
    text = (tmp_path / f"{ID}-postmortem.md").read_text(encoding="utf-8")
    assert "v1.2.9" in text
    assert "could not be counted" in text
    assert (tmp_path / f"{ID}.png").read_bytes().startswith(PNG)
    assert len(out.splitlines()) == 2
    assert kaeru.stored(lambda uow: uow.outbox.backlog()) == before


def test_a_template_is_tried_out_strictly(kaeru: CommandLine, tmp_path: Path) -> None:
    template = tmp_path / "ours.md.j2"
    template.write_text("# {{ pm.incident_id }}\n{{ pm.nothing_of_the_kind }}\n")
    said = kaeru("postmortem", ID, "--output", str(tmp_path), "--template", str(template))
    assert said.code == 1
    assert "line 2" in said.err
    template.write_text("# Ours: {{ pm.service }}\n")
    kaeru.ok("postmortem", ID, "--output", str(tmp_path), "--template", str(template))
    assert (tmp_path / f"{ID}-postmortem.md").read_text(encoding="utf-8") == "# Ours: shop\n"


def test_what_was_given_up_is_shown_and_can_be_tried_again(kaeru: CommandLine) -> None:
    found = kaeru.json("status")
    assert found["incidents"] == []
    assert found["waiting"] == 0
    assert found["undelivered"][0]["key"] == f"incident:{ID}/event-7"
    assert "the channel is archived" in kaeru.ok("status")
    assert "1 message will be tried once more" in kaeru.ok("status", "--retry-dead")
    again = kaeru.json("status")
    assert (again["waiting"], again["undelivered"]) == (1, [])


def test_what_was_kept_can_be_read_without_a_usable_kaeru_yml(kaeru: CommandLine, tmp_path: Path) -> None:
    said = kaeru("timeline", "show", ID, KAERU_CONFIG=str(tmp_path / "kaeru.yml"))
    assert said.code == 0
    assert story.ALICE in said.out
    assert "by their ids" in said.err


def test_a_timeline_that_was_changed_is_found_out(kaeru: CommandLine, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with sqlite3.connect(kaeru.data / "kaeru.sqlite") as kept, sqlite3.connect(data / "kaeru.sqlite") as copy:
        kept.backup(copy)
        copy.execute("DROP TRIGGER kaeru_timeline_no_update")
        copy.execute("UPDATE kaeru_timeline SET body = '{}' WHERE seq = 5")
    kept.close()
    copy.commit()
    copy.close()
    said = kaeru("timeline", "verify", ID, KAERU_DATA=str(data))
    assert said.code == 1
    assert "broken at entry 5" in said.err
    assert "intact" in kaeru.ok("timeline", "verify", ID)
