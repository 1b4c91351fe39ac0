"""nginx: a file that splits traffic, exchanged, tested and read again.

What is on disk after a kill at each point, and what the next attempt then does:

before the rename      the old file; a leftover is swept, everything is done from the start
after it, not reloaded the new file, while nginx still runs the old one: tested and reloaded, or put back
after the reload       the new file, and it is at work: only the saved copy is taken away
"""

import asyncio
import re
import time
from collections.abc import Callable

from bot.domain.plan import Check, Level, Warn
from bot.domain.served import percent
from bot.ports.errors import OutcomeUnknown, Refused
from bot.ports.traffic import Served, ShiftPlan, Split, TrafficCapabilities
from integrations.nginx_program import NginxProgram, tokens
from integrations.nginx_workers import Workers
from integrations.own_file import OwnFile, mark_of
from integrations.process import TimedOut
from integrations.traffic.access_log import FORMAT, AccessLog
from integrations.traffic.healthy import Servers
from integrations.traffic.settings import NginxTrafficSettings
from integrations.traffic.shares import must_be_planned, must_be_ready, must_be_share, ready_check

POLL_S = 0.05
LATE_S = 0.05  # how much a worker may seem to be older than it is: the kernel counts in hundredths
_CREATE = "Create it once by hand with the split of now; docs/traffic.md shows it."
_PERCENT = re.compile(r"^\d+(\.\d+)?%$")


