"""A deploy target: releases on disk, a link that names the current one, a command that restarts the service."""

import asyncio
import shlex
import shutil
import time
from collections.abc import AsyncGenerator

from bot.domain.base import Version
from bot.domain.debts import Debt
from bot.domain.evidence import Outcome
from bot.domain.plan import Check, Level, Warn
from bot.ports.errors import Conflict, OutcomeUnknown, Refused
from bot.ports.target import Available, Capabilities, Change, Inspection, Observation, TargetPlan, polled
from integrations.http_health.client import ProbeClient
from integrations.process import TimedOut, redact, run
from integrations.releases_on_disk import could_not_run, fingerprint, is_version, no_release, release_check
from integrations.symlink.folder import ReleaseFolder
from integrations.symlink.restarts import RestartNote
from integrations.symlink.settings import SymlinkSettings

POLL_S = 0.1  # between two questions for the version, while a restart settles


class SymlinkTarget:
    """The Target port. Call `aclose` when it is no longer needed.

    Where `version_url` is set, a change has succeeded when the link names the version *and* the process says
    so. Without it nobody can see the process: then a restart command that ends with 0 is what is known, and
    `observe` alone cannot tell more than the link.
    """

    capabilities = Capabilities(kind="symlink")

    def __init__(self, settings: SymlinkSettings) -> None:
        self._settings = settings
        self._folder = ReleaseFolder(settings.releases, settings.link)
        self._client = ProbeClient(timeout_s=settings.version_timeout.total_seconds())
        self._note = RestartNote(settings.link, timeout_s=settings.restart_timeout.total_seconds())

    @property
    def identity(self) -> str:
        return f"symlink:{self._settings.link}"

    async def aclose(self) -> None:
        await self._client.aclose()

    async def inspect(self) -> Inspection:
        current = await asyncio.to_thread(self._folder.current)
        listing = await asyncio.to_thread(self._folder.list)
        running = await self._running()
        warnings = []
        if current not in listing.versions:
            text = f"{self._settings.link} points at {current}, but its folder is gone."
            warnings.append(Warn(level=Level.DANGER, text=text))
        if running is not None and running != current:
            text = f"{self._settings.link} points at {current}, but {running} is what answers."
            warnings.append(Warn(level=Level.WARNING, text=text))
        if running is None and self._settings.version_url is not None:
            text = f"{self._settings.version_url} does not say which version runs."
            warnings.append(Warn(level=Level.WARNING, text=text))
        return Inspection(
            current=current,
            running=running,
            available=tuple(Available(version=version) for version in listing.versions),
            fingerprint=fingerprint(current),
            warnings=tuple(warnings),
        )

    async def plan(self, change: Change) -> TargetPlan:
        seen = await self.inspect()
        settings = self._settings
        actions = [f"Point {settings.link} at {change.to_version} (now {seen.current})"]
        checks = [
            release_check(change.to_version, [a.version for a in seen.available]),
            Check(
                name="nobody moved the link",
                ok=seen.fingerprint == change.fingerprint,
                detail=f"{settings.link} points at {seen.current}",
            ),
            Check(
                name="link can be moved",
                ok=await asyncio.to_thread(self._folder.writable),
                detail=f"the bot writes in {settings.link.parent}",
            ),
        ]
        if settings.restart:
            actions.append(f"Run {redact(shlex.join(settings.restart))}")
            program = await asyncio.to_thread(shutil.which, settings.restart[0])
            found = f"{program}" if program else f"{settings.restart[0]} is not an executable program"
            checks.append(Check(name="restart command", ok=program is not None, detail=found))
        if settings.version_url is not None:
            actions.append(f"Wait until {settings.version_url} says {change.to_version}")
            answer = f"{settings.version_url} says {seen.running or 'nothing'}"
            # A service that is down says nothing, and has to be rolled back all the same.
            said = Check(
                name="version can be observed", ok=seen.running is not None, detail=answer, required=False
            )
            checks.append(said)
        return TargetPlan(
            actions=tuple(actions), warnings=seen.warnings, checks=tuple(checks), expected_s=self._expected_s
        )

    async def apply(self, change: Change, key: str) -> Observation:
        current = await asyncio.to_thread(self._folder.current)
        if current != change.to_version and fingerprint(current) != change.fingerprint:
            raise _conflict(self._settings, current, change)
        return await self._go(change.from_version, change.to_version, f"apply {key}")

    async def observe(self, change: Change, key: str) -> Observation:  # noqa: ARG002 - the port's signature; what is seen needs no key
        return await self._see(change.to_version, change.from_version)

    async def revert(self, change: Change, key: str) -> Observation:
        return await self._go(change.to_version, change.from_version, f"revert {key}")

    def follow(self, change: Change, key: str) -> AsyncGenerator[Observation, None]:
        return polled(self, change, key)

    async def repay(self, debt: Debt, key: str) -> None:  # noqa: ARG002 - the port's signature
        raise Refused(f"{self._settings.link} has nothing to give back: {debt.text}")

    async def _go(self, start: Version, goal: Version, token: str) -> Observation:
        """Make `goal` run, coming from `start`; look first, and let what a killed bot began come to its end."""
        await self._note.earlier_ended(lambda: self._runs(goal))
        seen = await self._see(goal, start)
        if seen.outcome is Outcome.SUCCEEDED:
            return seen
        listing = await asyncio.to_thread(self._folder.list)
        if goal not in listing.versions:
            raise no_release(goal, self._settings.releases, listing.versions)
        if await asyncio.to_thread(self._folder.current) != goal:
            await asyncio.to_thread(self._folder.switch, start, goal, token)
        if self._settings.restart:
            failure = await self._restart(goal)
            if failure is not None:
                return failure
        return await self._settled(goal, start)

    async def _restart(self, goal: Version) -> Observation | None:
        """Run the restart command. An observation where it did not do its work; OutcomeUnknown in time."""
        settings = self._settings
        seconds = settings.restart_timeout.total_seconds()
        environment = {name: value.get_secret_value() for name, value in settings.environment.items()}
        self._note.begin()
        try:
            done = await run(
                settings.restart, timeout_s=seconds, environment=environment, on_start=self._note.begin
            )
        except TimedOut as error:
            raise OutcomeUnknown(
                f"{settings.link} points at {goal}, but the restart command was stopped after {seconds:g} s.",
                remedy="See what runs before it is restarted again.",
            ) from error
        finally:
            self._note.end()
        if done.code == 0:
            return None
        running = await self._running()
        said = f": {done.last_line}" if done.last_line else "."
        outcome = Outcome.SUCCEEDED if running == goal else Outcome.FAILED
        return Observation(
            outcome=outcome,
            running=running,
            detail=f"The restart command ended with {done.code}{said}",
            blameless=outcome is Outcome.FAILED and could_not_run(done.code, done.last_line),
        )

    async def _settled(self, goal: Version, start: Version) -> Observation:
        """Ask until `goal` answers, at most as long as it may take to settle."""
        if self._settings.version_url is None:
            detail = f"{self._settings.link} points at {goal}; nobody asked the process (no version_url)."
            return Observation(outcome=Outcome.SUCCEEDED, detail=detail, running=None)
        deadline = time.monotonic() + self._settings.settle.total_seconds()
        while (seen := await self._see(goal, start)).outcome is Outcome.UNKNOWN:
            if time.monotonic() >= deadline:
                break
            await asyncio.sleep(POLL_S)
        return seen

    async def _see(self, goal: Version, start: Version) -> Observation:
        """Compare link and process with `goal`."""
        current = await asyncio.to_thread(self._folder.current)
        running = await self._running()
        link = self._settings.link
        if current != goal:
            who = "still points" if current == start else "someone else has moved it: it points"
            detail = f"{link}: {who} at {current}."
            return Observation(outcome=Outcome.FAILED, detail=detail, running=running, blameless=True)
        if running == goal:
            detail = f"{link} points at {goal}, and {goal} is what answers."
            return Observation(outcome=Outcome.SUCCEEDED, detail=detail, running=running)
        if not self._settings.restart and self._settings.version_url is None:
            detail = f"{link} points at {goal}."
            return Observation(outcome=Outcome.SUCCEEDED, detail=detail, running=None)
        answers = f"{running} is what answers" if running else "what runs could not be seen"
        detail = f"{link} points at {goal}, but {answers}."
        return Observation(outcome=Outcome.UNKNOWN, detail=detail, running=running)

    async def _running(self) -> Version | None:
        if self._settings.version_url is None:
            return None
        probe = await self._client.ask(
            self._settings.version_url, endpoint="version", version_field=self._settings.version_field
        )
        return probe.version if probe.ok and is_version(probe.version or "") else None

    async def _runs(self, version: Version) -> bool:
        return await self._running() == version

    @property
    def _expected_s(self) -> float:
        return 1.0 + (2.0 if self._settings.restart else 0.0)


def _conflict(settings: SymlinkSettings, current: Version, change: Change) -> Conflict:
    return Conflict(
        f"{settings.link} points at {current}; this was planned when it pointed at {change.from_version}.",
        remedy="Look at the fresh plan and approve that one.",
    )
