"""Everything that can be typed after /incident, the forms, the message shortcut, and the Home tab."""

from pathlib import Path

import pytest

from bot.domain import events as e
from bot.domain.timeline import Kind
from bot.ports import Change, Observation
from integrations.symlink import SymlinkTarget
from sandbox.workspace import forms
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import BAD, GENERAL, GOOD, OLDER, Room, World, whispered


async def test_each_verb_says_what_it_did(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    await room.card()
    status = await room.asks(world.carol, "/incident status")
    assert "shop: deciding on the plan" in status
    assert "1 approval needed, from <@U0BOB> or <@U0CAROL>" in status
    assert f"`{BAD}` → `{GOOD}`" in status

    assert "Noted in the timeline." in await room.asks(world.bob, "/incident note the cache was cold")
    await room.sees("*Note* by <@U0BOB>: the cache was cold")
    assert "<@U0CAROL> is lead now." in await room.asks(world.bob, "/incident role lead @carol")
    await room.sees("<@U0CAROL> is *lead* now, says <@U0BOB>")
    answer = await room.asks(world.bob, "/incident action @alice Give the currency call a timeout")
    assert "Kept as an open action for the postmortem." in answer
    (action,) = (await room.incident()).actions
    assert (action.text, action.owner) == ("Give the currency call a timeout", world.alice.id)

    listed = await whispered(world.dan, GENERAL, lambda: world.dan.command(GENERAL, "/incident list"))
    assert "1 open incident" in listed
    assert f"<#{room.channel}>" in listed
    helped = await whispered(world.dan, GENERAL, lambda: world.dan.command(GENERAL, "/incident help"))
    assert "/incident hold off" in helped


@pytest.mark.parametrize("rest", ["severity high", "note x", "role lead @bob", "action x", "hold", "hold off",
                                  "close", "close unverified", "lessons", "export"])  # fmt: skip
async def test_in_a_channel_of_no_incident(world: World, rest: str) -> None:
    answer = await whispered(world.alice, GENERAL, lambda: world.alice.command(GENERAL, f"/incident {rest}"))
    assert "This channel belongs to no incident." in answer
    assert "`/incident list` shows the open ones." in answer


async def test_what_needs_no_incident(world: World) -> None:
    for rest in ("status", "list"):
        answer = await whispered(
            world.alice,
            GENERAL,
            lambda rest=rest: world.alice.command(GENERAL, f"/incident {rest}"),  # type: ignore[misc]  # binds the loop's value
        )
        assert "No incident is open. `/rollback SERVICE` begins one." in answer
    unknown = await whispered(world.alice, GENERAL, lambda: world.alice.command(GENERAL, "/incident explode"))
    assert "I do not know `/incident explode`. These exist: status, severity" in unknown


async def test_a_hold_keeps_people_from_approving(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    card = await room.card()
    answer = await room.asks(world.bob, "/incident hold the database is being dumped")
    assert "On hold: nothing new begins until `/incident hold off`." in answer
    await room.sees("put this on hold: the database is being dumped")
    assert "<@U0BOB> put this on hold. Release it first." in await room.refuses(world.carol, card, "Approve")
    assert "<@U0BOB> holds this incident already." in await room.asks(world.carol, "/incident hold")
    await world.carol.click(await room.button("Release hold"), "Release hold")
    await room.sees("<@U0CAROL> released the hold; it goes on.")
    await room.approve()
    await room.status("verified")
    assert "Nothing is on hold here." in await room.asks(world.carol, "/incident hold off")


async def test_a_hold_stops_a_run_between_two_components(
    new_world: NewWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shop is the first component, a folder of pictures the second."""
    pictures = tmp_path / "pictures"
    for version in (OLDER, GOOD, BAD):
        (pictures / "releases" / version).mkdir(parents=True)
    link = pictures / "current"
    link.symlink_to(Path("releases", BAD))
    target = {"kind": "symlink", "releases": str(pictures / "releases"), "link": str(link)}
    world = await new_world(second=target)
    await world.bad_deploy()
    room = await world.declare()
    apply = SymlinkTarget.apply
    done: list[str] = []

    async def held_meanwhile(self: SymlinkTarget, change: Change, key: str) -> Observation:
        if not done:
            await room.asks(world.bob, "/incident hold wait for me")
        done.append(change.component)
        return await apply(self, change, key)

    monkeypatch.setattr(SymlinkTarget, "apply", held_meanwhile)
    await room.approve()
    await room.when(
        lambda i: bool(i.runs) and i.runs[0].step("apply:shop").state == "succeeded", "the first component"
    )
    await room.button("Release hold")
    assert done == ["shop"]
    assert link.readlink().name == BAD
    await room.asks(world.bob, "/incident hold off")
    await room.status("verified")
    assert done == ["shop", "pictures"]
    assert link.readlink().name == GOOD


async def test_closing_before_it_is_verified_wants_an_explicit_word(new_world: NewWorld) -> None:
    world = await new_world(changes={"services": {"shop": {"watch": "60s"}}})
    await world.bad_deploy()
    room = await world.declare()
    await room.approve()
    await room.status("mitigated")
    answer = await room.asks(world.alice, "/incident close all is well")
    assert "not verified yet" in answer
    assert "/incident close unverified" in answer
    await world.alice.command(room.channel, "/incident close")
    modal = await world.alice.modal("Close the incident")
    assert "Not verified yet." in forms.text_of(modal)
    await world.alice.close_view(modal)
    assert "Closed. The postmortem will be here" in await room.asks(
        world.alice, "/incident close unverified accept all is well"
    )
    assert "not verified" in (await room.postmortem()).lower()
    assert "This incident is closed." in await room.asks(world.alice, "/incident close")


async def test_a_message_is_marked_for_the_timeline(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    await world.bob.send(room.channel, "The rates call hangs")
    message = await room.sees("The rates call hangs")
    await world.carol.shortcut("timeline_add", message)
    modal = await world.carol.modal("Add to the timeline")
    assert "The rates call hangs" in forms.text_of(modal)

    async def heard() -> bool:
        return message["ts"] in {x.slack_ts for x in await room.entries(Kind.MESSAGE)}

    await world.until(heard, "the message to be recorded")
    await world.carol.submit_view(modal, {"Why does it matter?": "first sight of the cause"})

    async def marked() -> bool:
        return bool(await room.entries(Kind.MARK))

    await world.until(marked, "the mark")
    (mark,) = await room.entries(Kind.MARK)
    assert mark.actor == world.carol.id
    assert mark.slack_ts == message["ts"]
    assert mark.body["note"] == "first sight of the cause"
    await room.close()
    assert "first sight of the cause" in await room.postmortem()


async def test_the_shortcut_elsewhere(world: World) -> None:
    await world.alice.send(GENERAL, "lunch?")
    message = await world.alice.message(GENERAL, "lunch?")
    answer = await whispered(world.alice, GENERAL, lambda: world.alice.shortcut("timeline_add", message))
    assert "This channel belongs to no incident, so there is no timeline to add to." in answer


async def home_says(world: World, name: str, text: str) -> str:
    person = world.ws.person(name)

    async def look() -> str | None:
        view = await person.open_home()
        shown = forms.text_of(view) if view else ""
        return shown if text in shown else None

    return await world.until(look, f"{name}'s Home tab to say {text!r}")


async def test_the_home_tab_says_what_waits_for_whom(world: World) -> None:
    await world.bad_deploy()
    await home_says(world, "bob", "No incident is open.")
    room = await world.declare()
    await room.card()
    mine = await home_says(world, "bob", "your approval can be the first of 1")
    assert f"<#{room.channel}>" in mine
    assert "Nothing waits for you" in await home_says(world, "alice", "Open incidents")
    assert "Nothing waits for you" in await home_says(world, "dan", "Open incidents")


async def test_lessons_after_the_close_make_another_revision(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare()
    await room.approve()
    await room.status("verified")
    await room.close()
    await room.postmortem()
    await world.bob.click(await room.button("Root cause and lessons"), "Root cause and lessons")
    modal = await world.bob.modal("Root cause and lessons")
    await world.bob.submit_view(
        modal,
        {
            "Root cause": "One query per product",
            "Lessons": "Load-test it",
            "Further actions": "- Add an index",
        },
    )
    name, content = await room.file("postmortem-2.md")
    assert name == f"{room.id}-postmortem-2.md"
    text = content.decode()
    for line in ("One query per product", "Load-test it", "Add an index"):
        assert line in text
    assert [p.revision for p in await room.events(e.PostmortemPosted)] == [1, 2]
    await the_roles_are_fixed(room)


async def the_roles_are_fixed(room: Room) -> None:
    answer = await room.asks(room.world.bob, "/incident role lead @bob")
    assert "This incident is closed; roles are fixed now." in answer


async def test_a_verb_without_its_words_opens_the_form(world: World) -> None:
    await world.bad_deploy()
    room = await world.declare(severity=None)
    bob = world.bob
    await bob.command(room.channel, "/incident severity")
    await bob.submit_view(await bob.modal("Change the severity"), {"How bad is it?": "High"})
    await room.when(lambda i: i.severity is not None, "the severity")
    await bob.command(room.channel, "/incident note")
    await bob.submit_view(await bob.modal("Add a note"), {"Note": "the cache is warm"})
    await room.sees("*Note* by <@U0BOB>: the cache is warm")
    await bob.command(room.channel, "/incident role")
    await bob.submit_view(await bob.modal("Assign a role"), {"Role": "scribe", "Person": world.carol.id})
    await room.sees("<@U0CAROL> is *scribe* now")
    await bob.command(room.channel, "/incident lessons")
    await bob.submit_view(await bob.modal("Root cause and lessons"), {"Root cause": "no load test"})
    await room.when(lambda i: i.root_cause == "no load test", "the root cause")
    assert "There is no text." in await room.asks(bob, "/incident action")
    assert "Name a person with @" in await room.asks(bob, "/incident role lead alice")
