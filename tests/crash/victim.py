"""The real bot, which dies where it is told to: `kill -9`, from inside, at named places.

    python -m tests.crash.victim

takes the bot's own environment, and KAERU_CRASH_AT (names of places, separated by spaces; each kills once, ever)
and KAERU_CRASH_NOTES (the folder for what it passed and where it died), and KAERU_CRASH_ALSO (modules whose `watch`
tells of more places). Nothing of the bot is replaced: the
composition is `Kaeru.open`, and the places are noticed on the way through its own methods.

| place | is |
|---|---|
| `before:STEP`, `after:STEP` | a boundary of a durable workflow's step |
| `start:WORKFLOW`, `started:WORKFLOW` | what was decided is committed, its workflow is not stored yet; it is |
| `commit:EVENT` | events were committed (named by the first one), nothing that follows has begun |
| `inbox:KIND:WHAT` | a person's request was written down, nobody has looked at it |
| `applied:COMPONENT`, `reverted:COMPONENT` | the service has changed, and nothing remembers that yet |
| `repaid:COMPONENT` | what was suspended is given back, and nothing remembers that yet |
| `shifted:PERCENT`, `invalidated` | traffic was set, a cache was told, and nothing remembers that yet; see steering.py |
| `exported` | the timeline's files wait in the outbox, the request is not answered |
| `sent:SLOT`, `edited:SLOT` | Slack has accepted it, and nothing remembers that yet |
"""

import asyncio
import importlib
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bot.app import Kaeru
from bot.catalog import load_catalog
from bot.cli.logs import set_up_logging
from bot.domain import events as e
from bot.ports import Change, Observation
from bot.ports.chat import Done, Operation, Post
from bot.settings import load_settings
from bot.usecases.closing import Closing
from bot.usecases.desk import Changed, Desk
from bot.workflows.engine import DbosEngine
from handlers import inbox
from integrations import registry
from integrations.slack import SlackChat
from integrations.symlink import SymlinkTarget
from tests.crash.suspending import suspend

LIFE_S = 110
"""A victim that nobody ends ends by itself."""


class Reaper:
    """Notes every place that is passed, and kills this process at the chosen ones, each once."""

    def __init__(self, notes: Path, chosen: frozenset[str]) -> None:
        self._notes = notes
        self._chosen = chosen

    def passing(self, place: str) -> None:
        # Opened anew each time: what is written is written, whatever comes next.
        with (self._notes / "passed").open("a", encoding="utf-8") as passed:
            passed.write(f"{place}\n")
        if place in self._chosen and self._first_time(place):
            os.kill(os.getpid(), signal.SIGKILL)

    def _first_time(self, place: str) -> bool:
        try:
            mark(self._notes, place).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def mark(notes: Path, place: str) -> Path:
    """The file that says that the bot was killed at this place."""
    return notes / f"died-{place.replace('/', '_')}"


def watch_over(reaper: Reaper) -> None:
    """Let the reaper notice what passes through the bot's own methods."""
    _watch_commits(reaper)
    _watch_starts(reaper)
    _watch_requests(reaper)
    _watch_sending(reaper)
    _watch_changes(reaper)
    _watch_exports(reaper)


def _watch_commits(reaper: Reaper) -> None:
    follow_up = Desk.follow_up

    async def noticed(self: Desk, changed: Changed) -> None:
        if changed.events:
            reaper.passing(f"commit:{_named(changed.events[0])}")
        await follow_up(self, changed)

    Desk.follow_up = noticed  # type: ignore[method-assign]  # notices, and goes on


def _named(event: e.Event) -> str:
    if isinstance(event, (e.StepStarted, e.StepFinished)):
        return f"{event.type}:{event.step_id}"
    return event.type


def _watch_starts(reaper: Reaper) -> None:
    start = DbosEngine.start

    async def noticed(self: DbosEngine, name: str, workflow_id: str, argument: str) -> None:
        reaper.passing(f"start:{name}")
        await start(self, name, workflow_id, argument)
        reaper.passing(f"started:{name}")

    DbosEngine.start = noticed  # type: ignore[method-assign]  # notices, and goes on


