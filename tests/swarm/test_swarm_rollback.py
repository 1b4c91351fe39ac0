"""Rollbacks of real services, where the daemon's own would go wrong and where it would not."""

import asyncio
import json

import pytest

from bot.domain.evidence import Outcome
from bot.domain.releases import shape_name
from bot.ports import Refused
from bot.workflows.applying import applied, put_back
from integrations.swarm.service import UPDATE_CONFIG_BEFORE, update_state
from integrations.swarm.target import SwarmTarget
from tests.swarm.world import (
    BAD,
    BAD2,
    DEFAULT_PACE,
    GOOD,
    OWN_PACE,
    Service,
    change,
    deployed,
    eventually,
    remembered,
    rolled_back,
    succeeded,
)

pytestmark = pytest.mark.swarm


async def test_good_bad_bad_again_returns_to_good(service: Service, target: SwarmTarget) -> None:
    await deployed(service, target, GOOD, BAD, BAD2)
    succeeded(await rolled_back(target, GOOD), GOOD)
    assert await service.running() == [GOOD, GOOD]


async def test_a_second_rollback_does_nothing_and_says_so(service: Service, target: SwarmTarget) -> None:
    await deployed(service, target, GOOD, BAD)
    planned = change(await target.inspect(), GOOD)
    succeeded(await applied(target, planned, key="INC-1/apply"), GOOD)
    before, tasks = await service.get(), {task["ID"] for task in await service.tasks()}
    again = await applied(target, planned, key="INC-2/apply")
    succeeded(again, GOOD)
    said = f"{service.name} already runs {GOOD}, so nothing was changed: 2 of 2 running {GOOD}"
    assert again.detail.removeprefix(said) in (".", ", 2 being stopped.")  # those of the first one
    assert (await service.get())["Version"] == before["Version"]
    assert {task["ID"] for task in await service.tasks()} == tasks


async def test_two_at_once_make_one(service: Service) -> None:
    one, other = service.target(), service.target()
    try:
        await deployed(service, one, GOOD, BAD)
        planned = change(await one.inspect(), GOOD)
        before = {task["ID"] for task in await service.tasks()}
        done = await asyncio.gather(*(applied(t, planned, key="INC-1/apply") for t in (one, other)))
        for seen in done:
            succeeded(seen, GOOD)
        new = [task for task in await service.tasks() if task["ID"] not in before]
        assert len(new) == 2, "one new task in each slot"
    finally:
        await one.aclose()
        await other.aclose()


async def test_the_services_own_pace_comes_back_and_restarts_nothing(
    service: Service, target: SwarmTarget
) -> None:
    await service.create(GOOD, pace=OWN_PACE)
    await target.inspect()
    await remembered(service, target, BAD)
    await service.change(lambda spec: spec.update(UpdateConfig=DEFAULT_PACE))
    planned = change(await target.inspect(), GOOD)
    await target.apply(planned, "INC-1/apply")
    during = (await service.get())["Spec"]
    assert json.loads(during["Labels"][UPDATE_CONFIG_BEFORE]) == DEFAULT_PACE
    assert (during["UpdateConfig"]["Parallelism"], during["UpdateConfig"]["Order"]) == (0, "start-first")
    assert [debt.id for debt in (await target.inspect()).debts] == [f"swarm:{service.name}/update-config"]
    # As after a crash: another process follows to the end.
    heir = service.target()
    try:
        succeeded([seen async for seen in heir.follow(planned, "INC-1/apply")][-1], GOOD)
        after = (await service.get())["Spec"]
        assert after["UpdateConfig"] == DEFAULT_PACE
        assert after["Labels"] == {"kaeru-test": "swarm", "team": "shop"}
        assert (await heir.inspect()).debts == ()
    finally:
        await heir.aclose()
    ids = {task["ID"] for task in await service.tasks()}
    await service.settled()
    assert {task["ID"] for task in await service.tasks()} == ids


async def test_killed_between_the_update_and_its_record_it_updates_once(service: Service) -> None:
    first = service.target()
    try:
        await deployed(service, first, GOOD, BAD)
        planned = change(await first.inspect(), GOOD)
        before = {task["ID"] for task in await service.tasks()}
        await first.apply(planned, "INC-1/apply")
    finally:
        await first.aclose()  # nobody followed it
    template = (await service.get())["Spec"]["TaskTemplate"]
    second = service.target()
    try:
        seen = await second.apply(planned, "INC-1/apply")
        assert seen.outcome is not Outcome.FAILED
        assert (await service.get())["Spec"]["TaskTemplate"] == template
        succeeded(await applied(second, planned, key="INC-1/apply"), GOOD)
        new = {task["ID"] for task in await service.tasks()} - before
        assert len(new) == 2, "one new task in each slot, from both attempts together"
        assert UPDATE_CONFIG_BEFORE not in (await service.get())["Spec"]["Labels"]
    finally:
        await second.aclose()


