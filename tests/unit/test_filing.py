"""What leaves a closed incident and when it is tried; what stays open when it is closed, and who accepts that."""

from datetime import timedelta

import pytest
from syrupy.assertion import SnapshotAssertion

from bot.domain import decide
from bot.domain import events as e
from bot.domain.backups import Taken
from bot.domain.base import Refusal
from bot.domain.filing import PAUSES, Item, again_at, pending
from bot.domain.incident import Incident
from bot.domain.left_open import LeftKind, left_open
from bot.domain.lifecycle import evolve, fold
from bot.domain.narrate import narrate
from bot.domain.plan import Level, Warn
from bot.domain.policy import Policy
from bot.usecases.due import FILE, due_filings
from bot.usecases.unfinished import Ends
from bot.views import left
from bot.views.closed_card import closed_card
from tests import story
from tests.story import ALICE, at
from tests.unit import leaving
from tests.unit.leaving import added, filed, not_filed, not_published, posted, published
from tests.unit.views_outline import outline

TEXT = "Add a timeout"
ENDS = Ends(tracker=True, papers=("wiki",))
NOW = at("15:00:00")


def closed(*after: e.Event) -> Incident:
    """The story without its own actions, closed, and what happened after that."""
    events = [x for x in story.events() if not isinstance(x, e.ActionAdded | e.PostmortemPosted)]
    last = next(n for n, x in enumerate(events) if isinstance(x, e.IncidentClosed))
    return fold((*events[: last + 1], *after))


def items(incident: Incident) -> tuple[Item, ...]:
    return pending(incident, tracker=True, papers=("wiki",))


def test_nothing_leaves_an_open_incident() -> None:
    events = [x for x in story.events() if not isinstance(x, e.IncidentClosed | e.PostmortemPosted)]
    assert pending(fold((*events[:20], added(TEXT, "14:13:01"))), tracker=True, papers=("wiki",)) == ()


def test_an_action_leaves_once_and_the_postmortem_by_revision() -> None:
    assert [i.paper for i in items(closed(posted(1, "14:31:00")))] == ["wiki"]
    first = closed(added(TEXT, "14:30:30"), posted(1, "14:31:00"))
    assert [(i.paper, i.revision) for i in items(first)] == [(None, 0), ("wiki", 1)]
    gone = (filed(TEXT, "14:31:01"), published(1, "14:31:02"))
    assert items(closed(added(TEXT, "14:30:30"), posted(1, "14:31:00"), *gone)) == ()
    newer = closed(added(TEXT, "14:30:30"), posted(1, "14:31:00"), *gone, posted(2, "14:31:30"))
    assert [(i.paper, i.revision, i.filing.reference) for i in items(newer)] == [("wiki", 2, "1000")]


def test_without_tracker_and_papers_nothing_is_due() -> None:
    incident = closed(added(TEXT, "14:30:30"), posted(1, "14:31:00"))
    assert due_filings(incident, Ends(), NOW) == ()
    assert {name for name, _, _ in due_filings(incident, ENDS, None)} == {FILE}


def test_each_try_has_a_name_of_its_own_and_waits_longer() -> None:
    happened: list[e.Event] = [added(TEXT, "14:30:30")]
    seen = set()
    for again in ("14:40:00", "14:50:00", None):
        incident = closed(*happened)
        ((_, name, _),) = due_filings(incident, ENDS, NOW)
        seen.add(name)
        happened.append(not_filed(TEXT, "14:31:00", again))
    assert len(seen) == 3
    assert due_filings(closed(*happened[:2]), ENDS, None) == ()
    assert due_filings(closed(*happened[:2]), ENDS, at("14:39:59")) == ()
    assert due_filings(closed(*happened), ENDS, NOW + timedelta(days=400)) == ()
    asked = closed(*happened, e.FilingAsked(at=at("14:52:00"), by=ALICE))
    ((_, name, _),) = due_filings(asked, ENDS, None)
    assert name not in seen


