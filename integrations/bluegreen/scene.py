"""One look at everything: how the switch stands, what both colours run, what comes through the proxy."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.base import Version
from bot.domain.plan import Level, Warn
from bot.ports.errors import Refused, Unavailable
from bot.ports.memory import Shape
from bot.ports.target import Available, Inspection
from integrations.bluegreen.looking import Answer, Live
from integrations.bluegreen.settings import COLOURS, BlueGreenSettings, Colour, other
from integrations.bluegreen.switch import Setting


@dataclass(frozen=True)
class Scene:
    """`shapes` is what kaeru remembers: only for the name of what runs on a colour that has gone silent."""

    settings: BlueGreenSettings
    setting: Setting
    answers: Mapping[Colour, Answer]
    live: Live
    shapes: tuple[Shape, ...]

    @property
    def serving(self) -> Colour:
        """The colour that is set to serve. Raises Refused, Unavailable where nothing tells which one it is."""
        if self.setting.colour is not None:
            return self.setting.colour
        if (told := self.live.colour) is not None:
            return told
        by_version = [c for c in COLOURS if self.live.version and self.version_on(c) == self.live.version]
        if len(by_version) == 1:
            return by_version[0]
        if self.setting.trouble:
            raise Refused(
                f"Which colour serves cannot be told: {self.setting.trouble}",
                remedy="Put the switch back to one of the two colours.",
            )
        if len(by_version) == 2:
            raise Refused(
                f"Which colour serves cannot be told: both run {self.live.version}.",
                remedy="Deploy another version to the one that does not serve, or set `current` or `colour_header`.",
            )
        raise Unavailable(
            f"Which colour serves cannot be told: at {self.settings.live_url} {self.live.said}, "
            f"{self.said_of('blue')}, and {self.said_of('green')}.",
            retry_after_s=2.0,
        )

    @property
    def current(self) -> Version:
        """What runs on the serving colour. Raises Unavailable where it is silent and was never seen serving."""
        serving = self.serving
        if (seen := self.version_on(serving)) is not None:
            return seen
        if self.live.version is not None and self.live.version != self.version_on(other(serving)):
            return self.live.version
        remembered = next((s.version for s in self.shapes if s.ref.startswith(f"{serving}:")), None)
        if remembered is None:
            raise Unavailable(
                f"{serving} is set to serve, but {self.said_of(serving)}, and kaeru has never seen it serve.",
                retry_after_s=2.0,
                remedy=f"Bring {serving} back, or switch by hand.",
            )
        return remembered

    @property
    def fingerprint(self) -> str:
        """A plan holds as long as the switch stands the same and the serving colour runs the same."""
        text = f"{self.setting.mark} {self.serving} {self.current}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def version_on(self, colour: Colour) -> Version | None:
        return self.answers[colour].version

    def colour_of(self, version: Version, ref: str = "") -> Colour | None:
        """Where a version runs: first where it serves already, then where it was planned to be."""
        running = [c for c in COLOURS if self.version_on(c) == version]
        if len(running) == 2:
            planned: Colour = "blue" if ref.startswith("blue:") else "green"
            return planned if ref and self.setting.colour is None else self.serving
        return running[0] if running else None

    @property
    def inspection(self) -> Inspection:
        serving, current = self.serving, self.current
        found = [self._available(serving, current)]
        idle = self.version_on(other(serving))
        if idle is not None and idle != current:
            found.append(self._available(other(serving), idle))
        return Inspection(
            current=current,
            running=self.live.version,
            available=tuple(found),
            fingerprint=self.fingerprint,
            current_ref=ref_of(serving, current),
            warnings=tuple(self._warnings(serving, current, idle)),
        )

    def _available(self, colour: Colour, version: Version) -> Available:
        # What served well on the other colour is the same release here.
        good = [s.good_at for s in self.shapes if s.version == version and s.good_at is not None]
        return Available(
            version=version,
            ref=ref_of(colour, version),
            good_at=max(good, default=None),
            note=f"{colour}, {self.settings.of(colour).url}",
        )

    def _warnings(self, serving: Colour, current: Version, idle: Version | None) -> list[Warn]:
        found = list(self.setting.warnings)
        live = self.live
        if self.setting.trouble:
            found.append(Warn(level=Level.DANGER, text=self.setting.trouble))
        if self.version_on(serving) is None:
            text = f"{self.said_of(serving)}; it is taken to run {current}, as it was last seen."
            found.append(Warn(level=Level.WARNING, text=text))
        if live.version != current:
            text = f"{serving} ({current}) is set to serve, but at {self.settings.live_url} {live.said}."
            found.append(Warn(level=Level.WARNING, text=text))
        elif live.colour not in (None, serving):
            text = f"{serving} is set to serve, but answers at {self.settings.live_url} say {live.colour}."
            found.append(Warn(level=Level.WARNING, text=text))
        if idle is None:
            text = f"There is nothing to switch to: {self.said_of(other(serving))}."
            found.append(Warn(level=Level.WARNING, text=text))
        elif idle == current:
            text = f"Both colours run {current}: deploy what to go back to on {other(serving)} first."
            found.append(Warn(level=Level.WARNING, text=text))
        return found

    def said_of(self, colour: Colour) -> str:
        """A phrase for what a colour runs."""
        answer = self.answers[colour]
        if answer.version is not None:
            return f"{colour} runs {answer.version}"
        place = f"{self.settings.of(colour).url}{self.settings.version_path}"
        return f"{colour} does not say its version at {place} ({answer.error})"


def ref_of(colour: Colour, version: Version) -> str:
    return f"{colour}:{version}"
