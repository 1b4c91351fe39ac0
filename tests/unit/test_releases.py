"""The version to go back to: by record, never by toggling."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.base import Refusal, as_version
from bot.domain.plan import Level, Warn
from bot.domain.releases import Release, Standing, choose, order, shape_name, shape_names, spoken
from bot.ports.target import Inspection
from bot.usecases.plan_parts import with_reasons

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def release(version: str, *, good_ago: int | None = None, quarantined: bool = False) -> Release:
    return Release(
        version=version,
        standing=Standing.QUARANTINED if quarantined else Standing.UNKNOWN,
        last_good_at=None if good_ago is None else NOW - timedelta(hours=good_ago),
        quarantined_by="inc-1" if quarantined else None,
    )


def test_the_version_seen_serving_well_last_is_chosen() -> None:
    releases = [release("v3"), release("v2"), release("v1", good_ago=1), release("v0", good_ago=5)]
    assert choose(releases, current="v3").version == "v1"


def test_without_a_record_the_release_before_the_current_is_chosen() -> None:
    releases = [release("v4"), release("v3"), release("v2"), release("v1")]
    choice = choose(releases, current="v3")
    assert choice.version == "v2"
    assert "nobody saw it" in choice.why


def test_a_quarantined_version_is_never_chosen_even_when_it_is_the_newest_good() -> None:
    releases = [release("v3"), release("v2", good_ago=1, quarantined=True), release("v1")]
    assert choose(releases, current="v3").version == "v1"


def test_nothing_to_return_to_is_said() -> None:
    with pytest.raises(Refusal, match="no version to return to"):
        choose([release("v2"), release("v1", quarantined=True)], current="v2")


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ((), "There is no version to return to: no other release is known here. Put a good"),
        (
            (release("v3", quarantined=True), release("v1", quarantined=True)),
            (
                "There is no version to return to: v3 is quarantined by inc-1: it was rolled back before; "
                "v1 is quarantined by inc-1: it was rolled back before. "
                "If a quarantined one is well, let it be chosen with `kaeru quarantine lift`. Put a good"
            ),
        ),
        (
            (release("v1", quarantined=True).model_copy(update={"did_not_help": True}),),
            "v1 is quarantined by inc-1: it did not help when it was gone back to. If a quarantined",
        ),
        (
            (release("v4"), release("v3")),
            (
                "no other release is older than v2 or was seen serving well. "
                "A newer one can be asked for by its name (v4, v3). Put a good"
            ),
        ),
        (
            tuple(release(f"v1.{n}", quarantined=True) for n in range(9)),
            "v1.3 is quarantined by inc-1: it was rolled back before; 5 more are quarantined. If",
        ),
    ],
)
def test_why_nothing_is_left_is_said_with_what_can_be_done(others: tuple[Release, ...], told: str) -> None:
    with pytest.raises(Refusal) as refused:
        choose([*others, release("v2")], current="v2")
    assert told in str(refused.value)
    assert str(refused.value).endswith(" release in place, or fix forward.")


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("v9", "not a release that can be run here. These are: v1"),
        ("v3", "is what runs now"),
        ("v2", "quarantined by inc-1"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_refused(wanted: str, sentence: str) -> None:
    releases = [release("v3"), release("v2", quarantined=True), release("v1")]
    with pytest.raises(Refusal, match=sentence):
        choose(releases, current="v3", wanted=wanted)


def test_a_revision_of_the_target_can_be_asked_for() -> None:
    releases = [release("v3"), release("v2").model_copy(update={"revision": 7}), release("v1")]
    choice = choose(releases, current="v3", wanted="r7")
    assert (choice.version, choice.why) == ("v2", "revision 7, chosen by hand")
    with pytest.raises(Refusal, match="r8 is not a release"):
        choose(releases, current="v3", wanted="r8")


def test_a_release_whose_name_looks_like_a_revision_comes_first() -> None:
    releases = [release("r9"), release("v2").model_copy(update={"revision": 7}), release("r7")]
    assert choose(releases, current="r9", wanted="r7").version == "r7"


def test_a_revision_of_a_quarantined_version_is_refused_by_its_name() -> None:
    bad = release("v2", quarantined=True).model_copy(update={"revision": 7})
    with pytest.raises(Refusal, match="v2 is quarantined by inc-1"):
        choose([release("v3"), bad, release("v1")], current="v3", wanted="r7")


@pytest.mark.parametrize(
    ("version", "said"), [("v1.2.9+r3", "v1.2.9"), ("v1.2.9", "v1.2.9"), ("v1+rc1", "v1+rc1")]
)
def test_what_a_shape_says_of_itself(version: str, said: str) -> None:
    assert spoken(version) == said


def test_order_follows_the_repository() -> None:
    releases = [release("v1.10"), release("v1.9"), release("stray")]
    assert [r.version for r in order(releases, ["v1.10", "v1.9"])] == ["v1.10", "v1.9", "stray"]


@given(
    st.lists(st.integers(0, 8), min_size=2, max_size=8, unique=True),
    st.data(),
)
def test_undoing_again_and_again_never_returns_to_a_version_that_was_left(
    numbers: list[int], data: st.DataObject
) -> None:
    """Good, bad, bad again: each rollback quarantines what it leaves, so no later one can toggle back."""
    good = data.draw(st.sets(st.sampled_from(numbers)))
    releases = {
        f"v{n}": release(f"v{n}", good_ago=n if n in good else None) for n in sorted(numbers, reverse=True)
    }
    current = next(iter(releases))
    left: set[str] = set()
    while True:
        try:
            target = choose(list(releases.values()), current=current).version
        except Refusal:
            break
        assert target != current
        assert target not in left
        left.add(current)
        releases[current] = releases[current].model_copy(update={"standing": Standing.QUARANTINED})
        current = target
    assert len(left) < len(releases)


REFS = [f"{n:016x}" for n in range(2000)]


def test_an_exact_name_is_made_of_the_version_and_the_shape_alone() -> None:
    name = shape_name("v1.2.9", REFS[1])
    assert name == "v1.2.9+r6382"  # for ever: people have it in their channels
    assert (spoken(name), as_version(name)) == ("v1.2.9", name)
    for others in ([REFS[0]], REFS[2:9], REFS[9:2:-1]):
        assert shape_names("v1.2.9", [REFS[1], *others], plain=others[0])[REFS[1]] == name
    assert len(as_version(shape_name("x" * 128, REFS[0]))) == 128


def test_two_shapes_never_have_one_name() -> None:
    """With so many of one version, short names are drawn twice: those have more digits, the others stay."""
    names = shape_names("v1", REFS, plain=REFS[7])
    assert len(set(names.values())) == len(REFS)
    assert names.pop(REFS[7]) == "v1"
    short = [ref for ref, name in names.items() if name == shape_name("v1", ref)]
    assert 0 < len(short) < len(names)
    assert {spoken(name) for name in names.values()} == {"v1"}


def test_the_shapes_of_a_version_stand_together_where_the_repository_has_it() -> None:
    releases = [release("v2"), release("v1+r7"), release("v1"), release("v3")]
    assert [r.version for r in order(releases, ["v3", "v2", "v1"])] == ["v3", "v2", "v1+r7", "v1"]


@pytest.mark.parametrize(
    ("wish", "meant"),
    [("v1", "v1"), ("v1+r4711", "v1"), ("v1+r5", "v1"), ("r5", "v1"), ("r6", "v1+r8"), ("v1+r6", "v1+r8"), ("v1+r8", "v1+r8")],
)  # fmt: skip
def test_a_wish_is_a_name_an_exact_name_or_a_revision(wish: str, meant: str) -> None:
    releases = [
        release("v2").model_copy(update={"revision": 8}),
        release("v1+r8").model_copy(update={"revision": 6}),
        release("v1").model_copy(update={"revision": 5, "aliases": ("v1+r4711",)}),
    ]
    assert choose(releases, current="v2", wanted=wish).version == meant


def test_a_revision_of_another_version_is_not_meant() -> None:
    releases = [release("v2"), release("v1").model_copy(update={"revision": 5})]
    with pytest.raises(Refusal, match=r"v3\+r5 is not a release"):
        choose(releases, current="v2", wanted="v3+r5")


def test_what_was_noticed_comes_first_where_it_is_why_nothing_is_known() -> None:
    warning = Warn(level=Level.WARNING, text="There is nothing to switch to: green is silent.")
    seen = Inspection(current="v1.3.0", running="v1.3.0", available=(), fingerprint="f", warnings=(warning,))
    with pytest.raises(Refusal) as nothing:
        choose((), current="v1.3.0")
    said = with_reasons(nothing.value, {"shop": seen})
    assert said.startswith("There is nothing to switch to: green is silent. There is no version to return to")