def test_the_pauses_grow_and_end() -> None:
    waits = [again_at(n, now=NOW) for n in range(1, len(PAUSES) + 2)]
    assert waits[-1] is None
    known = [w for w in waits if w is not None]
    assert known == sorted(known)
    assert again_at(1, now=NOW, at_least=timedelta(hours=1)) == NOW + timedelta(hours=1)


def test_a_new_revision_is_a_new_beginning_for_papers_that_were_given_up() -> None:
    given_up = closed(posted(1, "14:31:00"), not_published(1, "14:31:01", None))
    assert due_filings(given_up, ENDS, NOW) == ()
    assert len(due_filings(evolve(given_up, posted(2, "14:32:00")), ENDS, None)) == 1


def test_the_postmortem_is_written_again_once_all_actions_have_their_links() -> None:
    two = (added(TEXT, "14:30:30"), added("Watch the queue", "14:30:31"))
    late = closed(*two, posted(1, "14:31:00"), filed(TEXT, "14:32:00"))
    wanted = late.postmortem_wanted
    assert evolve(late, filed("Watch the queue", "14:33:00", 8)).postmortem_wanted == wanted + 1
    in_time = closed(*two, filed(TEXT, "14:30:40"), filed("Watch the queue", "14:30:41", 8))
    assert in_time.postmortem_wanted == wanted


def test_the_cards_show_links_trouble_and_who_accepted_what(snapshot: SnapshotAssertion) -> None:
    incident = closed(
        leaving.leaving_events()[0],
        added(TEXT, "14:30:30"),
        added("Watch the <queue>", "14:30:31"),
        filed(TEXT, "14:31:00"),
        not_filed("Watch the <queue>", "14:31:01", "14:32:00"),
        posted(1, "14:31:02"),
        published(1, "14:31:03"),
    )
    assert outline(closed_card(incident)) == snapshot(name="closed")
    assert outline(left.actions_card(incident)) == snapshot(name="actions")


def test_each_is_told() -> None:
    told = [narrate(event) for event in leaving.leaving_events()]
    assert told == [
        "<@U0ALICE> accepts that this stays open (quarantine:v1.3.0): v1.3.0 is &lt;quarantined&gt;.",
        "<@U0BOB> vouches for v1.3.0 again; it is quarantined no longer",
        (
            "Action not filed with github.com/example/shop (Add a &lt;timeout&gt;): GitHub declines who kaeru is: "
            "HTTP 401. The next try is at 2026-11-24 14:33:00 UTC."
        ),
        "<@U0CAROL> asked for another try with what was not filed or published yet",
        (
            "Action filed as #7 of github.com/example/shop, https://github.com/example/shop/issues/7: "
            "Add a &lt;timeout&gt;"
        ),
        (
            "Postmortem, revision 1, not published to wiki: Somebody has changed the page &lt;b&gt;. It is not tried "
            "again until somebody asks for that."
        ),
        "Postmortem published, revision 2, to wiki as 1000, https://wiki.example.com/1000",
        "Channel archived",
    ]


# What stays open.


def verified(*more: e.Event) -> Incident:
    """The story until it was verified, with more in it."""
    events = story.events()
    until = next(n for n, x in enumerate(events) if isinstance(x, e.IncidentVerified))
    kept = tuple(x for x in events[: until + 1] if not isinstance(x, e.BackupBegun | e.BackupFinished))
    return fold(sorted((*kept, *more), key=lambda x: x.at))


def begun(number: int, when: str) -> e.BackupBegun:
    return e.BackupBegun(at=at(when), database="shop", number=number)


def taken(number: int, when: str, *, proof: str = "restored", danger: str = "") -> e.BackupFinished:
    warnings = (Warn(level=Level.DANGER, text=danger),) if danger else ()
    backup = Taken(
        id=f"b{number}", at=at(when), bytes=1, sha256="ab" * 32, seconds=1, proof=proof, warnings=warnings
    )
    return e.BackupFinished(at=at(when), database="shop", number=number, backup=backup)


def kinds(incident: Incident) -> list[tuple[LeftKind, str]]:
    return [(one.kind, one.id) for one in left_open(incident)]


