"""Running migrations backwards: by a program that outlives the bot, believed only when the database agrees."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime

from bot.domain.base import Version
from bot.domain.databases import Sideways
from bot.domain.evidence import Outcome
from bot.domain.migrations import AppliedState, Found, Standing
from bot.ports.errors import Conflict, Unavailable
from bot.ports.target import Observation
from integrations.migrations.down import way_down
from integrations.migrations.settings import MigrationsSettings
from integrations.runs import Run, Runs

POLL_S = 0.2
OUTPUT_EVERY_S = 1.0
SAY_EVERY_S = 5.0
LIST_FOR_S = 15.0
"""How long the database's list is asked for once the program has ended."""
MOST_AT_ONCE = 100

Between = Callable[[Version, Version], Awaitable[Found]]
Applied = Callable[[Found], Awaitable[AppliedState]]


class Backwards:
    """One run at a time of one database's `down`, in the folder of `runs`."""

    def __init__(
        self, settings: MigrationsSettings, runs: Runs, *, between: Between, applied: Applied
    ) -> None:
        self._settings = settings
        self._runs = runs
        self._between = between
        self._applied = applied

    async def run(self, planned: Sideways, key: str) -> AsyncGenerator[Observation, None]:
        """See `Migrations.run_down`."""
        ordered = json.loads(planned.payload)
        found = await self._between(ordered["older"], ordered["newer"])
        if _mine(await self._latest(), key) is None:
            name = await self._start(planned, found, key)
            yield _under_way(f"{name} was started.")
        told_at, lines, last_line = 0.0, list[str](), ""
        while True:
            run = await self._latest()
            lines += await self._lines()
            last_line = lines[-1] if lines else last_line
            if run is None or not run.alive:
                break
            now = time.monotonic()
            if now - told_at >= (OUTPUT_EVERY_S if lines else SAY_EVERY_S):
                told_at, shown, lines = now, _shortened(lines), []
                yield _under_way(f"{self._name} is running.", shown)
            await asyncio.sleep(POLL_S)
        while rest := await self._lines():
            lines += rest
            last_line = rest[-1]
        if lines:
            yield _under_way(f"{self._name} has ended; the database is asked.", _shortened(lines))
        state = await self._state(found)
        yield judged(self._name, _mine(run, key), state, planned.about, last_line)

    async def _start(self, planned: Sideways, found: Found, key: str) -> str:
        """Gives the program's name. Raises Conflict, Refused or Unavailable; nothing was started then."""
        ordered = json.loads(planned.payload)
        applied = await self._applied(found)
        if not found.known or not applied.known:
            raise Unavailable(
                "The database's list of migrations cannot be read now, so none is run backwards.",
                retry_after_s=2.0,
                remedy=applied.note or found.note,
            )
        if applied.fingerprint != planned.fingerprint:
            raise Conflict(
                "The database has other migrations applied than when this was planned.",
                remedy="Look at the fresh plan and approve that one.",
            )
        way = way_down(self._settings, found, applied, ordered["older"], ordered["newer"])
        if way.command != ordered["command"] or way.undo != planned.about:
            raise Conflict(
                "Running the migrations backwards would be another command than the one that was approved.",
                remedy="Look at the fresh plan and approve that one.",
            )
        started = await asyncio.to_thread(
            lambda: self._runs.start(
                way.argv, key=key, goal=way.older, cwd=way.folder, environment=self._settings.environment
            )
        )
        if not started:
            raise Unavailable(
                f"{way.name} is still running for another rollback, and is not started beside it.",
                retry_after_s=5.0,
                remedy="Wait until it has ended, or end it.",
            )
        return way.name

    async def _state(self, found: Found) -> AppliedState:
        """The list once the program has ended; asked for a while, as a database may just be restarting."""
        until = time.monotonic() + LIST_FOR_S
        while True:
            state = await self._applied(found)
            if state.known or time.monotonic() >= until:
                return state
            await asyncio.sleep(1.0)

    @property
    def _name(self) -> str:
        return self._settings.down[0].rpartition("/")[2] if self._settings.down else "The way down"

    async def _latest(self) -> Run | None:
        return await asyncio.to_thread(self._runs.latest)

    async def _lines(self) -> tuple[str, ...]:
        return await asyncio.to_thread(self._runs.lines, self._settings.unsayable)


def judged(
    name: str, run: Run | None, state: AppliedState, undone: tuple[str, ...], last_line: str = ""
) -> Observation:
    """Of a run that has ended, or of which nobody saw the end. The program is heard, the database decides.

    `undone` are the migrations that were to be undone; `state` is the database's list after it.
    """
    if run is None:
        return _ended(
            Outcome.UNKNOWN, f"Nothing is known any more of the run of {name}. {_schema(state, undone)}"
        )
    how = f"{name} {_how_it_ended(run)}"
    left = [one for one in undone if state.standing(one) is Standing.APPLIED]
    if run.code is None and run.why:
        return _ended(Outcome.FAILED, f"{how}. Nothing was changed.", untouched=True)
    if not state.known or run.interrupted or run.why:
        return _ended(Outcome.UNKNOWN, f"{how}. {_schema(state, undone)}")
    if run.code == 0 and not left and not state.dirty:
        return _ended(Outcome.SUCCEEDED, f"{how}. {_schema(state, undone)}")
    why = f": {last_line.rstrip('.')}" if last_line and run.code != 0 else ""
    untouched = len(left) == len(undone) and not state.dirty
    return _ended(Outcome.FAILED, f"{how}{why}. {_schema(state, undone)}", untouched=untouched)


def _schema(state: AppliedState, undone: tuple[str, ...]) -> str:
    """What the database says of the migrations that were to be undone."""
    if not state.known:
        note = f" {state.note}" if state.note else ""
        return f"What the database has applied could not be read.{note}"
    left = [one for one in undone if state.standing(one) is Standing.APPLIED]
    if state.dirty:
        return f"The database says that {', '.join(state.dirty)} was begun and not finished."
    if not left:
        these = "it" if len(undone) == 1 else f"any of the {len(undone)}"
        return f"The database does not list {these} any more."
    if len(left) == len(undone):
        return f"The database still lists {'it' if len(undone) == 1 else 'all of them'}: {', '.join(left)}."
    return f"The database still lists {', '.join(left)}; the others are undone."


def _how_it_ended(run: Run) -> str:
    if run.interrupted:
        at = datetime.fromtimestamp(run.began_at, UTC).strftime("%H:%M UTC")
        return f"was begun at {at} and interrupted, and nobody saw how far it came"
    if run.code is None:
        return f"did not run: {run.why}"
    if run.why:
        return f"was ended: {run.why}; whether the database still works on it is not known"
    return f"ended with {run.code}"


def _ended(outcome: Outcome, detail: str, *, untouched: bool = False) -> Observation:
    return Observation(outcome=outcome, detail=detail, running=None, untouched=untouched)


def _under_way(detail: str, output: tuple[str, ...] = ()) -> Observation:
    return Observation(outcome=Outcome.UNKNOWN, detail=detail, running=None, output=output)


def _mine(run: Run | None, key: str) -> Run | None:
    return run if run is not None and run.key == key else None


def _shortened(lines: list[str]) -> tuple[str, ...]:
    left_out = len(lines) - MOST_AT_ONCE
    return (f"… ({left_out} lines)", *lines[-MOST_AT_ONCE:]) if left_out > 0 else tuple(lines)
