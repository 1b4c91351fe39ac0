"""One host: what it runs, its releases, its link, its restart. Every sentence names the host."""

import asyncio
import posixpath
import time
from collections.abc import Awaitable
from typing import TypeVar

from bot.domain.base import Version
from bot.domain.evidence import Outcome
from bot.ports.errors import PortError, Unavailable
from integrations import releases_on_disk as on_disk
from integrations.hosts.errors import AGAIN_S, DiskTrouble, Kind, Lost, of_disk
from integrations.hosts.machine import Ended, Machine, OverTime
from integrations.hosts.note import ChangeNote
from integrations.hosts.seen import Brought, Seen
from integrations.hosts.settings import HostSettings, HostsSettings
from integrations.http_health.client import ProbeClient

POLL_S = 0.2

T = TypeVar("T")


class Host:
    """Raises PortError, and Lost where what was asked may have been done."""

    def __init__(
        self, machine: Machine, place: HostSettings, settings: HostsSettings, client: ProbeClient
    ) -> None:
        self.name = place.name
        self.link = self._named(settings.link)
        self.releases = self._named(settings.releases)
        self._settings = settings
        self._machine = machine
        self._client = client
        url = place.version_url or settings.version_url
        self.version_url = None if url is None else self._named(url)
        self._note = ChangeNote(machine, self.link, timeout_s=settings.restart_timeout.total_seconds())

    async def aclose(self) -> None:
        await self._machine.aclose()

    # Looking.

    async def look(self) -> Seen:
        """Link and process. Raises no PortError: what is in the way is seen, too."""
        running = asyncio.create_task(self.running())
        try:
            current = await self.reading(self.current())
            begun = self._is_blind and await self.reading(self._told(self._note.there(), self._unnoted))
        except PortError as trouble:
            return Seen(self.name, None, await running, trouble=trouble)
        finally:
            await asyncio.wait({running})
        return Seen(self.name, current, await running, asked=self.version_url is not None, begun=begun)

    async def current(self) -> Version:
        """The version that the link names, also where its folder is gone."""
        text = await self._text()
        folder, name = on_disk.pointed(self.link, text)
        same = folder == self.releases
        if not same:
            same = await self._machine.resolved(folder) == await self._machine.resolved(self.releases)
        if not same or not on_disk.is_version(name):
            raise on_disk.elsewhere(self.link, text, self.releases, where=self._where)
        return name

    async def versions(self) -> tuple[Version, ...]:
        what = f"The releases in {self.releases}{self._where} cannot be listed"
        found = await self._told(self._machine.entries(self.releases), what)
        return on_disk.listing(found).versions

    async def running(self) -> Version | None:
        """What the process says; None where it says nothing, or nobody can ask."""
        if self.version_url is None:
            return None
        probe = await self._client.ask(
            self.version_url, endpoint="version", version_field=self._settings.version_field
        )
        return probe.version if probe.ok and on_disk.is_version(probe.version or "") else None

    async def reading(self, question: Awaitable[T]) -> T:
        """A question that changes nothing: being lost is being unavailable."""
        try:
            return await question
        except Lost as error:
            raise Unavailable(f"{self.name} does not answer: {error}.", retry_after_s=AGAIN_S) from error

    async def can_move_link(self) -> bool:
        return await self.reading(self._machine.writable(posixpath.dirname(self.link)))

    async def can_restart(self) -> bool:
        program = self._settings.restart[0]
        return await self.reading(self._machine.has_program(self._named(program)))

    # Changing.

    async def bring(self, start: Version, goal: Version, key: str) -> Brought:
        """Make `goal` run, coming from `start`; look first, and let what somebody began come to its end."""
        if (seen := await self._looked()).is_on(goal):
            return await self._settled(goal, moved=False)
        await self._told(self._note.earlier_ended(self.current, self.running), self._unnoted)
        if (seen := await self._looked()).is_on(goal):
            return await self._settled(goal, moved=False)
        if moved := seen.link != goal:
            if goal not in (there := await self.versions()):
                raise on_disk.no_release(goal, self.releases, there, where=self._where)
            await self._told(self._note.begin(key, goal), self._unnoted)
            try:
                await self.switch(start, goal, key)
            except PortError:
                await self._told(self._note.end(), self._unnoted)  # nothing was begun
                raise
        else:
            await self._told(self._note.begin(key, goal), self._unnoted)
        failed = await self._restart(goal) if self._settings.restart else None
        return failed or await self._settled(goal, moved=moved)

    async def _looked(self) -> Seen:
        seen = await self.look()
        if seen.trouble is not None:
            raise seen.trouble
        return seen

    async def switch(self, expected: Version, version: Version, token: str) -> None:
        """Let the link point at `version` by one atomic rename, in the style (relative, absolute) it has now.

        Raises Conflict when the link does not name `expected` any more. Between that look and the rename lies a
        moment (over SSH, the way there and back) in which a foreign change would be overwritten.
        """
        folder, name = posixpath.split(self.link)
        fresh = posixpath.join(folder, on_disk.temporary_name(name, token))
        what = f"The link {self.link}{self._where} cannot be moved"
        text = on_disk.text_for(await self._text(), version)
        await self._told(self._machine.remove(fresh), what)
        try:
            await self._told(self._machine.symlink(text, fresh), what)
            if (now := await self.current()) != expected:
                raise on_disk.moved_meanwhile(self.link, now, expected, where=self._where)
            await self._told(self._machine.rename(fresh, self.link), what)
        except PortError:
            await self._told(self._machine.remove(fresh), what)
            raise

    async def well(self, goal: Version) -> str:
        """Whether a host that has changed is as it should be: nothing, or what is not."""
        running = await self.running()
        if self.version_url is not None and running != goal:
            return f"{running or 'nothing'} is what answers at {self.version_url}"
        if not self._settings.check:
            return ""
        seconds = self._settings.check_timeout.total_seconds()
        try:
            ended = await self._machine.run(self._argv(self._settings.check, goal), timeout_s=seconds)
        except OverTime:
            return f"the check did not end within {seconds:g} s"
        return "" if ended.code == 0 else f"the check ended with {_end(ended)}"

    async def _restart(self, goal: Version) -> Brought | None:
        """Run the restart command. What became of the host where that did not do its work."""
        seconds = self._settings.restart_timeout.total_seconds()
        argv = self._argv(self._settings.restart, goal)
        try:
            ended = await self._machine.run(argv, timeout_s=seconds, pid_file=self._note.path)
        except OverTime:
            seen = await self._settled(goal, moved=True, and_end=False)
            said = f"the restart command was stopped after {seconds:g} s"
            return seen if seen.outcome is Outcome.SUCCEEDED else Brought(Outcome.UNKNOWN, said, moved=True)
        if ended.code == 0 or await self.running() == goal:
            return None
        blameless = on_disk.could_not_run(ended.code, ended.last_line)
        said = f"the restart command ended with {_end(ended)}"
        return Brought(Outcome.FAILED, said, moved=True, blameless=blameless)

    async def _settled(self, goal: Version, *, moved: bool, and_end: bool = True) -> Brought:
        """Ask until the host is well, at most as long as it may take to settle.

        Where all is well the note goes; not where the restart may still be running (`and_end`).
        """
        deadline = time.monotonic() + self._settings.settle.total_seconds()
        while ill := await self.well(goal):
            if time.monotonic() >= deadline:
                said = f"after {self._settings.settle.total_seconds():g} s {ill}"
                # Where something else answers, it was not restarted, and was never seen.
                blameless = await self.running() not in (None, goal)
                return Brought(Outcome.FAILED, said, moved=moved, blameless=blameless)
            await asyncio.sleep(POLL_S)
        if and_end:
            await self._told(self._note.end(), self._unnoted)
        return Brought(Outcome.SUCCEEDED, "", moved=moved)

    async def _text(self) -> str:
        """What the link says, unresolved."""
        try:
            return await self._machine.readlink(self.link)
        except DiskTrouble as trouble:
            if trouble.kind is Kind.MISSING:
                raise on_disk.no_link(self.link, self.releases, where=self._where) from trouble
            if trouble.kind is Kind.NO_LINK:
                raise on_disk.no_symlink(self.link, where=self._where) from trouble
            what = f"The link {self.link}{self._where} cannot be read"
            raise self._error(trouble, what) from trouble

    async def _told(self, work: Awaitable[T], what: str) -> T:
        try:
            return await work
        except DiskTrouble as trouble:
            raise self._error(trouble, what) from trouble

    def _error(self, trouble: DiskTrouble, what: str) -> PortError:
        folder = posixpath.dirname(self.link)
        return of_disk(trouble, what, host=self.name, folder=folder, releases=self.releases)

    def _named(self, text: str) -> str:
        return text.replace("{host}", self.name)

    def _argv(self, argv: tuple[str, ...], version: Version) -> tuple[str, ...]:
        return tuple(self._named(part).replace("{version}", version) for part in argv)

    @property
    def _is_blind(self) -> bool:
        """Whether nobody can see if a restart has been done."""
        return self.version_url is None and bool(self._settings.restart)

    @property
    def _where(self) -> str:
        return f" on {self.name}"

    @property
    def _unnoted(self) -> str:
        return f"What is begun cannot be noted beside the link {self.link}{self._where}"


def _end(ended: Ended) -> str:
    return f"{ended.code}: {ended.last_line}" if ended.last_line else f"{ended.code}"
