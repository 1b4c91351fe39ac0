"""What really happened: on the service's side, in the workspace, in the timeline, in the engine."""

import hashlib
import re
import sqlite3
from collections import Counter
from contextlib import closing

from bot.clock import now
from bot.domain import events as e
from bot.domain.incident import Incident
from bot.domain.lifecycle import fold
from bot.domain.timeline import Entry, Kind
from bot.store import Store
from bot.store.unit import UnitOfWork
from handlers.inbox import INTERACTIVE
from tests.crash.scene import BAD, GOOD, Scene
from tests.crash.story import Story, key_of
from tests.crash.victim import slot_of

ONCE = {
    "incident_declared": 1,
    "plan_requested": 1,
    "channel_opened": 1,
    "plan_ready": 1,
    "severity_set": 1,
    "approval_given": 1,
    "rollback_approved": 1,
    "step_finished apply:shop": 1,
    "step_finished prove": 1,
    "incident_mitigated": 1,
    "step_finished watch": 1,
    "verdict_reached": 2,
    "incident_verified": 1,
    "debt_accepted": 1,
    "incident_closed": 1,
    "postmortem_posted": 1,
}
"""The events of a rollback that works, however often the bot was killed. The verdict is told twice: mitigated, and verified."""

CARDS = {"severity", "plan-1", "run-1", "outcome-1", "closed", "postmortem-1", "source", "declared"}


async def at_rest(scene: Scene) -> None:
    """Wait until Slack shows everything that it shall, every request was attended to, and no workflow goes on."""
    store = await Store.open(scene.database, clock=now)
    try:

        async def quiet() -> bool:
            pending = await store.read(
                lambda uow: uow.outbox.backlog() or uow.inbox.pending(1, kinds=INTERACTIVE)
            )
            return not pending and all(status == "SUCCESS" for _, status in workflows(scene))

        await scene.until_async(quiet, "the outbox to be empty")
    finally:
        await store.close()


async def all_is_well(scene: Scene, story: Story) -> None:
    """A whole story has come to its good end, exactly once. Stops the bot."""
    await at_rest(scene)
    await scene.bot.stop()
    service_is_back(scene)
    incident, entries = await timeline_of(scene, story.channel)
    assert happened(entries) == ONCE
    told = Counter(event.text for event in events_of(entries) if isinstance(event, e.StakeholdersTold))
    assert [text for text, count in told.items() if count > 1] == []
    assert fold(events_of(entries)) == incident
    told_as_it_was(scene, story, entries)
    papers_are_those_that_were_written(story, entries)
    engine_is_done(scene, incident)


def nobody_had_to_repeat(scene: Scene) -> None:
    """Every request that the bot had written down was carried out, so that nobody made it a second time.

    A click that never arrived was refused by Slack and is made again. A form is asked for again: its trigger expires.
    """
    written = Counter(place for place in scene.bot.passed() if place.startswith("inbox:"))
    again = {place: count for place, count in written.items() if count > 1}
    again.pop("inbox:action:close_open", None)
    assert again == {}


def service_is_back(scene: Scene) -> None:
    """The supervisor changed to v1.2.9 once, that process lives, and customers are served well by it."""
    status = scene.shop.status()
    assert status["current"] == GOOD
    assert status["running"]["version"] == GOOD
    assert (status["crashes"], status["draining"], status["last_error"]) == (0, [], None)
    assert starts(scene) == [BAD, GOOD]
    for path in ("/version", "/products", "/cart", "/checkout") * 5:
        code, headers, _ = scene.shop.get(path)
        assert (code, headers["X-Version"]) == (200, GOOD), path


def starts(scene: Scene) -> list[str]:
    """The versions that were started, in order, as the processes themselves have written."""
    log = (scene.shop.root / "log" / "shop.log").read_text(encoding="utf-8")
    return re.findall(r"(v\S+) serves port ", log)


