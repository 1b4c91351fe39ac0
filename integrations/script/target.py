"""A deploy target: a script of somebody's own. It outlives the bot, and never runs beside itself."""

import asyncio
import hashlib
import json
import shlex
import shutil
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from bot.domain.base import Version
from bot.domain.debts import Debt
from bot.domain.evidence import Outcome
from bot.domain.plan import Check, Level, Warn
from bot.ports.errors import Conflict, Refused, Unavailable
from bot.ports.memory import Memory
from bot.ports.target import Available, Capabilities, Change, Inspection, Observation, TargetPlan
from integrations.process import redact
from integrations.runs import Run, Runs
from integrations.script.judging import judged, said_of, under_way
from integrations.script.looking import Eyes, Seen
from integrations.script.settings import ScriptSettings

POLL_S = 0.2  # between two looks at whether the script still runs
OUTPUT_EVERY_S = 1.0  # at most one observation with lines in this time: they go into a thread
MOST_AT_ONCE = 100
SAY_EVERY_S = 5.0  # where nothing is new


class ScriptTarget:
    """The Target port. Call `aclose` when it is no longer needed.

    `apply` starts the script and returns; `follow` hands over what it prints, and judges it when it has ended.
    """

    capabilities = Capabilities(kind="script")

    def __init__(self, settings: ScriptSettings, memory: Memory) -> None:
        self._settings = settings
        self._memory = memory
        self._eyes = Eyes(settings, memory)
        self._name = Path(settings.command[0]).name
        self._runs = Runs(
            settings.state,
            timeout_s=settings.timeout.total_seconds(),
            grace_s=settings.grace.total_seconds(),
            limit=settings.output_limit,
        )
        self._last_line = ""

    @property
    def identity(self) -> str:
        return f"script:{self._settings.state}"

    async def aclose(self) -> None:
        await self._eyes.aclose()

    async def inspect(self) -> Inspection:
        seen, run = await self._eyes.look(), await self._latest()
        if seen.running == seen.current:
            await self._memory.keep(seen.current, seen.current, json.dumps({}))
        good = {shape.ref: shape.good_at for shape in await self._memory.shapes()}
        listed = await self._eyes.versions()
        return Inspection(
            current=seen.current,
            running=seen.running,
            available=tuple(Available(version=version, good_at=good.get(version)) for version in listed),
            fingerprint=_fingerprint(seen.current),
            warnings=tuple(self._warnings(seen, run)),
        )

    async def plan(self, change: Change) -> TargetPlan:
        seen, run, listed = await self._eyes.look(), await self._latest(), await self._eyes.versions()
        settings, there = self._settings, change.to_version in listed
        program = await asyncio.to_thread(_program, settings.command[0], settings.cwd)
        actions = [f"Run {redact(shlex.join(self._argv(change.to_version)))}"]
        if settings.version_url is not None:
            actions.append(
                f"Wait until {settings.version_url} says {change.to_version} {settings.looks} times in a row"
            )
        busy = run is not None and run.alive
        checks = (
            Check(
                name="version can be deployed",
                ok=there,
                detail=f"{change.to_version} is{'' if there else ' not'} among {len(listed)} versions",
            ),
            Check(
                name="nobody deployed meanwhile",
                ok=_fingerprint(seen.current) == change.fingerprint,
                detail=f"{seen.current} is deployed",
            ),
            Check(name="script", ok=bool(program), detail=program or f"{settings.command[0]} is no program"),
            Check(
                name="script is not running",
                ok=not busy,
                detail=f"{self._name} {run.goal} is running" if run and busy else "no run is under way",
            ),
        )
        return TargetPlan(
            actions=tuple(actions),
            warnings=tuple(self._warnings(seen, run)),
            checks=checks,
            expected_s=min(60.0, settings.timeout.total_seconds()),
        )

    async def apply(self, change: Change, key: str) -> Observation:
        goal = change.to_version
        run, seen = await self._latest(), await self._eyes.look()
        if run is not None and run.alive:
            return self._beside(run, seen, goal)
        mine = _mine(run, key, goal)
        if mine is None and seen.current != goal and _fingerprint(seen.current) != change.fingerprint:
            raise self._overtaken(seen, change)
        if mine is not None and not (mine.interrupted and self._settings.resumable):
            return await self._see(change.to_version, mine)
        if mine is None and await self._eyes.serves(goal):
            return await self._see(goal, None)
        return await self._begin(goal, key)

    async def observe(self, change: Change, key: str) -> Observation:
        run = await self._latest()
        if run is not None and run.alive and run.goal == change.to_version:
            return under_way(self._title(run), await self._eyes.look(), "", ())
        return await self._see(change.to_version, _mine(run, key, change.to_version))

    async def revert(self, change: Change, key: str) -> Observation:
        goal = change.from_version
        run, seen = await self._latest(), await self._eyes.look()
        if run is not None and run.alive:
            return self._beside(run, seen, goal)
        if seen.current not in (change.from_version, change.to_version):
            raise self._overtaken(seen, change.backwards)
        mine = _mine(run, key, goal)
        if mine is not None and not (mine.interrupted and self._settings.resumable):
            return await self._see(goal, mine)
        # A run of the way there that did not end well may have changed some of it, whatever answers here.
        half = run is not None and run.goal == change.to_version and not (run.code == 0 and not run.why)
        if not half and await self._eyes.serves(goal):
            return await self._see(goal, None)
        return await self._begin(goal, key)

    async def follow(self, change: Change, key: str) -> AsyncGenerator[Observation, None]:
        goal = change.to_version
        told_at, told, lines = 0.0, "", list[str]()
        while True:
            run = await self._latest()
            lines += await self._lines()
            if run is None or not run.alive:
                break
            now = time.monotonic()
            if now - told_at >= (OUTPUT_EVERY_S if lines else SAY_EVERY_S):
                seen = under_way(
                    self._title(run), await self._eyes.look(), await self._eyes.status(), _shortened(lines)
                )
                told_at, lines = now, []
                yield seen
            await asyncio.sleep(POLL_S)
        while rest := await self._lines():
            lines += rest
        began = time.monotonic()
        while True:
            waited = time.monotonic() - began
            seen = await self._see(goal, _mine(run, key, goal))
            settled = seen.outcome is not Outcome.UNKNOWN or run is None or run.interrupted
            if settled or waited >= self._settings.settle.total_seconds() + SAY_EVERY_S:
                yield seen.model_copy(update={"output": _shortened(lines)})
                return
            if lines or seen.detail != told:
                told = seen.detail
                yield seen.model_copy(update={"output": _shortened(lines)})
                lines = []
            await asyncio.sleep(POLL_S)

    async def repay(self, debt: Debt, key: str) -> None:  # noqa: ARG002 - the port's signature
        raise Refused(f"{self._name} has nothing to give back: {debt.text}")

    async def _begin(self, goal: Version, key: str) -> Observation:
        listed = await self._eyes.versions()
        if goal not in listed:
            raise Refused(
                f"{goal} is not among the versions that {self._name} can deploy.",
                remedy=f"Choose one of {', '.join(listed[:10]) or 'none'}.",
            )
        settings = self._settings
        started = await asyncio.to_thread(
            lambda: self._runs.start(
                self._argv(goal), key=key, goal=goal, cwd=settings.cwd, environment=settings.secrets
            )
        )
        if not started:
            raise Unavailable(f"{self._name} has just been started by another bot.", retry_after_s=2.0)
        seen = await self._eyes.look()
        return Observation(
            outcome=Outcome.UNKNOWN, detail=f"{self._name} {goal} was started.", running=seen.running
        )

    def _beside(self, run: Run, seen: Seen, goal: Version) -> Observation:
        """What to do while the script runs: the same goal is followed, for another one it has to end first."""
        if run.goal == goal:
            return under_way(self._title(run), seen, "", ())
        raise Unavailable(
            f"{self._title(run)} is still running, and {self._name} {goal} is not started beside it.",
            retry_after_s=5.0,
            remedy="Wait until it has ended, or end it.",
        )

    async def _see(self, goal: Version, run: Run | None) -> Observation:
        """Judge a run that is not under way, or what runs where there was none."""
        seen = await self._eyes.look()
        arrived = seen.current == goal and (self._settings.version_url is None or seen.running == goal)
        settle = self._settings.settle.total_seconds()
        since = 0.0 if run is None or run.ended_at is None else time.time() - run.ended_at
        return judged(
            self._title(run) if run else f"{self._name} {goal}",
            run,
            seen,
            goal,
            arrived=arrived,
            waiting=run is not None and run.code == 0 and not run.why and 0 <= since < settle,
            last_line=self._last_line,
        )

    async def _latest(self) -> Run | None:
        return await asyncio.to_thread(self._runs.latest)

    async def _lines(self) -> tuple[str, ...]:
        found = await asyncio.to_thread(self._runs.lines, self._settings.secrets)
        if found:
            self._last_line = found[-1]
        return found

    def _title(self, run: Run) -> str:
        return f"{self._name} {run.goal}"

    def _argv(self, version: Version) -> list[str]:
        # A version is validated: no leading dash, no space; and there is no shell.
        return [element.replace("{version}", version) for element in self._settings.command]

    def _warnings(self, seen: Seen, run: Run | None) -> list[Warn]:
        url, found = self._settings.version_url, list[Warn]()
        if run is not None and run.alive:
            found.append(Warn(level=Level.INFO, text=f"{self._title(run)} is running."))
        if seen.mixed:
            found.append(Warn(level=Level.WARNING, text=f"At {url} {said_of(seen)}."))
        elif url is not None and seen.running is None:
            text = f"{url} does not say which version runs; it is taken to be {seen.current}."
            found.append(Warn(level=Level.WARNING, text=text))
        elif seen.running not in (None, seen.current):
            text = f"{seen.current} is deployed, but {seen.running} is what answers."
            found.append(Warn(level=Level.WARNING, text=text))
        return found

    def _overtaken(self, seen: Seen, change: Change) -> Conflict:
        return Conflict(
            f"{seen.current} is deployed; this was planned when it was {change.from_version}.",
            remedy="Look at the fresh plan and approve that one.",
        )


def _mine(run: Run | None, key: str, goal: Version) -> Run | None:
    """The latest run, where it is the one of this very step."""
    return run if run is not None and (run.key, run.goal) == (key, goal) else None


def _shortened(lines: list[str]) -> tuple[str, ...]:
    """What goes into a thread at once: the latest lines, and how many came before them."""
    left_out = len(lines) - MOST_AT_ONCE
    return (f"… ({left_out} lines)", *lines[-MOST_AT_ONCE:]) if left_out > 0 else tuple(lines)


def _fingerprint(current: Version) -> str:
    return hashlib.sha256(current.encode()).hexdigest()[:12]


def _program(name: str, cwd: Path) -> str | None:
    return shutil.which(str(cwd / name) if "/" in name else name)
