"""Traffic by weights: the forward actions of listeners and rules, several of them at once, all of them or none."""

import asyncio

from bot.domain.plan import Check, Level, Warn
from bot.ports.errors import OutcomeUnknown, Refused
from bot.ports.traffic import ShiftPlan, Split
from integrations.aws import actions as act
from integrations.aws import health
from integrations.aws.actions import Pair, Weights
from integrations.aws.arns import arn
from integrations.aws.calls import Calls, moved
from integrations.aws.health import Group
from integrations.aws.places import Place, Places, Scene
from integrations.aws.settings import AlbSettings

_SAME = 1e-9
_LOOKS, _PACE_S = 10, 0.5


class WeightedActions:
    """Sets the weights of two target groups. Both stay in the actions, so that both stay checked for health."""

    stages = True

    def __init__(self, settings: AlbSettings, calls: Calls) -> None:
        if settings.other_group is None:  # the settings see to it
            raise ValueError("weights need an other_group")
        self._settings, self._calls = settings, calls
        self._pair = Pair(settings.target_group, settings.other_group)
        self._places = Places(settings, self._pair, calls)

    async def inspect(self) -> Split:
        return self._split(await self._places.look())

    async def plan(self, share: float) -> ShiftPlan:
        to, scene = act.wanted(share), await self._places.look()
        self._expressible(scene)
        todo = [place for place in scene.places if not self._stands(place, to)]
        receiving = self._receiving(scene, todo, to)
        sentences = []
        for group in receiving:
            at_least = health.needed(len(group.registered), self._settings.min_healthy_percent)
            sentences.append(
                f"Wait until at least {at_least} of the {len(group.registered)} targets of {group.name} are "
                f"healthy, at most {self._settings.healthy_within.total_seconds():g} s"
            )
        for place in todo:
            now = act.weights(place.actions, self._pair)
            sentences.append(
                f"{place.name}: {scene.service.name} {to.service}, {scene.other.name} {to.other} "
                f"(now {now.service}, {now.other})"
            )
        return ShiftPlan(
            share=share,
            fingerprint=self._fingerprint(scene),
            actions=tuple(sentences),
            warnings=self._warnings(scene, to),
            checks=tuple(
                Check(
                    name="a backend is healthy",
                    ok=group.enough(self._settings.min_healthy_percent),
                    detail=group.said(),
                    required=False,  # they may become healthy until then, and `shift` waits for that
                )
                for group in receiving
            ),
        )

    async def shift(self, plan: ShiftPlan) -> Split:
        to, scene = act.wanted(plan.share), await self._places.look()
        todo = self._todo(plan, scene.places, to)
        if todo:
            await self._gate(scene, todo, to)
            # While health was waited for, somebody may have changed something.
            await self._places.weigh(self._todo(plan, await self._places.read(), to), to)
        for _ in range(_LOOKS):
            scene = await self._places.look()
            if all(self._stands(place, to) for place in scene.places):
                return self._split(scene)
            await asyncio.sleep(_PACE_S)
        raise OutcomeUnknown("The balancer took the new weights and does not show them yet.")

    def _todo(self, plan: ShiftPlan, places: tuple[Place, ...], to: Weights) -> list[Place]:
        """The places that still stand as planned. Raises Conflict where one stands otherwise and not as wanted."""
        marks = plan.fingerprint.split(".")
        if len(marks) != len(places):
            raise moved("The listeners and rules in the settings are not those of the plan.")
        todo = []
        for place, mark in zip(places, marks, strict=True):
            now = self._mark(place)
            if now.split(":")[0] != mark.split(":")[0]:
                raise moved(f"Somebody changed the actions of {place.name} since this was planned.")
            if self._stands(place, to):
                continue
            if now != mark:
                raise moved(f"Somebody changed the weights of {place.name} since this was planned.")
            todo.append(place)
        return todo

    async def _gate(self, scene: Scene, todo: list[Place], to: Weights) -> None:
        settings = self._settings
        for group in self._receiving(scene, todo, to):
            if group.unattached:
                await self._places.attach(group, scene.places)
            seen = await health.awaited(
                self._calls,
                group,
                settings.min_healthy_percent,
                settings.healthy_within.total_seconds(),
            )
            if not seen.enough(settings.min_healthy_percent):
                least = health.needed(len(seen.registered), settings.min_healthy_percent)
                raise Refused(
                    f"{seen.said()}, and {least} have to be before users are sent there.",
                    remedy="See why its health checks fail, or register targets; no weight was changed.",
                )

    def _receiving(self, scene: Scene, todo: list[Place], to: Weights) -> list[Group]:
        """The groups that get more than now. They are the ones whose health matters."""
        now = [act.weights(place.actions, self._pair) for place in todo]
        return [
            group
            for group, mine in ((scene.service, True), (scene.other, False))
            if any(_part(to, mine=mine) > _part(w, mine=mine) + _SAME for w in now)
        ]

    def _expressible(self, scene: Scene) -> None:
        for place in scene.places:
            if act.forward(place.actions) is None:
                kinds = ", ".join(sorted({str(a.get("Type")) for a in place.actions}))
                raise Refused(
                    f"{place.name} sends nothing on to a target group ({kinds}), so it has no weights.",
                    remedy="Give it a forward action, or take it out of the settings.",
                )
            if strangers := act.weights(place.actions, self._pair).strangers:
                names = ", ".join(arn(g).name for g in strangers)
                raise Refused(
                    f"{place.name} also sends users to {names}, which the settings do not name.",
                    remedy="Set its weight to 0, or correct target_group and other_group.",
                )

    def _stands(self, place: Place, to: Weights) -> bool:
        now = act.weights(place.actions, self._pair).share
        return now is not None and to.share is not None and abs(now - to.share) < _SAME

    def _mark(self, place: Place) -> str:
        now = act.weights(place.actions, self._pair)
        return f"{act.structure(place.actions, self._pair)}:{now.service}-{now.other}"

    def _fingerprint(self, scene: Scene) -> str:
        return ".".join(self._mark(place) for place in scene.places)

    def _split(self, scene: Scene) -> Split:
        parts, shares = [], set()
        for place in scene.places:
            now = act.weights(place.actions, self._pair)
            shares.add(now.share if now.share is None else round(now.share, 9))
            rest = "".join(f", {arn(g).name}" for g in now.strangers)
            nothing = "" if act.forward(place.actions) else ", which sends nothing on"
            parts.append(
                f"{place.name}: {scene.service.name} {now.service}, {scene.other.name} {now.other}{rest}{nothing}"
            )
        share = next(iter(shares)) if len(shares) == 1 else None
        return Split(
            share=share,
            ready=None if scene.service.unchecked else len(scene.service.healthy),
            wanted=len(scene.service.registered),
            fingerprint=self._fingerprint(scene),
            detail="; ".join((*parts, scene.service.said(), scene.other.said())),
            warnings=self._warnings(scene, None),
        )

    def _warnings(self, scene: Scene, to: Weights | None) -> tuple[Warn, ...]:
        now = [act.weights(place.actions, self._pair) for place in scene.places]
        then = to or Weights(0, 0)
        found = scene.service.warnings(now=any(w.service for w in now), then=then.service > 0)
        found += scene.other.warnings(now=any(w.other for w in now), then=then.other > 0)
        for place in scene.places:
            if seconds := act.stickiness_s(place.actions):
                text = (
                    f"{place.name} keeps users at their target group for {seconds} s: weights do not move those "
                    "that it keeps, so look at the share that is served."
                )
                found.append(Warn(level=Level.WARNING, text=text))
        sticky = [group.name for group in (scene.service, scene.other) if group.sticky]
        if sticky:
            text = (
                f"{' and '.join(sticky)} keeps users at their targets by a cookie, which may outlive a change of "
                "weights."
            )
            found.append(Warn(level=Level.WARNING, text=text))
        if len({w.share for w in now}) > 1:
            text = "The listeners and rules do not send the same share."
            found.append(Warn(level=Level.WARNING, text=text))
        return tuple(found)


def _part(split: Weights, *, mine: bool) -> float:
    share = split.share
    if share is None:
        return 0.0
    return share if mine else 1 - share
