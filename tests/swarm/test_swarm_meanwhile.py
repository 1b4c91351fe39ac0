"""What somebody else does to a service while it goes back: it is noticed, said, and not undone."""

import pytest

from bot.domain.evidence import Outcome
from bot.ports import Conflict, Gone
from bot.workflows.applying import followed
from integrations.swarm.service import UPDATE_CONFIG_BEFORE, UPDATE_CONFIG_DURING
from integrations.swarm.target import SwarmTarget
from tests.swarm.world import BAD, BAD2, GOOD, Service, change, deployed, succeeded

pytestmark = pytest.mark.swarm

KEY = "INC-1/apply"


async def test_a_change_of_somebody_else_in_the_middle_stops_it(
    service: Service, target: SwarmTarget
) -> None:
    await deployed(service, target, GOOD, BAD)
    await service.tag(BAD2)
    planned = change(await target.inspect(), GOOD)
    await target.apply(planned, KEY)
    await service.set_image(BAD2)
    seen = [seen async for seen in target.follow(planned, KEY)][-1]
    assert (seen.outcome, seen.untouched) == (Outcome.FAILED, True)
    assert f"is set to {BAD2}, not to {GOOD}" in seen.detail
    with pytest.raises(Conflict, match=BAD2):
        await target.revert(planned, "INC-1/revert")
    assert (await service.get())["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"].endswith(BAD2)


async def test_somebody_deletes_it_in_the_middle(service: Service, target: SwarmTarget) -> None:
    """Nothing is left to put back, and nothing was learned of the version."""
    await deployed(service, target, GOOD, BAD)
    planned = change(await target.inspect(), GOOD)
    await target.apply(planned, KEY)
    await service.ask("DELETE", f"/services/{service.name}")
    seen = await followed(target, planned, KEY)
    assert (seen.outcome, seen.untouched) == (Outcome.FAILED, True)
    assert f"There is no service {service.name}" in seen.detail
    with pytest.raises(Gone):
        await target.revert(planned, "INC-1/revert")


async def test_scaling_in_the_middle_is_no_foreign_change(service: Service, target: SwarmTarget) -> None:
    await deployed(service, target, GOOD, BAD)
    planned = change(await target.inspect(), GOOD)
    await target.apply(planned, KEY)
    await service.change(lambda spec: spec.update(Mode={"Replicated": {"Replicas": 3}}))
    last = [seen async for seen in target.follow(planned, KEY)][-1]
    succeeded(last, GOOD)
    assert "3 of 3 running" in last.detail


async def test_a_pace_that_somebody_sets_in_the_middle_is_the_services_own(
    service: Service, target: SwarmTarget
) -> None:
    """As `docker service update --update-parallelism` does it: kaeru's labels stay, and its own pace is not theirs."""
    await deployed(service, target, GOOD, BAD)
    planned = change(await target.inspect(), GOOD)
    await target.apply(planned, KEY)
    during = (await service.get())["Spec"]
    assert {UPDATE_CONFIG_BEFORE, UPDATE_CONFIG_DURING} <= during["Labels"].keys()
    theirs = {**during["UpdateConfig"], "Parallelism": 1, "Delay": 100_000_000}
    await service.change(lambda spec: spec.update(UpdateConfig=theirs))
    succeeded(await followed(target, planned, KEY), GOOD)
    after = (await service.get())["Spec"]
    assert after["UpdateConfig"] == theirs
    assert after["Labels"] == {"kaeru-test": "swarm", "team": "shop"}
    assert (await target.inspect()).debts == ()
