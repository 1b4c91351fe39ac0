"""The outside world of each service: its targets, its repository, its health, behind their ports."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.domain.base import Refusal
from bot.ports import ChangeSource, HealthProbe, Target
from bot.ports.backups import Backups
from bot.ports.caches import Cache
from bot.ports.logs import Logs
from bot.ports.metrics import Metrics
from bot.ports.migrations import Migrations
from bot.ports.notices import Notifier
from bot.ports.oncall import OnCall
from bot.ports.trackers import Papers, Tracker
from bot.ports.traffic import Traffic


@dataclass(frozen=True)
class DatabaseHands:
    """What kaeru touches one database with."""

    backups: Backups | None
    migrations: Migrations | None


@dataclass(frozen=True)
class OutsideHands:
    """What brings users back, proves it, and tells people outside of Slack. Each is by its name in kaeru.yml."""

    traffic: Traffic | None = None
    caches: Mapping[str, Cache] = field(default_factory=dict)
    metrics: Mapping[str, Metrics] = field(default_factory=dict)
    logs: Mapping[str, Logs] = field(default_factory=dict)
    notices: Mapping[str, Notifier] = field(default_factory=dict)
    on_call: OnCall | None = None
    tracker: Tracker | None = None
    papers: Mapping[str, Papers] = field(default_factory=dict)


@dataclass(frozen=True)
class Hands:
    """What kaeru touches one service with. `targets` is by component, in the order of the rollback."""

    targets: Mapping[str, Target]
    health: HealthProbe | None
    changes: ChangeSource | None
    databases: Mapping[str, DatabaseHands] = field(default_factory=dict)
    outside: OutsideHands = OutsideHands()

    def database(self, name: str) -> DatabaseHands:
        """Raises Refusal for a database that is no longer configured."""
        found = self.databases.get(name)
        if found is None:
            raise Refusal(
                f"The database {name} is not in kaeru.yml any more. Put it back, or see to it by hand and note it here."
            )
        return found

    def target(self, component: str) -> Target:
        """Raises Refusal for a component that is no longer configured."""
        found = self.targets.get(component)
        if found is None:
            raise Refusal(
                f"{component} is not in kaeru.yml any more. Put it back, or take it back by hand and note it here."
            )
        return found


NO_HANDS = Hands(targets={}, health=None, changes=None)


@dataclass(frozen=True)
class Fleet:
    """The hands of every service in kaeru.yml. `unmade` says of the others why they have none, and what to do."""

    services: Mapping[str, Hands]
    unmade: Mapping[str, str] = field(default_factory=dict)

    def hands(self, service: str) -> Hands:
        """Raises Refusal for a service that is no longer configured, or whose adapters could not be made."""
        found = self.services.get(service)
        if found is None and service in self.unmade:
            raise Refusal(f"kaeru cannot act for {service}: {self.unmade[service]} Then start kaeru again.")
        if found is None:
            raise Refusal(
                f"{service} is not in kaeru.yml any more. Put it back, or act by hand and close the incident."
            )
        return found
