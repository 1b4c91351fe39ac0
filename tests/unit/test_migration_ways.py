"""The decision matrix: which ways back the migrations between two versions leave."""

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.migrations import (
    AppliedList,
    AppliedState,
    Change,
    Effect,
    Found,
    History,
    Listing,
    Migration,
    Standing,
    Tool,
    Undo,
    compare,
    worst,
)
from bot.domain.ways_back import MATRIX, Situation, Way, decide, without_down

PAGE = Path(__file__).parents[2] / "docs" / "migrations.md"
FREE, LOSSY, NONE = Undo(exists=True), Undo(exists=True, loses=("the rows of carts",)), Undo(exists=False)


def migration(number: str, effect: Effect, undo: Undo = NONE, change: Change = Change.ADDED) -> Migration:
    return Migration(
        tool=Tool.FLYWAY,
        id=number,
        path=f"V{number}__x.sql",
        effect=effect,
        does=(),
        undo=undo,
        change=change,
    )


def found(*migrations: Migration, older: tuple[str, ...] = ("1",)) -> Found:
    ids = (*older, *(one.id for one in migrations))
    return Found(known=True, migrations=migrations, older=History(ids=older), newer=History(ids=ids))


def applied(between: Found, *ids: str, dirty: tuple[str, ...] = ()) -> AppliedState:
    return compare(between.older, between.newer, AppliedList(known=True, ids=ids, dirty=dirty))


def test_every_situation_has_one_row_and_the_page_shows_the_same_table() -> None:
    assert [row.situation for row in MATRIX] == list(Situation)
    shown = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    rows = {situation: (ways, decision, why) for situation, ways, decision, why in shown}
    for row in MATRIX:
        ways = ", ".join(row.allowed).replace(row.recommended, f"**{row.recommended}**", 1)
        assert rows[row.situation] == (ways, "yes" if row.decision else "no", row.why)


def test_a_decision_always_takes_a_second_person_and_may_always_be_not_to_go_back() -> None:
    for row in MATRIX:
        assert row.second_person is row.decision
        assert Way.FORWARD_FIX in row.allowed
        assert row.decision or row.recommended is Way.CODE_ONLY
        assert not row.decision or row.recommended is not Way.CODE_ONLY


@pytest.mark.parametrize(
    ("effect", "undo", "situation"),
    [
        (Effect.EXPAND, NONE, Situation.EXPAND),
        (Effect.DATA, NONE, Situation.DATA),
        (Effect.CONTRACT, FREE, Situation.CONTRACT_UNDONE_FREELY),
        (Effect.CONTRACT, LOSSY, Situation.CONTRACT_UNDONE_AT_A_LOSS),
        (Effect.CONTRACT, Undo(exists=True, understood=False), Situation.CONTRACT_UNDONE_AT_A_LOSS),
        (Effect.CONTRACT, NONE, Situation.CONTRACT_ONE_WAY),
        (Effect.UNKNOWN, LOSSY, Situation.UNKNOWN_WITH_DOWN),
        (Effect.UNKNOWN, NONE, Situation.UNKNOWN_ONE_WAY),
    ],
)
def test_the_effect_and_the_way_down_decide(effect: Effect, undo: Undo, situation: Situation) -> None:
    between = found(migration("2", effect, undo))
    verdict = decide(between, applied(between, "1", "2"))
    assert verdict.situation is situation
    assert verdict.decision is verdict.second_person is effect.demands_decision
    assert (Way.DOWN_MIGRATION in verdict.allowed) is (effect.demands_decision and undo.exists)
    assert verdict.loses == (undo.loses if Way.DOWN_MIGRATION in verdict.allowed else ())


def test_what_is_not_applied_does_not_count() -> None:
    between = found(migration("2", Effect.EXPAND), migration("3", Effect.CONTRACT))
    nothing = decide(between, applied(between, "1"))
    assert (nothing.situation, nothing.recommended) == (Situation.NOT_APPLIED, Way.CODE_ONLY)
    half = decide(between, applied(between, "1", "2"))
    assert half.situation is Situation.EXPAND
    assert "left out of this: 3" in half.why


def test_without_the_database_everything_counts_as_applied() -> None:
    between = found(migration("2", Effect.CONTRACT))
    state = compare(between.older, between.newer, AppliedList(known=False, note="No database is configured."))
    verdict = decide(between, state)
    assert verdict.situation is Situation.CONTRACT_ONE_WAY
    assert verdict.why.endswith("every migration counts as applied. No database is configured.")


