"""A program that switches. What it says is heard, what answers decides.

It runs in a session of its own and outlives a bot that is killed: the next one waits for it, and starts no second one
beside it.
"""

import asyncio
import hashlib
import shlex
import shutil
import time
from pathlib import Path

from bot.domain.base import Version
from bot.domain.plan import Check
from bot.ports.errors import OutcomeUnknown, Unavailable
from integrations.bluegreen.settings import COLOURS, Colour, CommandSettings
from integrations.bluegreen.switch import Serves, Setting, Turned
from integrations.nginx_workers import Open
from integrations.process import TimedOut, redact, run
from integrations.runs import Run, Runs, told

POLL_S = 0.1
SHOW_S = 10.0  # how long it may take to say which colour is on
GRACE_S = 5.0  # from SIGTERM to SIGKILL


class CommandSwitch:
    """The Switch of a command. The command may be run again: it is to switch *to* a colour, not to the other one."""

    def __init__(self, settings: CommandSettings) -> None:
        self._settings = settings
        self._timeout_s = settings.timeout.total_seconds()
        self._runs = Runs(settings.state, timeout_s=self._timeout_s, grace_s=GRACE_S)
        self._environment = {n: value.get_secret_value() for n, value in settings.environment.items()}

    @property
    def identity(self) -> str:
        return f"command:{self._settings.state}"

    async def read(self) -> Setting:
        argv = self._settings.current
        if not argv:
            return Setting(None, "")
        try:
            done = await run(argv, timeout_s=SHOW_S, cwd=Path("/"), environment=self._environment)
        except TimedOut as error:
            raise Unavailable(
                f"Which colour is on could not be learned: {error}", retry_after_s=2.0
            ) from error
        text = done.stdout.decode(errors="replace").strip()
        colour: Colour | None = next((each for each in COLOURS if each == text), None)
        mark = hashlib.sha256(text.encode()).hexdigest()[:16]
        if done.code != 0:
            said = f": {done.last_line}" if done.last_line else ""
            return Setting(None, mark, f"{argv[0]} ended with {done.code}{said}.", blocks=False)
        if colour is None:
            said = told(text.partition("\n")[0], self._environment)
            trouble = f"{argv[0]} printed neither blue nor green, but {said or 'nothing'}."
            return Setting(None, mark, trouble, blocks=False)  # what answers still tells
        return Setting(colour, mark)

    async def checks(self) -> tuple[Check, ...]:
        name = self._settings.command[0]
        found = await asyncio.to_thread(shutil.which, name)
        latest = await asyncio.to_thread(self._runs.latest)
        busy = latest is not None and latest.alive
        return (
            Check(
                name="switch command", ok=bool(found), detail=found or f"{name} is not an executable program"
            ),
            Check(
                name="no switch is under way",
                ok=not busy,
                detail=f"a switch to {latest.goal} is running" if latest and busy else "none is running",
            ),
        )

    def actions(self, colour: Colour, version: Version) -> tuple[str, ...]:
        return (f"Run {redact(shlex.join(self._argv(colour, version)))}",)

    async def turn(self, colour: Colour, version: Version, mark: str, serves: Serves) -> Turned:  # noqa: ARG002 - only what answers can be compared
        earlier = await asyncio.to_thread(self._runs.latest)
        if earlier is not None and earlier.goal == colour and not earlier.alive and await serves():
            return Turned()  # it has ended since the look that led here
        if earlier is not None and earlier.alive:
            earlier = await self._ended()
            if earlier is not None and earlier.goal == colour:
                return await self._judged(earlier, serves)
        started = await asyncio.to_thread(
            lambda: self._runs.start(
                self._argv(colour, version),
                key=f"{colour} {version}",
                goal=colour,
                cwd=Path("/"),
                environment=self._environment,
            )
        )
        if not started:
            raise Unavailable("Another bot has just begun to switch.", retry_after_s=2.0)
        return await self._judged(await self._ended(), serves)

    async def keep(self, colour: Colour) -> None:
        """What lasts is the command's own business."""

    async def still_open(self, left: Colour) -> Open:
        return Open(0, f"nobody counts what is open on {left}", known=False)

    def _argv(self, colour: Colour, version: Version) -> list[str]:
        # Both have been validated: neither can begin with a dash or hold a space, and there is no shell.
        return [
            each.replace("{colour}", colour).replace("{version}", version) for each in self._settings.command
        ]

    async def _ended(self) -> Run | None:
        """The run that is under way, once it is over. None where nobody saw its end."""
        until = time.monotonic() + self._timeout_s + 2 * GRACE_S
        while True:
            latest = await asyncio.to_thread(self._runs.latest)
            if latest is None or not latest.alive:
                return latest if latest is not None and latest.is_over else None
            if time.monotonic() >= until:
                raise OutcomeUnknown(
                    f"The switch to {latest.goal} has not ended, although its time is over.",
                    remedy="See what serves, and end the command, before it is tried again.",
                )
            await asyncio.sleep(POLL_S)

    async def _judged(self, ended: Run | None, serves: Serves) -> Turned:
        name = self._settings.command[0]
        if ended is not None and ended.code == 0 and not ended.why:
            return Turned()
        if await serves():
            return Turned()
        if ended is None:
            return Turned(f"{name} was ended from outside, and nobody saw how far it came.")
        if ended.code is None:
            return Turned(f"{name} did not run: {ended.why}.", restored=True)
        if ended.why:
            return Turned(f"{name} was stopped with all that it had started: {ended.why}.")
        lines = await asyncio.to_thread(self._runs.lines, self._environment)
        return Turned(f"{name} ended with {ended.code}{f': {lines[-1]}' if lines else '.'}")
