"""Programs that shift and that say how it is. What the first one says is heard, what the second one says decides.

A shift runs in a session of its own and outlives a bot that is killed: the next one waits for it, and starts no second
one beside it.
"""

import asyncio
import hashlib
import shlex
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from bot.domain.plan import Check
from bot.domain.served import percent
from bot.ports.errors import OutcomeUnknown, Refused, Unavailable
from bot.ports.traffic import Served, ShiftPlan, Split, TrafficCapabilities
from integrations.process import TimedOut, redact, run
from integrations.runs import Run, Runs, told
from integrations.traffic.settings import CommandTrafficSettings
from integrations.traffic.shares import (
    is_same,
    must_be_planned,
    must_be_ready,
    must_be_share,
    ready_check,
)

POLL_S = 0.1
LOOK_S = 0.5  # between two readings while a shift takes effect
GRACE_S = 5.0  # from SIGTERM to SIGKILL


class Answer(BaseModel):
    """What `read` prints. Anything else in it is not looked at; `mark` is what changes whenever somebody shifts."""

    share: float | None = Field(ge=0, le=1)
    ready: int | None = Field(default=None, ge=0)
    wanted: int | None = Field(default=None, ge=0)
    to_service: int | None = Field(default=None, ge=0)
    total: int | None = Field(default=None, ge=0)
    errors: int | None = Field(default=None, ge=0)
    service_errors: int | None = Field(default=None, ge=0)
    mark: str = ""


