"""How long is paused between tries, when it is enough, and what is told in the end."""

import pytest

from bot.ports import Conflict, OutcomeUnknown, PortError, Refused, Unavailable
from bot.workflows.patience import Patience

LOST = OutcomeUnknown("The answer was lost.")
BUSY = Unavailable("Busy.", retry_after_s=0.0)


class Watch:
    """A clock that stands still until it is wound."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_without_a_longest_pause_it_stays_the_same() -> None:
    patience = Patience(60, first_s=2.0, clock=Watch())
    assert [patience.pause_after(BUSY) for _ in range(3)] == [2.0, 2.0, 2.0]


def test_with_one_it_doubles_until_then() -> None:
    patience = Patience(60, first_s=2.0, longest_s=10.0, clock=Watch())
    assert [patience.pause_after(BUSY) for _ in range(5)] == [2.0, 4.0, 8.0, 10.0, 10.0]


@pytest.mark.parametrize("kind", [Unavailable, OutcomeUnknown])
def test_an_error_is_given_the_time_it_asks_for(kind: type[Unavailable | OutcomeUnknown]) -> None:
    patience = Patience(60, first_s=2.0, longest_s=10.0, clock=Watch())
    assert patience.pause_after(kind("Not yet.", retry_after_s=7.0)) == 7.0
    assert patience.pause_after(kind("Not yet.", retry_after_s=1.0)) == 4.0


@pytest.mark.parametrize("error", [LOST, Conflict("Somebody was faster.")])
def test_an_error_that_asks_for_nothing_waits_as_long_as_is_usual(error: PortError) -> None:
    assert Patience(60, clock=Watch()).pause_after(error) == 1.0


def test_a_pause_that_is_not_over_in_time_is_not_begun() -> None:
    watch = Watch()
    patience = Patience(10, clock=watch)
    assert patience.pause_after(Unavailable("Later.", retry_after_s=10.0)) is None
    assert patience.pause_after(OutcomeUnknown("Later.", retry_after_s=10.0)) is None
    watch.now += 8.9
    assert patience.pause_after(BUSY) == 1.0
    watch.now += 0.1
    assert patience.pause_after(BUSY) is None


def test_coming_further_begins_anew() -> None:
    watch = Watch()
    patience = Patience(10, longest_s=4.0, clock=watch)
    assert [patience.pause_after(BUSY) for _ in range(2)] == [1.0, 2.0]
    watch.now += 9.5
    assert patience.pause_after(BUSY) is None
    patience.renew()
    assert patience.pause_after(BUSY) == 1.0


def test_what_was_never_unknown_ends_as_it_is() -> None:
    patience, refused = Patience(60, clock=Watch()), Refused("No.")
    patience.pause_after(BUSY)
    assert patience.final(refused) is refused


def test_once_unknown_the_end_is_unknown() -> None:
    patience, refused = Patience(60, clock=Watch()), Refused("No.", remedy="Ask.")
    patience.pause_after(LOST)
    patience.renew()
    patience.pause_after(BUSY)
    last = patience.final(refused)
    assert isinstance(last, OutcomeUnknown)
    assert (str(last), last.__cause__) == ("No. Ask.", refused)
    assert patience.final(LOST) is LOST