def test_one_without_a_way_down_stops_those_below_it() -> None:
    between = found(migration("2", Effect.CONTRACT, FREE), migration("3", Effect.EXPAND, NONE))
    assert decide(between, applied(between, "1", "2", "3")).situation is Situation.CONTRACT_ONE_WAY


@pytest.mark.parametrize(
    ("ids", "dirty", "situation", "named"),
    [
        (("1", "2", "7"), (), Situation.STRANGERS, "They are 7."),
        (("2",), (), Situation.BEHIND, "They are 1."),
        (("1", "2"), ("2",), Situation.TORN, "It is 2."),
    ],
)
def test_a_database_that_fits_neither_version_takes_a_decision(
    ids: tuple[str, ...], dirty: tuple[str, ...], situation: Situation, named: str
) -> None:
    between = found(migration("2", Effect.EXPAND, FREE))
    verdict = decide(between, applied(between, *ids, dirty=dirty))
    assert verdict.situation is situation
    assert verdict.decision
    assert named in verdict.why
    assert Way.DOWN_MIGRATION not in verdict.allowed


def test_what_cannot_be_read_takes_a_decision() -> None:
    unreadable = Found(known=False, note="The repository has no tag v9.")
    verdict = decide(unreadable, AppliedState(known=False))
    assert verdict.situation is Situation.UNREADABLE
    assert "no tag v9" in verdict.why


def test_nothing_between_is_nothing_to_decide() -> None:
    between = found()
    assert decide(between, applied(between, "1")).situation is Situation.NONE
    assert decide(between, AppliedState(known=False, note="no database")).why == MATRIX[0].why


def test_heads_stand_for_all_they_build_on() -> None:
    chain = (("b", "a"), ("c", "b"), ("d", "b"))
    older, newer = (
        History(ids=("a", "b"), parents=chain[:1]),
        History(ids=("a", "b", "c", "d"), parents=chain),
    )
    state = compare(older, newer, AppliedList(known=True, listing=Listing.HEADS, ids=("c",)))
    assert [state.standing(one) for one in "abcd"] == [Standing.APPLIED] * 3 + [Standing.NOT_APPLIED]
    lost = compare(older, newer, AppliedList(known=True, listing=Listing.HEADS, ids=("z",)))
    assert (lost.known, lost.strangers) == (False, ("z",))
    assert lost.standing("z") is Standing.UNKNOWN_TO_BOTH


def test_a_number_stands_for_all_up_to_it() -> None:
    older, newer = History(ids=("1",)), History(ids=("1", "2", "10"))
    state = compare(older, newer, AppliedList(known=True, listing=Listing.LATEST, ids=("2",)))
    assert [state.may_be_applied(one) for one in newer.ids] == [True, True, False]
    assert compare(older, newer, AppliedList(known=True, listing=Listing.LATEST)).missing == ("1",)


MIGRATIONS = st.lists(
    st.builds(
        lambda effect, exists, loses: (effect, Undo(exists=exists, loses=("x",) if loses else ())),
        st.sampled_from(Effect), st.booleans(), st.booleans(),
    ),
    max_size=4,
)  # fmt: skip


@given(MIGRATIONS, st.sets(st.integers(2, 5)))
def test_nothing_dangerous_that_may_be_applied_goes_without_a_decision(
    drawn: list[tuple[Effect, Undo]], standing: set[int]
) -> None:
    migrations = [migration(str(n), effect, undo) for n, (effect, undo) in enumerate(drawn, 2)]
    between = found(*migrations)
    verdict = decide(between, applied(between, "1", *(str(n) for n in standing if n < len(drawn) + 2)))
    concerned = [one for one in migrations if int(one.id) in standing]
    assert verdict.decision is worst(one.effect for one in concerned).demands_decision
    if Way.DOWN_MIGRATION in verdict.allowed:
        assert all(one.undo.exists for one in concerned)


def test_effects_are_ordered_by_danger() -> None:
    assert [effect.danger for effect in Effect] == [0, 1, 2, 3]
    for one, other in itertools.combinations(Effect, 2):
        assert worst((other, one)) is other


@pytest.mark.parametrize("undo", [FREE, LOSSY])
def test_where_nobody_can_run_them_backwards_nothing_is_said_of_it(undo: Undo) -> None:
    between = found(migration("2", Effect.CONTRACT, undo))
    verdict = without_down(decide(between, applied(between, "1", "2")))
    assert verdict.why == (
        "The older code may fail on the newer schema. This is because of the migration V2__x.sql."
    )
    assert verdict.loses == ()
