"""One table for all evidence: it is only as good as its worst row, and what was not measured is never good."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.comparison import Comparison
from bot.domain.evidence import EndpointStats, Outcome
from bot.domain.proberows import rows_of_probes
from bot.domain.verdict import Cell, Moment, Row, Verdict, VerdictTable, overall

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
RANK = {Verdict.FAIL: 0, Verdict.UNVERIFIED: 1, Verdict.PASS: 2}


def row(verdict: Verdict, *, required: bool = True) -> Row:
    cell = Cell(shown="1 ms")
    return Row(
        source="metrics", what="p95", before=cell, during=cell, after=cell, verdict=verdict,
        sentence="as it was", required=required,
    )  # fmt: skip


rows = st.lists(st.builds(row, st.sampled_from(Verdict), required=st.booleans()), max_size=8)


@given(rows)
def test_it_passes_only_where_all_that_has_to_pass_does(given_: list[Row]) -> None:
    found = overall(given_)
    if found is Verdict.PASS:
        assert all(one.verdict is Verdict.PASS for one in given_ if one.required)
        assert not any(one.verdict is Verdict.FAIL for one in given_)
        assert any(one.verdict is Verdict.PASS for one in given_)
    assert (found is Verdict.FAIL) == any(one.verdict is Verdict.FAIL for one in given_)


@given(rows, st.booleans())
def test_a_row_that_fails_never_makes_it_better(given_: list[Row], required: bool) -> None:
    after = overall([*given_, row(Verdict.FAIL, required=required)])
    assert after is Verdict.FAIL


@given(rows)
def test_a_row_that_is_required_and_unverified_never_makes_it_better(given_: list[Row]) -> None:
    after = overall([*given_, row(Verdict.UNVERIFIED)])
    assert RANK[after] <= RANK[overall(given_)]
    assert after is not Verdict.PASS


@given(rows, st.data())
def test_a_row_that_gets_worse_never_makes_the_whole_better(given_: list[Row], data: st.DataObject) -> None:
    if not given_:
        return
    index = data.draw(st.integers(0, len(given_) - 1))
    worse = data.draw(st.sampled_from([v for v in Verdict if RANK[v] <= RANK[given_[index].verdict]]))
    changed = [*given_[:index], given_[index].model_copy(update={"verdict": worse}), *given_[index + 1 :]]
    assert RANK[overall(changed)] <= RANK[overall(given_)]


@given(rows)
def test_the_order_does_not_matter(given_: list[Row]) -> None:
    ordered = sorted(given_, key=lambda one: (one.verdict, one.required))
    assert overall(ordered) is overall(ordered[::-1]) is overall(given_)


def test_nothing_measured_is_unverified() -> None:
    table = VerdictTable(moment=Moment.VERIFIED, at=NOW)
    assert table.overall is Verdict.UNVERIFIED
    assert table.sentence == "Nothing was measured, so nothing is verified."


def test_only_what_nobody_requires_is_not_enough_unless_it_passed() -> None:
    assert overall([row(Verdict.UNVERIFIED, required=False)]) is Verdict.UNVERIFIED
    assert overall([row(Verdict.UNVERIFIED, required=False), row(Verdict.PASS)]) is Verdict.PASS


def test_the_worst_rows_come_first_and_the_whole_is_counted() -> None:
    made = tuple(row(v) for v in (Verdict.PASS, Verdict.FAIL, Verdict.UNVERIFIED, Verdict.FAIL))
    table = VerdictTable(moment=Moment.MITIGATED, at=NOW, rows=made)
    assert [one.verdict for one in table.ranked] == sorted(
        (one.verdict for one in made), key=RANK.__getitem__
    )
    assert table.sentence == "2 failed, 1 unverified, 1 passed of 4."
    assert VerdictTable.model_validate_json(table.model_dump_json()) == table


def stats(count: int, errors: int) -> EndpointStats:
    return EndpointStats(endpoint="/checkout", count=count, errors=errors, p50_ms=20.0, p95_ms=31.4)


def test_kaerus_own_probes_are_rows_like_any_other() -> None:
    compared = Comparison(
        endpoint="/checkout",
        before=stats(100, 0),
        during=stats(10, 9),
        after=None,
        limit_error_rate=0.02,
        limit_p95_ms=112.0,
        during_verdict=Outcome.FAILED,
        after_verdict=Outcome.UNKNOWN,
    )
    (made,) = rows_of_probes([compared])
    assert (made.source, made.what, made.verdict) == ("HTTP", "/checkout", Verdict.UNVERIFIED)
    assert made.during is not None
    assert made.during.shown == "9 of 10 failed, p95 31 ms"
    assert made.during.numbers["errors"] == 9
    assert made.after is None
    assert made.sentence.startswith("nothing was measured since")
