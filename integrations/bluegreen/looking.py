"""What the two colours and the way in answer. Never remembered: asked each time, past every cache."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from bot.domain.base import Version
from integrations.bluegreen.settings import COLOURS, BlueGreenSettings, Colour
from integrations.http_health.client import ProbeClient

LOOKS = 3  # at the way in, for one impression: a proxy between two colours answers with both
PATIENCE = 3  # how many times `consecutive` rounds a colour gets to prove its health
PROVE_FOR_S = 20.0  # and how long at most: a plan is waited for


@dataclass(frozen=True)
class Answer:
    """One answer. `error` is a short kind where there was no version in it."""

    version: Version | None
    error: str = ""
    colour: Colour | None = None


@dataclass(frozen=True)
class Live:
    """Some answers through the proxy."""

    answers: tuple[Answer, ...]

    @property
    def version(self) -> Version | None:
        """The one version that all of them named, or None."""
        versions = {answer.version for answer in self.answers}
        return versions.pop() if len(versions) == 1 else None

    @property
    def colour(self) -> Colour | None:
        """The one colour that all of them named in a header, or None."""
        colours = {answer.colour for answer in self.answers}
        return colours.pop() if len(colours) == 1 else None

    @property
    def versions(self) -> tuple[Version, ...]:
        return tuple(sorted({answer.version for answer in self.answers if answer.version is not None}))

    @property
    def said(self) -> str:
        """For a sentence: what answers."""
        if not self.versions:
            return f"nothing that names a version answers ({self.answers[-1].error})"
        lost = sum(answer.version is None for answer in self.answers)
        some = f", and {lost} of {len(self.answers)} requests named none" if lost else ""
        return f"{' and '.join(self.versions)} answers{some}"


class Eyes:
    """Call `aclose` when it is no longer needed."""

    def __init__(self, settings: BlueGreenSettings) -> None:
        self._settings = settings
        ca_file = None if settings.ca_file is None else str(settings.ca_file)
        self._client = ProbeClient(timeout_s=settings.answer_timeout.total_seconds(), ca_file=ca_file)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def both(self) -> dict[Colour, Answer]:
        """What each colour says by itself."""
        blue, green = await asyncio.gather(*(self._version(self._settings.of(c).url) for c in COLOURS))
        return {"blue": blue, "green": green}

    async def live(self, looks: int = LOOKS) -> Live:
        return Live(tuple([await self.live_once() for _ in range(looks)]))

    async def live_once(self) -> Answer:
        settings = self._settings
        answer = await self._version(settings.live_url)
        if settings.colour_header is None or answer.version is None:
            return answer
        probe = await self._client.ask(
            settings.live_url + settings.version_path,
            endpoint="colour",
            version_header=settings.colour_header,
        )
        colour: Colour | None = next((c for c in COLOURS if c == (probe.version or "").lower()), None)
        return Answer(answer.version, answer.error, colour)

    async def proven(self, colour: Colour, version: Version, *, health: bool) -> str:
        """Why `colour` is not proven to run `version` well, or an empty text.

        Proven is `consecutive` rounds in a row in which it names the version and, with `health`, every path of
        `health` answers well. Three times as many rounds are waited for, at most for `PROVE_FOR_S`.
        """
        paths = self._settings.health if health else ()
        streak, why = 0, ""
        until = time.monotonic() + PROVE_FOR_S
        for number in range(self._settings.consecutive * PATIENCE):
            if number:
                await asyncio.sleep(self._settings.interval.total_seconds())
            trouble = await self._round(colour, version, paths)
            streak, why = (0, trouble) if trouble else (streak + 1, why)
            if streak >= self._settings.consecutive:
                return ""
            if time.monotonic() >= until:
                break
        return why or f"{colour} was never well {self._settings.consecutive} times in a row"

    async def arrived(self, version: Version, colour: Colour) -> tuple[bool, Live]:
        """Whether `consecutive` answers in a row came from there within `settle`, and the latest ones."""
        wanted, streak = self._settings.consecutive, 0
        until = time.monotonic() + self._settings.settle.total_seconds()
        recent: deque[Answer] = deque(maxlen=wanted)
        while True:
            answer = await self.live_once()
            recent.append(answer)
            right = answer.version == version and answer.colour in (None, colour)
            streak = streak + 1 if right else 0
            if streak >= wanted or time.monotonic() >= until:
                return streak >= wanted, Live(tuple(recent))
            await asyncio.sleep(self._settings.interval.total_seconds())

    async def _round(self, colour: Colour, version: Version, paths: tuple[str, ...]) -> str:
        base = self._settings.of(colour).url
        asked = asyncio.gather(*(self._client.ask(base + path, endpoint=path) for path in paths))
        answer, probes = await self._version(base), await asked
        if answer.version is None:
            return (
                f"{colour} does not say its version at {base}{self._settings.version_path} ({answer.error})"
            )
        if answer.version != version:
            return f"{colour} runs {answer.version}, not {version}"
        ill = next((probe for probe in probes if not probe.ok), None)
        return f"{colour} ({version}) is not well: {ill.endpoint} answers {ill.error}" if ill else ""

    async def _version(self, base: str) -> Answer:
        settings = self._settings
        probe = await self._client.ask(
            base + settings.version_path, endpoint="version", version_field=settings.version_field
        )
        return Answer(probe.version if probe.ok else None, probe.error)
