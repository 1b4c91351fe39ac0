"""A cache is told to forget once, behind a rollback that does not depend on it. CloudFront is moto's."""

from collections.abc import Iterator
from typing import Any

import pytest

from bot.domain import events as e
from bot.domain.run import StepState, cache_step
from sandbox.workspace import forms
from tests.contract.aws_proxy import Fault, declined
from tests.contract.aws_world import CdnWorld, Cloud, own_keys, started
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import BAD, GOOD

__all__ = ["own_keys"]

pytestmark = pytest.mark.usefixtures("own_keys")
STEP = cache_step("cdn")
DENIED = (403, declined("AccessDenied", "User is not authorized to perform cloudfront:CreateInvalidation."))


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    yield from started()


@pytest.fixture
def cdn(cloud: Cloud) -> CdnWorld:
    return CdnWorld(cloud)


def described(cdn: CdnWorld) -> dict[str, Any]:
    settings = {"kind": "cloudfront", "distribution": cdn.id, "endpoint": cdn.cloud.proxy.endpoint}
    return {"services": {"shop": {"caches": {"cdn": {**settings, "paths": ["/products*"]}}}}}


def in_progress(content: bytes) -> bytes:
    return content.replace(b"<Status>COMPLETED</Status>", b"<Status>InProgress</Status>")


async def test_it_is_told_once_and_waited_for(new_world: NewWorld, cdn: CdnWorld) -> None:
    with cdn.cloud.proxy.faults(
        Fault("CreateInvalidation", lost=True, times=1),
        Fault("GetInvalidation", alter=in_progress, times=2),
    ):
        world = await new_world(serves=BAD, changes=described(cdn))
        room = await world.declare()
        plan = forms.text_of(await room.card())
        assert f"Invalidate /products* of the distribution {cdn.id}" in plan
        await room.approve()
        await room.sees(lambda m: "waiting for invalidation" in forms.text_of(m))
        await room.status("mitigated", "verified")
    run = (await room.incident()).runs[0]
    assert [step.id for step in run.steps] == ["apply:shop", "prove", STEP, "watch"]
    assert run.step(STEP).state is StepState.SUCCEEDED
    assert cdn.references() == [f"{run.id}/{STEP}"]
    (mitigated,) = await room.events(e.IncidentMitigated)
    ended = run.step(STEP).finished_at
    assert ended is not None
    assert mitigated.at >= ended


async def test_what_it_may_still_serve_is_owed(new_world: NewWorld, cdn: CdnWorld) -> None:
    with cdn.cloud.proxy.faults(Fault("CreateInvalidation", answer=DENIED)):
        world = await new_world(serves=BAD, changes=described(cdn))
        room = await world.declare()
        await room.approve()
        await room.status("mitigated", "verified")
        assert await world.serves() == GOOD
        run = (await room.incident()).runs[0]
        assert run.step(STEP).state is StepState.FAILED
        card = await room.button("Forget now", by=world.bob)
        assert "The cache cdn may still serve answers of the version that was left" in forms.text_of(card)
    await world.bob.click(card, "Forget now")
    await room.when(lambda i: not i.debts, "the cache to have forgotten")
    (reference,) = cdn.references()
    assert reference.startswith(f"{room.id}/repay:")
