"""Whoever is on call is called once, stopped from chat, called again by a relapse, and left alone when it is over."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
import yaml

from bot.clock import now
from bot.domain import decide
from bot.domain import events as e
from bot.domain.alerts import Alert
from bot.domain.incident import Incident
from bot.domain.paging import PageState
from sandbox.workspace import forms
from sandbox.workspace.model import Json
from tests.contract.oncall_worlds import ROUTING, SECRET, PagerDutyWorld
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import GOOD, Room, World, buttons, has_button


@pytest.fixture
def pager() -> Iterator[PagerDutyWorld]:
    with ExitStack() as stack:
        world = PagerDutyWorld(stack)
        yield world
        assert world.problems == []


def described(pager: PagerDutyWorld, watch: str = "1s", **policies: Any) -> dict[str, Any]:
    """What kaeru.yml says: Ana of PagerDuty is Dan of Slack, who is no responder."""
    on_call = {
        "kind": "pagerduty",
        "token": SECRET,
        "routing_key": ROUTING,
        "escalation_policy": "PT20YPA",
        "events_url": pager.events.base,
        "url": pager.rest.base,
    }
    return {
        "people": {"dan": {"email": "Ana@example.com"}},
        "policies": policies,
        "services": {"shop": {"on_call": on_call, "watch": watch}},
    }


def newest_is(state: PageState, number: int = 1) -> Any:
    def holds(incident: Incident) -> bool:
        return incident.page is not None and (incident.page.number, incident.page.state) == (number, state)

    return holds


async def card(room: Room, text: str) -> Json:
    return await room.sees(lambda m: text in forms.text_of(m))


async def test_a_whole_incident_with_a_pager(new_world: NewWorld, pager: PagerDutyWorld) -> None:
    world = await new_world(changes=described(pager, watch="30s"))
    await world.bad_deploy()
    room = await world.declare(severity=None)
    assert pager.events.all == []
    await room.choose("High")

    # Paged: Ana is Dan, who is invited; Ben is not known in Slack.
    await room.when(newest_is(PageState.CALLED), "somebody to be paged")
    shown = await card(room, "*Paged*")
    assert "<@U0DAN> (level 1), Ben (level 2)" in forms.text_of(shown)
    await room.joined(world.dan)
    (alert,) = pager.events.all
    assert (alert.key, alert.state) == (room.id, "open")
    assert alert.bodies[0]["payload"]["summary"] == f"shop is ill (High): incident {room.id}"
    assert alert.bodies[0]["client_url"].endswith(room.channel)

    # Acknowledged from chat.
    await world.dan.click(await room.button("Acknowledge", by=world.dan), "Acknowledge")
    await room.when(lambda i: i.page is not None and i.page.told, "the pager to be stopped")
    assert pager.alerts(room.id) == ["acknowledged"]
    await card(room, "<@U0DAN> is on it. The pager is stopped.")
    assert "acknowledged it already" in await room.asks(world.alice, "/incident ack")

    # Rolled back, and ill again while it is watched: paged again.
    await room.approve()
    await room.status("mitigated")
    await relapse(world, room)
    await room.when(newest_is(PageState.CALLED, 2), "somebody to be paged again")
    assert pager.alerts(room.id) == ["resolved", "open"]
    assert "ill again" in pager.events.all[1].bodies[0]["payload"]["summary"]
    again = await card(room, "*Paged again*")
    assert buttons(again) == ["Acknowledge"]
    assert not has_button(await card(room, "*Paged* ("), "Acknowledge")

    # Over.
    await room.close()
    await room.when(lambda i: i.page is not None and i.page.resolved, "the pager to know that it is over")
    assert pager.alerts(room.id) == ["resolved", "resolved"]
    postmortem = await room.postmortem()
    assert "Page acknowledged by Dan" in postmortem
    assert "Dan" in next(row for row in postmortem.splitlines() if row.startswith("| Responders"))


async def relapse(world: World, room: Room) -> None:
    """The good version falls ill, too."""
    await world.deploy("v1.3.0")
    await room.status("stuck", "deciding")


async def test_verified_is_told_to_the_pager(new_world: NewWorld, pager: PagerDutyWorld) -> None:
    world = await new_world(changes=described(pager))
    await world.bad_deploy()
    room = await world.declare()
    await room.when(newest_is(PageState.CALLED), "somebody to be paged")
    await room.approve()
    await room.status("verified")
    await room.when(lambda i: i.page is not None and i.page.resolved, "the pager to know that it is over")
    assert pager.alerts(room.id) == ["resolved"]
    assert await world.serves() == GOOD
    assert [event.action for event in await room.events(e.PagerTold)] == ["resolve"]


async def test_whom_the_policy_does_not_call_is_not_called(
    new_world: NewWorld, pager: PagerDutyWorld
) -> None:
    world = await new_world(changes=described(pager, high={"page": False}, low={"page": True}))
    await world.bad_deploy()
    room = await world.declare(severity="High")
    assert "Nobody was paged because of this incident" in await room.asks(world.alice, "/incident ack")
    await world.alice.command(room.channel, "/incident severity low")
    await room.when(newest_is(PageState.CALLED), "somebody to be paged")
    assert [alert.bodies[0]["payload"]["severity"] for alert in pager.events.all] == ["info"]


async def test_a_pager_that_is_down_delays_nothing_and_is_told_of(
    new_world: NewWorld, pager: PagerDutyWorld
) -> None:
    world = await new_world(changes=described(pager))
    await world.bad_deploy()
    pager.events.fault = (503, {})
    room = await world.declare()
    await card(room, "Nobody could be paged for shop yet")
    await room.when(newest_is(PageState.CALLED), "somebody to be paged after all")
    assert pager.alerts(room.id) == ["open"]
    assert "Nobody could be paged yet" not in forms.text_of(await card(room, "*Paged*"))


class Moody:
    """The pager's events, which are refused while it is down; `heard` are the actions of all that came."""

    def __init__(self, pager: PagerDutyWorld) -> None:
        self.down = False
        self.heard: list[str] = []
        self._answer = pager.events.answer
        pager.events.answer = self.answer  # type: ignore[method-assign]  # the server in front of it, not kaeru

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        self.heard.append(body["event_action"])
        return (503, {}) if self.down else self._answer(method, path, query, body)


