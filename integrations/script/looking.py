"""What is deployed, what answers, and what could be deployed."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.base import Version, as_version
from bot.ports.errors import Refused, Unavailable
from bot.ports.memory import Memory
from integrations.http_health.client import ProbeClient
from integrations.process import Finished, TimedOut, run
from integrations.runs import told
from integrations.script.settings import ScriptSettings

ASK_S = 8.0  # how long a program may take that only tells something
POLL_S = 0.2


@dataclass(frozen=True)
class Seen:
    """`current` is what is said to be deployed, `running` what answers: None where it could not be seen.

    `mixed` are the versions that answered where they were several.
    """

    current: Version
    running: Version | None
    mixed: tuple[Version, ...] = ()
    guessed: bool = False


class Eyes:
    """Call `aclose` when it is no longer needed. Raises Refused, Unavailable."""

    def __init__(self, settings: ScriptSettings, memory: Memory) -> None:
        self._settings = settings
        self._memory = memory
        self._client = ProbeClient(timeout_s=settings.version_timeout.total_seconds())

    async def aclose(self) -> None:
        await self._client.aclose()

    async def look(self) -> Seen:
        answers = await self.answers()
        versions = tuple(sorted({version for version in answers if version is not None}))
        running = versions[0] if len(versions) == 1 and None not in answers else None
        mixed = versions if len(versions) > 1 else ()
        if self._settings.current:
            return Seen(await self._deployed(), running, mixed)
        if versions:
            # Several answer while a rollout stands still half way: the first of them is as good a name as the other.
            return Seen(running or versions[0], running, mixed)
        shapes = await self._memory.shapes()
        if not shapes:
            raise Unavailable(
                f"{self._settings.version_url} does not say which version runs, and kaeru has never seen one.",
                retry_after_s=2.0,
                remedy="Bring the service back, or set `current` to a program that knows what is deployed.",
            )
        return Seen(shapes[0].version, None, guessed=True)

    async def answers(self) -> tuple[Version | None, ...]:
        """What answered, one after the other. Nothing where there is no address."""
        if self._settings.version_url is None:
            return ()
        return tuple([await self._ask(self._settings.version_url) for _ in range(self._settings.looks)])

    async def serves(self, version: Version, *, until: float = 0.0) -> bool:
        """Whether `version` is deployed and is all that answers; asked again until `until` (monotonic seconds)."""
        while True:
            seen = await self.look()
            if seen.current == version and (self._settings.version_url is None or seen.running == version):
                return True
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(POLL_S)

    async def versions(self) -> tuple[Version, ...]:
        """What could be deployed, as the program lists it; lines that are no version are left out."""
        if self._settings.known_versions:
            return self._settings.known_versions
        done = await self._asked(self._settings.versions, "the versions")
        found: dict[Version, None] = {}
        for line in done.stdout.decode(errors="replace").splitlines():
            if (version := _version_of(line)) is not None:
                found[version] = None
        return tuple(found)

    async def status(self) -> str:
        """The last line of the status program, or nothing. It is only for people: a failure is no trouble."""
        if not self._settings.status:
            return ""
        try:
            done = await self._asked(self._settings.status, "the status")
        except (Refused, Unavailable):
            return ""
        lines = [line for line in done.stdout.decode(errors="replace").splitlines() if line.strip()]
        return told(lines[-1].strip(), self._settings.secrets) if lines else ""

    async def _deployed(self) -> Version:
        done = await self._asked(self._settings.current, "what is deployed")
        lines = done.stdout.decode(errors="replace").split()
        version = _version_of(lines[0]) if len(lines) == 1 else None
        if version is None:
            said = told(" ".join(lines), self._settings.secrets) or "nothing"
            raise Refused(
                f"{self._settings.current[0]} is to print the version that is deployed, and printed: {said}",
                remedy="Correct `current` in kaeru.yml.",
            )
        return version

    async def _asked(self, argv: Sequence[str], what: str) -> Finished:
        settings = self._settings
        try:
            done = await run(argv, timeout_s=ASK_S, cwd=settings.cwd, environment=settings.secrets)
        except TimedOut as error:
            raise Unavailable(f"{what} could not be learned: {error}", retry_after_s=2.0) from error
        if done.code != 0:
            said = f": {done.last_line}" if done.last_line else "."
            raise Unavailable(
                f"{argv[0]}, which tells {what}, ended with {done.code}{said}", retry_after_s=2.0
            )
        return done

    async def _ask(self, url: str) -> Version | None:
        probe = await self._client.ask(url, endpoint="version", version_field=self._settings.version_field)
        return probe.version if probe.ok else None


def _version_of(text: str) -> Version | None:
    try:
        return as_version(text.strip())
    except ValueError:
        return None
