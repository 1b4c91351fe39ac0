"""What every on-call promises: one call for each incident, however often and however badly it is made."""

import logging
from collections.abc import AsyncIterator

import pytest

from bot.domain.severity import Severity
from bot.ports.errors import AuthFailed, OutcomeUnknown, PortError, Refused, Unavailable
from bot.ports.oncall import OnCall
from tests.contract.oncall_worlds import (
    INCIDENT,
    ROUTING,
    SECRET,
    OpsgenieWorld,
    PagerDutyWorld,
    SlackWorld,
    World,
    opened,
    page,
)


@pytest.fixture(params=["pagerduty", "opsgenie", "slack"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with opened(request.param) as made:
        yield made
        assert made.problems == []


@pytest.fixture
async def oncall(world: World) -> AsyncIterator[OnCall]:
    made = world.made()
    yield made
    await made.aclose()


async def test_who_is_on_call_first_in_front(world: World, oncall: OnCall) -> None:
    people = await oncall.who()
    if isinstance(world, SlackWorld):
        assert [(p.name, p.level, p.slack) for p in people] == [("Alice", 1, "U0ALICE"), ("Bob", 1, "U0BOB")]
        return
    assert [(p.email, p.level) for p in people] == [("ana@example.com", 1), ("ben@example.com", 2)]
    assert [p.name for p in people][:1] in (["Ana"], ["ana@example.com"])


async def test_nobody_on_call_is_an_answer(world: World, oncall: OnCall) -> None:
    world.nobody()
    assert await oncall.who() == ()


async def test_people_are_called_once_however_often_it_is_asked(world: World, oncall: OnCall) -> None:
    first = await oncall.page(page())
    again = [await oncall.page(page(minute=minute)) for minute in (0, 0, 5)]
    assert first.reference
    assert {one.reference for one in again} == {first.reference}
    assert world.alerts() == ["open"]


async def test_another_process_calls_nobody_again(world: World, oncall: OnCall) -> None:
    await oncall.page(page())
    other = world.made()
    try:
        await other.page(page())
    finally:
        await other.aclose()
    assert world.alerts() == ["open"]


async def test_incidents_are_called_for_apart(world: World, oncall: OnCall) -> None:
    other = "inc-20261124-shop-2"
    await oncall.page(page())
    await oncall.page(page(incident=other))
    await oncall.resolve(other, by="Ana")
    assert (world.alerts(), world.alerts(other)) == (["open"], ["resolved"])


async def test_acknowledged_and_called_for_no_more(world: World, oncall: OnCall) -> None:
    await oncall.page(page())
    await oncall.acknowledge(INCIDENT, by="Ana")
    await oncall.acknowledge(INCIDENT, by="Ana")
    await oncall.page(page(minute=5))
    assert world.alerts() == ["acknowledged"]


async def test_a_page_after_the_resolution_calls_again(world: World, oncall: OnCall) -> None:
    await oncall.page(page())
    await oncall.acknowledge(INCIDENT, by="Ana")
    await oncall.resolve(INCIDENT, by="Ana")
    await oncall.resolve(INCIDENT, by="Ana")
    await oncall.page(page(minute=9))
    assert world.alerts() == ["resolved", "open"]


async def test_nothing_happens_where_nobody_was_called(world: World, oncall: OnCall) -> None:
    await oncall.acknowledge(INCIDENT, by="Ana")
    await oncall.resolve(INCIDENT, by="Ana")
    assert world.alerts() == []


async def test_what_is_over_is_not_acknowledged(world: World, oncall: OnCall) -> None:
    await oncall.page(page())
    await oncall.resolve(INCIDENT, by="Ana")
    await oncall.acknowledge(INCIDENT, by="Ana")
    assert world.alerts() == ["resolved"]


async def test_a_lost_answer_is_unknown_and_the_repeat_calls_nobody_twice(
    world: World, oncall: OnCall
) -> None:
    world.lose()
    with pytest.raises(OutcomeUnknown):
        await oncall.page(page())
    await oncall.page(page())
    assert world.alerts() == ["open"]


async def test_throttled_says_for_how_long(world: World, oncall: OnCall) -> None:
    world.limit(17)
    with pytest.raises(Unavailable) as caught:
        await oncall.page(page())
    assert caught.value.retry_after_s == 17
    assert world.alerts() == []


async def test_a_secret_that_does_not_hold_is_said_without_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    oncall = world.made(wrong=True)
    with pytest.raises(AuthFailed) as asked:
        await oncall.who()
    with pytest.raises(AuthFailed) as called:
        await oncall.page(page())
    await oncall.aclose()
    for secret in (SECRET, SECRET[::-1], ROUTING, ROUTING[::-1]):
        assert secret not in caplog.text
        assert secret not in oncall.identity
        for error in (asked.value, called.value):
            assert error.remedy
            assert_no_secret(error, secret)
    assert world.alerts() == []


async def test_a_long_summary_arrives_cut(world: World, oncall: OnCall) -> None:
    await oncall.page(page(summary="shop is ill " * 400))
    assert world.alerts() == ["open"]


@pytest.mark.parametrize("kind", ["pagerduty", "opsgenie", "slack"])
async def test_nobody_there_is_unavailable(kind: str) -> None:
    async with opened(kind) as gone:
        oncall = gone.made()
        reached = await oncall.who()
        assert reached
        await oncall.aclose()
    oncall = gone.made()
    with pytest.raises(Unavailable):
        await oncall.page(page())
    await oncall.aclose()


async def test_pagerduty_is_told_how_bad_it_is_and_where_to_go() -> None:
    async with opened("pagerduty") as world:
        assert isinstance(world, PagerDutyWorld)
        oncall = world.made()
        await oncall.page(page())
        await oncall.page(page(incident="inc-20261124-shop-3").model_copy(update={"severity": Severity.LOW}))
        await oncall.aclose()
        critical, low = (alert.bodies[0] for alert in world.events.all)
        assert (critical["payload"]["severity"], low["payload"]["severity"]) == ("critical", "info")
        assert critical["client_url"] == "https://slack.example.com/archives/C0INCIDENTS"
        assert critical["payload"]["custom_details"]["version"] == "v1.3.0"


async def test_pagerduty_names_everybody_of_several_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened("pagerduty") as world:
        assert isinstance(world, PagerDutyWorld)
        monkeypatch.setattr("integrations.oncall.pagerduty.LIMIT", 2)
        oncall = world.made()
        people = await oncall.who()
        await oncall.aclose()
        assert [(p.name, p.level, p.until is not None) for p in people] == [
            ("Ana", 1, True),
            ("Ben", 2, False),
        ]


async def test_opsgenie_that_does_not_get_to_it_is_unknown() -> None:
    async with opened("opsgenie") as world:
        assert isinstance(world, OpsgenieWorld)
        world.server.delay = 10_000
        oncall = world.made(settles="600ms")
        with pytest.raises(OutcomeUnknown):
            await oncall.page(page())
        world.server.delay = 0
        await oncall.page(page())
        await oncall.aclose()
        assert world.alerts() == ["open"]


async def test_opsgenie_that_cannot_be_asked_what_came_of_it_is_unknown() -> None:
    async with opened("opsgenie") as world:
        assert isinstance(world, OpsgenieWorld)
        world.server.read_fault = (429, {"Retry-After": "9"})
        oncall = world.made()
        with pytest.raises(OutcomeUnknown):
            await oncall.page(page())
        await oncall.aclose()


async def test_opsgenie_knows_who_it_was_and_whom_it_is_for() -> None:
    async with opened("opsgenie") as world:
        assert isinstance(world, OpsgenieWorld)
        oncall = world.made()
        await oncall.page(page())
        await oncall.acknowledge(INCIDENT, by="Ana")
        await oncall.aclose()
        (alert,) = world.server.all
        assert alert.by == "Ana"
        assert alert.bodies[0]["responders"] == [{"name": "shop", "type": "team"}]
        assert alert.bodies[0]["priority"] == "P1"


async def test_opsgenie_without_the_schedule_says_what_to_correct() -> None:
    async with opened("opsgenie") as world:
        assert isinstance(world, OpsgenieWorld)
        oncall = world.made()
        oncall._settings = oncall._settings.model_copy(update={"schedule": "gone"})  # type: ignore[attr-defined]  # it is an Opsgenie
        with pytest.raises(Refused) as caught:
            await oncall.who()
        await oncall.aclose()
        assert "kaeru.yml" in caught.value.advice


async def test_slack_mentions_the_group_once_for_each_call() -> None:
    async with opened("slack") as world:
        assert isinstance(world, SlackWorld)
        oncall = world.made()
        for _ in range(2):
            await oncall.page(page(summary="shop <!channel> is ill & slow"))
        assert len(world.mentions()) == 1
        assert "&lt;!channel&gt; is ill &amp; slow" in world.mentions()[0]
        await oncall.resolve(INCIDENT, by="Ana")
        await oncall.page(page(minute=9))
        await oncall.aclose()
        assert len(world.mentions()) == 2


async def test_slack_tells_the_rest_where_one_cannot_be_told() -> None:
    async with opened("slack") as world:
        assert isinstance(world, SlackWorld)
        # The mention, then Alice, then Bob.
        world.ws.fault("chat.postMessage", "error", error="user_disabled", skip=1)
        oncall = world.made()
        paged = await oncall.page(page())
        await oncall.aclose()
        assert "<@U0ALICE> could not be told" in paged.note
        assert [len(world.told(user)) for user in ("U0ALICE", "U0BOB")] == [0, 1]


async def test_slack_without_anybody_says_so() -> None:
    async with opened("slack") as world:
        world.nobody()
        oncall = world.made()
        with pytest.raises(Refused, match="Nobody is in the user group"):
            await oncall.page(page())
        await oncall.aclose()


def assert_no_secret(error: BaseException, secret: str) -> None:
    """Nowhere in the chain of errors."""
    told: BaseException | None = error
    while told is not None:
        assert secret not in str(told)
        assert not isinstance(told, PortError) or secret not in told.remedy
        told = told.__cause__ or told.__context__
