"""A cluster whose admission alters the pod templates that are written: in front of a real API server."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from aiohttp import ClientTimeout, web

from bot.domain.evidence import Outcome
from integrations.kubernetes import payload
from integrations.kubernetes.target import KubernetesTarget
from tests.fakes.memory import FakeMemory
from tests.kubernetes.fault_proxy import Fault, FaultProxy, Forward, drop_request
from tests.kubernetes.steps import change_to, generation, images, released, walk, walk_back
from tests.kubernetes.world import Json, Shop

pytestmark = pytest.mark.kubernetes


@pytest.fixture
async def target(
    shop: Shop, memory: FakeMemory, proxy: FaultProxy, tmp_path: Path
) -> AsyncIterator[KubernetesTarget]:
    await released(shop, "v1.2.9", "v1.3.0")
    async with aclosing(
        KubernetesTarget(shop.settings(kubeconfig=proxy.kubeconfig(tmp_path)), memory)
    ) as made:
        yield made


def is_write(request: web.Request) -> bool:
    return request.method == "PATCH" and request.path.endswith("/deployments/web")


def altering(proxy: FaultProxy, alter: Callable[[Json], None]) -> Fault:
    """A mutating webhook of v1.2.9, of dry runs as well."""

    async def fault(request: web.Request, _forward: Forward) -> web.StreamResponse:
        operations = await request.json()
        for operation in operations:
            if operation["path"] == "/spec/template" and "v1.2.9" in json.dumps(operation["value"]):
                alter(operation["value"])
        headers = {"Content-Type": request.headers["Content-Type"]}
        if proxy.account.authorization:
            headers["Authorization"] = proxy.account.authorization
        async with proxy.link.changing.request(
            request.method,
            f"{proxy.account.place.host}{request.path_qs}",
            headers=headers,
            data=json.dumps(operations),
            timeout=ClientTimeout(total=30),
        ) as got:
            return web.Response(status=got.status, body=await got.read(), content_type="application/json")

    return fault


def note(template: Json) -> None:
    template["metadata"].setdefault("annotations", {})["night.example/seen"] = "yes"


def other_image(template: Json) -> None:
    template["spec"]["containers"][0]["image"] = "kaeru-test/web:v1.3.1"


async def test_an_altered_template_is_what_was_approved_and_can_be_taken_back(
    target: KubernetesTarget, proxy: FaultProxy, shop: Shop
) -> None:
    proxy.always(is_write, altering(proxy, note))
    change = await change_to(target, "v1.2.9")
    plan = await target.plan(change)
    assert all(check.ok for check in plan.checks if check.required)
    assert any("admission changes what kaeru writes" in warning.text for warning in plan.warnings)
    assert payload.read(plan.payload).accepts
    change = change.model_copy(update={"payload": plan.payload})
    walked = await walk(target, change)
    assert (walked.end.outcome, walked.end.running) == (Outcome.SUCCEEDED, "v1.2.9")
    before = await generation(shop)
    assert (await target.apply(change, "INC-1/run-1/apply:web")).outcome is Outcome.SUCCEEDED
    assert await generation(shop) == before
    # Also where the answer to the write is lost: what admission had made of v1.2.9 is not taken for somebody else's.
    proxy.next(is_write, drop_request)
    back = await walk_back(target, change)
    assert (back.end.outcome, back.end.running) == (Outcome.SUCCEEDED, "v1.3.0")
    assert await images(shop) == {"kaeru-test/web:v1.3.0"}


async def test_a_template_of_another_image_is_no_way_back(
    target: KubernetesTarget, proxy: FaultProxy
) -> None:
    proxy.always(is_write, altering(proxy, other_image))
    plan = await target.plan(await change_to(target, "v1.2.9"))
    assert [check.detail for check in plan.checks if check.required and not check.ok] == [
        "the cluster's admission makes something else of v1.2.9 than was asked for"
    ]
    assert not payload.read(plan.payload).accepts