def _watch_requests(reaper: Reaper) -> None:
    receive = inbox.Inbox.__call__

    async def noticed(self: inbox.Inbox, body: dict[str, Any], context: Any, next_: Callable[[], Any]) -> Any:
        async def on() -> Any:
            _, kind = inbox.identify(body)
            if kind in inbox.INTERACTIVE:
                reaper.passing(f"inbox:{kind}:{_asked(kind, body)}")
            return await next_()

        return await receive(self, body, context, on)

    inbox.Inbox.__call__ = noticed  # type: ignore[method-assign]  # notices, and goes on


def _asked(kind: str, body: Mapping[str, Any]) -> str:
    if kind == inbox.COMMAND:
        return str(body["command"])
    if kind == inbox.ACTION:
        return str(body["actions"][0]["action_id"]).partition(":")[0]
    return str(body["view"]["callback_id"]) if kind == inbox.VIEW else str(body["callback_id"])


def _watch_sending(reaper: Reaper) -> None:
    perform = SlackChat.perform

    async def noticed(self: SlackChat, operation: Operation, key: str, content: bytes | None = None) -> Done:
        done = await perform(self, operation, key, content)
        edit = isinstance(operation, Post) and operation.ts is not None
        reaper.passing(f"{'edited' if edit else 'sent'}:{slot_of(key)}")
        return done

    SlackChat.perform = noticed  # type: ignore[method-assign]  # notices, and goes on


def _watch_changes(reaper: Reaper) -> None:
    apply, revert = SymlinkTarget.apply, SymlinkTarget.revert

    async def applied(self: SymlinkTarget, change: Change, key: str) -> Observation:
        seen = await apply(self, change, key)
        reaper.passing(f"applied:{change.component}")
        return seen

    async def reverted(self: SymlinkTarget, change: Change, key: str) -> Observation:
        seen = await revert(self, change, key)
        reaper.passing(f"reverted:{change.component}")
        return seen

    SymlinkTarget.apply = applied  # type: ignore[method-assign]  # notices, and goes on
    SymlinkTarget.revert = reverted  # type: ignore[method-assign]  # notices, and goes on


def _watch_exports(reaper: Reaper) -> None:
    export = Closing.export

    async def noticed(self: Closing, incident_id: str, *, inbox_id: int | None = None) -> None:
        await export(self, incident_id, inbox_id=inbox_id)
        reaper.passing("exported")

    Closing.export = noticed  # type: ignore[method-assign]  # notices, and goes on


def slot_of(key: str) -> str:
    """The slot of an outbox item's key, without a time in it; one-off messages by where they go."""
    lane, _, slot = key.rpartition("/")
    if slot.startswith("event-"):
        return f"note:{lane.partition(':')[0]}"
    return re.sub(r"-\d{10}$", "", slot)


async def _live(boundary: Callable[[str], None], notes: Path) -> None:
    settings = load_settings()
    set_up_logging(settings)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    kaeru = await Kaeru.open(settings, load_catalog(settings.config, registry.kinds()), boundary=boundary)
    (notes / "listening").write_text(str(os.getpid()), encoding="ascii")
    await stop.wait()
    await kaeru.close()


def main(environment: Mapping[str, str] | None = None, log: Path | None = None) -> None:
    """Live until SIGTERM, or until death. `environment` is added to the process's own."""
    signal.alarm(LIFE_S)
    os.environ.update(environment or {})
    if log is not None:
        with log.open("ab") as written:
            os.dup2(written.fileno(), sys.stdout.fileno())
            os.dup2(written.fileno(), sys.stderr.fileno())
    notes = Path(os.environ["KAERU_CRASH_NOTES"])
    (notes / "pid").write_text(str(os.getpid()), encoding="ascii")
    reaper = Reaper(notes, frozenset(os.environ.get("KAERU_CRASH_AT", "").split()))
    watch_over(reaper)
    suspend(notes, reaper.passing)
    for name in os.environ.get("KAERU_CRASH_ALSO", "").split():
        importlib.import_module(name).watch(reaper.passing)
    asyncio.run(_live(reaper.passing, notes))


if __name__ == "__main__":
    main()
