"""The watch and its verdict hold latency to the rule of many looks."""

from datetime import timedelta
from typing import Any, cast

import pytest

from bot.catalog.model import Service
from bot.domain.evidence import Baseline, BaselineSource, Look, Outcome, Probe, judge, overall, summarize
from bot.domain.verdict import Verdict
from bot.store import Store
from bot.usecases.evidence_sources import ProbeSource
from bot.usecases.stretches import Span
from bot.workflows.watching import Watching
from tests.contract.store_worlds import START

pytest_plugins = ("tests.postgres", "tests.contract.store_fixtures")

SECOND = timedelta(seconds=1)
SHOP = Service(
    name="shop", description="", owners=(), responders=(), stakeholders=None, components=(), changes=None,
    health=None, watch=30 * SECOND, watch_interval=SECOND, postmortem_template=None,
)  # fmt: skip


def answers(took_ms: list[float]) -> list[Probe]:
    return [
        Probe(endpoint="/version", at=START + n * SECOND, ok=True, latency_ms=ms, version="v1")
        for n, ms in enumerate(took_ms)
    ]


BASELINE = Baseline(source=BaselineSource.PROBES, version="v1", endpoints=summarize(answers([35] * 20)))


@pytest.mark.parametrize(("slow", "ill"), [(2, False), (10, True)])
async def test_two_slow_answers_end_no_watch_and_a_service_that_stays_slow_does(
    store: Store, slow: int, *, ill: bool
) -> None:
    probes = answers([30] * (30 - slow) + [149] * slow)
    await store.write(lambda uow: uow.probes.add("shop", probes))
    assert overall(judge(probes, BASELINE)) is Outcome.FAILED, "a single look calls both ill"
    (row,) = await ProbeSource(store, SHOP, BASELINE, None).rows(Span(START, START + 30 * SECOND))
    assert (row.verdict is Verdict.FAIL) is ill
    nothing = cast("Any", None)  # only the store is looked into
    watching = Watching(store, nothing, nothing, nothing, nothing, clock=lambda: START)
    since = START + 20 * SECOND
    found = await watching._findings(SHOP, BASELINE, since, START, Look.LATELY)
    assert (overall(found) is Outcome.FAILED) is ill