async def test_an_image_that_is_missing_fails_with_the_reason_and_can_be_put_back(
    service: Service, target: SwarmTarget
) -> None:
    await deployed(service, target, GOOD, BAD)
    planned = change(await target.inspect(), GOOD)
    await service.ask("DELETE", f"/images/{service.repository}:{GOOD}", query={"force": "1"})
    service.forget(GOOD)
    seen = await applied(target, planned, key="INC-1/apply")
    assert seen.outcome is Outcome.FAILED
    assert f"No such image: {service.repository}:{GOOD}" in seen.detail
    assert [debt.id for debt in seen.debts] == [f"swarm:{service.name}/update-config"]
    inspected = await target.inspect()
    assert inspected.current == GOOD
    assert len(inspected.warnings) == 1
    assert "paused" in inspected.warnings[0].text
    succeeded(await put_back(target, planned, key="INC-1/revert"), BAD)
    assert (await service.get())["Spec"]["UpdateConfig"] == OWN_PACE


async def test_a_crashing_target_fails_with_its_exit_code(service: Service, target: SwarmTarget) -> None:
    await deployed(service, target, GOOD, BAD)
    await service.break_release(GOOD)
    seen = await applied(target, change(await target.inspect(), GOOD), key="INC-1/apply")
    assert seen.outcome is Outcome.FAILED
    assert "non-zero exit (1)" in seen.detail


async def test_a_paused_update_is_said_and_replaced(service: Service, target: SwarmTarget) -> None:
    await deployed(service, target, GOOD)
    await service.tag(BAD, of="kaeru-test/broken:crash")
    await service.set_image(BAD)

    async def paused() -> bool:
        return update_state(await service.get()) == "paused"

    await eventually(paused, "the update is paused")
    seen = await target.inspect()
    assert seen.current == BAD
    assert any("paused" in warning.text for warning in seen.warnings)
    plan = await target.plan(change(seen, GOOD))
    assert any("the rollback takes its place" in warning.text for warning in plan.warnings)
    assert any("failed, the last with" in warning.text for warning in plan.warnings)
    succeeded(await rolled_back(target, GOOD), GOOD)


async def test_a_global_service(service: Service, target: SwarmTarget) -> None:
    await deployed(service, target, GOOD, BAD, replicas=None)
    seen = await rolled_back(target, GOOD)
    succeeded(seen, GOOD)
    assert "1 of 1 running" in seen.detail
    assert (await service.get())["Spec"]["Mode"] == {"Global": {}}


async def test_secrets_and_configs_of_the_release_go_back_with_it(
    service: Service, target: SwarmTarget
) -> None:
    old = await service.secret("secret", f"{service.name}-s1", "old password")
    old_config = await service.secret("config", f"{service.name}-c1", "old")
    await service.create(GOOD, Secrets=[old], Configs=[old_config], Env=["COLOR=blue", "TOKEN=hunter2"])
    await target.inspect()
    new = await service.secret("secret", f"{service.name}-s2", "new password")
    new_config = await service.secret("config", f"{service.name}-c2", "new")
    await service.deploy(BAD, Secrets=[new], Configs=[new_config], Env=["COLOR=red", "EXTRA=hunter3"])
    planned = change(await target.inspect(), GOOD)
    plan = await target.plan(planned)
    assert f"secret secret: {service.name}-s2 → {service.name}-s1" in plan.diff
    assert f"config config: {service.name}-c2 → {service.name}-c1" in plan.diff
    assert {"env: COLOR changed", "env: + TOKEN", "env: − EXTRA"} <= set(plan.diff)
    assert "hunter" not in plan.model_dump_json()
    succeeded(await applied(target, planned, key="INC-1/apply"), GOOD)
    container = (await service.get())["Spec"]["TaskTemplate"]["ContainerSpec"]
    assert [one["SecretName"] for one in container["Secrets"]] == [f"{service.name}-s1"]
    assert container["Env"] == ["COLOR=blue", "TOKEN=hunter2"]


