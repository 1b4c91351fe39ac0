"""The listeners and rules whose actions carry the weights: read all at once, changed all or none."""

from dataclasses import dataclass

from bot.ports.errors import Gone, OutcomeUnknown, PortError
from integrations.aws import actions as act
from integrations.aws import health
from integrations.aws.actions import Action, Pair, Weights
from integrations.aws.arns import arn
from integrations.aws.calls import Calls, together
from integrations.aws.health import Group
from integrations.aws.settings import AlbSettings


@dataclass(frozen=True)
class Place:
    """A listener's default action, or a rule's."""

    arn: str
    name: str
    actions: list[Action]


@dataclass(frozen=True)
class Scene:
    """One look at everything."""

    places: tuple[Place, ...]
    service: Group
    other: Group


class Places:
    """Listeners first, then rules, each in the order of the settings."""

    def __init__(self, settings: AlbSettings, pair: Pair, calls: Calls) -> None:
        self._settings, self._pair, self._calls = settings, pair, calls

    async def look(self) -> Scene:
        places, service, other = await together(
            self.read(),
            health.look(self._calls, self._pair.service),
            health.look(self._calls, self._pair.other),
        )
        return Scene(places, service, other)

    async def read(self) -> tuple[Place, ...]:
        listeners, rules = await together(self._listeners(), self._rules())
        return (*listeners, *rules)

    async def _listeners(self) -> list[Place]:
        wanted = self._settings.listeners
        if not wanted:
            return []
        answer = await self._calls.read("describe_listeners", ListenerArns=list(wanted))
        found = {one["ListenerArn"]: one for one in answer["Listeners"]}
        return [
            Place(
                text,
                f"{arn(text).name}:{_known(found, text).get('Port')} (default action)",
                _known(found, text)["DefaultActions"],
            )
            for text in wanted
        ]

    async def _rules(self) -> list[Place]:
        wanted = self._settings.rules
        if not wanted:
            return []
        answer = await self._calls.read("describe_rules", RuleArns=list(wanted))
        found = {one["RuleArn"]: one for one in answer["Rules"]}
        return [
            Place(
                text,
                f"rule {_known(found, text).get('Priority')} of {arn(text).name}",
                _known(found, text)["Actions"],
            )
            for text in wanted
        ]

    async def attach(self, group: Group, places: tuple[Place, ...]) -> None:
        """Put `group` into the actions with weight 0: AWS checks the health only of what a balancer uses."""
        for place in places:
            if group.text not in act.groups(place.actions):
                same = act.weights(place.actions, self._pair)
                await self._modify(place, act.weighted(place.actions, self._pair, same))

    async def weigh(self, todo: list[Place], to: Weights) -> None:
        done: list[Place] = []
        for place in todo:
            try:
                await self._modify(place, act.weighted(place.actions, self._pair, to))
            except OutcomeUnknown:
                raise
            except PortError as error:
                await self._put_back(done, place, error)
                raise
            done.append(place)

    async def _put_back(self, done: list[Place], failed: Place, error: PortError) -> None:
        """Undo `done`, and say so in `error`. Raises OutcomeUnknown where that does not work."""
        for number, place in enumerate(reversed(done)):
            try:
                await self._modify(place, act.resubmitted(place.actions))
            except PortError as again:
                left = [p.name for p in done[: len(done) - number]]
                raise OutcomeUnknown(
                    f"{failed.name} could not be changed ({error}), and {', '.join(left)} could not be put "
                    f"back ({again}): listeners and rules may disagree now.",
                    remedy="Look at them, and let the same step be tried again: it goes on where it stopped.",
                ) from error
        back = f" {', '.join(p.name for p in done)} was put back as it was." if done else ""
        error.args = (f"{failed.name}: {error}{back}",)

    async def _modify(self, place: Place, actions: list[Action]) -> None:
        if place.arn in self._settings.listeners:
            await self._calls.change(
                "modify_listener", place.name, ListenerArn=place.arn, DefaultActions=actions
            )
        else:
            await self._calls.change("modify_rule", place.name, RuleArn=place.arn, Actions=actions)


def _known(found: dict[str, Action], text: str) -> Action:
    if text not in found:
        raise Gone(f"AWS has no {text} any more.", remedy="Correct listeners and rules in the settings.")
    return found[text]
