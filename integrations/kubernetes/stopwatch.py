"""How long something has been so: Kubernetes says since when by the clocks of other machines, or not at all."""

from collections.abc import Callable, Hashable, Iterable


class Stopwatch:
    """`clock` gives seconds and never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}
        self._state: Hashable = None
        self._still_since = clock()

    def lasting(self, found: Iterable[str]) -> dict[str, float]:
        """How many seconds each of `found` has been among them without a break."""
        now = self._clock()
        self._since = {one: self._since.get(one, now) for one in found}
        return {one: now - since for one, since in self._since.items()}

    def still(self, state: Hashable) -> float:
        """How many seconds `state` has been the same."""
        if state != self._state:
            self._state, self._still_since = state, self._clock()
        return self._clock() - self._still_since
