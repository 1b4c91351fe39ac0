"""What `make test` does where a cluster cannot be had: loud elsewhere, a failure in CI."""

import pytest

from sandbox.clusters.errors import Unavailable
from tests import clusters
from tests.clusters import Kind

WHY = "It needs root: run it as root."


class Cluster:
    def __init__(self, *, can: bool, there: bool = False) -> None:
        self.can = can
        self.there = there
        self.ended = 0

    def find(self) -> object | None:
        return self if self.there else None

    def up(self) -> object:
        if not self.can:
            raise Unavailable(WHY)
        self.there = True
        return self

    def down(self) -> None:
        self.there = False
        self.ended += 1

    def kind(self, name: str) -> Kind:
        return Kind(name, self.find, self.up, self.down, f"everything on {name}")


def test_what_cannot_be_had_is_said_with_the_reason() -> None:
    missing = Cluster(can=False)
    with clusters.running(ci=False, kinds=[missing.kind("A")]) as without:
        assert without == [f"NOT RUN: everything on A. {WHY}"]


def test_in_ci_it_ends_the_tests_and_what_was_started() -> None:
    missing, other = Cluster(can=False), Cluster(can=True)
    with (
        pytest.raises(SystemExit, match=WHY),
        clusters.running(ci=True, kinds=[missing.kind("A"), other.kind("B")]),
    ):
        pytest.fail("the tests were begun")
    assert other.ended == 1


def test_only_what_was_started_is_ended() -> None:
    before, fresh = Cluster(can=True, there=True), Cluster(can=True)
    with clusters.running(ci=True, kinds=[before.kind("A"), fresh.kind("B")]) as without:
        assert without == []
        assert fresh.there
    assert (before.ended, fresh.ended) == (0, 1)


def test_a_cluster_that_was_there_before_and_is_gone_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="gone"):
        clusters.without("A", "gone")
    with (
        clusters.running(ci=False, kinds=[Cluster(can=True).kind("A")]),
        pytest.raises(pytest.fail.Exception),
    ):
        clusters.without("A", "gone")


def test_in_ci_a_missing_cluster_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="gone"):
        clusters.without("A", "gone")