async def test_a_secret_that_is_gone_fails_a_check_by_its_name(service: Service, target: SwarmTarget) -> None:
    old = await service.secret("secret", f"{service.name}-s1", "old password")
    await service.create(GOOD, Secrets=[old])
    await target.inspect()
    await service.deploy(BAD, Secrets=[])
    await service.forget_secret(old["SecretID"])
    planned = change(await target.inspect(), GOOD)
    failed = [check for check in (await target.plan(planned)).checks if not check.ok]
    assert [check.name for check in failed] == ["secrets, configs and networks exist"]
    assert failed[0].required
    assert f"secret {service.name}-s1" in failed[0].detail
    with pytest.raises(Refused, match=r"secret not found"):
        await target.apply(planned, "INC-1/apply")


async def test_a_restart_in_between_is_not_another_version(service: Service, target: SwarmTarget) -> None:
    await deployed(service, target, GOOD, BAD)
    before = await target.inspect()
    await service.change(lambda spec: spec["TaskTemplate"].update(ForceUpdate=7))
    await service.settled()
    seen = await target.inspect()
    assert (seen.fingerprint, seen.available) == (before.fingerprint, before.available)
    succeeded(await rolled_back(target, GOOD), GOOD)


async def test_a_port_of_the_node_is_let_go_first_and_everything_else_stays(
    service: Service, target: SwarmTarget
) -> None:
    port = {"Protocol": "tcp", "TargetPort": 8080, "PublishedPort": 23456, "PublishMode": "host"}
    health = {"Test": ["CMD", "ls", "/tmp/ready"], "Interval": 500_000_000}  # noqa: S108 - a path in the image
    await service.create(GOOD, replicas=1, Healthcheck=health, StopGracePeriod=5_000_000_000)
    await service.change(
        lambda spec: (
            spec.update(EndpointSpec={"Mode": "vip", "Ports": [port]}),
            spec["TaskTemplate"].update(
                Resources={"Limits": {"MemoryBytes": 64 << 20}, "Reservations": {"NanoCPUs": 10_000_000}},
                Placement={"Constraints": ["node.role==manager"], "MaxReplicas": 1},
            ),
        )
    )
    await service.change(lambda spec: spec.update(UpdateConfig={**OWN_PACE, "Order": "stop-first"}))
    await service.settled()
    first = await target.inspect()
    assert first.running == first.current, "the tasks have the very shape that is set"
    await service.deploy(BAD)
    planned = change(await target.inspect(), first.current)
    plan = await target.plan(planned)
    assert any("port 23456 is a node's own" in warning.text for warning in plan.warnings)
    assert any("stop-first" in action for action in plan.actions)
    assert any("more tasks fit" in check.detail for check in plan.checks)
    succeeded(await rolled_back(target, first.current), first.current)
    after = (await service.get())["Spec"]
    assert after["EndpointSpec"]["Ports"] == [port]
    assert after["UpdateConfig"]["Order"] == "stop-first"


async def test_another_shape_of_the_same_version_has_a_name_of_its_own(
    service: Service, target: SwarmTarget
) -> None:
    await service.create(GOOD, Env=["COLOR=blue"])
    good = await target.inspect()
    service.memory.good(good.current_ref)
    await service.deploy(GOOD, Env=["COLOR=red"])
    seen = await target.inspect()
    red = shape_name(GOOD, seen.current_ref)
    assert (seen.current, seen.running) == (red, red)
    succeeded(await rolled_back(target, GOOD), GOOD)
    assert (await service.get())["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"] == ["COLOR=blue"]
    after = await target.inspect()
    assert {a.version for a in after.available if a.ref == seen.current_ref} == {red}


async def test_what_cannot_start_in_time_fails_with_counts(service: Service) -> None:
    target = service.target(timeout="2s")
    try:
        await service.create(GOOD)
        await target.inspect()
        await service.deploy(BAD)
        planned = change(await target.inspect(), GOOD)
        said = [warning.text for warning in (await target.plan(planned)).warnings]
        assert any("counts as failed after 2 s: raise `timeout` in kaeru.yml" in text for text in said)
        await service.change(lambda spec: spec.update(Mode={"Replicated": {"Replicas": 0}}))
        # No node is like that, so its tasks wait for ever.
        shape = await service.memory.recall(planned.to_ref)
        assert shape is not None
        spec = json.loads(shape.spec)
        spec["TaskTemplate"]["Placement"] = {"Constraints": ["node.labels.nowhere==1"]}
        await service.deploy_spec(spec)
        await target.inspect()
        await service.change(lambda spec: spec.update(Mode={"Replicated": {"Replicas": 2}}))
        stuck = change(await target.inspect(), (await target.inspect()).current)
        last = [seen async for seen in target.follow(stuck, "INC-1/apply")][-1]
        assert last.outcome is Outcome.FAILED
        assert "0 of 2 running" in last.detail
        assert "no suitable node" in last.detail
        assert last.blameless
    finally:
        await target.aclose()