async def timeline_of(scene: Scene, channel: str) -> tuple[Incident, tuple[Entry, ...]]:
    """The incident as it is stored, with its timeline, whose chain is intact."""
    store = await Store.open(scene.database, clock=now)
    try:

        def look(uow: UnitOfWork) -> tuple[Incident, tuple[Entry, ...]]:
            assert len(uow.incidents.list(open_only=False, limit=10)) == 1
            incident = uow.incidents.by_channel(channel)
            assert incident is not None
            verified = uow.timeline.verify(incident.id)
            assert verified.intact, verified
            assert uow.outbox.dead_items() == ()
            assert uow.inbox.dead_items() == ()
            return incident, uow.timeline.entries(incident.id)

        return await store.read(look)
    finally:
        await store.close()


def events_of(entries: tuple[Entry, ...]) -> list[e.Event]:
    return [e.parse(entry.body) for entry in entries if entry.kind is Kind.EVENT]


def happened(entries: tuple[Entry, ...]) -> dict[str, int]:
    """How often each event is in the timeline.

    Left aside are the beginnings of steps, which tell their progress too, and what stakeholders were told, which
    is as often as their card was edited.
    """
    counted: Counter[str] = Counter()
    for event in events_of(entries):
        if isinstance(event, e.StepFinished):
            counted[f"{event.type} {event.step_id}"] += 1
        elif not isinstance(event, (e.StepStarted, e.StakeholdersTold)):
            counted[event.type] += 1
    return dict(counted)


def shown_once(scene: Scene, story: Story) -> set[str]:
    """There is one channel, and no message of the bot is there twice. Gives the slots that were shown."""
    state = scene.workspace.state
    assert len([name for name in state.names if name.startswith("inc-")]) == 1
    everything = [message for name in state.names for message in story.messages(state.names[name])]
    own = [message for message in everything if message.get("user") == state.bot_user]
    keys = Counter(key_of(message) for message in own if key_of(message))
    assert [key for key, count in keys.items() if count > 1] == []
    texts = Counter((m["channel"], m.get("text"), str(m.get("files"))) for m in own)
    assert [text for text, count in texts.items() if count > 1] == []
    return {slot_of(key) for key in keys}


def told_as_it_was(scene: Scene, story: Story, entries: tuple[Entry, ...]) -> None:
    """The cards are there once and up to date; what people said is in the timeline, once."""
    assert shown_once(scene, story) >= CARDS
    checklist = story.shown("run-1")
    assert checklist is not None
    assert "3 of 3 steps done" in checklist["text"]
    heard = Counter(entry.slack_ts for entry in entries if entry.kind is Kind.MESSAGE)
    assert [ts for ts, count in heard.items() if count > 1] == []
    people = (story.alice.id, story.bob.id)
    said = {m["ts"] for m in story.messages() if m.get("user") in people and "subtype" not in m}
    assert len(said) == 2
    assert said <= set(heard)


def papers_are_those_that_were_written(story: Story, entries: tuple[Entry, ...]) -> None:
    files = {file["name"].rpartition(".")[2]: file for file in story.files()}
    assert sorted(files) == ["md", "png"]
    assert len(story.files()) == 2
    stored = story.scene.workspace.state.files
    text = stored[files["md"]["id"]].content or b""
    picture = stored[files["png"]["id"]].content or b""
    posted = next(event for event in events_of(entries) if isinstance(event, e.PostmortemPosted))
    assert hashlib.sha256(text).hexdigest() == posted.sha256
    assert GOOD in text.decode()
    assert BAD in text.decode()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")


def engine_is_done(scene: Scene, incident: Incident) -> None:
    """Every workflow has ended well, each under its own id."""
    wanted = {f"arm:{incident.id}/1", f"rollback:{incident.id}-run-1", f"close:{incident.id}/1/1"}
    assert workflows(scene) == {(name, "SUCCESS") for name in wanted}


def workflows(scene: Scene) -> set[tuple[str, str]]:
    """The ids and states of everything that the engine has been given."""
    with closing(sqlite3.connect(f"file:{scene.engine_file}?mode=ro", uri=True)) as connection:
        return set(connection.execute("SELECT workflow_uuid, status FROM workflow_status").fetchall())
