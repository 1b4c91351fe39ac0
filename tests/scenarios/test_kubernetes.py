"""The service is a Deployment on a real Kubernetes: what people live through when it has to go back."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.domain import events as e
from integrations.kubernetes import rollout
from integrations.kubernetes.workload import REVISION
from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.shop_images import WEB
from sandbox.workspace import forms
from tests.clusters import the_kubernetes
from tests.kubernetes.fault_proxy import asking, drop_answer, fault_proxy
from tests.kubernetes.steps import generation, images
from tests.kubernetes.world import FragileShop, Shop
from tests.scenarios.clusters import PATIENCE_S, ClusterWorld, KubernetesSite
from tests.scenarios.world import BAD, DEPLOYS, GENERAL, GOOD, OLDER, Room, whispered

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(300)]

BAD2 = "v1.3.1"


@pytest.fixture(scope="module")
def cluster() -> KubernetesCluster:
    return the_kubernetes()


@pytest.fixture
async def site(cluster: KubernetesCluster, tmp_path: Path) -> AsyncIterator[KubernetesSite]:
    async with AsyncExitStack() as stack:
        made = KubernetesSite(cluster, stack, tmp_path)
        await made.open()
        yield made


async def revision(shop: Shop) -> int:
    """It grows by one with every other pod template that is set."""
    return int((await shop.workload())["metadata"]["annotations"][REVISION])


async def run_ends(room: Room, number: int = 1) -> None:
    await room.when(lambda i: len(i.runs) == number and i.runs[-1].ended_at is not None, "the run to end")


async def test_after_two_bad_versions_the_one_that_served_well_comes_back(site: KubernetesSite) -> None:
    """`kubectl rollout undo` would go back to the first of the bad ones."""
    await site.deploy(GOOD, env={"READY_AFTER": "1"})
    world = await site.world()
    await world.known_good()
    await world.deploy(BAD)
    await world.deploy(BAD2)
    room = await world.declare()
    await room.approve(to=GOOD)
    await room.status("mitigated", "verified")
    assert await world.serves() == GOOD
    assert await images(site.web) == {f"{WEB}:{GOOD}"}
    await room.status("verified")

    counts = [event.detail for event in await room.events(e.StepStarted)]
    assert any(re.search(r"\b[01] of 2 ready", detail) for detail in counts), counts
    ledger = await world.read(lambda uow: uow.releases.all("shop"))
    assert ledger[BAD2].quarantined_at is not None
    assert ledger[GOOD].quarantined_at is None
    await room.close()
    text = await room.postmortem()
    assert re.search(r"\b[01] of 2 ready", text)
    assert f"shop works again on {GOOD}" in text
    assert BAD2 in text

    again = await world.declare()
    blocked = await again.when(lambda i: bool(i.plans) and i.plans[-1].state == "blocked", "no plan")
    assert "no version to return to" in blocked.plans[-1].note


async def test_restarts_between_deploys_fool_nobody(site: KubernetesSite) -> None:
    """Each restart is a revision of its own with the same image; the one before the bad one is no other release."""
    await site.deploy(GOOD)
    world = await site.world()
    await world.known_good()
    await site.web.restart()
    await world.deploy(BAD)
    await site.web.restart()
    room = await world.declare()
    await room.approve(to=GOOD)
    await room.status("verified")
    assert await world.serves() == GOOD
    before = await generation(site.web)
    answer = await whispered(world.bob, GENERAL, lambda: world.bob.command(GENERAL, "/rollback shop"))
    assert "A new plan is being made there." in answer
    said = forms.text_of(await room.sees("a rollback of this incident brought it there", timeout=60))
    assert f"shop runs {GOOD} already" in said
    assert (await world.serves(), await generation(site.web)) == (GOOD, before)


async def test_two_ask_and_approve_at_once_and_it_goes_back_once(site: KubernetesSite) -> None:
    await site.deploy(GOOD)
    world = await site.world()
    await world.bad_deploy()
    before = await revision(site.web), await generation(site.web)
    bob, carol = world.bob, world.carol
    await asyncio.gather(bob.command(GENERAL, "/rollback shop"), carol.command(DEPLOYS, "/rollback shop"))

    async def opened() -> Room | None:
        found = [i for i in await world.incidents() if i.channel_id]
        return Room(world, found[0].id, str(found[0].channel_id)) if found else None

    room = await world.until(opened, "the channel")
    await room.joined(bob)
    await room.joined(carol)
    await room.choose("High", by=bob)
    card = await room.card(to=GOOD)
    await asyncio.gather(bob.click(card, "Approve"), carol.click(card, "Approve"))
    await room.status("verified")
    assert len(await world.incidents()) == 1
    assert len((await room.incident()).runs) == 1
    assert (await revision(site.web), await generation(site.web)) == (before[0] + 1, before[1] + 1)


async def test_a_target_that_crashes_fails_fast_says_why_and_the_next_one_is_offered(
    site: KubernetesSite,
) -> None:
    site.web = FragileShop(site.space, site.api)
    await site.deploy(OLDER)
    await site.deploy(GOOD)
    world = await site.world()
    await world.bad_deploy()
    await site.web.break_release(GOOD)
    room = await world.declare()
    await room.approve(to=GOOD)
    await run_ends(room)
    (failed,) = await room.events(e.RollbackFailed)
    assert "the payment account is missing" in failed.reason
    assert "hunter2" not in failed.model_dump_json()
    assert f"web was put back: web runs {BAD} now." in failed.safe_state
    (run,) = (await room.incident()).runs
    assert run.ended_at is not None
    assert (run.ended_at - run.approved_at).total_seconds() < PATIENCE_S
    shown = await room.sees(
        lambda m: "Its log ends with: web: the payment account is missing" in forms.text_of(m), timeout=60
    )
    assert "hunter2" not in forms.text_of(shown)

    await room.approve(to=OLDER)
    await room.when(lambda i: len(i.runs) == 2 and i.status.value == "verified", "well on the older one")
    assert await world.serves() == OLDER
    ledger = await world.read(lambda uow: uow.releases.all("shop"))
    assert {v for v, known in ledger.items() if known.quarantined_at} == {GOOD, BAD}


async def test_a_quota_that_is_full_is_not_held_against_the_version(
    site: KubernetesSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's fault: it is put back, the same version is offered again, and goes well once there is room."""
    monkeypatch.setattr(rollout, "BLOCKED_S", 2.0)
    site.web.extra = {
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    }
    await site.deploy(GOOD)
    world = await site.world()
    await world.bad_deploy()
    room = await world.declare()
    card = await room.card(to=GOOD)
    # After the plan was made: its checks would say so otherwise.
    quota = {"metadata": {"name": "full"}, "spec": {"hard": {"pods": "1"}}}
    await site.web.create({"apiVersion": "v1", "kind": "ResourceQuota", **quota})
    await world.bob.click(card, "Approve")
    await run_ends(room)
    (failed,) = await room.events(e.RollbackFailed)
    assert "exceeded quota: full" in failed.reason
    assert f"it is not held against {GOOD}, which the next plan may offer again" in failed.safe_state
    assert f"web was put back: web runs {BAD} now." in failed.safe_state
    assert not failed.took_place
    ledger = await world.read(lambda uow: uow.releases.all("shop"))
    assert ledger[GOOD].quarantined_at is None

    await site.web.hands.delete(f"/api/v1/namespaces/{site.space.name}/resourcequotas/full")
    await room.approve(to=GOOD)
    await room.when(lambda i: len(i.runs) == 2 and i.status.value == "verified", "well after all")
    assert await world.serves() == GOOD


