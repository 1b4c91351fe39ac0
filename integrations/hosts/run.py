"""One change carried out host by host, or in batches, until it is done or the first one fails."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace

from bot.domain.base import Version
from bot.domain.evidence import Outcome
from bot.ports.errors import PortError, Unavailable
from bot.ports.target import Observation
from integrations.hosts.errors import Lost
from integrations.hosts.host import Host
from integrations.hosts.seen import Brought, judged
from integrations.hosts.settings import HostsSettings
from integrations.hosts.ways import Way, batches

_log = logging.getLogger(__name__)

AGAIN_S = 0.5
"""Between two attempts at a host that was lost."""
SILENT_S = 5.0


class Run:
    """Goes on in the background. `planned` are the hosts in the order in which they change.

    A run that is stopped leaves each host as it is; the next one looks and goes on from there.
    """

    def __init__(
        self, hosts: Mapping[str, Host], planned: Sequence[Way], settings: HostsSettings, key: str
    ) -> None:
        self.planned = tuple(planned)
        self.key = key
        self.ended: Observation | None = None
        self._hosts = hosts
        self._settings = settings
        self._doing: dict[str, str] = {}
        self._brought: dict[str, Brought] = {}
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._carry_out(), name=f"hosts {key}")

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    def seen(self) -> Observation:
        """How far it has come."""
        if self.ended is not None:
            return self.ended
        done = sum(b.outcome is Outcome.SUCCEEDED for b in self._brought.values())
        doing = [f"{host} {what}" for host, what in self._doing.items()]
        detail = "; ".join([f"{done} of {len(self.planned)} done", *doing])
        return Observation(outcome=Outcome.UNKNOWN, detail=f"{detail}.", running=None)

    async def looks(self) -> AsyncGenerator[Observation, None]:
        """Whenever something is new, and every few seconds, until it has ended."""
        while True:
            self._news.clear()
            seen = self.seen()
            yield seen
            if self.ended is not None:
                return
            try:
                async with asyncio.timeout(SILENT_S):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _carry_out(self) -> None:
        try:
            said = await self._all_batches()
            self.ended = await self._judged(said)
        except Exception:  # noqa: BLE001 - nobody awaits this task: whoever follows is told, and looks for themselves
            _log.exception("a run over the hosts broke down")
            self.ended = Observation(
                outcome=Outcome.UNKNOWN,
                detail="kaeru itself failed while the hosts changed; the log has the details.",
                running=None,
            )
        finally:
            self._news.set()

    async def _all_batches(self) -> list[str]:
        """Sentences about what did not go well; none where all did."""
        todo = [way for way in self.planned if not way.left_out]
        parts = batches(todo, self._settings.at_once)
        for n, batch in enumerate(parts):
            for way in batch:
                self._tell(way.host, f"goes to {way.goal}")
            await asyncio.gather(*(self._one(way) for way in batch))
            if n + 1 < len(parts) and self._settings.soak is not None and not self._bad(batch):
                await self._soaked(batch, self._settings.soak.total_seconds())
            if bad := self._bad(batch):
                said = [f"{way.host}: {self._brought[way.host].said}" for way in bad]
                later = [way.host for part in parts[n + 1 :] for way in part]
                if later:
                    said.append(f"{', '.join(later)} {_was(later)} not touched")
                return said + await self._put_back(parts[: n + 1])
        return []

    async def _one(self, way: Way) -> None:
        if way.origin is not None and way.goal is not None:
            self._brought[way.host] = await self._insisted(way.host, way.origin, way.goal, self.key)

    async def _insisted(self, name: str, start: Version, goal: Version, key: str) -> Brought:
        """Bring one host there. One that is lost meanwhile is looked at again for a while."""
        until = time.monotonic() + self._settings.reconnect.total_seconds()
        begun = False
        try:
            while True:
                try:
                    return await self._hosts[name].bring(start, goal, key)
                except Lost as error:
                    begun, said = True, str(error)
                except Unavailable as error:
                    said = error.advice
                except PortError as error:
                    return Brought(Outcome.FAILED, error.advice, moved=begun, blameless=True)
                if time.monotonic() >= until:
                    outcome = Outcome.UNKNOWN if begun else Outcome.FAILED
                    return Brought(outcome, said.rstrip("."), moved=begun, blameless=not begun)
                self._tell(name, "does not answer")
                await asyncio.sleep(AGAIN_S)
        finally:
            self._doing.pop(name, None)
            if self._doing:
                self._news.set()  # the others of the batch go on

    async def _soaked(self, batch: Sequence[Way], seconds: float) -> None:
        """Whether a batch that is well stays so."""
        for way in batch:
            self._tell(way.host, f"has to stay well for {seconds:g} s")
        await asyncio.sleep(seconds)
        for way in batch:
            self._doing.pop(way.host, None)
            if way.goal is None:
                continue
            try:
                ill = await self._hosts[way.host].well(way.goal)
            except (PortError, Lost) as error:
                ill = str(error).rstrip(".")
            if ill:
                brought = Brought(Outcome.FAILED, f"it did not stay well: {ill}", moved=True)
                self._brought[way.host] = brought

    def _bad(self, batch: Sequence[Way]) -> list[Way]:
        return [way for way in batch if self._brought[way.host].outcome is not Outcome.SUCCEEDED]

    async def _put_back(self, parts: Sequence[Sequence[Way]]) -> list[str]:
        """What has changed goes back, the last one first, if that is wanted and nothing is unknown."""
        if self._settings.on_failure == "stop":
            return []
        unknown = [h for h, brought in self._brought.items() if brought.outcome is Outcome.UNKNOWN]
        if unknown:
            return [f"nothing was put back, as it is not known what became of {', '.join(unknown)}"]
        back: list[str] = []
        for way in reversed([way for part in parts for way in part]):
            if way.origin is None or way.goal is None or way.origin == way.goal:
                continue
            before = self._brought[way.host]
            if before.outcome is Outcome.FAILED and not before.moved:
                continue
            self._tell(way.host, f"goes back to {way.origin}")
            done = await self._insisted(way.host, way.goal, way.origin, f"{self.key} back")
            if done.outcome is not Outcome.SUCCEEDED:
                listed = f"{', '.join(back)} went back" if back else "none went back"
                return [f"{listed}, but {way.host} did not: {done.said}"]
            self._brought[way.host] = replace(before, moved=False)
            back.append(way.host)
        return [f"{', '.join(back)} went back"] if back else []

    async def _judged(self, said: list[str]) -> Observation:
        """What is to be seen in the end, and what there was on the way."""
        seen = await asyncio.gather(*(self._hosts[way.host].look() for way in self.planned))
        found = judged(self.planned, seen, allow_down=self._settings.allow_down)
        if not said:
            return found
        outcome = Outcome.FAILED
        if any(b.outcome is Outcome.UNKNOWN for b in self._brought.values()):
            outcome = found.outcome if found.outcome is Outcome.SUCCEEDED else Outcome.UNKNOWN
        touched = any(b.moved for b in self._brought.values()) or any(
            look.link == way.goal != way.origin for way, look in zip(self.planned, seen, strict=True)
        )
        unseen = any(look.trouble is not None for look in seen)
        ill = [b for b in self._brought.values() if b.outcome is not Outcome.SUCCEEDED]
        back = any("went back" in sentence for sentence in said)
        return found.model_copy(
            update={
                "outcome": outcome,
                "detail": " ".join(f"{sentence.rstrip('.')}." for sentence in [*said, found.detail]),
                "blameless": outcome is Outcome.FAILED and all(b.blameless for b in ill),
                "untouched": outcome is Outcome.FAILED and not (touched or unseen or back),
            }
        )

    def _tell(self, host: str, what: str) -> None:
        self._doing[host] = what
        self._news.set()


def _was(hosts: Sequence[str]) -> str:
    return "was" if len(hosts) == 1 else "were"
