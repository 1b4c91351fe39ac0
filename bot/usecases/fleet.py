"""The outside world of each service: its targets, its repository, its health, behind their ports."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.base import Refusal
from bot.ports import ChangeSource, HealthProbe, Target


@dataclass(frozen=True)
class Hands:
    """What kaeru touches one service with. `targets` is by component, in the order of the rollback."""

    targets: Mapping[str, Target]
    health: HealthProbe | None
    changes: ChangeSource | None

    def target(self, component: str) -> Target:
        """Raises Refusal for a component that is no longer configured."""
        found = self.targets.get(component)
        if found is None:
            raise Refusal(
                f"{component} is not in kaeru.yml any more. Put it back, or take it back by hand and note it here."
            )
        return found


@dataclass(frozen=True)
class Fleet:
    """The hands of every service in kaeru.yml."""

    services: Mapping[str, Hands]

    def hands(self, service: str) -> Hands:
        """Raises Refusal for a service that is no longer configured."""
        found = self.services.get(service)
        if found is None:
            raise Refusal(
                f"{service} is not in kaeru.yml any more. Put it back, or act by hand and close the incident."
            )
        return found
