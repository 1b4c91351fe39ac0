"""What a balancer has really served: counts, what lies between two of them, and whether that is what was asked for.

Shares are between 0 and 1, times are UTC. Judgements are three-valued: few requests, or a gap, are unknown and never good.
"""

import math
from datetime import datetime, timedelta

from bot.domain.base import Value
from bot.domain.evidence import TREND, Outcome

Z = 1.96
"""How sure a judgement has to be, in standard deviations: 19 times out of 20."""

FEWEST = 20
"""Of fewer requests no share counts as wrong: it is looked at again and again, and chance has its day with few."""


class Served(Value):
    """Counted since the balancer's counters began: requests that reached the service, and all requests.

    Two of them, subtracted, give the share that was really served between them. `errors` are answers of 500 and
    above that users got, a maintenance page among them; `service_errors` are those of requests that reached the
    service. None where that is not counted. A later one with smaller counts means that the counters began anew in
    between: nothing is concluded across that.
    """

    at: datetime
    to_service: int
    total: int
    errors: int | None = None
    service_errors: int | None = None


class Window(Value):
    """What was served between two looks. `errors` are those of requests that reached the service, None: not counted."""

    since: datetime
    until: datetime
    to_service: int
    total: int
    errors: int | None

    @property
    def length(self) -> timedelta:
        return self.until - self.since

    @property
    def share(self) -> float | None:
        return self.to_service / self.total if self.total else None


class Part(Value):
    """One thing that was judged, with a sentence that has the numbers."""

    name: str
    outcome: Outcome
    sentence: str


def between(before: Served | None, after: Served | None) -> Window | None:
    """None where one of them is missing, or the counters began anew in between."""
    if before is None or after is None or after.at < before.at:
        return None
    to_service, total = after.to_service - before.to_service, after.total - before.total
    if to_service < 0 or total < to_service:
        return None
    errors = _less(after.service_errors, before.service_errors)
    if errors is None and to_service == total:
        errors = _less(after.errors, before.errors)  # whatever users got, they got from the service
    if errors is not None and not 0 <= errors <= to_service:
        return None
    return Window(since=before.at, until=after.at, to_service=to_service, total=total, errors=errors)


def interval(hits: int, count: int) -> tuple[float, float]:
    """Where the true share of `hits` lies, with 95 % confidence (Wilson's score interval); 0 to 1 of nothing."""
    if not count:
        return 0.0, 1.0
    share, square = hits / count, Z * Z
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = Z / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count * count))
    # At both ends the formula is exact, and its arithmetic is not.
    return (max(0.0, middle - half) if hits else 0.0), (min(1.0, middle + half) if hits < count else 1.0)


def judge_share(window: Window | None, wanted: float, tolerance: float) -> Part:
    """Whether `wanted` is what was served.

    Good is what lies within `tolerance` of it, and within half of it: a tenth is not served where nothing is.
    """
    if window is None or not window.total:
        what = "no request was counted" if window else "what was served was not measured"
        return Part(
            name="share served", outcome=Outcome.UNKNOWN, sentence=f"{what} (asked for: {percent(wanted)})"
        )
    slack = min(tolerance, wanted / 2) if wanted else tolerance
    low, high = interval(window.to_service, window.total)
    if window.total >= FEWEST and (high < wanted - slack or low > wanted + slack):
        outcome = Outcome.FAILED
    elif low >= wanted - slack and high <= wanted + slack:
        outcome = Outcome.SUCCEEDED
    else:
        outcome = Outcome.UNKNOWN
    sentence = (
        f"{percent(window.to_service / window.total)} of {window.total} requests were served"
        f" (asked for: {percent(wanted)}, {percent(low)} to {percent(high)} is certain)"
    )
    return Part(name="share served", outcome=outcome, sentence=sentence)


def judge_errors(window: Window | None, limit: float, fewest: int) -> Part | None:
    """Whether at most `limit` of what reached the service failed; `fewest` requests are needed to be good.

    None where nobody counts that. It fails once more than `limit` is certain, and not by a single answer.
    """
    if window is not None and window.errors is None:
        return None
    if window is None or window.errors is None or not window.to_service:
        return Part(name="errors", outcome=Outcome.UNKNOWN, sentence="no request to the service was counted")
    rate = window.errors / window.to_service
    low, _ = interval(window.errors, window.to_service)
    if window.errors >= TREND and low > limit:
        outcome = Outcome.FAILED
    elif rate <= limit and window.to_service >= fewest:
        outcome = Outcome.SUCCEEDED
    else:
        outcome = Outcome.UNKNOWN
    sentence = (
        f"{window.errors} of {window.to_service} requests failed (at most {percent(limit)} is acceptable)"
    )
    return Part(name="errors", outcome=outcome, sentence=sentence)


def percent(share: float) -> str:
    """`25 %`, `0.5 %`."""
    return f"{share * 100:.1f} %".replace(".0 %", " %")


def _less(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else after - before
