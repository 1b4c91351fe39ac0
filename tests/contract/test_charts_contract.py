"""What every maker of pictures promises, held against matplotlib's and the one in memory."""

import asyncio
import io
import itertools
import random
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from bot.domain.evidence import Probe, percentile
from bot.ports import Charts, Unavailable
from bot.ports.charts import ChartData, Curve, Moment, Span
from integrations.charts.charts import PNG, MatplotlibCharts
from integrations.charts.labels import GAP, arrange
from integrations.charts.series import MOST_BINS, bins
from tests import story
from tests.fakes.charts import MemoryCharts


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("matplotlib")


@pytest.fixture(params=["memory", "matplotlib"])
def charts(request: pytest.FixtureRequest, cache: Path) -> Charts:
    return MemoryCharts() if request.param == "memory" else MatplotlibCharts(cache=cache)


def asked(probes: Sequence[Probe] = story.probes()) -> ChartData:
    moments = (("14:11:30", "Declared"), ("14:13:02", "Approved"), ("14:13:40", "Mitigated"))
    spans = (
        (story.BEGIN, story.DEPLOYED, story.GOOD),
        (story.DEPLOYED, story.BACK, story.BAD),
        (story.BACK, story.END, story.GOOD),
    )
    return ChartData(
        title="shop: inc-20261124-shop-1",
        probes=tuple(probes),
        moments=tuple(Moment(at=story.at(clock), label=label) for clock, label in moments),
        spans=tuple(
            Span(since=story.at(a), until=story.at(b), label=version, good=version == story.GOOD)
            for a, b, version in spans
        ),
        baseline_p95_ms=60.0,
    )


def pixels(png: bytes) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    return np.asarray(imread(io.BytesIO(png)))[:, :, :3]


async def test_it_is_a_png_of_chat_size_with_something_on_it(charts: Charts) -> None:
    png = await charts.incident(asked())
    assert png.startswith(PNG)
    seen = pixels(png)
    assert seen.shape[:2] == (900, 1600)
    assert (np.abs(seen - seen[0, 0]).max(axis=2) > 0.1).mean() > 0.02
    assert len(png) < 1_000_000


async def test_the_same_data_is_the_same_picture_and_other_data_another(charts: Charts) -> None:
    first = await charts.incident(asked())
    assert await charts.incident(asked()) == first
    well = [p for p in story.probes() if p.ok]
    assert await charts.incident(asked(well)) != first
    assert await charts.incident(asked().model_copy(update={"moments": ()})) != first
    assert await charts.incident(asked().model_copy(update={"spans": ()})) != first
    assert await charts.incident(asked().model_copy(update={"baseline_p95_ms": None})) != first
    assert await charts.incident(asked().model_copy(update={"title": "another"})) != first


@pytest.mark.parametrize(
    "data",
    [
        ChartData(title="", probes=(), moments=(), spans=()),
        asked(()),
        asked(story.probes()[:1]),
        asked([p.model_copy(update={"ok": False, "latency_ms": None}) for p in story.probes()]),
        asked().model_copy(update={"title": "$\\frac{1}{0}$ 🚨 שלום \x00\n" * 30}),
        asked().model_copy(update={"moments": asked().moments * 12}),
    ],
    ids=["nothing", "no probes", "one probe", "never answered", "odd title", "many moments"],
)
async def test_it_draws_whatever_there_is(charts: Charts, data: ChartData) -> None:
    assert pixels(await charts.incident(data)).shape[:2] == (900, 1600)


async def test_errors_are_seen_where_they_were(cache: Path) -> None:
    """Vermillion is on the upper panel between 14:08 and 14:13, and nowhere else on it."""
    seen = pixels(await MatplotlibCharts(cache=cache).incident(asked().model_copy(update={"moments": ()})))
    vermillion = np.abs(seen - np.array([0xD5, 0x5E, 0x00]) / 255).max(axis=2) < 0.03
    columns = np.flatnonzero(vermillion[100:400, 158:1560].any(axis=0)) / (1560 - 158) * 20.6 - 0.3
    assert 7.6 < columns.min() < 8.2  # minutes after 14:00
    assert 12.8 < columns.max() < 13.6


async def test_fifty_thousand_probes_over_three_days(cache: Path) -> None:
    chance = random.Random(5)  # noqa: S311 - any noise does, the same every time
    begin = story.at(story.BEGIN)
    probes = [
        Probe(
            endpoint="/",
            at=begin + timedelta(seconds=5.184 * number),
            ok=chance.random() > 0.01,
            latency_ms=chance.uniform(10, 50),
        )
        for number in range(50_000)
    ]
    data = ChartData(title="long", probes=tuple(probes), moments=(), spans=())
    charts = MatplotlibCharts(cache=cache)
    await charts.incident(asked())  # matplotlib's font list is made once per cache
    began = time.monotonic()
    assert pixels(await charts.incident(data)).shape[:2] == (900, 1600)
    assert time.monotonic() - began < 15  # some two seconds alone; the machine is shared