QUARANTINE = (LeftKind.QUARANTINE, "quarantine:v1.3.0")
BACKUP_1 = (LeftKind.BACKUP, "backup:shop/1")


@pytest.mark.parametrize(
    ("happened", "kept"),
    [
        ((), []),
        ((begun(1, "14:20:00"),), [BACKUP_1]),
        ((begun(1, "14:20:00"), taken(1, "14:20:01")), []),
        ((begun(1, "14:20:00"), taken(1, "14:20:01", proof="read")), []),
        ((begun(1, "14:20:00"), taken(1, "14:20:01", proof="none")), [BACKUP_1]),
        ((begun(1, "14:20:00"), taken(1, "14:20:01", danger="It is small.")), [BACKUP_1]),
        (
            (
                begun(1, "14:20:00"),
                taken(1, "14:20:01", danger="It is small."),
                e.BackupAccepted(at=at("14:20:02"), by=ALICE, database="shop", number=1),
            ),
            [],
        ),
        (
            (
                begun(1, "14:20:00"),
                e.BackupSkipped(at=at("14:20:01"), by=ALICE, database="shop", number=1),
                e.BackupFailed(at=at("14:20:02"), database="shop", number=1, reason="The disk is full."),
            ),
            [BACKUP_1],
        ),
    ],
)
def test_a_backup_that_is_not_to_be_relied_on_stays_open(
    happened: tuple[e.Event, ...], kept: list[tuple[LeftKind, str]]
) -> None:
    assert kinds(verified(*happened)) == [*kept, QUARANTINE]


def test_each_is_accepted_by_name_or_settled() -> None:
    incident = verified(begun(1, "14:20:00"), taken(1, "14:20:01", proof="none"))
    with pytest.raises(Refusal, match=r"not verified.*quarantined.*/incident close accept"):
        decide.close(incident, by=ALICE, summary="", unverified=False, policy=Policy(), now=NOW)
    (accepted,) = decide.accept_left(incident, ["quarantine:v1.3.0"], by=ALICE, now=NOW)
    incident = evolve(incident, accepted)
    assert [(one.id, one.by) for one in incident.accepted] == [("quarantine:v1.3.0", ALICE)]
    assert kinds(incident) == [BACKUP_1]
    with pytest.raises(Refusal, match="not left open here"):
        decide.accept_left(incident, ["quarantine:v1.3.0"], by=ALICE, now=NOW)
    # Another try is another backup, and what was accepted of the first does not hold for it.
    (mine,) = decide.accept_left(incident, [left_open(incident)[0].key], by=ALICE, now=NOW)
    assert kinds(evolve(incident, mine)) == []
    again = fold_on(evolve(incident, mine), begun(2, "14:50:00"), taken(2, "14:50:01", proof="none"))
    assert kinds(again) == [(LeftKind.BACKUP, "backup:shop/2")]


def test_a_version_that_somebody_vouches_for_is_settled() -> None:
    lifted = e.QuarantineLifted(at=at("14:20:00"), by=ALICE, version="v1.3.0")
    assert kinds(verified(lifted)) == []


def test_where_nothing_was_rolled_back_nothing_rests_on_a_backup() -> None:
    events = [x for x in story.events() if not isinstance(x, e.BackupBegun | e.BackupFinished)]
    approved = next(n for n, x in enumerate(events) if isinstance(x, e.RollbackApproved))
    declared = fold(events[:3])
    assert approved > 3
    failed = e.BackupFailed(at=at("14:50:01"), database="shop", number=1, reason="The disk is full.")
    assert left_open(fold_on(declared, begun(1, "14:50:00"), failed)) == ()


def test_the_card_and_the_form_name_each(snapshot: SnapshotAssertion) -> None:
    incident = verified(begun(1, "14:20:00"), taken(1, "14:20:01", proof="none"))
    assert outline(left.left_card(incident)) == snapshot


def fold_on(incident: Incident, *events: e.Event) -> Incident:
    for event in events:
        incident = evolve(incident, event)
    return incident