async def under_way(world: ClusterWorld, site: KubernetesSite, before: int) -> None:
    """Until the spec, of which `before` was the generation, has been changed."""

    async def begun() -> bool:
        return await generation(site.web) > before

    await world.until(begun, "the rollback to be under way")


async def test_somebody_deploys_while_it_goes_back(site: KubernetesSite) -> None:
    await site.deploy(GOOD, env={"READY_AFTER": "4"})
    world = await site.world()
    await world.bad_deploy()
    room = await world.declare()
    before = await generation(site.web)
    await room.approve(to=GOOD)
    await under_way(world, site, before)
    await site.web.kubectl("set", "image", "deployment/web", f"web={WEB}:{BAD2}")
    await run_ends(room)
    (failed,) = await room.events(e.RollbackFailed)
    assert f"was set to {BAD2}, not to {GOOD}, by kubectl set (kubectl-set" in failed.reason
    assert "kubectl set" in forms.text_of(await room.sees("by kubectl set", timeout=60))
    # What somebody has just deployed is theirs: it is left as it is, and the next plan begins with it.
    assert (
        f"{WEB}:{BAD2}" == (await site.web.workload())["spec"]["template"]["spec"]["containers"][0]["image"]
    )
    await room.approve(to=GOOD)
    await room.status("verified")
    assert await world.serves() == GOOD


