"""The whole path, from a bad deploy to the postmortem."""

import json

from bot.domain import events as e
from bot.domain.timeline import Kind
from sandbox.workspace import forms
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import BAD, GENERAL, GOOD, INCIDENTS, Room, World, buttons, has_button

PNG = b"\x89PNG\r\n\x1a\n"
LINKS = {"Runbook": "https://wiki.example.com/shop", "Dashboard": "https://dash.example.com/shop"}


async def test_a_bad_deploy_is_taken_back_verified_and_written_down(new_world: NewWorld) -> None:
    world = await new_world(changes={"services": {"shop": {"links": LINKS}}})
    await whole_story(world)


async def whole_story(world: World) -> None:
    """Alice asks, bob approves, kaeru does the rest."""
    await world.bad_deploy()
    room = await world.declare(severity=None)
    await the_channel_is_set_up(room)
    await people_outside_are_told(room)

    await room.choose("High")
    card = await room.card()
    the_card_names_the_facts(card)
    await world.bob.click(card, "Approve")

    await room.sees("Mitigated: shop is well on v1.2.9")
    assert await world.serves() == GOOD
    await room.sees("Verified: shop stayed well on v1.2.9")
    await the_checklist_was_edited_in_place(room)
    await world.alice.message(INCIDENTS, "shop works again")
    await world.alice.message(INCIDENTS, "shop has stayed well")

    await room.close("Rolled the currency change back.")
    await the_papers_are_there(room)
    await world.alice.message(INCIDENTS, "this incident is closed")
    assert (await room.verified()).intact


async def the_channel_is_set_up(room: Room) -> None:
    world = room.world
    channel = world.ws.channel(room.channel)
    assert channel.name == room.id
    assert room.id.startswith("inc-")
    assert "shop" in room.id
    for person in (world.alice, world.bob, world.carol):
        await room.joined(person)
    assert world.dan.id not in channel.members

    async def described() -> bool:
        return "shop" in channel.topic["value"] and room.id in channel.purpose["value"]

    await world.until(described, "the topic and the purpose")
    prompt = await room.button("Critical")
    assert buttons(prompt) == ["Critical", "High", "Medium", "Low", "Users report it"]

    async def bookmarked() -> bool:
        found = {b["title"]: b["link"] for b in await world.alice.bookmarks(room.channel)}
        return found.keys() >= LINKS.keys() and world.shop.url in found.values()

    await world.until(bookmarked, "the bookmarks: where it runs, and what kaeru.yml lists")


async def people_outside_are_told(room: Room) -> None:
    alice = room.world.alice
    source = await alice.message(GENERAL, "opened")
    assert f"<#{room.channel}>" in forms.text_of(source)
    assert not source.get("is_ephemeral")
    told = await alice.message(INCIDENTS, "shop has a problem")
    assert "the team is on it" in forms.text_of(told)


def the_card_names_the_facts(card: dict[str, object]) -> None:
    text = forms.text_of(card)
    assert f"Roll shop back to {GOOD}" in text
    assert f"`{BAD}` → `{GOOD}`" in text
    assert "the last version that was seen serving well" in text
    assert "What is taken away" in text
    assert "commits, " in text
    assert "files" in text
    assert "What will be done" in text
    assert "Point " in text
    assert "supervisor restart" in text
    assert f"probes of {GOOD} while it was well" in text
    assert "can be approved until" in text
    assert "1 approval needed, from <@U0BOB> or <@U0CAROL>" in text
    assert buttons(card) == ["Approve", "Reject", "Choose version", "Hold"]


async def the_checklist_was_edited_in_place(room: Room) -> None:
    done = await room.sees(lambda m: "3 of 3 steps done" in forms.text_of(m))
    text = forms.text_of(done)
    assert f"shop is back on {GOOD}" in text
    assert text.count(":white_check_mark:") == 3
    assert "approved by <@U0BOB>" in text
    assert len([m for m in await room.messages() if "Prove from outside" in forms.text_of(m)]) == 1
    assert not any(has_button(m, "Approve") for m in await room.messages())


async def the_papers_are_there(room: Room) -> None:
    text = await room.postmortem()
    for fact in (GOOD, BAD, "Alice", "Bob", "Rolled the currency change back.", "High"):
        assert fact in text
    assert f"shop works again on {GOOD}, since 20" in text
    assert "!date" not in text
    picture, image = await room.file(".png")
    assert picture == f"{room.id}.png"
    assert image.startswith(PNG)
    (posted,) = await room.events(e.PostmortemPosted)
    assert posted.revision == 1
    assert not await room.events(e.DeliveryFailed)


async def test_the_export_holds_the_whole_timeline(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    await world.bob.send(room.channel, "Support has 14 calls")

    async def heard() -> bool:
        return any(x.body["text"] == "Support has 14 calls" for x in await room.entries(Kind.MESSAGE))

    await world.until(heard, "bob's message to be recorded")
    answer = await room.asks(world.carol, "/incident export")
    assert "will be in the channel in a moment" in answer
    name, markdown = await room.file("timeline.md")
    assert name.startswith(room.id)
    assert "Support has 14 calls" in markdown.decode()
    _, content = await room.file("timeline.json")
    exported = json.loads(content)
    assert any("Support has 14 calls" in json.dumps(entry) for entry in exported["entries"])
