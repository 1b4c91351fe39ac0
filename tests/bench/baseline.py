"""How often "no worse than before" is wrong: measured on made-up metrics that behave like real ones.

Each load is stated: how many values, how noisy, how much they remember. A false alarm is a `fail` where nothing had
changed, a miss is a `pass` where it was ill. What is `unverified` is neither, and is counted too. The edge is what is
exactly as much worse as is just acceptable: the hardest case there is.
"""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.domain.no_worse import Better, Expectation, assess
from bot.domain.series import SHARE, Series
from bot.domain.verdict import Verdict
from tests.bench.result import Result, at_most

NAMES = ("false_alarm_rate", "miss_rate", "edge_pass_rate", "undecided_rate")
RUNS = 500
SEED = 20261124
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)

Make = Callable[[random.Random, float, float], Series]
"""Values from before (minutes of the first number), or since, worse by the factor of the second one."""


@dataclass(frozen=True)
class Load:
    name: str
    expected: Expectation
    make: Make
    before_min: float
    after_min: float
    edge: float
    ill: float


def latency(rng: random.Random, minutes: float, factor: float) -> Series:
    """p95 every 15 s: log-normal around 120 ms by 15 %, half of each deviation stays, one value in 100 is fivefold."""
    values, deviation = [], rng.gauss(0, 1)
    for _ in range(int(minutes * 4)):
        deviation = 0.5 * deviation + math.sqrt(1 - 0.25) * rng.gauss(0, 1)
        spike = 5.0 if rng.random() < 0.01 else 1.0
        values.append(120 * factor * math.exp(0.15 * deviation) * spike)
    return _series("ms", values, 15)


def averaged(rng: random.Random, minutes: float, factor: float) -> Series:
    """The same as `rate(…[1m])` gives it: every value is the mean of the last four."""
    raw = latency(rng, minutes + 0.75, factor).known
    values = [sum(raw[n : n + 4]) / 4 for n in range(len(raw) - 3)]
    return _series("ms", values, 15)


def errors(rng: random.Random, minutes: float, factor: float) -> Series:
    """Failed of 50 requests/s every 15 s: 0.3 % of them, and they fail together (the rate itself varies by half)."""
    values, counts, deviation = [], [], rng.gauss(0, 1)
    for _ in range(int(minutes * 4)):
        deviation = 0.5 * deviation + math.sqrt(1 - 0.25) * rng.gauss(0, 1)
        count = _poisson(rng, 750)
        failed = min(count, _poisson(rng, 750 * 0.003 * factor * math.exp(0.5 * deviation - 0.125)))
        values.append(failed / count)
        counts.append(float(count))
    return _series(SHARE, values, 15, counts)


def orders(rng: random.Random, minutes: float, factor: float) -> Series:
    """Orders per minute: 40, by chance, and the demand itself drifts by a tenth over a quarter of an hour."""
    values, deviation = [], rng.gauss(0, 1)
    for _ in range(int(minutes)):
        deviation = 0.93 * deviation + math.sqrt(1 - 0.93**2) * rng.gauss(0, 1)
        values.append(float(_poisson(rng, 40 * factor * math.exp(0.1 * deviation))))
    return _series("orders/min", values, 60)


LOADS = (
    Load("latency, 5 min", Expectation(), latency, 60, 5, 1.2, 1.5),
    Load("latency, 15 min", Expectation(), latency, 60, 15, 1.2, 1.5),
    Load("latency as rate[1m], 5 min", Expectation(), averaged, 60, 5, 1.2, 1.5),
    Load("errors, 5 min", Expectation(), errors, 60, 5, 1.2 + 0.01 / 0.003, 10),
    Load("orders, 15 min", Expectation(better=Better.HIGHER), orders, 60, 15, 0.8, 0.5),
)


def verdicts(load: Load, factor: float, runs: int) -> dict[Verdict, float]:
    """The share of each verdict where the values since are `factor` times those before."""
    rng = random.Random(f"{SEED} {load.name} {factor}")  # noqa: S311 - the same numbers in every run
    found = Counter(
        assess(
            load.expected,
            load.make(rng, load.before_min, 1.0),
            load.make(rng, load.after_min, factor),
        ).verdict
        for _ in range(runs)
    )
    return {verdict: found[verdict] / runs for verdict in Verdict}


async def measure(data: Path) -> list[Result]:
    return await asyncio.to_thread(_measured)


def _measured() -> list[Result]:
    well = {load.name: verdicts(load, 1.0, RUNS) for load in LOADS}
    ill = {load.name: verdicts(load, load.ill, RUNS) for load in LOADS}
    edge = {load.name: verdicts(load, load.edge, RUNS) for load in LOADS}
    alarms = {name: found[Verdict.FAIL] for name, found in well.items()}
    misses = {name: found[Verdict.PASS] for name, found in ill.items()}
    passed = {name: found[Verdict.PASS] for name, found in edge.items()}
    undecided = {name: found[Verdict.UNVERIFIED] for name, found in well.items()}
    return [
        Result(
            "false_alarm_rate",
            max(alarms.values()),
            "share",
            at_most(0.05),
            f"fail though nothing changed, of {RUNS} ({_each(alarms)})",
        ),
        Result(
            "miss_rate",
            max(misses.values()),
            "share",
            at_most(0.05),
            f"pass though it was ill, of {RUNS} ({_each(misses)})",
        ),
        Result(
            "edge_pass_rate",
            max(passed.values()),
            "share",
            at_most(0.15),
            f"pass though it was as much worse as is just acceptable ({_each(passed)})",
        ),
        Result(
            "undecided_rate",
            max(undecided.values()),
            "share",
            at_most(0.5),
            f"unverified though nothing changed ({_each(undecided)})",
        ),
    ]


def _each(shares: dict[str, float]) -> str:
    return "; ".join(f"{name} {share:.3f}" for name, share in shares.items())


def _poisson(rng: random.Random, mean: float) -> int:
    if mean > 100:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def _series(unit: str, values: list[float], step_s: int, counts: list[float] | None = None) -> Series:
    return Series(
        unit=unit,
        since=NOW,
        step=timedelta(seconds=step_s),
        values=tuple(values),
        counts=None if counts is None else tuple(counts),
    )
