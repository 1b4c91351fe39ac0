"""The Deployment belongs to an Argo CD that heals itself: a rollback lasts only where that is suspended first."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.domain import events as e
from integrations.kubernetes.owner_application import TRACKING
from sandbox.clusters.shop_images import WEB
from sandbox.workspace import forms
from tests.clusters import the_kubernetes
from tests.kubernetes.custom_resources import custom_resources
from tests.kubernetes.gitops import AUTOMATED, Gitops
from tests.scenarios.clusters import KubernetesSite
from tests.scenarios.world import BAD, GOOD, has_button

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(300)]


@dataclass
class SelfHealing:
    """What Argo CD does of an Application that is automated: it puts back what Git says, which is the bad version."""

    gitops: Gitops
    healed: int = 0
    was_on: bool = False

    async def go_on(self) -> None:
        while True:
            # In this order: what is set while the sync is on, and not a moment after it was suspended.
            workload = await self.gitops.shop.workload()
            app = await self.gitops.get("applications", "shop")
            image = workload["spec"]["template"]["spec"]["containers"][0]["image"]
            automated = "automated" in app["spec"]["syncPolicy"]
            self.was_on |= automated
            if automated and image != f"{WEB}:{BAD}":
                self.healed += 1
                await self.gitops.shop.deploy(BAD, wait=False)
            await asyncio.sleep(0.1)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[KubernetesSite]:
    async with AsyncExitStack() as stack:
        cluster = the_kubernetes()
        await stack.enter_async_context(custom_resources(cluster))
        made = KubernetesSite(cluster, stack, tmp_path)
        await made.open()
        yield made


async def test_its_sync_is_suspended_by_the_approval_owed_and_given_back(site: KubernetesSite) -> None:
    gitops = Gitops(site.web)
    await site.deploy(GOOD)
    await gitops.labelled(annotations={TRACKING: gitops.tracking_id})
    world = await site.world(argocd_namespace=site.space.name)
    await world.bad_deploy()
    await gitops.application(automated=AUTOMATED)
    heal = SelfHealing(gitops)
    healing = asyncio.create_task(heal.go_on())

    room = await world.declare()
    card = await room.card(to=GOOD)
    said = forms.text_of(card)
    assert f"Suspend the automated sync of Argo CD Application {site.space.name}/shop" in said
    assert heal.was_on, "it was not suspended before anybody approved that"
    await world.bob.click(card, "Approve")
    await room.status("verified")
    assert await world.serves() == GOOD
    assert heal.healed == 0
    app = await gitops.get("applications", "shop")
    assert "automated" not in app["spec"]["syncPolicy"]
    (taken,) = await room.events(e.DebtTaken)
    owed = await room.sees(
        lambda m: taken.debt.text in forms.text_of(m) and has_button(m, "Give back"), timeout=60
    )

    await gitops.compared("OutOfSync", at=taken.at.isoformat())
    await world.bob.click(owed, "Give back")
    refused = await room.sees(
        lambda m: "would undo the rollback at once" in forms.text_of(m) and has_button(m, "Give back"),
        timeout=60,
    )
    assert "automated" not in (await gitops.get("applications", "shop"))["spec"]["syncPolicy"]

    healing.cancel()  # it would go on as if Git still said the bad version
    with contextlib.suppress(asyncio.CancelledError):
        await healing
    await gitops.compared("Synced", at=taken.at.isoformat())
    await world.bob.click(refused, "Give back")
    await room.when(lambda i: not i.debts, "it to be given back")
    app = await gitops.get("applications", "shop")
    assert app["spec"]["syncPolicy"]["automated"] == AUTOMATED
    (repaid,) = await room.events(e.DebtRepaid)
    assert repaid.by == world.bob.id
    assert await world.serves() == GOOD