async def test_two_versions_that_answer_in_turn_for_hours(cache: Path) -> None:
    begin = story.at(story.BEGIN)
    spans = tuple(
        Span(
            since=begin + timedelta(seconds=number),
            until=begin + timedelta(seconds=number + 1),
            label=story.BAD,
            good=bool(number % 2),
        )
        for number in range(10_000)
    )
    data = asked().model_copy(update={"spans": spans})
    assert pixels(await MatplotlibCharts(cache=cache).incident(data)).shape[:2] == (900, 1600)


async def test_an_unknown_zone_is_said(cache: Path) -> None:
    with pytest.raises(Unavailable, match="no time zone 'Mars/Olympus'"):
        await MatplotlibCharts(zone="Mars/Olympus", cache=cache).incident(asked())


async def test_a_slow_process_is_ended(cache: Path) -> None:
    with pytest.raises(Unavailable, match=r"not drawn within 0\.01 s") as caught:
        await MatplotlibCharts(cache=cache, timeout_s=0.01).incident(asked())
    assert "tables" in caught.value.advice


async def test_the_bot_itself_never_loads_matplotlib() -> None:
    code = (
        "import sys, integrations.charts.charts; print('matplotlib' in sys.modules, 'numpy' in sys.modules)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.split() == [b"False", b"False"]


@given(
    st.lists(st.tuples(st.floats(150, 1560), st.floats(60, 500)), max_size=14),
    st.integers(1, 6),
)
def test_no_label_overlaps_another_or_is_run_through(marks: list[tuple[float, float]], rows: int) -> None:
    places = arrange(marks, width=1584, rows=rows)
    boxes = [(p, p.left, p.left + marks[p.index][1]) for p in places]
    for place, left, right in boxes:
        assert left >= 0
        assert right <= 1584
        assert 0 <= place.row < rows
    for (one, left, right), (other, other_left, other_right) in itertools.combinations(boxes, 2):
        if one.row == other.row:
            assert right + GAP <= other_left + 1e-6 or other_right + GAP <= left + 1e-6
    for (text, left, right), (line, _, _) in itertools.permutations(boxes, 2):
        if line.row >= text.row:
            assert not left < marks[line.index][0] < right


def test_marks_far_apart_need_one_row_and_four_close_ones_two() -> None:
    far = [(200.0, 200.0), (700.0, 200.0), (1200.0, 200.0)]
    assert [p.row for p in arrange(far, width=1584, rows=6)] == [0, 0, 0]
    close = [(800.0, 200.0), (820.0, 200.0), (840.0, 200.0), (860.0, 200.0)]
    assert [p.row for p in arrange(close, width=1584, rows=6)] == [0, 1, 1, 0]


def test_bins_agree_with_the_domain() -> None:
    probes = story.probes()
    series = bins(probes, story.at(story.BEGIN), story.at(story.END))
    assert series is not None
    assert len(series.since) <= MOST_BINS
    for begin, end, share, p50, p95 in zip(
        series.since, series.until, series.error_share, series.p50_ms, series.p95_ms, strict=True
    ):
        inside = [p for p in probes if begin <= p.at.timestamp() < end]
        answered = [p.latency_ms for p in inside if p.latency_ms is not None]
        assert share == sum(not p.ok for p in inside) / len(inside)
        assert p50 == percentile(answered, 0.5)
        assert p95 == percentile(answered, 0.95)


PURPLE = np.array([0xCC, 0x79, 0xA7]) / 255


def purple(png: bytes) -> int:
    """How many pixels have the colour of user reports."""
    return int((np.abs(pixels(png) - PURPLE).max(axis=2) < 0.02).sum())


async def test_user_reports_have_a_panel_of_their_own(cache: Path) -> None:
    charts = MatplotlibCharts(cache=cache)
    minutes = tuple(story.at(f"14:{minute}:00") for minute in range(11, 19))
    points = tuple(zip(minutes, (None, 1.0, 3.0, 0.0, 0.0, 2.0, 0.0, 0.0), strict=True))
    reports = Curve(label="User reports a minute", unit="/min", points=points, bars=True)
    other = Curve(label="orders", unit="orders/min", points=points)
    told = asked().model_copy(update={"reports": reports, "curves": (other, other)})
    assert purple(await charts.incident(asked())) == 0
    assert purple(await charts.incident(told)) > 2000
