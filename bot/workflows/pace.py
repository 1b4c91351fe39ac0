"""How fast the delivery goes: how long a failure waits, how far edits are apart, and when to look again."""

import heapq
import random
from collections.abc import Callable

MAX_BACKOFF_S = 30.0


class Pace:
    """All times are seconds; `time` is a monotonic clock, such as the event loop's."""

    def __init__(self, time: Callable[[], float], *, backoff_s: float, edit_interval_s: float) -> None:
        self._time = time
        self.backoff_s = backoff_s
        self.edit_interval_s = edit_interval_s
        self._due: list[float] = []
        # When a slot was last shown, by the item's id, oldest first; only as far back as it matters.
        self._shown: dict[int, float] = {}

    def backoff(self, attempts: int) -> float:
        """Nothing after the first attempt, then doubling, with jitter."""
        if attempts <= 1:
            return 0.0
        full = min(MAX_BACKOFF_S, self.backoff_s * 2.0 ** min(attempts - 1, 10))
        return full * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, keeps nobody out

    def note_due(self, after_s: float) -> None:
        """Something becomes due after so long."""
        heapq.heappush(self._due, self._time() + after_s)

    def until_due(self, most: float) -> float:
        """How long to wait, at most, for the next thing that becomes due. Zero once for what has become due."""
        now, some = self._time(), False
        while self._due and self._due[0] <= now:
            heapq.heappop(self._due)
            some = True
        if some:
            return 0.0
        return min(most, self._due[0] - now) if self._due else most

    def note_shown(self, item_id: int) -> None:
        now = self._time()
        self._shown.pop(item_id, None)
        self._shown[item_id] = now
        while self._shown and self._shown[oldest := next(iter(self._shown))] < now - self.edit_interval_s:
            del self._shown[oldest]

    def too_early(self, item_id: int) -> float:
        """By how much an edit would come too soon after what the slot showed before."""
        if item_id not in self._shown:
            return 0.0
        return max(0.0, self._shown[item_id] + self.edit_interval_s - self._time())