async def all_at_rest(world: World, kind: str) -> None:
    """Until no workflow of that kind is under way."""

    def look() -> list[str]:
        with closing(
            sqlite3.connect(f"file:{world.folder / 'data' / 'engine.sqlite'}?mode=ro", uri=True)
        ) as db:
            rows = db.execute("SELECT workflow_uuid, status FROM workflow_status").fetchall()
        return [name for name, status in rows if name.startswith(kind) and status in ("PENDING", "ENQUEUED")]

    async def none() -> bool:
        return not look()

    await world.until(none, f"{kind} to end", timeout_s=40)


async def test_what_is_said_of_an_older_page_never_silences_a_newer_one(
    new_world: NewWorld, pager: PagerDutyWorld
) -> None:
    moody = Moody(pager)
    world = await new_world(changes=described(pager))
    await world.bad_deploy()
    room = await world.declare()
    await room.when(newest_is(PageState.CALLED), "somebody to be paged")
    await room.approve()
    await room.when(lambda i: i.mitigated_at is not None, "users to be well")
    moody.down = True
    await room.status("verified")

    async def refused() -> bool:
        return moody.heard.count("resolve") >= 2

    # It is over, and the pager does not hear that. The service falls ill again, and people are called anew.
    await world.until(refused, "the pager not to hear that it is over")
    await world.running.desk.change(
        room.id,
        lambda now_it_is: decide.alert_heard(
            now_it_is, Alert(group="g", state="firing", title="A"), fresh=True, now=now()
        ),
    )
    await room.status("deciding")
    moody.down = False
    await room.when(newest_is(PageState.CALLED, 2), "somebody to be paged again")
    await all_at_rest(world, "page")
    assert pager.alerts(room.id) == ["resolved", "open"]
    assert moody.heard[-2:] == ["resolve", "trigger"]

    # Nobody is on the second page because somebody was on the first; and when it is over, that is said.
    assert not (await room.incident()).pages[1].told
    await room.close()
    await room.when(lambda i: i.page is not None and i.page.resolved, "the pager to know that it is over")
    assert pager.alerts(room.id) == ["resolved", "resolved"]


async def test_an_acknowledgement_that_comes_late_does_not_stop_the_next_page(
    new_world: NewWorld, pager: PagerDutyWorld
) -> None:
    moody = Moody(pager)
    world = await new_world(changes=described(pager, watch="30s"))
    await world.bad_deploy()
    room = await world.declare()
    await room.when(newest_is(PageState.CALLED), "somebody to be paged")
    moody.down = True
    assert "you are on it" in await room.asks(world.bob, "/incident ack")
    await room.approve()
    await room.status("mitigated")
    await relapse(world, room)
    moody.down = False
    await room.when(newest_is(PageState.CALLED, 2), "somebody to be paged again")
    await all_at_rest(world, "page")
    assert pager.alerts(room.id) == ["resolved", "open"]


