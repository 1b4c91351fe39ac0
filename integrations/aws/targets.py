"""Traffic by targets: the share follows from which targets are registered in one target group."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bot.domain.plan import Check, Level, Warn
from bot.ports.errors import OutcomeUnknown, PortError, Refused
from bot.ports.traffic import ShiftPlan, Split
from integrations.aws import health
from integrations.aws.calls import Calls, moved
from integrations.aws.health import Group, Target
from integrations.aws.settings import AlbSettings, AlbTarget

_LOOKS, _PACE_S = 10, 0.5


@dataclass(frozen=True)
class Scene:
    """One look. `mine` and `others` are those of the settings, in their order, with what is registered of each."""

    group: Group
    mine: tuple[Target | None, ...]
    others: tuple[Target | None, ...]
    strangers: tuple[Target, ...]


class RegisteredTargets:
    """Registers the targets that are to serve, waits for their health, and only then deregisters the rest."""

    def __init__(self, settings: AlbSettings, calls: Calls) -> None:
        self._settings, self._calls = settings, calls

    @property
    def stages(self) -> bool:
        return bool(self._settings.other_targets)

    async def inspect(self) -> Split:
        return self._split(await self._look())

    async def plan(self, share: float) -> ShiftPlan:
        scene = await self._look()
        self._alone(scene)
        mine, others = self._choose(share)
        add, drop = self._changes(scene, mine, others)
        sentences = []
        if add:
            sentences.append(f"Register {_names(add)}, and wait for their health")
        if drop:
            sentences.append(f"Deregister {_names(drop)}; they drain for at most {scene.group.drain_s} s")
        got = mine / (mine + others) if mine + others else 0.0
        warnings = list(scene.group.warnings(now=True))
        if abs(got - share) > 0.005:
            text = f"Of whole targets, {share:.0%} is not possible: it becomes {got:.0%}."
            warnings.append(Warn(level=Level.WARNING, text=text))
        if mine + others == 0:
            text = "No target is left: users get a 503 from the balancer."
            warnings.append(Warn(level=Level.WARNING, text=text))
        return ShiftPlan(
            share=share,
            fingerprint=_fingerprint(scene),
            actions=tuple(sentences),
            warnings=(*warnings, *_stuck(scene.group)),
            checks=(
                Check(
                    name="a backend is healthy",
                    ok=bool(scene.group.healthy),
                    detail=scene.group.said(),
                    required=False,  # those that are registered now are the ones that people want to get away from
                ),
            ),
        )

    async def shift(self, plan: ShiftPlan) -> Split:
        scene = await self._look()
        mine, others = self._choose(plan.share)
        _compare(plan, scene, mine, others)
        add, drop = self._changes(scene, mine, others)
        if add:
            await self._register(add, scene.group)
        new = self._new(plan, mine, others)
        await self._gate(scene.group, mine, others, new)
        if drop:
            await self._drop(drop, new, scene.group)
        for _ in range(_LOOKS):
            scene = await self._look()
            if self._changes(scene, mine, others) == ([], []):
                return self._split(scene)
            await asyncio.sleep(_PACE_S)
        raise OutcomeUnknown("The balancer took the change of targets and does not show it yet.")

    async def _look(self) -> Scene:
        group = await health.look(self._calls, self._settings.target_group)
        left = list(group.registered)

        def of(targets: Iterable[AlbTarget]) -> tuple[Target | None, ...]:
            found: list[Target | None] = []
            for wanted in targets:
                seen = next((t for t in left if _is(wanted, t)), None)
                if seen is not None:
                    left.remove(seen)
                found.append(seen)
            return tuple(found)

        mine, others = of(self._settings.targets), of(self._settings.other_targets)
        return Scene(group, mine, others, tuple(left))

    async def _register(self, add: list[AlbTarget], group: Group) -> None:
        where = f"{_names(add)} in {group.name}"
        arguments: dict[str, Any] = {"TargetGroupArn": group.text, "Targets": [_description(t) for t in add]}
        await self._calls.change("register_targets", where, **arguments)

    async def _deregister(self, drop: list[AlbTarget], group: Group) -> None:
        where = f"{_names(drop)} in {group.name}"
        arguments: dict[str, Any] = {"TargetGroupArn": group.text, "Targets": [_description(t) for t in drop]}
        await self._calls.change("deregister_targets", where, **arguments)

    async def _gate(self, group: Group, mine: int, others: int, new: list[AlbTarget]) -> None:
        """Wait until enough of what gets more is healthy. Takes `new` away again where it is not in time."""
        # Where nothing is new, what stays gets more.
        gains = new or [*self._settings.targets[:mine], *self._settings.other_targets[:others]]
        if not gains:
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.healthy_within.total_seconds()
        least = health.needed(len(gains), self._settings.min_healthy_percent)
        while True:
            seen = await health.again(self._calls, group)
            healthy = [t for t in gains if any(_is(t, one) for one in seen.healthy)]
            left = deadline - loop.time()
            if len(healthy) >= least or seen.unchecked:
                return
            if left <= 0:
                break
            await asyncio.sleep(min(health.PACE_S, left))
        if new:
            await self._deregister(new, group)
        back = " What was registered for this is deregistered again." if new else ""
        raise Refused(
            f"{len(healthy)} of {_names(gains)} are healthy, and {least} have to be before users are left to "
            f"them.{back}",
            remedy="See why their health checks fail.",
        )

    async def _drop(self, drop: list[AlbTarget], added: list[AlbTarget], group: Group) -> None:
        try:
            await self._deregister(drop, group)
        except OutcomeUnknown:
            raise
        except PortError as error:
            if added:
                try:
                    await self._deregister(added, group)
                except PortError as again:
                    raise OutcomeUnknown(
                        f"{_names(drop)} could not be deregistered ({error}), and {_names(added)} not either "
                        f"({again}): both serve now.",
                        remedy="Let the same step be tried again: it goes on where it stopped.",
                    ) from error
                error.args = (f"{error} {_names(added)} was deregistered again.",)
            raise

    def _new(self, plan: ShiftPlan, mine: int, others: int) -> list[AlbTarget]:
        """What serves after this and did not when it was planned."""
        sides = ((self._settings.targets[:mine], 0), (self._settings.other_targets[:others], 1))
        bits = plan.fingerprint.split("-")
        return [t for side, at in sides for number, t in enumerate(side) if bits[at][number] == "0"]

    def _choose(self, share: float) -> tuple[int, int]:
        """How many of the targets and of the other ones: as near to `share` as can be, and as many as can be."""
        most, rest = len(self._settings.targets), len(self._settings.other_targets)
        if share <= 0:
            return 0, rest
        if share >= 1 or not rest:
            return most, 0
        pairs = ((mine, others) for mine in range(1, most + 1) for others in range(1, rest + 1))
        return min(pairs, key=lambda p: (round(abs(p[0] / sum(p) - share), 9), -sum(p)))

    def _changes(self, scene: Scene, mine: int, others: int) -> tuple[list[AlbTarget], list[AlbTarget]]:
        add, drop = [], []
        sides = (
            (self._settings.targets, scene.mine, mine),
            (self._settings.other_targets, scene.others, others),
        )
        for targets, seen, count in sides:
            for number, target in enumerate(targets):
                there = seen[number]
                if number < count and there is None:
                    add.append(target)
                if number >= count and there is not None:
                    drop.append(target)
        return add, drop

    def _alone(self, scene: Scene) -> None:
        if scene.strangers:
            names = ", ".join(f"{t.id}:{t.port}" for t in scene.strangers)
            raise Refused(
                f"{scene.group.name} has targets that the settings do not name: {names}.",
                remedy="Name them, or use weights: an Auto Scaling group would register its own again.",
            )

    def _split(self, scene: Scene) -> Split:
        mine = [t for t in scene.mine if t is not None]
        others = [t for t in scene.others if t is not None]
        total = len(mine) + len(others)
        share = None if scene.strangers else (len(mine) / total if total else 0.0)
        return Split(
            share=share,
            ready=sum(t.state == "healthy" for t in mine),
            wanted=len(mine),
            fingerprint=_fingerprint(scene),
            detail=f"{len(mine)} of {len(scene.mine)} registered, and {len(others)} others; {scene.group.said()}",
            warnings=(*scene.group.warnings(now=True), *_stuck(scene.group)),
        )


def _compare(plan: ShiftPlan, scene: Scene, mine: int, others: int) -> None:
    """Raise Conflict where a target is neither as it was planned nor as it shall be."""
    was = plan.fingerprint.split("-")
    now = _fingerprint(scene).split("-")
    if [len(part) for part in was[:2]] != [len(part) for part in now[:2]]:
        raise moved("The targets in the settings are not those of the plan.")
    if was[2:] != now[2:]:
        raise moved(f"Somebody registered or deregistered other targets of {scene.group.name}.")
    for before, after, count in zip(was[:2], now[:2], (mine, others), strict=True):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            if new not in (old, "1" if number < count else "0"):
                raise moved(f"Somebody registered or deregistered targets of {scene.group.name} meanwhile.")


def _fingerprint(scene: Scene) -> str:
    bits = ["".join("0" if t is None else "1" for t in side) for side in (scene.mine, scene.others)]
    strangers = ",".join(sorted(f"{t.id}:{t.port}" for t in scene.strangers))
    return "-".join((*bits, *([health.digest(strangers)] if strangers else [])))


def _is(wanted: AlbTarget, seen: Target) -> bool:
    return wanted.id == seen.id and wanted.port in (None, seen.port)


def _description(target: AlbTarget) -> dict[str, Any]:
    return {"Id": target.id} | ({} if target.port is None else {"Port": target.port})


def _names(targets: list[AlbTarget]) -> str:
    return ", ".join(t.id if t.port is None else f"{t.id}:{t.port}" for t in targets)


def _stuck(group: Group) -> tuple[Warn, ...]:
    if not group.sticky:
        return ()
    text = f"{group.name} keeps users at their targets by a cookie: the share that is served follows late."
    return (Warn(level=Level.WARNING, text=text),)
