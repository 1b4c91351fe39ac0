"""What only Prometheus can get wrong: on Debian's own, with and without TLS and passwords."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.catalog import Adapter
from bot.domain.no_worse import Expectation, assess
from bot.domain.series import SHARE
from bot.domain.verdict import Verdict
from bot.ports import AuthFailed, Refused, Unavailable
from integrations import registry
from integrations.metrics.prometheus import Prometheus
from integrations.metrics.settings import PrometheusSettings
from tests import prometheus
from tests.contract.metrics_worlds import (
    FAILED,
    LATENCY,
    REQUESTS,
    STEP,
    Endpoint,
    PrometheusWorld,
    begin,
    closing,
    endpoint,
)

PASSWORD = "tea-for-tests"
WEB = """\
tls_server_config: {{cert_file: {certificate}, key_file: {key}}}
basic_auth_users: {{kaeru: "$2b$04$Lynq6s6gmEXM3IQGYITqc.IFFt/savH/NBTYDd4/.wqu/PCd/tFnG"}}
"""
UNREACHED = 'remote_read: [{url: "http://127.0.0.1:1/read"}]\n'


def values(value: float, count: int) -> list[float | None]:
    return [value] * count


@pytest.fixture(scope="module")
def exporter() -> Iterator[Endpoint]:
    with endpoint() as stands:
        stands.headers = {"Content-Type": "text/plain; version=0.0.4"}
        stands.raw = b"# TYPE queue gauge\nqueue 7\n"
        yield stands


@pytest.fixture(scope="module")
def world(exporter: Endpoint) -> Iterator[PrometheusWorld]:
    prometheus.need()
    began = begin()
    half = STEP / 2
    total = [(began + half * n, 10.0 * n) for n in range(40)]
    history = {
        "latency_ms": prometheus.steps(began, STEP, LATENCY),
        "failed": prometheus.steps(began, STEP, FAILED),
        "requests": prometheus.steps(began, STEP, REQUESTS),
        "requests_total": total,
        'of_two{host="a",job="shop"}': prometheus.steps(began, STEP, values(1, 10)),
        'of_two{host="b",job="shop"}': prometheus.steps(began, STEP, values(2, 10)),
        "odd": prometheus.steps(began, STEP, [1.0, float("nan"), float("inf"), float("-inf"), 5.0]),
        "stopped": prometheus.steps(began, STEP, [*values(1, 5), *[None] * 5]),
    }
    port = exporter.url.partition("127.0.0.1:")[2].partition("/")[0]
    config = f"""\
scrape_configs:
  - job_name: live
    scrape_interval: 200ms
    scrape_timeout: 200ms
    metrics_path: /stats
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
    with prometheus.running(history, config=config) as server:
        yield PrometheusWorld(server, began)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", str(key), "-out", str(certificate)]  # fmt: skip
    subprocess.run(argv, check=True, capture_output=True)
    return key, certificate


@pytest.fixture(scope="module")
def guarded(certificate: tuple[Path, Path]) -> Iterator[PrometheusWorld]:
    """It asks for a password over TLS, and cannot reach the other half of its data."""
    prometheus.need()
    key, public = certificate
    began = begin()
    history = {"latency_ms": prometheus.steps(began, STEP, LATENCY)}
    web = WEB.format(certificate=public, key=key)
    with prometheus.running(history, config=UNREACHED, web=web, ca=public) as server:
        yield PrometheusWorld(server, began)


async def read(world: PrometheusWorld, query: str, *, steps: int = 10, **more: Any) -> Any:
    async with closing(world.made(query, **more)) as metrics:
        return await metrics.series(world.begin, world.begin + STEP * steps)


async def test_a_share_has_the_counts_it_is_made_of(world: PrometheusWorld) -> None:
    found = await read(world, "failed", of="requests", counts="each")
    assert found.unit == SHARE
    assert found.values == (0.01, None, 0.06, 0.0, None, None, 1.0, 0.001, pytest.approx(1 / 3), 0.0)
    assert found.counts == (100, 100, 50, 10, None, 0, 50, 1000, 3, 100)


async def test_where_only_the_part_is_absent_it_is_nothing_if_that_is_said(world: PrometheusWorld) -> None:
    found = await read(world, "failed", of="requests", counts="each", absent="zero")
    assert found.values[:6] == (0.01, 0.0, 0.06, 0.0, None, None)
    assert (await read(world, "misspelt", of="requests")).known == ()


