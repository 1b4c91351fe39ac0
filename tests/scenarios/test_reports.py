"""What users report, from the button, the form, a command and reactions to the verdict, the picture and the postmortem."""

from bot.domain import events as e
from bot.domain.reports import SOURCE
from bot.domain.timeline import Entry, Kind
from bot.domain.verdict import Moment, Row, Verdict
from sandbox.workspace import forms
from sandbox.workspace.model import Json
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import GOOD, Room, World, has_button

SOS = "sos"


async def main_card(room: Room, text: str = "") -> Json:
    return await room.sees(lambda m: has_button(m, "Users report it") and text in forms.text_of(m))


async def reported(room: Room, count: int) -> None:
    await room.when(lambda i: len(i.reports) == count, f"{count} reports")


async def test_every_way_to_report_counts_once_and_is_taken_back(world: World) -> None:
    room = await world.declare(severity=None)

    # The button and its form, of whoever is there; a mistake is said in the form.
    await world.dan.join(room.channel)
    await world.dan.click(await main_card(room), "Users report it")
    form = await world.dan.modal("Users report it")
    wrong = await world.dan.submit_view(form, {"report": "Checkout fails", "how_many": "many"})
    assert "no number of users" in str(wrong)
    await world.dan.submit_view(form, {"report": "Checkout fails", "how_many": "1,200"})
    await reported(room, 1)
    await room.sees("*1200 users* report that it is broken")

    # A reaction: once for the message, however many people react, and as long as one of them does.
    await world.carol.join(room.channel)
    await world.carol.send(room.channel, "A customer says her cart is empty")
    message = await room.sees("her cart is empty")
    for person in (world.alice, world.bob):
        await person.react(room.channel, message["ts"], SOS)
    await world.alice.react(room.channel, message["ts"], "eyes")
    await reported(room, 2)
    await world.alice.unreact(room.channel, message["ts"], SOS)
    removed = await kept(room, Kind.REACTION_REMOVED)
    assert [entry.body["name"] for entry in removed] == [SOS]
    await room.asks(world.bob, "/incident report \u201cThe search is down\u201d \u2014users 3")
    await reported(room, 3)
    marked, typed = (await room.events(e.UserReported))[1:]
    assert (marked.slack_ts, marked.author, marked.text) == (
        message["ts"],
        world.carol.id,
        "A customer says her cart is empty",
    )
    assert marked.said_at is not None
    assert (typed.text, typed.users) == ("The search is down", 3)
    await main_card(room, "3 reports of 1204 users that it is broken")
    await world.bob.unreact(room.channel, message["ts"], SOS)
    await reported(room, 2)
    (back,) = await room.events(e.UserReportWithdrawn)
    assert (back.slack_ts, back.by) == (message["ts"], world.bob.id)

    # A slip is taken back by its name, which the list has.
    listed = await room.asks(world.bob, "/incident report list")
    assert typed.report_id in listed
    assert "Taken back" in await room.asks(world.bob, f"/incident report withdraw {typed.report_id}")
    await reported(room, 1)
    assert "There is no report" in await room.asks(world.bob, "/incident report withdraw r999")
    assert "There is no text" in await room.asks(world.bob, "/incident report --users 3")

    # What was marked while kaeru was down counts too.
    await world.stop()
    await world.alice.react(room.channel, message["ts"], SOS)
    await world.start()
    await reported(room, 2)


async def kept(room: Room, kind: Kind) -> tuple[Entry, ...]:
    return await room.world.until(lambda: room.entries(kind), f"{kind} to be kept")


async def after_the_watch(room: Room) -> Row:
    """What the verdict after the watch says of user reports."""

    async def look() -> Row | None:
        tables = [event.table for event in await room.events(e.VerdictReached)]
        rows = [row for t in tables if t.moment is Moment.VERIFIED for row in t.rows if row.source == SOURCE]
        return rows[-1] if rows else None

    return await room.world.until(look, "the verdict after the watch")


async def test_reports_after_the_mitigation_are_a_relapse_and_one_alone_is_none(new_world: NewWorld) -> None:
    world = await new_world(changes={"services": {"shop": {"watch": "3s"}}})
    await world.bad_deploy()
    room = await world.declare()
    await room.asks(world.alice, "/incident report Checkout fails")
    await room.approve()
    await room.status("mitigated")
    await room.asks(world.alice, "/incident report Checkout still fails")
    row = await after_the_watch(room)
    assert (row.verdict, row.required) == (Verdict.UNVERIFIED, True)
    assert "one report since it was mitigated; a single one is no relapse" in row.sentence
    assert (await room.incident()).status.value == "mitigated"
    await main_card(room, "1 of them since it was mitigated")

    await world.bob.send(room.channel, "Another customer cannot pay")
    message = await room.sees("cannot pay")
    await world.bob.react(room.channel, message["ts"], SOS)
    await room.when(lambda i: i.status.value in ("stuck", "deciding"), "a relapse")
    (relapse,) = await room.events(e.IncidentRelapsed)
    assert "2 reports since it was mitigated" in relapse.reason
    assert await world.serves() == GOOD
    await room.close()
    postmortem = await room.postmortem()
    assert "Another customer cannot pay" in postmortem
    assert "## User reports" in postmortem
    assert (await room.file(".png"))[1].startswith(b"\x89PNG")
