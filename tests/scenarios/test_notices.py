"""Whole incidents with people outside: each is told once per moment, in their own words, and the timeline says so."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.domain import events as e
from bot.domain.audiences import Moment, Telling
from sandbox.workspace import forms
from tests.contract.notices_worlds import (
    PASSWORD,
    PATH,
    SECRET,
    TOKEN,
    EmailWorld,
    StatuspageWorld,
    WebhookWorld,
    certificate,
    open_world,
)
from tests.scenarios import services
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import BAD, GOOD, Room, World

ALL = ("begun", "assessed", "rolling back", "mitigated", "verified", "closed")


class Outside:
    """Those who are told."""

    def __init__(self, mail: EmailWorld, hook: WebhookWorld, page: StatuspageWorld) -> None:
        self.mail, self.hook, self.page = mail, hook, page
        self._names: tuple[str, ...] = ()

    def only(self, *names: str) -> None:
        self._names = names

    def changes(self) -> dict[str, Any]:
        """What kaeru.yml says of them, or of `only` some."""
        notices = {
            "desk": self.mail.described,
            "platform": {
                "kind": "webhook",
                "audience": "engineers",
                "url": f"http://127.0.0.1:{self.hook.port}{PATH}",
                "secret": SECRET,
                "recognises_ids": True,
            },
            "page": self.page.described,
        }
        mine = {name: one for name, one in notices.items() if not self._names or name in self._names}
        service = {"public_name": "Tea orders", "notices": mine}
        bosses = {
            "bosses": {"kind": "slack", "audience": "executives", "channels": ["general"], "people": ["dan"]}
        }
        return {"workspace": {"notices": {} if self._names else bosses}, "services": {"shop": service}}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    with certificate(tmp_path_factory.mktemp("tls")) as made:
        return made


@pytest.fixture
async def outside(tls: tuple[Path, Path]) -> AsyncIterator[Outside]:
    mail, hook, page = EmailWorld(tls), WebhookWorld(), StatuspageWorld()
    async with open_world(mail), open_world(hook), open_world(page):
        yield Outside(mail, hook, page)
    assert page.api.problems == []
    assert hook.problems == []


async def told(room: Room, name: str) -> list[str]:
    return [event.moment.value for event in await room.events(e.NoticeSent) if event.name == name]


async def settled(room: Room, *moments: str) -> None:
    """Until nothing is pending, and each of these moments was one that people are told of."""
    await room.when(
        lambda i: (
            {r.moment.value for r in i.notices} >= set(moments) and not any(r.pending for r in i.notices)
        ),
        f"everybody to be told of {', '.join(moments)}",
    )


async def test_everybody_is_told_once_and_in_their_own_words(new_world: NewWorld, outside: Outside) -> None:
    world = await new_world(changes=outside.changes())
    await world.bad_deploy()
    room = await world.declare()
    await settled(room, "begun", "assessed")
    answer = await room.asks(world.carol, "/incident tell customers Orders of <today> are safe.")
    assert "It is sent to customers" in answer
    await room.approve()
    await room.status("verified")
    await room.close("Rolled the currency change back.")
    await settled(room, *ALL, "update")

    assert await told(room, "desk") == list(ALL)
    assert await told(room, "platform") == list(ALL)
    assert await told(room, "bosses") == list(ALL)
    page = await told(room, "page")
    assert sorted(page) == sorted((*ALL[:-1], "update"))
    assert await room.events(e.NoticeFailed) == []
    the_mail_is_right(outside.mail, room)
    the_webhook_is_right(outside.hook, room)
    the_page_is_right(outside.page, room)
    await slack_is_right(world)
    await it_is_written_down(room)


async def test_whoever_heard_of_an_exercise_is_told_once_that_it_was_one(
    new_world: NewWorld, outside: Outside
) -> None:
    outside.only("desk", "page")
    world = await new_world(changes=outside.changes())
    await world.bad_deploy()
    room = await world.declare()
    await settled(room, "begun", "assessed")
    await world.alice.command(room.channel, "/incident exercise")
    await settled(room, "exercise")
    await room.approve()
    await room.status("verified")
    await room.close("We know how it goes.")
    assert await told(room, "desk") == ["begun", "assessed", "exercise"]
    assert await told(room, "page") == ["begun", "assessed", "exercise"]
    assert "that was an exercise" in outside.mail.messages[-1]["Subject"]
    assert [one["status"] for one in outside.page.api.incidents] == ["resolved"]

    # Of one that is declared as such nobody hears at all.
    another = await world.declare("/rollback shop --exercise")
    await another.close("Only looked.")
    assert (await another.incident()).notices == ()


def the_mail_is_right(mail: EmailWorld, room: Room) -> None:
    messages = mail.messages
    assert len(messages) == len(set(mail.told)) == len(ALL)
    assert len({message["References"] for message in messages}) == 1
    texts = [message.get_content() for message in messages]
    assert "You may be asked about it" in texts[0]
    assert "works again since" in texts[3]
    assert "Rolled the currency change back." in texts[-1]
    for text in texts:
        assert GOOD not in text
        assert "Alice" not in text
    assert room.id in messages[0]["Subject"]


def the_webhook_is_right(hook: WebhookWorld, room: Room) -> None:
    bodies = list(hook.bodies.values())
    assert [body["data"]["moment"] for body in bodies] == list(ALL)
    assert bodies[0]["data"]["incident_id"] == room.id
    assert bodies[0]["data"]["declared_by"] == "Alice"
    assert bodies[2]["data"]["to_version"] == GOOD
    assert f"from {BAD} to {GOOD}" in bodies[2]["data"]["text"]


def the_page_is_right(page: StatuspageWorld, room: Room) -> None:
    (incident,) = page.incidents
    updates = incident["incident_updates"][::-1]
    assert [u["status"] for u in updates if "safe" not in u["body"]] == [
        "investigating", "investigating", "identified", "monitoring", "resolved",
    ]  # fmt: skip
    said = " ".join(update["body"] for update in updates)
    assert "Orders of <today> are safe." in said
    assert "Tea orders works again since" in said
    for hidden in (room.id, "shop", GOOD, BAD, "Alice", "currency"):
        assert hidden not in said + incident["name"]


async def slack_is_right(world: World) -> None:
    direct = next(c for c in world.ws.state.channels.values() if c.is_im and world.dan.id in c.members)
    for reader, channel in ((world.alice, "#general"), (world.dan, direct.id)):
        found = [forms.text_of(m) for m in await reader.messages(channel)]
        assert sum("The team considers it solved" in text for text in found) == 1
        assert sum("shop: incident closed" in text for text in found) == 1


async def it_is_written_down(room: Room) -> None:
    answer = await room.asks(room.world.carol, "/incident notices")
    for what in (
        "desk (support, e-mail to desk@example.com)",
        "status page p4g3",
        "told: “Tea orders works again”",
    ):
        assert what in answer
    text = await room.postmortem()
    mailed = [line for line in text.splitlines() if "Told support (desk, e-mail to desk@" in line]
    assert any(f"“shop works again ({room.id})”" in line for line in mailed)
    timeline = "".join(entry.model_dump_json() for entry in await room.entries())
    for secret in (PASSWORD, SECRET, TOKEN, PATH):
        assert secret not in timeline
    assert (await room.verified()).intact


async def test_a_page_that_is_down_keeps_nothing_from_the_rollback(
    new_world: NewWorld, outside: Outside
) -> None:
    """What could not be told at first is told as soon as that works; what is old news by then is not told at all."""
    await outside.page.stop()
    world = await new_world(changes=outside.changes())
    await world.bad_deploy()
    room = await world.declare()
    await room.approve()
    await room.status("verified")
    assert await world.serves() == GOOD
    # Ended in the middle of a mail, kaeru would not know of it; and only while it runs does the beginning become old news.
    await room.when(
        lambda i: (
            all(one.state is Telling.TOLD for r in i.notices for one in r.to if one.name == "desk")
            and any(one.state is Telling.OUTDATED for r in i.notices for one in r.to)
        ),
        "the desk to be told of everything, and the page not to be of the beginning",
    )
    assert await told(room, "page") == []
    began = time.monotonic()
    await world.stop()
    assert time.monotonic() - began < 8, "what waits for a page must not keep kaeru from stopping"
    await outside.page.start()
    await world.start()
    await settled(room, *ALL[:-1])
    missed = await room.events(e.NoticeFailed)
    assert {event.state for event in missed} == {Telling.OUTDATED}
    assert [*(event.moment for event in missed), *await told(room, "page")] == list(ALL[:-1])
    assert missed[0].moment is Moment.BEGUN
    assert "What is newer is told instead." in missed[0].reason
    assert await told(room, "desk") == list(ALL[:-1])


async def test_what_fails_and_what_is_unknown_is_said_with_what_to_do(
    new_world: NewWorld, outside: Outside
) -> None:
    outside.mail.fault = "lost"
    outside.hook.fault = "lost"
    outside.page.fault = "stranger"
    world = await new_world(changes=outside.changes())
    await world.bad_deploy()
    room = await world.declare(severity=None)
    unsure = forms.text_of(await room.sees("may have been told"))
    assert "*Support* (desk, e-mail to desk@example.com)" in unsure
    assert "before you tell them again" in unsure
    failed = forms.text_of(await room.sees("were not told"))
    assert "Give a token that holds" in failed
    assert "/incident tell customers" in failed
    await settled(room, "begun")
    troubles = {event.name: event for event in await room.events(e.NoticeFailed)}
    assert {name: (one.state, one.moment) for name, one in troubles.items()} == {
        "desk": (Telling.UNKNOWN, Moment.BEGUN),
        "page": (Telling.FAILED, Moment.BEGUN),
    }
    assert TOKEN not in str(troubles)
    # Nobody recognises a mail, so it was not sent again; the receiver of webhooks does, so it was asked again.
    assert len(outside.mail.told) == 1
    assert await told(room, "platform") == ["begun"]
    assert len(outside.hook.requests) == 2
    assert len(outside.hook.bodies) == 1

    assert "Say who and what" in await room.asks(world.carol, "/incident tell everybody hello")
    assert "There is no text" in await room.asks(world.carol, "/incident tell support")
    await world.stop()
    outside.only("page")
    services.write(world.folder / "kaeru.yml", world.shop, outside.changes())
    await world.start()
    answer = await room.asks(world.carol, "/incident tell support Orders may be late")
    assert "no notice of shop in kaeru.yml is for support" in answer