async def test_an_exercise_calls_nobody_until_it_turns_out_to_be_none(
    new_world: NewWorld, pager: PagerDutyWorld
) -> None:
    world = await new_world(changes=described(pager))
    await world.bad_deploy()
    room = await world.declare("/rollback shop --exercise", severity=None)
    assert (await room.incident()).exercise
    await room.choose("High")
    await room.card()
    assert (await room.incident()).pages == ()
    # It is real: people are called at once. And it was one after all: the pager falls silent.
    await world.alice.command(room.channel, "/incident exercise off")
    await room.when(newest_is(PageState.CALLED), "somebody to be paged")
    await world.alice.command(room.channel, "/incident exercise")
    await room.when(lambda i: i.page is not None and i.page.resolved, "the pager to know that it is over")
    assert pager.alerts(room.id) == ["resolved"]


async def test_whoever_is_on_it_spares_the_others(new_world: NewWorld, pager: PagerDutyWorld) -> None:
    world = await new_world(changes=described(pager))
    await world.bad_deploy()
    pager.events.fault = (429, {"Retry-After": "600"})
    room = await world.declare()
    await card(room, "Nobody could be paged for shop yet")
    assert "you are on it" in await room.asks(world.bob, "/incident ack")
    await room.when(newest_is(PageState.SPARED), "nobody to be paged")
    await card(room, "Nobody was paged: <@U0BOB> was on it")
    assert pager.alerts(room.id) == []


async def test_a_page_whose_answer_got_lost_is_stopped_all_the_same(
    new_world: NewWorld, pager: PagerDutyWorld
) -> None:
    world = await new_world(changes=described(pager))
    await world.bad_deploy()
    pager.lose()
    room = await world.declare()
    await card(room, "Nobody could be paged for shop yet")
    assert pager.alerts(room.id) == ["open"]
    assert "you are on it" in await room.asks(world.bob, "/incident ack")
    await room.when(lambda i: i.page is not None and i.page.told, "the pager to be stopped")
    assert pager.alerts(room.id) == ["acknowledged"]


async def test_a_key_that_does_not_hold_is_said_with_what_to_do(
    new_world: NewWorld, pager: PagerDutyWorld
) -> None:
    changes = described(pager)
    changes["services"]["shop"]["on_call"]["routing_key"] = ROUTING[::-1]
    world = await new_world(changes=changes)
    await world.bad_deploy()
    room = await world.declare()
    await room.when(newest_is(PageState.FAILED), "the page to fail")
    said = forms.text_of(await card(room, "*Nobody could be paged*"))
    assert "Call whoever is on call yourself." in said
    assert ROUTING[::-1] not in said
    assert [event.action for event in await room.events(e.PageFailed)] == ["page"]


async def test_a_user_group_of_slack_is_mentioned_and_told(new_world: NewWorld) -> None:
    world = await new_world(changes={"services": {"shop": {"responders": ["carol"]}}})
    # Where the workspace is, and its token, is known only once it runs.
    await world.stop()
    described_in = world.folder / "kaeru.yml"
    whole = yaml.safe_load(described_in.read_text(encoding="utf-8"))
    whole["services"]["shop"]["on_call"] = {
        "kind": "slack_usergroup",
        "usergroup": "S0ONCALL",
        "token": world.ws.bot_token,
        "url": world.ws.api_url.rstrip("/"),
    }
    described_in.write_text(yaml.safe_dump(whole), encoding="utf-8")
    await world.start()
    await world.bad_deploy()
    room = await world.declare(by=world.carol)
    await room.when(newest_is(PageState.CALLED), "somebody to be paged")
    await room.joined(world.bob)
    shown = forms.text_of(await card(room, "*Paged*"))
    assert "<@U0ALICE> (level 1), <@U0BOB> (level 1)" in shown
    mentioned = [m for m in await room.messages() if "<!subteam^S0ONCALL>" in forms.text_of(m)]
    assert len(mentioned) == 1

    async def told(text: str) -> bool:
        direct = world.ws.state.open_im(world.ws.state.bot_user, world.bob.id)[0]
        return any(text in str(direct.messages[ts].get("text")) for ts in direct.order)

    await world.until(lambda: told(f"<#{room.channel}>"), "Bob to be told where")
    await world.bob.command(room.channel, "/incident ack")
    await world.until(lambda: told("Acknowledged by Bob."), "Bob's message to say that he is on it")