async def test_rates_are_counted_per_step(world: PrometheusWorld) -> None:
    whole = "rate(requests_total[1m])"
    found = await read(world, f"{whole} / 4", of=whole, steps=8)
    assert found.known == (0.25,) * 7 + (0.25,) * (len(found.known) - 7)
    counts = [count for count in found.counts if count is not None]
    assert counts == pytest.approx([20.0] * len(counts), rel=0.01)


async def test_several_series_are_declined_and_told_apart(world: PrometheusWorld) -> None:
    with pytest.raises(Refused, match=r"of_two gives 2 series, by host\.") as raised:
        await read(world, "of_two")
    assert "sum(" in raised.value.remedy
    assert (await read(world, "sum(of_two)")).values == (3.0,) * 10


async def test_what_is_no_number_is_a_gap_and_told(world: PrometheusWorld) -> None:
    found = await read(world, "odd", steps=5)
    assert found.values == (1.0, None, None, None, 5.0)
    assert "3 values are no numbers: odd" in found.notes
    divided = await read(world, "latency_ms / (latency_ms - latency_ms)", steps=2)
    assert divided.known == ()


async def test_prometheus_does_not_repeat_what_it_last_saw(world: PrometheusWorld) -> None:
    assert (await read(world, "stopped")).values == (*[1.0] * 5, *[None] * 5)
    # The server's own way, which this is about:
    repeated = await read(world, "stopped + 0")
    assert len(repeated.known) > 5
    assert any("lookback" in note for note in repeated.notes)


async def test_a_query_that_gives_nothing_says_so(world: PrometheusWorld) -> None:
    found = await read(world, "nobody_has_this")
    assert found.notes == ("the query gives nothing: nobody_has_this",)
    assert not found.partial


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("sum(latency_ms", "unclosed left parenthesis"),
        ("latency_ms[5m]", "must be Scalar or instant Vector"),
        ("rate(latency_ms)", "expected type range vector"),
        ("latency_ms * on() of_two", "many-to-many|found duplicate series"),
    ],
)
async def test_a_query_that_cannot_work_is_declined_in_its_own_words(
    world: PrometheusWorld, query: str, words: str
) -> None:
    with pytest.raises(Refused, match=words) as raised:
        await read(world, query)
    assert raised.value.remedy == "Correct the query."


async def test_too_many_values_are_declined_before_anybody_is_asked(world: PrometheusWorld) -> None:
    metrics = world.made("latency_ms", step="1s")
    async with closing(metrics):
        with pytest.raises(Refused, match="11001 values"):
            await metrics.series(world.begin, world.begin + timedelta(seconds=11_001))
        whole = await metrics.series(world.begin, world.begin + timedelta(seconds=11_000))
    assert len(whole.values) == 11_000


@pytest.mark.parametrize(
    ("query", "reach_s"),
    [
        ("latency_ms", 60),
        ('latency_ms{path="[10m]"}', 60),
        ("rate(a[5m])", 300),
        ("sum(rate(a[1m])) / sum(rate(b[1h30m]))", 5400),
        ("max_over_time(rate(a[5m])[10m:1m])", 900),
        ('sum(rate(a{x="y[2d]"}[2m]))', 120),
    ],
)
async def test_it_knows_how_much_time_a_value_describes(query: str, reach_s: float) -> None:
    settings = {"url": "http://127.0.0.1:1", "query": query, "fresh": "60s", "step": "15s"}
    metrics = Prometheus(PrometheusSettings.model_validate(settings))
    assert metrics._reach == timedelta(seconds=reach_s)
    own = Prometheus(PrometheusSettings.model_validate(settings | {"looks_back": "7m"}))
    assert own._reach == timedelta(minutes=7)


async def test_a_password_over_tls(guarded: PrometheusWorld, certificate: tuple[Path, Path]) -> None:
    who: dict[str, Any] = {"user": "kaeru", "ca_file": certificate[1]}
    found = await read(guarded, "latency_ms", password=PASSWORD, **who)
    assert found.values == LATENCY
    with pytest.raises(AuthFailed, match="HTTP 401") as raised:
        await read(guarded, "latency_ms", password="something-else", **who)
    assert "something-else" not in raised.value.advice
    with pytest.raises(AuthFailed, match="HTTP 401"):
        await read(guarded, "latency_ms", ca_file=certificate[1])


