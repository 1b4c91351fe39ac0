"""Invalidations of a CloudFront distribution. moto takes them as complete at once; the proxy tells how CloudFront does."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from bot.ports.caches import Cache
from bot.ports.errors import Conflict, Gone, OutcomeUnknown, Refused, Unavailable
from integrations.aws.cloudfront import MOST_PATHS
from integrations.aws.settings import CloudFrontSettings
from tests.contract.aws_proxy import Fault, declined
from tests.contract.aws_world import CdnWorld, Cloud, own_keys, started

__all__ = ["own_keys"]

pytestmark = pytest.mark.usefixtures("own_keys")
KEY = "inc-20261124-shop-1:cache"
BUSY = (
    400,
    declined("TooManyInvalidationsInProgress", "Processing your request will exceed the allowed limit."),
)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    yield from started()


@pytest.fixture
def world(cloud: Cloud) -> CdnWorld:
    return CdnWorld(cloud)


def in_progress(content: bytes) -> bytes:
    return content.replace(b"<Status>COMPLETED</Status>", b"<Status>InProgress</Status>")


def others(count: int) -> Callable[[bytes], bytes]:
    """A list in which there are so many, all under way."""
    one = "<InvalidationSummary><Id>I{}</Id><CreateTime>2026-11-24T12:00:00Z</CreateTime><Status>InProgress</Status></InvalidationSummary>"
    items = "".join(one.format(n) for n in range(count))

    def alter(content: bytes) -> bytes:
        return (
            "<InvalidationList><Marker></Marker><MaxItems>100</MaxItems><IsTruncated>false</IsTruncated>"
            f"<Quantity>{count}</Quantity><Items>{items}</Items></InvalidationList>"
        ).encode()

    return alter


async def test_an_invalidation_happens_once_whoever_asks_again(world: CdnWorld) -> None:
    cache: Cache = world.cache()
    assert await cache.observe(KEY) is None
    first = await cache.invalidate(["/*"], KEY)
    assert (first.key, first.paths) == (KEY, ("/*",))
    assert abs((datetime.now(UTC) - first.since).total_seconds()) < 60
    assert (await cache.invalidate(["/*"], KEY)).detail == first.detail
    restarted = world.cache()
    assert (await restarted.invalidate([], KEY)).detail == first.detail
    assert world.references() == [KEY]
    await restarted.invalidate(["/index.html", "/images/*"], f"{KEY}:2")
    assert sorted(world.references()) == [KEY, f"{KEY}:2"]
    seen = await world.cache().observe(KEY)
    assert seen is not None
    assert seen.done
    await cache.aclose()
    await restarted.aclose()


async def test_it_is_waited_for_with_growing_pauses(world: CdnWorld) -> None:
    cache = world.cache()
    with world.cloud.proxy.faults(
        Fault("CreateInvalidation", alter=in_progress), Fault("GetInvalidation", alter=in_progress)
    ):
        begun = await cache.invalidate(["/*"], KEY)
        assert not begun.done
        assert begun.look_again_s == 2
        seen = await cache.observe(KEY)
        assert seen is not None
        assert not seen.done

        def long_ago(content: bytes) -> bytes:
            head, _, rest = in_progress(content).partition(b"<CreateTime>")
            return (
                head + b"<CreateTime>2026-01-01T00:00:00Z</CreateTime>" + rest.partition(b"</CreateTime>")[2]
            )

    with world.cloud.proxy.faults(Fault("GetInvalidation", alter=long_ago)):
        late = await cache.observe(KEY)
        assert late is not None
        assert late.look_again_s == 20
    done = await cache.observe(KEY)
    assert done is not None
    assert done.done
    await cache.aclose()


async def test_a_lost_answer_is_unknown_and_then_seen(world: CdnWorld) -> None:
    cache = world.cache()
    with (
        world.cloud.proxy.faults(Fault("CreateInvalidation", lost=True)),
        pytest.raises(OutcomeUnknown, match="may have happened"),
    ):
        await cache.invalidate(["/*"], KEY)
    assert await cache.observe(KEY) is not None
    await cache.invalidate(["/*"], KEY)
    assert world.references() == [KEY]
    await cache.aclose()


async def test_too_many_at_once_are_tried_later_and_later(world: CdnWorld) -> None:
    cache = world.cache()
    waits = []
    with world.cloud.proxy.faults(Fault("CreateInvalidation", answer=BUSY)):
        for _ in range(6):
            with pytest.raises(Unavailable, match="TooManyInvalidationsInProgress") as raised:
                await cache.invalidate(["/*"], KEY)
            waits.append(raised.value.retry_after_s)
    assert waits == [10, 20, 40, 80, 160, 160]
    assert world.references() == []
    assert (await cache.invalidate(["/*"], KEY)).done
    await cache.aclose()


async def test_a_reference_is_for_one_set_of_paths(world: CdnWorld) -> None:
    cache = world.cache()
    await cache.invalidate(["/a", "/b"], KEY)
    assert (await cache.invalidate(["/b", "/a"], KEY)).done
    with pytest.raises(Conflict, match="other paths"):
        await cache.invalidate(["/*"], KEY)
    known = (400, declined("InvalidationBatchAlreadyExists", "already exists"))
    with (
        world.cloud.proxy.faults(Fault("CreateInvalidation", answer=known)),
        pytest.raises(Conflict, match="other paths"),
    ):
        await cache.invalidate(["/*"], f"{KEY}:2")
    await cache.aclose()


async def test_the_plan_says_what_it_costs_and_whether_there_is_room(world: CdnWorld) -> None:
    cache = world.cache()
    plan = await cache.plan()
    assert plan.paths == ("/*",)
    assert "billed as one path" in plan.actions[0]
    assert world.id in plan.actions[0]
    assert "origin" in plan.warnings[0].text
    assert plan.checks[0].ok
    few = await cache.plan(["/a", "/b/*", "/a"])
    assert few.paths == ("/a", "/b/*")
    assert "billed as 2 paths" in few.actions[0]
    assert few.warnings == ()
    with world.cloud.proxy.faults(Fault("ListInvalidations", alter=others(15))):
        full = await cache.plan()
    assert not full.checks[0].ok
    assert "15 under way" in full.checks[0].detail
    assert world.references() == []
    await cache.aclose()


async def test_paths_that_cloudfront_would_not_take_are_refused(world: CdnWorld) -> None:
    cache = world.cache()
    for path in ("index.html", "/a b", "/a/*/b", "/ä"):
        with pytest.raises(Refused, match="is not a path such as"):
            await cache.plan([path])
        with pytest.raises(ValidationError, match="is not a path such as"):
            CloudFrontSettings(distribution="E1EXAMPLE12345", paths=(path,))
    with pytest.raises(Refused, match="more than the 3000"):
        await cache.plan([f"/{n}" for n in range(MOST_PATHS + 1)])
    await cache.aclose()


async def test_a_distribution_that_does_not_exist_is_gone(world: CdnWorld) -> None:
    cache = world.cache(distribution="E00000000000")
    with pytest.raises(Gone, match="NoSuchDistribution"):
        await cache.invalidate(["/*"], KEY)
    await cache.aclose()