async def test_somebody_pauses_it_while_it_goes_back_and_resumes_it_later(site: KubernetesSite) -> None:
    """The target is not to blame, and what runs in the end is where it was heading: nothing older is offered."""
    await site.deploy(OLDER)
    await site.deploy(GOOD, env={"READY_AFTER": "4"})
    world = await site.world()
    await world.bad_deploy()
    room = await world.declare()
    before = await generation(site.web)
    await room.approve(to=GOOD)
    await under_way(world, site, before)
    await site.web.kubectl("rollout", "pause", "deployment/web")
    await run_ends(room)
    (failed,) = await room.events(e.RollbackFailed)
    assert "paused" in failed.reason
    assert not failed.took_place
    await room.sees(f"The rollback to {GOOD} did not take place", timeout=60)
    ledger = await world.read(lambda uow: uow.releases.all("shop"))
    assert ledger[GOOD].quarantined_at is None
    blocked = await room.when(
        lambda i: i.record is not None and i.record.number == 2 and bool(i.record.note), "plan 2"
    )
    assert blocked.record is not None
    assert f"shop is set to {GOOD} already, where this rollback was heading" in blocked.record.note
    await site.web.kubectl("rollout", "resume", "deployment/web")
    await site.web.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    card = await room.button("Refresh")
    await world.bob.click(card, "Refresh")
    third = await room.when(
        lambda i: i.record is not None and i.record.number == 3 and bool(i.record.note), "plan 3"
    )
    assert third.record is not None
    assert f"shop runs {GOOD} already, where this rollback was heading" in third.record.note
    assert await world.serves() == GOOD


async def test_the_api_server_goes_away_while_it_goes_back(site: KubernetesSite) -> None:
    await site.deploy(GOOD, env={"READY_AFTER": "3"})
    async with fault_proxy(site.cluster.kubeconfig) as proxy:
        world = await site.world(kubeconfig=str(proxy.kubeconfig(site.folder)))
        await world.bad_deploy()
        room = await world.declare()
        before = await generation(site.web)
        await room.approve(to=GOOD)
        await under_way(world, site, before)
        await proxy.die()
        await site.web.rolled_out(patience_s=PATIENCE_S)  # the cluster goes on without being looked at
        assert not (await room.incident()).runs[0].ended_at
        await proxy.come_back()
        await room.status("verified")
        assert (await world.serves(), await generation(site.web)) == (GOOD, before + 1)
        await world.stop()


async def test_the_answer_to_the_write_is_lost(site: KubernetesSite) -> None:
    await site.deploy(GOOD)
    async with fault_proxy(site.cluster.kubeconfig) as proxy:
        world = await site.world(kubeconfig=str(proxy.kubeconfig(site.folder)))
        await world.bad_deploy()
        room = await world.declare()
        before = await generation(site.web)
        card = await room.card(to=GOOD)
        proxy.next(asking("PATCH", "/deployments/web"), drop_answer)
        seen = len(proxy.seen)
        await world.bob.click(card, "Approve")
        await room.status("verified")
        written = [one for one in proxy.seen[seen:] if one.startswith("PATCH") and "dryRun" not in one]
        assert len(written) == 1
        assert (await world.serves(), await generation(site.web)) == (GOOD, before + 1)
        await world.stop()


async def test_what_kubernetes_has_forgotten_comes_back_from_memory(site: KubernetesSite) -> None:
    site.web = Shop(site.space, site.api, extra={"revisionHistoryLimit": 0})
    await site.deploy(GOOD)
    world = await site.world()
    await world.bad_deploy()
    kept = await site.web.listed("replicasets")
    assert [one["spec"]["template"]["spec"]["containers"][0]["image"] for one in kept] == [f"{WEB}:{BAD}"]
    room = await world.declare()
    await room.approve(to=GOOD)
    await room.status("verified")
    assert await world.serves() == GOOD
    assert await images(site.web) == {f"{WEB}:{GOOD}"}
