"""The order of versions where nothing but their names is known."""

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.releases import by_name


def test_without_dates_and_a_repository_names_order_the_versions() -> None:
    names = ["v1.10.0", "v1.9.2", "v1.10.0-rc2", "v2", "v1.10.0-rc10", "v1.9.2.1", "nightly"]
    assert sorted(names, key=by_name) == [
        "nightly", "v1.9.2", "v1.9.2.1", "v1.10.0-rc2", "v1.10.0-rc10", "v1.10.0", "v2",
    ]  # fmt: skip


@given(st.text("v0123456789.-rc²é", min_size=1), st.text("v0123456789.-rc²é", min_size=1))
def test_any_two_names_can_be_ordered(one: str, other: str) -> None:
    assert (by_name(one) == by_name(other)) or (by_name(one) < by_name(other)) != (
        by_name(other) < by_name(one)
    )