class NginxTraffic:
    """The Traffic port. Call `aclose` when it is no longer needed."""

    def __init__(self, settings: NginxTrafficSettings) -> None:
        self.settings = settings
        self._file = OwnFile(settings.file, missing=_CREATE)
        self._workers = Workers(settings.pid_file)
        self._program = NginxProgram(
            test=settings.test, reload=settings.reload, timeout_s=settings.timeout.total_seconds()
        )
        self._servers = Servers(
            settings.servers, health=settings.health, timeout_s=settings.health_timeout.total_seconds()
        )
        log = settings.access_log
        self._log = AccessLog(log, service=self._service, otherwise=self._otherwise) if log else None
        self._counting = asyncio.Lock()

    @property
    def capabilities(self) -> TrafficCapabilities:
        return TrafficCapabilities(kind="nginx", measures=self._log is not None)

    @property
    def identity(self) -> str:
        return f"nginx:{self.settings.file}"

    async def aclose(self) -> None:
        await self._servers.aclose()

    async def inspect(self) -> Split:
        content = await asyncio.to_thread(self._file.read)
        ready = await self._servers.ready()
        share = self._share_of(content)
        where = f"{percent(share)} to the service" if share is not None else "somebody has edited the split"
        return Split(
            share=share,
            ready=ready,
            wanted=self._servers.count,
            fingerprint=mark_of(content),
            detail=f"{self.settings.file}: {where}, {ready} of {self._servers.count} servers healthy",
            warnings=await self._warnings(share),
        )

    async def plan(self, share: float) -> ShiftPlan:
        share = _hundredths(share)
        now = await self.inspect()
        writable = await asyncio.to_thread(self._file.writable)
        workers = await asyncio.to_thread(lambda: self._workers.known)
        pid_file, folder = self.settings.pid_file, self.settings.file.parent
        checks = (
            Check(name="split file can be written", ok=writable, detail=f"the bot writes in {folder}"),
            Check(name="split is kaeru's", ok=now.share is not None, detail=now.detail),
            Check(name="nginx's workers can be seen", ok=workers, detail=f"the pid in {pid_file}"),
            ready_check(now, share),
            *await self._program.checks(),
        )
        rest = "" if share == 1 else f", and all other to {self._rest}"
        return ShiftPlan(
            share=share,
            fingerprint=now.fingerprint,
            actions=(
                f"Send {percent(share)} of the traffic to {', '.join(self.settings.servers)}{rest}, in {self.settings.file}",
                self._program.action,
            ),
            warnings=now.warnings,
            checks=checks,
        )

    async def shift(self, plan: ShiftPlan, key: str) -> Split:  # noqa: ARG002 - the file itself tells what was done
        share = _hundredths(plan.share)
        async with self._file.alone():
            await asyncio.to_thread(self._file.sweep)
            now = await self.inspect()
            before = await asyncio.to_thread(self._file.before)
            if now.share != share:
                must_be_planned(now, plan)
                self._must_be_ours(now)
                must_be_ready(now, plan)
                await asyncio.to_thread(self._file.change, self.content(share))
                await self._read_again()
            elif before is not None or await self._is_late():
                if before is not None and now.ready == 0 and share > (self._share_of(before) or 0.0):
                    await asyncio.to_thread(self._file.restore, before)
                    must_be_ready(now.model_copy(update={"share": self._share_of(before)}), plan)
                await self._read_again()
        await self._until(lambda: not self._workers.old().count, self.settings.drain.total_seconds())
        left = await asyncio.to_thread(self._workers.old)
        seen = await self.inspect()
        return seen.model_copy(update={"detail": f"{seen.detail}; {left.text}"})

    async def served(self) -> Served | None:
        if self._log is None:
            return None
        async with self._counting:
            return await asyncio.to_thread(self._log.served)

    def content(self, share: float) -> bytes:
        """What stands in the file for a share of whole hundredths of a percent."""
        name = self.settings.name
        part = "*" if share == 1 else f"{share * 100:.2f}%"
        lines = [
            f"# {percent(share)} reaches the service. Written by kaeru as a whole: what is changed by hand stops the next shift.\n",
            _upstream(self._service, self.settings.servers),
            _upstream(self._otherwise, self.settings.otherwise) if self.settings.otherwise else "",
            f'split_clients "{self.settings.split_by}" ${name}_place {{\n',
            f"    {part} {self._service};\n" if share else "",
            f"    * {self._otherwise};\n" if share != 1 else "",
            "}\n",
            f"log_format kaeru_{name} '{FORMAT} ${name}_place';\n",
        ]
        return "".join(lines).encode()

    async def _read_again(self) -> None:
        """Let nginx read the file; put it back where it does not. Raises Refused, OutcomeUnknown."""
        if not await asyncio.to_thread(lambda: self._workers.known):
            await self._back(f"{self.settings.pid_file} names no running nginx")
        if failure := await self._program.tested():
            await self._back(failure)
        await asyncio.to_thread(self._workers.remember)
        unknown = f"{self.settings.file} was changed, but the workers of nginx from before still serve."
        remedy = "Look at nginx's error log, and reload it."
        try:
            failure = await self._program.reloaded()
        except TimedOut as error:
            raise OutcomeUnknown(f"{unknown} The reload was stopped: {error}", remedy=remedy) from error
        patience = POLL_S if failure else self.settings.settle.total_seconds()
        if not await self._until(self._workers.replaced, patience):
            if failure:
                await self._back(failure)
            raise OutcomeUnknown(unknown, remedy=remedy)
        await asyncio.to_thread(self._file.settled)

    async def _back(self, failure: str) -> None:
        """The running nginx has not changed, so its file must not stay changed either."""
        before = await asyncio.to_thread(self._file.before)
        if before is None:
            raise Refused(f"{failure}. {self.settings.file} had been changed before.")
        await asyncio.to_thread(self._file.restore, before)
        raise Refused(f"{failure}. {self.settings.file} is as it was, and nothing was reloaded.")

    async def _until(self, holds: Callable[[], bool], seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not await asyncio.to_thread(holds):
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(POLL_S)
        return True

    async def _is_late(self) -> bool:
        """Whether nginx has not read the file since it was changed."""
        since = await asyncio.to_thread(self._workers.since)
        changed = (await asyncio.to_thread(self.settings.file.stat)).st_mtime
        return since is not None and since < changed - LATE_S

    async def _warnings(self, share: float | None) -> tuple[Warn, ...]:
        file, found = self.settings.file, []
        if share is None:
            text = f"{file} does not split as kaeru would: somebody has edited it."
            found.append(Warn(level=Level.DANGER, text=text))
        if await self._is_late():
            text = f"{file} was changed, and nginx has not read it since: traffic is still split as before."
            found.append(Warn(level=Level.DANGER, text=text))
        if self._log is None:
            text = "What is served cannot be measured: set access_log, and let the site write it."
            found.append(Warn(level=Level.WARNING, text=text))
        return tuple(found)

    def _must_be_ours(self, now: Split) -> None:
        if now.share is None:
            raise Refused(
                f"{self.settings.file} does not split as kaeru would: somebody has edited it.",
                remedy="Put its content back as docs/traffic.md shows it.",
            )

    def _share_of(self, content: bytes) -> float | None:
        """The share that this content makes, None where it is not what kaeru would have written."""
        read = _words(content)
        percents = [float(word[:-1]) for word in read if _PERCENT.match(word)]
        candidates = [round(percents[0] / 100, 4)] if percents else [0.0, 1.0]
        return next((share for share in candidates if _words(self.content(share)) == read), None)

    @property
    def _service(self) -> str:
        return f"{self.settings.name}_service"

    @property
    def _otherwise(self) -> str:
        return f"{self.settings.name}_{'otherwise' if self.settings.otherwise else 'maintenance'}"

    @property
    def _rest(self) -> str:
        return ", ".join(self.settings.otherwise) or "the maintenance page"


def _hundredths(share: float) -> float:
    """As nginx splits, by hundredths of a percent. Raises Refused where it is no share."""
    must_be_share(share)
    rounded = round(share, 4)
    return max(rounded, 0.0001) if share else 0.0


def _words(content: bytes) -> list[str]:
    """What nginx reads of it, without quotes and with percents in one spelling."""
    words = [token.strip("\"'") for token in tokens(content)]
    return [f"{float(word[:-1]):.2f}%" if _PERCENT.match(word) else word for word in words]


def _upstream(name: str, servers: tuple[str, ...]) -> str:
    lines = "".join(f"    server {server};\n" for server in servers)
    return f"upstream {name} {{\n{lines}}}\n"
