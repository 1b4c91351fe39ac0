"""nginx: an upstream file that is exchanged, tested and read again.

What is on disk after a kill at each point, and what the next attempt then does:

before the rename      the old file; a leftover is swept, everything is done from the start
after it, untested     the new file, while nginx still runs the old one: tested and reloaded, or put back
after a failed test    the same: tested again, and put back from the saved copy
after the reload       the new file, and it is what answers: only the saved copy is taken away
"""

import asyncio

from bot.domain.base import Version
from bot.domain.plan import Check
from bot.ports.errors import Conflict, OutcomeUnknown
from integrations.bluegreen.settings import COLOURS, BlueGreenSettings, Colour, NginxSettings
from integrations.bluegreen.switch import Serves, Setting, Turned
from integrations.nginx_program import NginxProgram, tokens
from integrations.nginx_workers import Open, Workers
from integrations.own_file import OwnFile, mark_of
from integrations.process import TimedOut

_CREATE = "Create it once by hand with the colour that serves now; docs/classic-deploys.md shows it."


class NginxSwitch:
    """The Switch of an upstream file."""

    def __init__(self, settings: BlueGreenSettings, nginx: NginxSettings) -> None:
        self._settings = settings
        self._nginx = nginx
        self._file = OwnFile(nginx.file, missing=_CREATE)
        self._program = NginxProgram(
            test=nginx.test, reload=nginx.reload, timeout_s=nginx.timeout.total_seconds()
        )
        self._workers = Workers(nginx.pid_file)

    @property
    def identity(self) -> str:
        return f"nginx:{self._nginx.file}"

    async def read(self) -> Setting:
        content = await asyncio.to_thread(self._file.read)
        colour = self._colour_of(content)
        trouble = ""
        if colour is None:
            trouble = f"{self._nginx.file} holds neither colour's upstream {self._nginx.upstream}: somebody has edited it."
        return Setting(colour, mark_of(content), trouble)

    async def checks(self) -> tuple[Check, ...]:
        nginx = self._nginx
        writable = Check(
            name="upstream file can be written",
            ok=await asyncio.to_thread(self._file.writable),
            detail=f"the bot writes in {nginx.file.parent}",
        )
        return (writable, *await self._program.checks())

    def actions(self, colour: Colour, version: Version) -> tuple[str, ...]:
        nginx = self._nginx
        servers = ", ".join(self._settings.of(colour).upstream)
        return (
            f"Let upstream {nginx.upstream} in {nginx.file} be {colour} ({servers}, {version})",
            self._program.action,
        )

    async def turn(self, colour: Colour, version: Version, mark: str, serves: Serves) -> Turned:  # noqa: ARG002 - a file needs no version
        async with self._file.alone():
            await asyncio.to_thread(self._file.sweep)
            before = await self._exchanged(colour, mark)
            if failure := await self._program.tested():
                return await self._back(before, failure)
            await asyncio.to_thread(self._workers.remember)
            try:
                failure = await self._program.reloaded()
            except TimedOut as error:
                raise OutcomeUnknown(
                    f"{self._nginx.file} holds {colour}, but the reload was stopped: {error}",
                    remedy="See what nginx serves before it is reloaded again.",
                ) from error
            if failure and not await serves():
                return await self._back(before, failure)
        return Turned()

    async def keep(self, colour: Colour) -> None:  # noqa: ARG002 - the file is what lasts
        await asyncio.to_thread(self._file.settled)

    async def still_open(self, left: Colour) -> Open:  # noqa: ARG002 - old workers serve the colour that was left
        return await asyncio.to_thread(self._workers.old)

    async def _exchanged(self, colour: Colour, mark: str) -> bytes | None:
        """Put the colour's content in place. What stood there before, where that is known."""
        now = await asyncio.to_thread(self._file.read)
        if self._colour_of(now) == colour:
            return await asyncio.to_thread(self._file.before)
        if mark_of(now) != mark:
            raise Conflict(
                f"{self._nginx.file} is not as it was when this was planned: somebody has edited it.",
                remedy="Look at the fresh plan and approve that one.",
            )
        await asyncio.to_thread(self._file.change, self.content(colour))
        return now

    async def _back(self, before: bytes | None, failure: str) -> Turned:
        """The running nginx has not changed, so its file must not stay changed either."""
        if before is None:
            return Turned(f"{failure}. {self._nginx.file} had been changed before.")
        await asyncio.to_thread(self._file.restore, before)
        return Turned(f"{failure}. {self._nginx.file} is as it was, and nothing was reloaded.", restored=True)

    def content(self, colour: Colour) -> bytes:
        """What stands in the file while `colour` serves."""
        servers = [f"    server {server};\n" for server in self._settings.of(colour).upstream]
        more = [f"    {directive};\n" for directive in self._nginx.directives]
        head = f"# {colour} serves. Written by kaeru as a whole: what is changed by hand here stops the next switch.\n"
        return "".join([head, f"upstream {self._nginx.upstream} {{\n", *servers, *more, "}\n"]).encode()

    def _colour_of(self, content: bytes) -> Colour | None:
        found = tokens(content)
        return next((colour for colour in COLOURS if tokens(self.content(colour)) == found), None)
