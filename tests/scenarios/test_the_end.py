"""How an incident ends: what stays open is accepted, actions and papers leave, and the channel is archived."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.clock import now
from bot.domain import events as e
from bot.domain.backups import Taken
from bot.domain.debts import Debt
from bot.domain.incident import Incident
from bot.domain.timeline import Kind
from sandbox.workspace import forms
from tests.contract.api_servers import serving
from tests.contract.papers_worlds import GitWorld, git
from tests.contract.trackers_worlds import TOKEN, GithubWorld
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import BAD, Room, World, buttons

TEXT = "Add a timeout to the stock service"
# Of a component that is looked at, the survey would see within seconds that nothing is suspended.
OWED = Debt(
    id="argocd:argocd/shop", component="elsewhere", text="Argo CD does not sync shop.", until="Give it back."
)


@pytest.fixture
def tracker() -> Iterator[GithubWorld]:
    world = GithubWorld()
    with serving(world.api):
        yield world
    assert world.api.problems == []


@pytest.fixture
def papers(tmp_path: Path) -> GitWorld:
    return GitWorld(tmp_path / "papers")


def outside(tracker: GithubWorld, papers: GitWorld | None = None) -> Mapping[str, Any]:
    """The sections of kaeru.yml."""
    shop: dict[str, Any] = {
        "tracker": {
            "kind": "github",
            "url": tracker.api.base,
            "repository": "example/shop",
            "token": TOKEN,
        }
    }
    if papers is not None:
        shop["papers"] = {"repository": {"kind": "git", "remote": str(papers.bare)}}
    return {"services": {"shop": shop}}


async def rolled_back(world: World) -> Room:
    """Back on the good version, verified, with one action."""
    await world.bad_deploy()
    room = await world.declare()
    await room.approve()
    await room.status("verified")
    await world.alice.command(room.channel, f"/incident action <@{world.bob.id}> {TEXT}")
    await room.when(lambda i: len(i.actions) == 1, "the action")
    return room


async def declared(world: World) -> Room:
    """Nothing was rolled back: a false alarm, with one action."""
    room = await world.declare()
    await world.alice.command(room.channel, f"/incident action {TEXT}")
    await room.when(lambda i: len(i.actions) == 1, "the action")
    return room


def has_left(incident: Incident) -> bool:
    """Whether all is filed, and the newest revision is published."""
    papers = [f for name, f in incident.filings.items() if name.startswith("paper:")]
    actions = [f for name, f in incident.filings.items() if not name.startswith("paper:")]
    return (
        bool(papers)
        and all(f.revision == incident.postmortem_wanted for f in papers)
        and len(actions) == len(incident.actions)
        and all(f.reference for f in actions)
    )


def paper_of(world: GitWorld, room: Room) -> str:
    return git("-C", str(world.bare), "show", f"main:postmortems/{room.id}.md")


async def closed_card(room: Room) -> dict[str, Any]:
    return await room.sees(lambda m: "the incident is closed" in forms.text_of(m))


async def test_what_stays_open_is_accepted_by_name_and_all_that_is_to_leave_leaves(
    new_world: NewWorld, tracker: GithubWorld, papers: GitWorld
) -> None:
    world = await new_world(changes=outside(tracker, papers))
    room = await rolled_back(world)

    # Closing asks for what stays open, and nobody gets past it.
    await world.alice.command(room.channel, "/incident close all is well")
    form = await world.alice.modal("Close the incident")
    assert f"{BAD} is quarantined" in forms.text_of(form)
    listed = await room.asks(world.carol, "/incident accept")
    assert "1 thing left open" in listed
    (box,) = next(b for b in form["blocks"] if b.get("block_id") == "accepted")["element"]["options"]
    await world.alice.submit_view(form, {"Do you accept it, by your name?": [box["text"]["text"]]})
    await room.status("closed")
    (accepted,) = await room.events(e.DebtAccepted)
    assert (accepted.by, accepted.debt_id) == (world.alice.id, f"quarantine:{BAD}")

    # The action is an issue, and the postmortem is where everybody else's are; the first revision says so already.
    incident = await room.when(has_left, "all to have left")
    assert incident.summary == "all is well"
    assert [(title, is_open) for title, _, is_open in tracker.issues()] == [(TEXT, True)]
    assert "Owner: Bob" in tracker.issues()[0][1]
    written = paper_of(papers, room)
    assert r"filed as [\#1](<https://github.example.com/example/shop/issues/1>)" in written
    assert f"{BAD} is quarantined" in written
    assert (incident.postmortem_revision, papers.revisions(f"postmortems/{room.id}.md")) == (1, 1)

    async def told() -> bool:
        shown = forms.text_of(await closed_card(room))
        return "issues/1|#1>" in shown and "The postmortem is in repository" in shown

    await world.until(told, "the card with its links")
    assert "issues/1|#1>" in await room.asks(world.carol, "/incident actions")
    assert "Accepted by <@U0ALICE>" in forms.text_of(await closed_card(room))

    # What is added afterwards leaves too, with a new revision.
    await world.bob.command(room.channel, "/incident action Watch the queue")
    await room.when(lambda i: len(i.actions) == 2 and has_left(i), "the second action to have left")
    assert [title for title, _, _ in tracker.issues()] == [TEXT, "Watch the queue"]
    assert "issues/2" in paper_of(papers, room)
    assert papers.revisions(f"postmortems/{room.id}.md") == 2


async def test_trouble_is_said_holds_nothing_up_and_is_tried_again(
    new_world: NewWorld, tracker: GithubWorld, papers: GitWorld
) -> None:
    world = await new_world(changes=outside(tracker, papers))
    assert "once the incident is closed" in await (await declared(world)).asks(world.bob, "/incident file")
    (incident,) = await world.incidents()
    assert incident.channel_id is not None
    room = Room(world, incident.id, incident.channel_id)
    # Somebody has a file of this name, and the tracker is away.
    papers.commit(f"postmortems/{room.id}.md", "Mine.\n")
    tracker.api.read_fault = (503, {})
    await room.close()
    await room.postmortem()
    card = await room.sees(lambda m: "Not filed or published yet" in forms.text_of(m) and "Mine" not in m)

    async def both() -> bool:
        shown = forms.text_of(await closed_card(room))
        return "GitHub answers with HTTP 503" in shown and "Somebody has changed" in shown

    await world.until(both, "both troubles")
    card = await closed_card(room)
    assert "by hand" in forms.text_of(card)
    assert TOKEN not in forms.text_of(card)
    assert "Try again now" in buttons(card)

    # The clock tries the tracker again by itself; the conflict waits for people.
    tracker.api.read_fault = None
    filing = world.running.filing
    filing._clock = lambda: now() + timedelta(minutes=2)
    await filing.sweep()
    await room.when(lambda i: any(f.reference for f in i.filings.values()), "the issue")
    assert len(tracker.issues()) == 1
    git("-C", str(papers.clone), "pull", "--quiet", "origin", "main")
    git("-C", str(papers.clone), "rm", "--quiet", f"postmortems/{room.id}.md")
    git("-C", str(papers.clone), "commit", "--quiet", "-m", "Out of the way")
    git("-C", str(papers.clone), "push", "--quiet", "origin", "HEAD:main")
    assert "Tried again at once" in await room.asks(world.bob, "/incident file")
    await room.when(has_left, "all to have left")
    assert len(tracker.issues()) == 1
    failed = await room.events(e.PostmortemNotPublished)
    assert failed[-1].again_at is None


async def test_debts_of_every_kind_are_listed_and_accepted_at_once(world: World) -> None:
    room = await rolled_back(world)
    desk = world.running.desk
    await desk.change(room.id, lambda _i: (e.DebtTaken(at=now(), debt=OWED),))
    await desk.change(room.id, lambda _i: (e.BackupBegun(at=now(), database="shop", number=1),))
    backup = Taken(id="b", at=now(), bytes=1, sha256="ab" * 32, seconds=1, proof="none")
    await desk.change(
        room.id, lambda _i: (e.BackupFinished(at=now(), database="shop", number=1, backup=backup),)
    )
    listed = await room.asks(world.carol, "/incident accept")
    for text in ("Argo CD does not sync shop", "backup of shop is not verified", f"{BAD} is quarantined"):
        assert text in listed
    refused = await room.asks(world.alice, "/incident close all is well")
    assert "nobody to see to it" in refused
    assert "Accepted, by your name" in await room.asks(world.bob, f"/incident accept quarantine:{BAD}")
    assert "not left open here" in await room.asks(world.bob, f"/incident accept quarantine:{BAD}")
    await world.carol.command(room.channel, "/incident close accept all is well")
    incident = await room.status("closed")
    assert [(one.id, one.by) for one in incident.accepted] == [
        (f"quarantine:{BAD}", world.bob.id),
        ("backup:shop/1", world.carol.id),
    ]
    assert [owed.owner for owed in incident.debts] == [world.carol.id]
    text = await room.postmortem()
    assert "## Left open" in text
    assert "backup of shop is not verified. | Carol" in text


async def test_the_channel_is_archived_once_it_is_quiet_and_nothing_is_owed(world: World) -> None:
    room = await rolled_back(world)
    await world.running.desk.change(room.id, lambda _i: (e.DebtTaken(at=now(), debt=OWED),))
    await room.close()
    await room.postmortem()
    archiving = world.running.archiving

    async def after(days: float) -> None:
        archiving._clock = lambda: now() + timedelta(days=days)
        await archiving.sweep()

    async def a_week_later() -> None:
        closed_at = (await room.incident()).closed_at
        assert closed_at is not None
        archiving._clock = lambda: closed_at + timedelta(days=7, milliseconds=1)
        await archiving.sweep()

    def slots() -> Any:
        return world.read(lambda uow: uow.outbox.get(f"incident:{room.id}", "archive"))

    await after(8)
    assert await slots() is None, "something is owed"
    await world.running.desk.change(room.id, lambda _i: (e.DebtRepaid(at=now(), debt_id=OWED.id),))
    await after(6.9)
    assert await slots() is None, "too early"
    await world.bob.send(room.channel, "one more thing")

    async def said_there(text: str) -> bool:
        entries = await room.entries(Kind.MESSAGE)
        return any(entry.body.get("text") == text for entry in entries)

    await world.until(lambda: said_there("one more thing"), "the message in the timeline")
    # A week after the end, as if he had written that in between.
    await a_week_later()
    assert await slots() is None, "somebody still writes"
    assert not world.ws.channel(room.channel).is_archived
    await world.stop()
    await world.bob.send(room.channel, "and another one, while nobody listened")
    await world.start()  # a week without kaeru: it catches up
    archiving = world.running.archiving
    await a_week_later()
    assert await slots() is None, "somebody wrote while kaeru was away"
    await world.until(
        lambda: said_there("and another one, while nobody listened"), "what was missed in the timeline"
    )
    await after(8)
    await room.when(lambda i: i.archived_at is not None, "the archiving")
    assert world.ws.channel(room.channel).is_archived
    assert len(await room.events(e.ChannelArchived)) == 1

    # What comes afterwards is not said there, and nothing is undelivered for that.
    await world.alice.command("#general", f"/incident action {room.id} Watch the queue")
    await room.when(lambda i: len(i.actions) == 2, "the late action")
    await after(9)
    await world.running.nudges.remind()
    assert await world.read(lambda uow: uow.outbox.dead_items()) == ()


async def test_slack_refusing_to_archive_is_said_once(world: World) -> None:
    room = await declared(world)
    await room.close()
    await room.postmortem()
    world.ws.fault("conversations.archive", "error", error="restricted_action", times=50)
    archiving = world.running.archiving
    archiving._clock = lambda: now() + timedelta(days=8)
    await archiving.sweep()

    async def said() -> list[e.DeliveryFailed]:
        return [x for x in await room.events(e.DeliveryFailed) if "archive" in x.what]

    await world.until(said, "the refusal in the timeline")
    for _ in range(3):
        await archiving.sweep()
    assert len(await said()) == 1
    assert not world.ws.channel(room.channel).is_archived
    assert (await room.incident()).archived_at is None


async def test_without_the_setting_nothing_is_archived(new_world: NewWorld) -> None:
    world = await new_world(changes={"workspace": {"archive_after": "never"}})
    room = await declared(world)
    await room.close()
    await room.postmortem()
    world.running.archiving._clock = lambda: now() + timedelta(days=300)
    await world.running.archiving.sweep()
    assert await world.read(lambda uow: uow.outbox.get(f"incident:{room.id}", "archive")) is None
