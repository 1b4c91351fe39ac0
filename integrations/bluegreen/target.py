"""A deploy target: two colours behind a switch. The one that does not serve is proven before it gets traffic."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator

from bot.domain.base import Version
from bot.domain.debts import Debt
from bot.domain.evidence import Outcome
from bot.domain.plan import Check
from bot.ports.errors import Refused
from bot.ports.memory import Memory
from bot.ports.target import Capabilities, Change, Inspection, Observation, TargetPlan
from integrations.bluegreen.judging import (
    drained,
    draining,
    goal_of,
    judged,
    not_arrived,
    nowhere,
    overtaken,
)
from integrations.bluegreen.looking import Eyes
from integrations.bluegreen.scene import Scene
from integrations.bluegreen.settings import BlueGreenSettings, Colour, other
from integrations.bluegreen.switches import switch_of

POLL_S = 0.5  # between two counts of what is still open
SAY_EVERY_S = 5.0  # where the count stays the same


class BlueGreenTarget:
    """The Target port. Call `aclose` when it is no longer needed.

    `apply` proves, switches and observes; what is still open on the colour that was left is waited for in `follow`.
    """

    capabilities = Capabilities(kind="bluegreen")

    def __init__(self, settings: BlueGreenSettings, memory: Memory) -> None:
        self.settings = settings
        self._memory = memory
        self._eyes = Eyes(settings)
        self._switch = switch_of(settings)

    @property
    def identity(self) -> str:
        return f"bluegreen:{self._switch.identity}"

    async def aclose(self) -> None:
        await self._eyes.aclose()

    async def inspect(self) -> Inspection:
        scene = await self._look()
        seen = scene.inspection
        if seen.running == seen.current == scene.version_on(scene.serving):
            spec = json.dumps({"colour": scene.serving})
            await self._memory.keep(seen.current_ref, seen.current, spec)
        return seen

    async def plan(self, change: Change) -> TargetPlan:
        scene = await self._look()
        goal = scene.colour_of(change.to_version, change.to_ref) or other(scene.serving)
        settings = self.settings
        actions = (
            f"Prove that {goal} runs {change.to_version} well, {settings.consecutive} times in a row",
            *self._switch.actions(goal, change.to_version),
            f"Wait until {settings.live_url} says {change.to_version} {settings.consecutive} times in a row",
            f"Wait for what is still open on {change.from_version}, at most {settings.drain.total_seconds():g} s",
        )
        pause = settings.consecutive * settings.interval.total_seconds()
        return TargetPlan(
            actions=actions,
            warnings=scene.inspection.warnings,
            checks=await self._checks(scene, change, goal),
            expected_s=2 * pause + 2.0,
        )

    async def apply(self, change: Change, key: str) -> Observation:  # noqa: ARG002 - the world itself tells what was done
        scene = await self._look()
        goal = scene.colour_of(change.to_version, change.to_ref)
        begun = goal is not None and scene.serving == goal
        if not begun and scene.fingerprint != change.fingerprint:
            raise overtaken(scene, change)
        if goal is None:
            raise nowhere(scene, change.to_version)
        if scene.setting.trouble and scene.setting.blocks and not begun:
            raise Refused(scene.setting.trouble, remedy=f"Put it back to {scene.serving} first.")
        return await self._go(scene, goal, change.to_version, change.to_ref, health=True)

    async def observe(self, change: Change, key: str) -> Observation:  # noqa: ARG002 - as above
        return judged(await self._look(), change.to_version, change.to_ref)

    async def revert(self, change: Change, key: str) -> Observation:  # noqa: ARG002 - as above
        scene = await self._look()
        if scene.current not in (change.from_version, change.to_version):
            raise overtaken(scene, change.backwards)
        goal = scene.colour_of(change.from_version, change.from_ref)
        if goal is None:
            raise nowhere(scene, change.from_version)
        # It may have been left because it is ill: it only has to be there.
        return await self._go(scene, goal, change.from_version, change.from_ref, health=False)

    async def follow(self, change: Change, key: str) -> AsyncGenerator[Observation, None]:  # noqa: ARG002 - as above
        """Until nothing is open on the colour that was left, or its time is over: that is no failure."""
        settle, limit = self.settings.settle.total_seconds(), self.settings.drain.total_seconds()
        began, told, told_at = time.monotonic(), "", 0.0
        while True:
            scene = await self._look()
            seen = judged(scene, change.to_version, change.to_ref)
            waited = time.monotonic() - began
            if seen.outcome is Outcome.SUCCEEDED:
                goal = goal_of(scene, change.to_version, change.to_ref) or scene.serving
                await self._switch.keep(goal)
                left = await self._switch.still_open(other(goal))
                if not left.count or waited >= limit:
                    arrived, live = await self._eyes.arrived(change.to_version, goal)
                    at = self.settings.live_url
                    yield (
                        drained(seen, left, limit)
                        if arrived
                        else not_arrived(live, goal, change.to_version, at, settle)
                    )
                    return
                seen = draining(seen, left)
            elif scene.setting.colour is not None and seen.outcome is Outcome.FAILED:
                yield seen
                return
            elif waited >= settle:
                # What answers is something else, and will not become this by itself.
                served = change.to_version in scene.live.versions
                failed = {"outcome": Outcome.FAILED, "blameless": not served}
                yield seen.model_copy(update=failed) if scene.live.versions else seen
                return
            else:
                seen = seen.model_copy(update={"outcome": Outcome.UNKNOWN})
            if seen.detail != told or time.monotonic() - told_at >= SAY_EVERY_S:
                told, told_at = seen.detail, time.monotonic()
                yield seen
            await asyncio.sleep(POLL_S)

    async def repay(self, debt: Debt, key: str) -> None:  # noqa: ARG002 - the port's signature
        raise Refused(f"{self.settings.live_url} has nothing to give back: {debt.text}")

    async def _go(
        self, scene: Scene, goal: Colour, version: Version, ref: str, *, health: bool
    ) -> Observation:
        """Make `goal` serve, and see that it does. What a killed bot has begun is done to its end."""
        if judged(scene, version, ref).outcome is not Outcome.SUCCEEDED:
            if trouble := await self._eyes.proven(goal, version, health=health):
                untouched = scene.setting.colour != goal
                done = "Nothing was switched" if untouched else f"The switch had been moved to {goal} before"
                detail = f"{trouble}. {done}."
                return Observation(
                    outcome=Outcome.FAILED, detail=detail, running=scene.live.version, untouched=untouched
                )
            turned = await self._switch.turn(goal, version, scene.setting.mark, lambda: self._serves(version))
            if turned.failure:
                live = await self._eyes.live()
                detail, untouched = turned.failure, turned.restored
                return Observation(
                    outcome=Outcome.FAILED,
                    detail=detail,
                    running=live.version,
                    untouched=untouched,
                    blameless=not untouched,
                )
        # Also where it serves already: nothing is known of how long it has, and a proxy that has just been told to change
        # answers with both for a moment.
        arrived, live = await self._eyes.arrived(version, goal)
        if not arrived:
            seconds = self.settings.settle.total_seconds()
            return not_arrived(live, goal, version, self.settings.live_url, seconds)
        detail = f"{goal} ({version}) serves: at {self.settings.live_url} {live.said}."
        seen = Observation(outcome=Outcome.SUCCEEDED, detail=detail, running=version)
        await self._switch.keep(goal)
        left = await self._switch.still_open(other(goal))
        return draining(seen, left) if left.count else seen

    async def _serves(self, version: Version) -> bool:
        """Whether it is what answers, in spite of what the switch said."""
        return (await self._eyes.live(self.settings.consecutive)).version == version

    async def _checks(self, scene: Scene, change: Change, goal: Colour) -> tuple[Check, ...]:
        stands = f"{scene.serving} is set to serve ({scene.current})"
        if scene.fingerprint != change.fingerprint:
            # The others would say the same once more.
            return (Check(name="nobody moved the switch", ok=False, detail=stands),)
        settings = self.settings
        checks = [
            Check(name="nobody moved the switch", ok=True, detail=stands),
            *await self._switch.checks(),
            Check(
                name="version can be observed",
                ok=scene.live.version is not None,
                detail=f"at {settings.live_url} {scene.live.said}",
                required=False,
            ),
        ]
        if scene.setting.trouble:
            detail, required = scene.setting.trouble, scene.setting.blocks
            checks.append(Check(name="switch stands at a colour", ok=False, detail=detail, required=required))
        there = scene.version_on(goal) == change.to_version
        name = f"{goal} runs {change.to_version}"
        if not there:
            detail = f"{scene.said_of(goal)}: deploy {change.to_version} to {goal} first"
            return (*checks, Check(name=name, ok=False, detail=detail))
        trouble = await self._eyes.proven(goal, change.to_version, health=True)
        detail = trouble or f"{settings.consecutive} times in a row, with {', '.join(settings.health)}"
        return (*checks, Check(name=f"{name} and is well", ok=not trouble, detail=detail))

    async def _look(self) -> Scene:
        # The switch by itself: where it cannot be read, no question to the colours is left hanging in the air.
        setting = await self._switch.read()
        answers, live = await asyncio.gather(self._eyes.both(), self._eyes.live())
        return Scene(self.settings, setting, answers, live, await self._memory.shapes())
