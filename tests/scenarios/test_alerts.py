"""A real Alertmanager opens an incident once for each outbreak; people decide what follows."""

import asyncio
import json
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from bot.catalog import load_catalog
from bot.clock import now
from bot.domain import events as e
from bot.domain.base import BOT
from bot.domain.paging import PageState
from bot.usecases.alerts import KIND
from bot.usecases.check_alerts import look_at_alerts
from integrations.registry import kinds
from sandbox.workspace import forms
from tests import alertmanager
from tests.contract.notices_worlds import TOKEN as PAGE_TOKEN
from tests.contract.notices_worlds import StatuspageWorld, open_world
from tests.contract.oncall_worlds import PagerDutyWorld
from tests.scenarios.conftest import NewWorld
from tests.scenarios.test_paging import described
from tests.scenarios.world import BAD, GOOD, Room, World, has_button

TOKEN = "sEcReT-token-of-the-alerts"


@pytest.fixture(autouse=True)
def listening(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAERU_ALERTS_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("KAERU_ALERTS_TOKEN", TOKEN)


def webhook(world: World) -> str:
    return f"http://127.0.0.1:{world.running.listener.port}/alerts"


async def room_of(world: World) -> Room:
    async def look() -> Room | None:
        found = [i for i in await world.incidents() if i.channel_id and i.is_open]
        return Room(world, found[0].id, str(found[0].channel_id)) if found else None

    return await world.until(look, "an incident that an alert opens")


async def seen(world: World, version: str) -> None:
    """Until kaeru has seen it serve, as it has long before an alert is due."""

    async def look() -> bool:
        return version in await world.read(lambda uow: uow.releases.all("shop"))

    await world.until(look, f"kaeru to see {version} serve")


async def test_a_real_alertmanager_opens_the_incident_and_names_the_deploy(new_world: NewWorld) -> None:
    alertmanager.need()
    world = await new_world()
    await world.bad_deploy()
    await seen(world, BAD)
    since = datetime.now(UTC).replace(microsecond=0)
    labels = {"service": "shop", "severity": "critical"}
    with alertmanager.running(webhook(world), TOKEN) as source:
        fire = {"since": since, "labels": labels, "summary": "9 % of <orders> fail"}
        await asyncio.to_thread(source.fire, "HighErrorRate", **fire)
        room = await room_of(world)
        incident = await room.incident()
        assert (incident.declared_by, incident.detected_at) == (BOT, since)

        # The likely deploy, and the plan card with a severity that kaeru.yml maps.
        (opened,) = await room.events(e.AlertReceived)
        assert [(s.version, s.before) for s in opened.suspects] == [(BAD, GOOD)]
        assert opened.suspects[0].commits
        await room.joined(world.alice)
        said = forms.text_of(await room.sees(lambda m: "*Alert*" in forms.text_of(m)))
        assert "HighErrorRate: 9 % of &lt;orders&gt; fail." in said
        assert "`http://prometheus.example.com/graph?g0.expr=up`" in said
        assert f"*Likely*: `{BAD}` came" in said
        assert f"after `{GOOD}`, with" in said
        assert "Nothing is changed before it has been approved." in said
        assert has_button(await room.card(), "Approve")
        assert (await room.incident()).severity == "high"
        assert await world.serves() == BAD

        # Another alert of the service joins what is open.
        await asyncio.to_thread(source.fire, "SlowCheckout", since=since, labels=labels)
        await room.sees(lambda m: "SlowCheckout" in forms.text_of(m))

        # Somebody approves; the alert's end is one more line.
        await room.approve()
        await room.status("verified")
        await asyncio.to_thread(
            source.fire, "HighErrorRate", **fire, until=datetime.now(UTC) - timedelta(seconds=1)
        )
        await room.sees(lambda m: "*Alert resolved*" in forms.text_of(m))
        assert TOKEN not in await asyncio.to_thread(source.log.read_text)
    assert len(await world.incidents()) == 1
    assert await world.serves() == GOOD


def message(
    *alerts: Mapping[str, Any], group: str = '{}:{alertname="A"}', status: str = "firing"
) -> dict[str, Any]:
    """As Alertmanager's documentation has it."""
    return {
        "version": "4",
        "groupKey": group,
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "kaeru",
        "groupLabels": {"alertname": "A"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.com",
        "alerts": list(alerts),
    }


def alert(
    minute: int = 0, *, status: str = "firing", fingerprint: str = "f1", **labels: str
) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": "A", "service": "shop", **labels},
        "annotations": {"summary": "it fails"},
        "startsAt": f"2026-11-24T10:{minute:02}:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": fingerprint,
    }


async def post(world: World, body: Any, *, token: str = TOKEN, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        return await client.post(more.get("url", webhook(world)), content=content, headers=headers)


async def nothing_waits(world: World) -> None:
    async def look() -> bool:
        return not await world.read(lambda uow: uow.inbox.pending(10, kinds=(KIND,)))

    await world.until(look, "all alerts to be carried out")


async def test_one_incident_for_each_outbreak(world: World) -> None:
    assert (await post(world, message(alert()))).json() == {"taken": ["shop"], "ignored": []}
    room = await room_of(world)
    # Nobody has said how bad it is, and no label says it: people are asked.
    await world.alice.message(room.channel, lambda m: has_button(m, "Medium"))
    prompt = forms.text_of(await room.button("Medium"))
    assert "Somebody here, choose one" in prompt
    # Sent again, because its answer got lost; and more of the same group.
    await post(world, message(alert()))
    await post(world, message(alert(), alert(1, fingerprint="f2")))
    await nothing_waits(world)
    assert [(x.opened, x.alert.firing) for x in await room.events(e.AlertReceived)] == [(True, 1), (False, 2)]
    await room.choose("Medium")
    assert (fix := (await room.incident()).forward_fix) is not None
    assert fix.owner == world.alice.id
    await room.close()
    # It still fires: somebody has closed it knowing that. Its end opens nothing either.
    await post(world, message(alert(), alert(1, fingerprint="f2")))
    await post(world, message(alert(status="resolved"), status="resolved"))
    await nothing_waits(world)
    assert len(await world.incidents()) == 1
    # A new outbreak of the same group is another incident.
    await post(world, message(alert(30)))
    assert (await room_of(world)).id != room.id


async def test_what_cannot_be_taken_is_answered_with_what_to_correct(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for token in ("", "wrong-token-of-nobody", TOKEN[:-1]):
        answer = await post(world, message(alert()), token=token)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    async with httpx.AsyncClient(trust_env=False) as client:
        odd = await client.post(
            webhook(world), headers=[(b"Authorization", b"Bearer \xff\xfe")], content=b"{}"
        )
        assert odd.status_code == 401
    for garbage in (b"", b"\xff\xfe", b"[]", json.dumps({**message(alert()), "version": "3"}).encode()):
        answer = await post(world, garbage)
        assert answer.status_code == 400
        assert "version 4" in answer.json()["error"]
    answer = await post(world, message({**alert(), "startsAt": "yesterday"}))
    assert (answer.status_code, "startsAt" in answer.json()["error"]) == (400, True)
    assert (await post(world, b" " * (2**20 + 1))).status_code == 413
    stranger = await post(world, message(alert(service="cart")))
    assert (stranger.status_code, stranger.json()["error"]) == (
        422,
        "There is no service cart (from the label 'service'). Known: shop.",
    )
    nameless = await post(world, message({**alert(), "labels": {"alertname": "A"}}))
    assert (nameless.status_code, "has the label 'service'" in nameless.json()["error"]) == (422, True)
    assert (await post(world, b"{}", url=webhook(world).replace("alerts", "other"))).status_code == 404
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(webhook(world))).status_code == 405
    assert await world.incidents() == ()
    assert TOKEN not in caplog.text
    # What is known of a group is taken, and the rest is named.
    both = await post(world, message(alert(), alert(service="cart")))
    assert (both.status_code, both.json()) == (200, {"taken": ["shop"], "ignored": ["cart"]})
    await room_of(world)


async def test_what_was_taken_before_a_restart_is_carried_out_once(world: World) -> None:
    kaeru = world.running
    taken = asyncio.Event()

    async def gone(*_: object) -> None:
        taken.set()
        await asyncio.Event().wait()  # as if the process ended here

    kaeru.alerts._wakeful._work = gone  # what comes after the answer never happens
    assert (await post(world, message(alert(severity="critical")))).status_code == 200
    await taken.wait()
    assert await world.incidents() == ()
    await world.stop()
    await world.start()
    room = await room_of(world)
    await room.when(lambda i: i.severity is not None, "the severity of the alert")
    await nothing_waits(world)
    assert len(await room.events(e.AlertReceived)) == 1


async def test_the_labels_are_those_of_kaeru_yml(new_world: NewWorld) -> None:
    rules = {"service_label": "app", "severity_label": "priority", "severities": {"p1": "critical"}}
    world = await new_world(changes={"workspace": {"alerts": rules}})
    body = message(alert(app="shop", service="other", priority="p1"))
    assert (await post(world, body)).json()["taken"] == ["shop"]
    room = await room_of(world)
    await room.when(lambda i: i.severity == "critical", "the severity of the alert")


@pytest.fixture
def pager() -> Iterator[PagerDutyWorld]:
    with ExitStack() as stack:
        yield PagerDutyWorld(stack)


async def test_an_outbreak_after_a_watch_that_verified_nothing_takes_it_up_again_and_pages(
    new_world: NewWorld, pager: PagerDutyWorld
) -> None:
    changes = described(pager)
    nothing = {"source": {"kind": "json", "url": "http://127.0.0.1:9/x", "value": "/a"}}
    changes["services"]["shop"] |= {
        "watch_patience": "2s",
        # A machine that is busy is no relapse.
        "health": {"thresholds": {"latency_slack": "10s"}},
        "metrics": {"m": {**nothing, "no_worse": False, "at_most": 5}},
    }
    world = await new_world(changes=changes)
    await world.bad_deploy()
    await seen(world, BAD)
    room = await world.declare()
    await room.approve()
    await room.when(lambda i: i.left_unverified, "the watch to end with nothing verified", timeout_s=60)
    await world.deploy(BAD)
    await post(world, message(alert(40, severity="critical")))
    again = await room.status("deciding")
    assert len(again.plans) == 2
    await room.when(
        lambda i: [p.state for p in i.pages][1:] == [PageState.CALLED], "people to be paged again"
    )
    assert len(await world.incidents()) == 1


async def test_customers_hear_of_an_alert_once_somebody_has_decided_and_when_it_comes_back(
    new_world: NewWorld,
) -> None:
    page = StatuspageWorld()
    async with open_world(page):
        told = {
            "kind": "statuspage",
            "audience": "customers",
            "page": "p4g3",
            "url": f"{page.api.base}/v1",
            "token": PAGE_TOKEN,
        }
        world = await new_world(changes={"services": {"shop": {"watch": "1s", "notices": {"page": told}}}})
        await world.bad_deploy()
        await seen(world, BAD)
        await post(world, message(alert(severity="critical")))
        room = await room_of(world)
        approvable = await room.card()
        assert await room.events(e.NoticesDue) == []
        await world.bob.click(approvable, "Approve")
        await room.status("verified")
        await post(world, message(alert(40, severity="critical")))
        await room.status("deciding")
        moments = [event.moment.value for event in await room.events(e.NoticesDue)]
        assert moments == ["rolling back", "mitigated", "verified", "relapsed"]
        await room.when(lambda i: not any(r.pending for r in i.notices), "the page to be told")
        assert [one["status"] for one in page.api.incidents] == ["identified"]


async def test_the_check_says_whether_alerts_can_be_taken_and_what_they_mean(world: World) -> None:
    catalog, port = load_catalog(world.settings().config, kinds()), world.running.listener.port
    (ours,) = await look_at_alerts(catalog, ("127.0.0.1", port))
    assert (ours.state, ours.remedy) == ("ok", "")
    assert ours.seen == (
        f"kaeru listens at 127.0.0.1:{port} already; the label 'service' names shop; "
        "by 'severity', critical is High"
    )
    strangers = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    taken = strangers.sockets[0].getsockname()[1]
    async with strangers:
        (row,) = await look_at_alerts(catalog, ("127.0.0.1", taken))
        assert row.state == "fail"
        assert f"127.0.0.1:{taken} cannot be listened at: " in row.seen
        assert "KAERU_ALERTS_LISTEN" in row.remedy
    await strangers.wait_closed()
    (free,) = await look_at_alerts(catalog, ("127.0.0.1", taken))
    assert free.seen.startswith(f"127.0.0.1:{taken} is free; ")


async def test_what_is_said_again_is_counted_on_its_message(world: World) -> None:
    await post(world, message(alert()))
    room = await room_of(world)
    for again in range(1, 5):
        await post(world, {**message(alert()), "truncatedAlerts": again})
    await room.sees(lambda m: "Said 4 more times, the last time at" in forms.text_of(m))
    # What changes is an entry: another alert fires, one is left, it is over.
    for firing in ((alert(), alert(1, fingerprint="f2")), (alert(),)):
        await post(world, {**message(*firing), "truncatedAlerts": 9})
    for again in range(2):
        ended = message(alert(status="resolved"), status="resolved")
        await post(world, {**ended, "truncatedAlerts": again})
    await nothing_waits(world)
    heard = [(x.alert.state, x.alert.firing) for x in await room.events(e.AlertReceived)]
    assert heard == [("firing", 1), ("firing", 2), ("firing", 1), ("resolved", 0)]
    await room.sees(lambda m: "Said 1 more time," in forms.text_of(m))
    shown = [m for m in await room.messages() if "*Alert" in forms.text_of(m)]
    assert len(shown) == len(heard)

    # All of it is forgotten long after the close, and not before.
    await room.close()
    marks = (f"page-out:{room.id}/1", f"telling:{room.id}/1/0", "filing:kaeru-0")
    await world.running.store.write(lambda uow: [uow.facts.set(k, now().isoformat()) for k in marks])
    pruning, closed_at = world.running.pruning, (await room.incident()).closed_at
    assert closed_at is not None

    def left() -> Awaitable[tuple[str, ...]]:
        return world.read(
            lambda uow: tuple(
                k for prefix in ("alert", "once:alert:", *marks) for k in uow.facts.keys(prefix)
            )
        )

    await pruning.prune()
    kept = await left()
    assert {key.partition(":")[0] for key in kept} == {
        "alert",
        "alert-again",
        "page-out",
        "telling",
        "filing",
    }
    pruning._clock = lambda: closed_at + timedelta(days=91)
    await pruning.prune()
    assert await left() == ()


@pytest.mark.parametrize("label", ["critical", "warning"])
async def test_an_alert_that_calls_people_itself_does_not_have_them_called_twice(
    new_world: NewWorld, pager: PagerDutyWorld, label: str
) -> None:
    world = await new_world(changes=described(pager) | {"workspace": {"alerts": {"page": False}}})
    await world.bad_deploy()
    await seen(world, BAD)
    await post(world, message(alert(severity=label)))
    room = await room_of(world)
    if label == "warning":
        # It called nobody, and neither did kaeru; whoever chooses the severity does.
        await room.choose("High")
        await room.when(lambda i: [p.state for p in i.pages] == [PageState.CALLED], "somebody to be paged")
        return
    await room.when(lambda i: i.severity is not None, "the severity of the alert")
    await room.approve()
    await room.status("verified")
    await post(world, message(alert(40, severity=label)))
    await room.status("deciding")
    assert (await room.incident()).pages == ()


async def test_an_alert_that_is_worse_than_the_severity_that_was_chosen_calls_people(
    new_world: NewWorld, pager: PagerDutyWorld
) -> None:
    world = await new_world(changes=described(pager))
    await world.bad_deploy()
    await seen(world, BAD)
    room = await world.declare(severity="Medium")
    await room.status("fixing_forward")
    await post(world, message(alert(30, severity="warning")))
    await nothing_waits(world)
    assert pager.events.all == []
    await post(world, message(alert(40, severity="critical")))
    shown = await room.sees(lambda m: "the severity here is Medium" in forms.text_of(m))
    assert ":rotating_light: <@U0ALICE>: by the newest alert it is *High*" in forms.text_of(shown)
    await room.when(lambda i: [p.state for p in i.pages] == [PageState.CALLED], "somebody to be paged")
    (called,) = pager.events.all
    assert called.bodies[0]["payload"]["summary"] == f"shop is worse (High): incident {room.id}"
    # People decide; the alert changes nothing by itself, and calls them once.
    assert (await room.incident()).severity == "medium"
    await post(world, message(alert(50, severity="critical")))
    await nothing_waits(world)
    await world.alice.click(shown, "High")
    await room.status("deciding")
    assert len((await room.incident()).pages) == 1


async def test_a_new_outbreak_after_the_end_takes_it_up_again(world: World) -> None:
    await world.bad_deploy()
    await seen(world, BAD)
    await post(world, message(alert(severity="critical")))
    room = await room_of(world)
    # While it is being decided, another outbreak is an entry and nothing more.
    card = await room.card()
    await post(world, message(alert(20)))
    await nothing_waits(world)
    assert len((await room.incident()).plans) == 1
    await world.bob.click(card, "Approve")
    await room.status("verified")
    await post(world, message(alert(40)))
    again = await room.status("deciding")
    assert len(again.plans) == 2
    assert [x.opened for x in await room.events(e.AlertReceived)] == [True, False, False]
    assert len(await world.incidents()) == 1
