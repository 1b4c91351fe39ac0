"""An alert opens one incident and people are called once, wherever the bot is killed meanwhile."""

import asyncio
import socket
from contextlib import ExitStack
from pathlib import Path

import httpx

from bot.domain.paging import PageState
from sandbox.shop.releases import Shop
from tests.contract.oncall_worlds import ROUTING, SECRET, PagerDutyWorld
from tests.crash.scene import BAD, Scene, scene
from tests.crash.story import Story
from tests.crash.truth import at_rest, happened, timeline_of, workflows
from tests.scenarios.test_alerts import alert, message

TOKEN = "sEcReT-token-of-the-alerts"
PLACES = (
    "kept:alert",
    "commit:incident_declared",
    "commit:severity_set",
    "start:page.v1",
    "paged",
    "after:call",
    "commit:page_acknowledged",
    "acknowledged",
    "resolved",
    "after:resolve",
)


async def test_killed_while_people_are_called(built: Shop, tmp_path: Path) -> None:
    with ExitStack() as stack:
        pager = PagerDutyWorld(stack)
        on_call = {
            "kind": "pagerduty",
            "token": SECRET,
            "routing_key": ROUTING,
            "escalation_policy": "PT20YPA",
            "events_url": pager.events.base,
            "url": pager.rest.base,
        }
        port = free_port()
        more = {
            "KAERU_CRASH_ALSO": "tests.crash.pagers",
            "KAERU_ALERTS_LISTEN": f"127.0.0.1:{port}",
            "KAERU_ALERTS_TOKEN": TOKEN,
        }
        async with scene(
            tmp_path, built, serving=BAD, die_at=PLACES, around={"on_call": on_call}, more=more
        ) as stage:
            story = Story(stage)
            await sent(stage, port)
            story.channel = await stage.until(story._room, "the incident that the alert opens")
            await stage.until(lambda: pager.alerts(incident_of(pager)), "somebody to be paged")
            await acknowledged(story)
            await stage.until(
                lambda: pager.alerts(incident_of(pager)) == ["acknowledged"], "the pager to be stopped"
            )
            # What is over before it is written down is not written down any more.
            await stage.until(
                lambda: "SUCCESS" in states(stage, "page-acknowledge:"), "that to be written down"
            )
            await closed(story)
            await stage.until(
                lambda: pager.alerts(incident_of(pager)) == ["resolved"], "the pager to know that it is over"
            )
            await stage.until(lambda: stage.bot.missed(PLACES) == [], "all places to be passed")
            await at_rest(stage)
            await stage.bot.stop()
            assert stage.bot.deaths == len(PLACES)
        assert pager.problems == []
        # Whatever was said again: one alert, for one incident.
        assert [a.state for a in pager.events.all] == ["resolved"]
    incident, entries = await timeline_of(stage, story.channel)
    counted = happened(entries)
    once = ("incident_declared", "severity_set", "page_begun", "paged", "page_acknowledged")
    assert {name: counted[name] for name in once} == dict.fromkeys(once, 1)
    assert (counted["alert_received"], counted["pager_told"]) == (1, 2)
    (page,) = incident.pages
    assert (page.state, page.told, page.resolved) == (PageState.CALLED, True, True)
    assert states(stage, "page") == {"SUCCESS"}


def states(stage: Scene, beginning: str) -> set[str]:
    return {state for name, state in workflows(stage) if name.startswith(beginning)}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def incident_of(pager: PagerDutyWorld) -> str:
    return next((alert.key for alert in pager.events.all), "")


async def sent(stage: Scene, port: int) -> None:
    """As Alertmanager does it: again, until somebody takes it."""
    body, headers = message(alert(severity="critical")), {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        while True:
            assert not stage.bot.failure, stage.bot.failure
            try:
                answer = await client.post(f"http://127.0.0.1:{port}/alerts", json=body, headers=headers)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            assert answer.status_code == 200, answer.text
            return


async def acknowledged(story: Story) -> None:
    def is_called() -> bool:
        shown = story.shown("page-1")
        return shown is not None and "*Paged*" in str(shown["blocks"])

    await story.scene.until(is_called, "the page's card")

    def is_on_it() -> bool:
        shown = story.shown("page-1")
        return shown is not None and "is on it" in str(shown["blocks"])

    async def do() -> None:
        shown = story.shown("page-1")
        assert shown is not None
        await story.alice.click(shown, "Acknowledge")

    await story._insist("acknowledge", do, is_on_it)


async def closed(story: Story) -> None:
    async def do() -> None:
        await story.tell("/incident close unverified That was nothing.")

    await story._insist("close", do, lambda: story.shown("closed"))