class CommandTraffic:
    """The Traffic port. `shift` may be run again: it is to set a share, not to change it by some."""

    def __init__(self, settings: CommandTrafficSettings) -> None:
        self.settings = settings
        self._timeout_s = settings.timeout.total_seconds()
        self._runs = Runs(settings.state, timeout_s=self._timeout_s, grace_s=GRACE_S)
        self._environment = {n: value.get_secret_value() for n, value in settings.environment.items()}

    @property
    def capabilities(self) -> TrafficCapabilities:
        settings = self.settings
        return TrafficCapabilities(kind="command", stages=settings.stages, measures=settings.measures)

    @property
    def identity(self) -> str:
        return f"command:{self.settings.state}"

    async def aclose(self) -> None:
        """A shift that is under way goes on."""

    async def inspect(self) -> Split:
        return _split(await self._read())

    async def plan(self, share: float) -> ShiftPlan:
        must_be_share(share, stages=self.settings.stages)
        now = await self.inspect()
        name = self.settings.shift[0]
        found = await asyncio.to_thread(shutil.which, name)
        latest = await asyncio.to_thread(self._runs.latest)
        busy = latest is not None and latest.alive
        under_way = f"a shift to {latest.goal} is running" if latest and busy else "none is running"
        return ShiftPlan(
            share=share,
            fingerprint=now.fingerprint,
            actions=(f"Run {redact(shlex.join(self._argv(share, '{key}')))}",),
            checks=(
                Check(
                    name="shift command",
                    ok=bool(found),
                    detail=found or f"{name} is not an executable program",
                ),
                Check(name="no shift is under way", ok=not busy, detail=under_way),
                ready_check(now, share),
            ),
        )

    async def shift(self, plan: ShiftPlan, key: str) -> Split:
        must_be_share(plan.share, stages=self.settings.stages)
        latest = await self._ended()
        now = await self.inspect()
        if is_same(now.share, plan.share):
            return now
        ours = latest is not None and latest.key == _id(key) and latest.interrupted
        if not ours:  # else nobody knows how far it came: what is seen may be its own doing
            must_be_planned(now, plan)
        must_be_ready(now, plan)
        started = await asyncio.to_thread(
            lambda: self._runs.start(
                self._argv(plan.share, _id(key)),
                key=_id(key),
                goal=percent(plan.share),
                cwd=Path("/"),
                environment=self._environment,
            )
        )
        if not started:
            raise Unavailable("Another bot has just begun to shift.", retry_after_s=2.0)
        return await self._judged(plan, now, await self._ended())

    async def served(self) -> Served | None:
        if not self.settings.measures:
            return None
        at, seen = datetime.now(UTC), await self._read()
        if seen.to_service is None or seen.total is None:
            raise Refused(
                f"{self.settings.read[0]} prints no to_service and total.",
                remedy="Let it print both, or set `measures: false`.",
            )
        return Served(
            at=at,
            to_service=seen.to_service,
            total=seen.total,
            errors=seen.errors,
            service_errors=seen.service_errors,
        )

    async def _read(self) -> Answer:
        argv = self.settings.read
        try:
            done = await run(
                argv,
                timeout_s=self.settings.read_timeout.total_seconds(),
                cwd=Path("/"),
                environment=self._environment,
            )
        except TimedOut as error:
            raise Unavailable(
                f"How traffic is split could not be learned: {error}", retry_after_s=2.0
            ) from error
        if done.code != 0:
            said = f": {told(done.last_line, self._environment)}" if done.last_line else ""
            raise Unavailable(f"{argv[0]} ended with {done.code}{said}.", retry_after_s=2.0)
        try:
            return Answer.model_validate_json(done.stdout)
        except ValidationError as error:
            text = done.stdout.decode(errors="replace").strip()
            said = told(text.partition("\n")[0], self._environment) or "nothing"
            raise Refused(
                f"{argv[0]} printed no JSON object with a share from 0 to 1, but {said}.",
                remedy='Let it print such as {"share": 0.25, "ready": 2, "wanted": 2}.',
            ) from error

    def _argv(self, share: float, key: str) -> list[str]:
        # Numbers and a hash: none of them can begin with a dash or hold a space, and there is no shell.
        values = {"{share}": f"{share:.4g}", "{percent}": f"{share * 100:.4g}", "{key}": key}
        argv = list(self.settings.shift)
        for name, value in values.items():
            argv = [argv[0], *(element.replace(name, value) for element in argv[1:])]
        return argv

    async def _ended(self) -> Run | None:
        """The latest run, once none is under way."""
        until = time.monotonic() + self._timeout_s + 2 * GRACE_S
        while True:
            latest = await asyncio.to_thread(self._runs.latest)
            if latest is None or not latest.alive:
                return latest
            if time.monotonic() >= until:
                raise OutcomeUnknown(
                    f"The shift to {latest.goal} has not ended, although its time is over.",
                    remedy="See how traffic is split, and end the command, before it is tried again.",
                )
            await asyncio.sleep(POLL_S)

    async def _judged(self, plan: ShiftPlan, before: Split, ended: Run | None) -> Split:
        name = self.settings.shift[0]
        well = ended is not None and ended.code == 0 and not ended.why
        until = time.monotonic() + (self.settings.settle.total_seconds() if well else 0.0)
        while not is_same((seen := await self.inspect()).share, plan.share):
            if time.monotonic() >= until:
                break
            await asyncio.sleep(LOOK_S)
        else:
            return seen
        share = "something else" if seen.share is None else percent(seen.share)
        now = f"{self.settings.read[0]} says {share}, not {percent(plan.share)}"
        if well:
            raise OutcomeUnknown(
                f"{name} ended well, but {now}.", remedy="See what it did before it is tried again."
            )
        why = await self._why(name, ended)
        if seen.fingerprint == before.fingerprint and ended is not None and ended.is_over:
            raise Refused(
                f"{why}, and traffic is split as before.", remedy=f"Let {name} work, then shift again."
            )
        raise OutcomeUnknown(f"{why}, and {now}.", remedy="See what it did before it is tried again.")

    async def _why(self, name: str, ended: Run | None) -> str:
        if ended is None or ended.interrupted:
            return f"{name} was ended from outside, and nobody saw how far it came"
        if ended.code is None:
            return f"{name} did not run: {ended.why}"
        if ended.why:
            return f"{name} was stopped with all that it had started: {ended.why}"
        lines = await asyncio.to_thread(self._runs.lines, self._environment)
        said = f": {lines[-1].rstrip('.')}" if lines else ""
        return f"{name} ended with {ended.code}{said}"


def _split(seen: Answer) -> Split:
    text = f"{seen.share} {seen.mark}"
    if seen.share is None:
        said = "it is split in a way that has no share"
    else:
        said = f"{percent(seen.share)} to the service"
    healthy = "" if seen.ready is None else f", {seen.ready} of {seen.wanted or '?'} backends healthy"
    return Split(
        share=seen.share,
        ready=seen.ready,
        wanted=seen.wanted,
        fingerprint=hashlib.sha256(text.encode()).hexdigest()[:12],
        detail=said + healthy,
    )


def _id(key: str) -> str:
    """A word of a key, whatever that may be made of."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]
