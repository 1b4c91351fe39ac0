"""Numbers over all incidents, read from both databases, and what the command line says and draws of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.domain import events as e
from bot.domain.base import Refusal
from bot.domain.lifecycle import fold
from bot.domain.stats import Ending, case_of, stats_of
from bot.domain.timeline import Kind
from bot.store import Store, UnitOfWork
from bot.usecases.stats import gather, is_beginning, picture_of, since_of
from integrations.charts.charts import PNG, MatplotlibCharts
from sandbox.shop.releases.builder import build
from tests import story
from tests.contract.cli_worlds import CommandLine, command_line

pytest_plugins = ("tests.postgres", "tests.contract.store_fixtures")

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def moved(events: Sequence[e.Event], number: int, *, service: str = "shop", days: int = 0) -> list[e.Event]:
    """The same incident at another time, under another name."""
    found = []
    for event in events:
        changes: dict[str, object] = {"at": event.at - timedelta(days=days)}
        if isinstance(event, e.IncidentDeclared):
            detected = event.detected_at and event.detected_at - timedelta(days=days)
            changes |= {"incident_id": f"inc-{number}", "service": service, "detected_at": detected}
        if isinstance(event, e.ChannelOpened):
            changes["channel_id"] = f"C{number}"
        found.append(event.model_copy(update=changes))
    return found


def keep(uow: UnitOfWork, events: Sequence[e.Event]) -> None:
    incident = fold(events)
    uow.incidents.add(incident)
    for event in events:
        uow.timeline.append(
            incident.id, at=event.at, kind=Kind.EVENT, actor=event.by, body=event.model_dump(mode="json")
        )


def some(uow: UnitOfWork) -> None:
    """Two that went well in two months, a rough one, an exercise, and one that is open."""
    keep(uow, moved(story.events(), 1))
    keep(uow, moved(story.events(), 2, days=40))
    keep(uow, moved(story.rough_events(), 3, service="search"))
    exercise = e.ExerciseMarked(at=story.at("14:50:00"), by=story.BOB)
    keep(uow, moved([*story.events(), exercise], 4, days=1))
    keep(uow, moved(story.events()[:3], 5, service="till"))


async def test_everything_that_is_kept_is_in_the_numbers_once(store: Store) -> None:
    await store.write(some)
    stats = await gather(store, service=None, since=None, until=NOW, zone=UTC)
    rough_is_open = fold(moved(story.rough_events(), 3)).is_open
    assert (stats.whole.incidents, stats.open, stats.exercises) == (3 - rough_is_open, 1 + rough_is_open, 1)
    assert [group.name for group in stats.months] == ["2026-10", "2026-11"]
    assert stats.whole.endings[Ending.RIGHT] >= 2
    assert stats.whole.mitigate.median == timedelta(minutes=2, seconds=10)
    only = await gather(store, service="shop", since=NOW - timedelta(days=30), until=NOW, zone=UTC)
    assert [case.incident_id for case in only.cases] == ["inc-1"]
    assert only.exercises == 1
    assert (await gather(store, service="nobody", since=None, until=NOW, zone=UTC)).cases == ()


async def test_the_picture_is_drawn_for_a_long_and_a_short_time(tmp_path: Path) -> None:
    charts = MatplotlibCharts(cache=tmp_path)
    told = [moved(story.events(), 1), moved(story.events(), 2, days=40), moved(story.rough_events(), 3)]
    cases = [case_of(fold(events), events) for events in told]
    for since, known in ((NOW - timedelta(days=400), cases), (NOW - timedelta(days=3), cases[:1])):
        stats = stats_of(known, since=since, until=NOW, zone=UTC)
        data = picture_of(stats, UTC)
        assert all(data.since < at < data.until for panel in data.panels for at, _ in panel.dots)
        assert sum(month.right + month.wrong + month.unknown for month in data.rollbacks) == (
            stats.whole.rollbacks
        )
        assert (await charts.stats(data)).startswith(PNG)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("", None),
        ("all", None),
        ("30d", NOW - timedelta(days=30)),
        ("2W", NOW - timedelta(days=14)),
        ("2026-10", datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-10-24", datetime(2026, 10, 24, tzinfo=UTC)),
    ],
)
def test_beginnings(word: str, expected: datetime | None) -> None:
    assert since_of(word, now=NOW, zone=UTC) == expected
    assert is_beginning(word, now=NOW)


@pytest.mark.parametrize(
    "word", ["30", "yesterday", "2026-13", "-5d", "99999d", "9999y", "1000y", "2026-02-30"]
)
def test_what_is_no_beginning_is_refused_with_what_is(word: str) -> None:
    with pytest.raises(Refusal, match="30d"):
        since_of(word, now=NOW, zone=UTC)


# On the command line.


@pytest.fixture(scope="module")
def kaeru(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    folder = tmp_path_factory.mktemp("stats")
    build(folder / "shop", current="v1.2.9")
    kaeru = command_line(folder)
    kaeru.stored(some, write=True)
    return kaeru


def test_the_numbers_as_text_as_json_and_as_a_picture(kaeru: CommandLine, tmp_path: Path) -> None:
    out = kaeru.ok("stats", "--chart", str(tmp_path / "all.png"))
    assert "still open, 1 exercise." in out
    assert "By month" in out
    assert "2026-10  1 incident; mitigate: 2 min 10 s (of 1 incident); rollbacks: right 1 of 1" in out
    assert (tmp_path / "all.png").read_bytes().startswith(PNG)
    found = kaeru.json("stats", "--service", "shop", "--since", "2026-11")
    assert found["whole"]["incidents"] == 1
    assert found["exercises"] == 1
    assert [case["incident_id"] for case in found["cases"]] == ["inc-1"]


def test_a_mistake_is_a_sentence(kaeru: CommandLine) -> None:
    assert "no service 'shopp'" in kaeru("stats", "--service", "shopp").err
    assert "no beginning" in kaeru("stats", "--since", "soon").err


def test_an_exercise_may_be_called_so_after_the_close(kaeru: CommandLine) -> None:
    kaeru.ok("incident", "exercise", "inc-2", "--as", "alice")
    assert kaeru.json("stats")["exercises"] == 2
    kaeru.ok("incident", "exercise", "inc-2", "--off", "--as", "alice")
    assert kaeru.json("stats")["exercises"] == 1


def test_what_users_report_is_passed_on_listed_and_taken_back(kaeru: CommandLine) -> None:
    assert "reported nothing" in kaeru.ok("incident", "report", "till")
    said = kaeru.ok(
        "incident", "report", "till", "The", "till", "is", "stuck", "--users", "7",
        "--since", "2026-11-24T14:02+01:00", "--as", "alice",
    )  # fmt: skip
    assert "Counted as report r" in said
    name = said.split("report ")[1].split()[0]
    assert f"{name}  " in kaeru.ok("incident", "report", "till")
    assert "still  7  Alice: The till is stuck" in kaeru.ok("incident", "report", "till")
    assert "no time with its zone" in kaeru("incident", "report", "till", "x", "--since", "14:00").err
    assert "Taken back" in kaeru.ok("incident", "report", "till", "--withdraw", name, "--as", "bob")
    assert "reported nothing" in kaeru.ok("incident", "report", "till")
