"""Which deploy an alert is likely about: by what kaeru saw, else by what the target says, and never by a guess."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.domain.alerts import RECENT
from bot.ports import Inspection
from bot.ports.target import Available
from bot.store.releases import ReleaseRecord
from bot.usecases.suspects import Came, Known, came_lately
from tests.story import at

ALERT = at("14:00:00")


def ago(minutes: float) -> datetime:
    return ALERT - timedelta(minutes=minutes)


def seen(version: str, first: datetime, last: datetime | None = None) -> ReleaseRecord:
    return ReleaseRecord(version=version, first_seen=first, last_seen=last or first)


def world(current: str, since: datetime | None = None) -> Inspection:
    there = (Available(version=current, since=since), Available(version="v1.2.9", since=ago(9000)))
    return Inspection(current=current, running=current, available=there, fingerprint="f")


def found(
    worlds: Mapping[str, Inspection], *ledger: ReleaseRecord, shapes: Mapping[str, Came] | None = None
) -> list[tuple[str, str, datetime, str | None]]:
    known = Known({record.version: record for record in ledger}, shapes or {})
    suspects = came_lately(worlds, known, alert_at=ALERT, recent=RECENT)
    return [(s.component, s.version, s.since, s.before) for s in suspects]


OLD = seen("v1.2.9", ago(9000), ago(25))


def test_what_began_to_answer_lately() -> None:
    assert found({"shop": world("v1.3.0", ago(9000))}, OLD, seen("v1.3.0", ago(24), ago(0))) == [
        ("", "v1.3.0", ago(24), "v1.2.9")
    ]


def test_what_has_run_for_long_is_not_suspected() -> None:
    assert found({"shop": world("v1.3.0", ago(9000))}, OLD, seen("v1.3.0", ago(400), ago(0))) == []


def test_what_came_after_the_alert_is_not_suspected_but_what_was_noticed_late_is() -> None:
    assert found({"shop": world("v1.3.0")}, OLD, seen("v1.3.0", ago(-5))) == []
    assert len(found({"shop": world("v1.3.0")}, OLD, seen("v1.3.0", ago(-1)))) == 1


def test_the_only_version_ever_seen_came_before_kaeru_did() -> None:
    assert found({"shop": world("v1.3.0")}, seen("v1.3.0", ago(10), ago(0))) == []


def test_without_a_record_the_target_knows_since_when() -> None:
    assert found({"shop": world("v1.3.0", ago(30))}) == [("", "v1.3.0", ago(30), None)]
    assert found({"shop": world("v1.3.0", ago(30))}, OLD) == [("", "v1.3.0", ago(30), "v1.2.9")]


def test_where_shapes_are_told_apart_they_are_what_counts() -> None:
    """An old version that was put back lately, and new settings of the same version."""
    shapes: dict[str, Came] = {"shop": (ago(12), "v1.3.0")}
    ledger = (seen("v1.2.8", ago(9000), ago(0)), seen("v1.3.0", ago(500), ago(12)))
    assert found({"shop": world("v1.2.8", ago(9000))}, *ledger, shapes=shapes) == [
        ("", "v1.2.8", ago(12), "v1.3.0")
    ]
    settled: dict[str, Came] = {"shop": (ago(800), "v1.2.9")}
    assert found({"shop": world("v1.3.0", ago(10))}, OLD, shapes=settled) == []


def test_of_several_components_each_is_named_and_the_newest_comes_first() -> None:
    worlds = {"shop": world("v1.3.0", ago(60)), "pictures": world("v7", ago(20)), "search": world("v2")}
    assert found(worlds) == [("pictures", "v7", ago(20), None), ("shop", "v1.3.0", ago(60), None)]


def test_where_the_targets_do_not_answer_the_service_did() -> None:
    assert found({}, OLD, seen("v1.3.0", ago(24), ago(0))) == [("", "v1.3.0", ago(24), "v1.2.9")]
    assert found({}) == []
