"""What a plan does around the rollback itself: users taken off and brought back, caches told to forget.

Shares are between 0 and 1.
"""

from datetime import datetime

from bot.domain.base import UserId, Value
from bot.domain.debts import Debt
from bot.domain.ramp import ROUNDED, Ramp
from bot.domain.served import percent

_TRAFFIC, _CACHE = "traffic:", "cache:"


class TrafficPart(Value):
    """How users come back: by `ramp`. `off` says that they see the maintenance page meanwhile.

    `actions` are sentences.
    """

    off: bool
    ramp: Ramp
    actions: tuple[str, ...] = ()


class CachePart(Value):
    """A cache that is told to forget `paths`, by its name in kaeru.yml; no paths: those of its settings."""

    name: str
    paths: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


class TrafficState(Value):
    """How far users have come in a run. `share` is what was last set and observed, None: nothing was set by this run.

    `before` is what the run found. `moves` counts what was set, `failures` the steps back since people last let it go
    on. `asked` is what people are asked about, or empty; `asks` counts that, and `continued` how often somebody let
    it go on; `asked_at` is since when. `stopped_by` wants no more of it.
    """

    share: float | None = None
    before: float | None = None
    moves: int = 0
    failures: int = 0
    asked: str = ""
    asked_at: datetime | None = None
    asks: int = 0
    continued: int = 0
    stopped_by: UserId | None = None


UNSEEN = "how much of the traffic reaches the service is not known"
"""Said where what steers the traffic cannot be looked at; no share that was seen before is a fact then."""


def is_all(share: float | None) -> bool:
    """Whether everybody reaches the service, as near as weights allow."""
    return share is not None and share >= 1 - ROUNDED


def kept_users(service: str, share: float | None) -> Debt:
    """Users who do not reach the service are owed that they do. `share` None: it could not be seen how many do."""
    if share is None:
        text = f"It could not be seen how much of the traffic reaches {service}; it may be held back."
    elif share <= 0:
        text = f"No user reaches {service}: the balancer sends all of them to the maintenance page."
    else:
        text = f"Only {percent(share)} of the traffic reaches {service}: the balancer keeps the rest from it."
    until = "Bring all of them back once the service can take it; that happens at once, without stages."
    return Debt(id=f"{_TRAFFIC}{service}", component="the traffic", text=text, until=until)


def stale_cache(service: str, cache: str, why: str) -> Debt:
    """Old answers that may still be served are owed to be forgotten."""
    text = f"The cache {cache} may still serve answers of the version that was left: {why}"
    until = "Let it forget them as soon as that works."
    return Debt(id=f"{_CACHE}{service}/{cache}", component=f"the cache {cache}", text=text, until=until)


def is_of_traffic(debt: Debt) -> bool:
    return debt.id.startswith(_TRAFFIC)


def is_suspension(debt_id: str) -> bool:
    """Whether it is about something that was switched off so that the rollback lasts."""
    return not debt_id.startswith((_TRAFFIC, _CACHE))


def cache_of(debt: Debt) -> str | None:
    """The name of the cache that it is about; None where it is about something else."""
    return debt.id.rpartition("/")[2] if debt.id.startswith(_CACHE) else None
