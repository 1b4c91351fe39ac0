"""What only CloudWatch can get wrong. It is moto's server, and what moto does not do is answered by a server of the test."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from bot.catalog import Adapter
from bot.domain.series import SHARE
from bot.ports import AuthFailed, Refused, Unavailable
from integrations import registry
from integrations.metrics.cloudwatch import CloudWatch
from integrations.metrics.settings import CloudWatchSettings
from tests.contract.metrics_worlds import (
    FAILED,
    LATENCY,
    REQUESTS,
    STEP,
    CloudWatchWorld,
    Endpoint,
    begin,
    closing,
    endpoint,
    metric,
    put,
)


@pytest.fixture(scope="module")
def world() -> Iterator[CloudWatchWorld]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # moto's servers of one process have one memory: what other tests put there is of another time.
    url, began = f"http://{host}:{port}", begin() - timedelta(hours=6)
    put(url, began, {"Latency": LATENCY, "Failed": FAILED, "Requests": REQUESTS})
    yield CloudWatchWorld(url, began)
    server.stop()


async def read(world: CloudWatchWorld, name: str, *, steps: int = 10, **more: Any) -> Any:
    async with closing(world.made(name, **more)) as metrics:
        return await metrics.series(world.begin, world.begin + STEP * steps)


async def test_a_share_of_sums_has_the_counts_it_is_made_of(world: CloudWatchWorld) -> None:
    found = await read(world, "Failed", of="Requests")
    assert found.unit == SHARE
    assert found.values[:4] == (0.01, None, 0.06, 0.0)
    assert found.values[5] is None
    assert found.counts[:4] == (100, 100, 50, 10)


async def test_errors_that_cloudwatch_does_not_count_while_there_are_none(world: CloudWatchWorld) -> None:
    found = await read(world, "Failed", of="Requests", absent="zero")
    assert found.values[:5] == (0.01, 0.0, 0.06, 0.0, None)


async def test_longer_periods_are_one_value(world: CloudWatchWorld) -> None:
    async with closing(world.made("Latency", period="120s")) as metrics:
        even = world.begin - (world.begin - world.begin.replace(minute=0)) % timedelta(minutes=2)
        found = await metrics.series(even, even + timedelta(minutes=4))
    assert found.step == timedelta(seconds=120)
    assert len(found.values) == 2


async def test_other_dimensions_are_another_metric(world: CloudWatchWorld) -> None:
    found = await read(world, "Latency", metric=metric("Latency") | {"dimensions": {"Service": "cart"}})
    assert found.known == ()


async def test_what_may_still_change_is_a_gap(world: CloudWatchWorld) -> None:
    later = world.begin + STEP * 10
    for settles, known in (("2m", 8), ("30s", 9)):
        settings = world.made("Requests", settles=settles)._settings
        metrics = CloudWatch(settings, clock=lambda: later)
        async with closing(metrics):
            found = await metrics.series(world.begin, later)
        assert found.values[known:] == (None,) * (10 - known)
        assert found.values[known - 1] == REQUESTS[known - 1]
    assert world.made("Requests", settles="2m").delay == timedelta(minutes=2)


async def test_too_many_values_are_declined(world: CloudWatchWorld) -> None:
    async with closing(world.made("Latency", period="1s")) as metrics:
        with pytest.raises(Refused, match="50001 values"):
            await metrics.series(world.begin, world.begin + timedelta(seconds=50_001))


async def test_it_is_made_from_its_kind(world: CloudWatchWorld) -> None:
    settings = world.made("Latency")._settings
    metrics = registry.make_metrics(Adapter(kind="cloudwatch", settings=settings))
    async with closing(metrics):
        assert (await metrics.series(world.begin, world.begin + STEP)).values == (101.0,)


@pytest.fixture
def stand_in() -> Iterator[Endpoint]:
    with endpoint() as stands:
        stands.headers = {"Content-Type": "application/json"}
        yield stands


def answered(stands: Endpoint, **result: Any) -> CloudWatch:
    """A client whose server answers so, in the protocol that the client speaks."""
    own = {"Id": "part", "Label": "x", "Timestamps": [], "Values": [], "StatusCode": "Complete"} | result
    stands.answer = {"MetricDataResults": [own]}
    return made(stands)


def made(stands: Endpoint) -> CloudWatch:
    settings = {
        "region": "eu-central-1",
        "endpoint": stands.url.removesuffix("/stats"),
        "metric": metric("Latency"),
        "access_key": "AKIDTEST",
        "secret_key": "very-secret",
    }
    return CloudWatch(CloudWatchSettings.model_validate(settings))


async def asked(metrics: CloudWatch) -> Any:
    async with closing(metrics):
        return await metrics.series(begin(), begin() + STEP * 3)


async def test_all_pages_are_read(stand_in: Endpoint) -> None:
    def page(minute: int, value: float, token: str | None) -> dict[str, Any]:
        at = (begin() + STEP * minute).timestamp()
        one = {"Id": "part", "Label": "x", "Timestamps": [at], "Values": [value], "StatusCode": "PartialData"}
        return {"MetricDataResults": [one | ({} if token else {"StatusCode": "Complete"})]} | (
            {"NextToken": token} if token else {}
        )

    stand_in.answers = [page(0, 1.0, "more"), page(2, 3.0, None)]
    found = await asked(made(stand_in))
    assert (found.values, found.partial) == ((1.0, None, 3.0), False)
    assert json.loads(stand_in.bodies[1])["NextToken"] == "more"


async def test_a_partial_answer_and_what_is_said_of_it_are_told(stand_in: Endpoint) -> None:
    messages = [{"Code": "MaxMetricsExceeded", "Value": "Some metrics were left out"}]
    found = await asked(answered(stand_in, StatusCode="PartialData", Messages=messages))
    assert found.partial
    assert found.notes == ("CloudWatch says: MaxMetricsExceeded Some metrics were left out",)


async def test_pages_without_end_are_partial(stand_in: Endpoint) -> None:
    metrics = answered(stand_in)
    stand_in.answer["NextToken"] = "again"
    found = await asked(metrics)
    assert found.partial
    assert len(stand_in.bodies) == 100


@pytest.mark.parametrize(("code", "error"), [("Forbidden", AuthFailed), ("InternalError", Unavailable)])
async def test_what_cloudwatch_declines_within_an_answer(
    stand_in: Endpoint, code: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await asked(answered(stand_in, StatusCode=code))


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "ExpiredTokenException", AuthFailed),
        (403, "AccessDeniedException", AuthFailed),
        (400, "InvalidParameterValue", Refused),
    ],
)
async def test_errors_have_the_meaning_that_they_have_everywhere_at_aws(
    stand_in: Endpoint, status: int, code: str, error: type[Exception]
) -> None:
    stand_in.status = status
    stand_in.answer = {"__type": code, "message": "no"}
    with pytest.raises(error) as raised:
        await asked(made(stand_in))
    assert code in str(raised.value)
    assert "very-secret" not in str(raised.value)