async def test_a_certificate_that_does_not_hold(guarded: PrometheusWorld, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="The certificate of Prometheus at https"):
        await read(guarded, "latency_ms", user="kaeru", password=PASSWORD)
    (tmp_path / "ca.pem").write_text("no certificate", encoding="ascii")
    with pytest.raises(Refused, match="no certificate authority"):
        await read(guarded, "latency_ms", ca_file=tmp_path / "ca.pem")


async def test_a_partial_answer_is_told_and_is_never_green(
    guarded: PrometheusWorld, certificate: tuple[Path, Path]
) -> None:
    found = await read(
        guarded, "latency_ms", user="kaeru", password=PASSWORD, ca_file=certificate[1], steps=2
    )
    assert found.partial
    assert any("remote_read" in note for note in found.notes)
    judged = assess(Expectation(no_worse=False, at_most=1000, least=2), None, found)
    assert (judged.verdict, judged.sentence) == (Verdict.UNVERIFIED, "the answer was not complete")


async def now_of(metrics: Prometheus, seconds: float) -> Any:
    now = datetime.now(UTC)
    return await metrics.series(now - timedelta(seconds=seconds), now + timedelta(seconds=10))


@pytest.fixture
async def queue(world: PrometheusWorld) -> AsyncIterator[Prometheus]:
    async with closing(world.made("queue", step="1s", fresh="1s")) as metrics:
        assert isinstance(metrics, Prometheus)
        yield metrics


async def test_what_it_scrapes_is_there_at_once_and_ends_with_the_exporter(
    exporter: Endpoint, queue: Prometheus
) -> None:
    async def scraped() -> bool:
        return 7.0 in (await now_of(queue, 5)).known

    async def ended() -> bool:
        return not (await now_of(queue, 3)).known

    await wait_for(scraped)
    found = await now_of(queue, 5)
    assert found.values[-9:] == (None,) * 9, "the future is not known"
    exporter.status = 500
    try:
        await wait_for(ended)
    finally:
        exporter.status = 200


async def wait_for(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + 20
    while not await condition():
        assert time.monotonic() < deadline, f"{condition} did not hold"
        await asyncio.sleep(0.05)


async def test_what_is_no_prometheus(exporter: Endpoint) -> None:
    settings = {"url": exporter.url, "query": "up", "step": "60s"}
    metrics = registry.make_metrics(
        Adapter(kind="prometheus", settings=PrometheusSettings.model_validate(settings))
    )
    async with closing(metrics):
        with pytest.raises(Refused, match="is not the HTTP API of Prometheus: HTTP 200"):
            await metrics.series(begin(), begin() + STEP)
        exporter.status = 503
        exporter.headers |= {"Retry-After": "9"}
        with pytest.raises(Unavailable, match="HTTP 503") as raised:
            await metrics.series(begin(), begin() + STEP)
        exporter.status = 302
        with pytest.raises(Refused, match="sends elsewhere"):
            await metrics.series(begin(), begin() + STEP)
        exporter.status = 200
    assert raised.value.retry_after_s == 9


async def test_a_token_from_a_file_is_read_each_time(exporter: Endpoint, tmp_path: Path) -> None:
    file = tmp_path / "token"
    exporter.wanted = "Bearer first-token"
    settings = {"url": exporter.url, "query": "up", "step": "60s", "token_file": file, "tenant": "shop"}
    async with closing(Prometheus(PrometheusSettings.model_validate(settings))) as metrics:
        with pytest.raises(Refused, match="token file"):
            await metrics.series(begin(), begin() + STEP)
        file.write_text("old-token\n", encoding="ascii")
        with pytest.raises(AuthFailed):
            await metrics.series(begin(), begin() + STEP)
        file.write_text("first-token\n", encoding="ascii")
        with pytest.raises(Refused, match="is not the HTTP API"):
            await metrics.series(begin(), begin() + STEP)
    assert exporter.heads[-1]["X-Scope-OrgID"] == "shop"
    exporter.wanted = None


async def test_a_server_that_says_itself_that_it_is_partial(exporter: Endpoint) -> None:
    """As VictoriaMetrics does."""
    was = exporter.raw
    exporter.raw = None
    at = (begin() + STEP).timestamp()
    exporter.answer = {
        "status": "success",
        "isPartial": True,
        "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[at, "5"]]}]},
    }
    settings = {"url": exporter.url, "query": "up", "step": "60s"}
    async with closing(Prometheus(PrometheusSettings.model_validate(settings))) as metrics:
        found = await metrics.series(begin(), begin() + STEP)
    exporter.raw = was
    assert (found.values, found.partial) == ((5.0,), True)
