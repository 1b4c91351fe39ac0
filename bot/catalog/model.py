"""The services, the people and the policies, ready to be asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from bot.catalog.health_spec import HealthSpec
from bot.catalog.policies import Layer, effective
from bot.catalog.problems import did_you_mean
from bot.catalog.workspace_spec import ForwardFixSpec, NudgesSpec, WorkspaceSpec
from bot.domain.base import Refusal, UserId
from bot.domain.evidence import Thresholds
from bot.domain.no_worse import Expectation
from bot.domain.policy import Policy
from bot.domain.ramp import Ramp
from bot.domain.severity import Severity


@dataclass(frozen=True)
class Adapter:
    """An adapter's kind and its settings, already validated by the adapter's own model."""

    kind: str
    settings: BaseModel


@dataclass(frozen=True)
class Component:
    """A part of a service with a version of its own. Lower tiers go back first."""

    name: str
    tier: int
    target: Adapter


@dataclass(frozen=True)
class Database:
    """A database of a service. `wait_for_backup` is as in `DatabaseSpec`; `drill_every` None: never."""

    name: str
    backup: Adapter | None
    migrations: Adapter | None
    wait_for_backup: str = "when it changes"
    drill_every: timedelta | None = None


@dataclass(frozen=True)
class Traffic:
    """How users' traffic comes back after a rollback. `maintenance` is as in `TrafficSpec`."""

    through: Adapter
    ramp: Ramp
    maintenance: str = "never"


@dataclass(frozen=True)
class Metric:
    """A number that somebody else measures. `name` is what the verdict calls it."""

    name: str
    source: Adapter
    expectation: Expectation
    required: bool = True


@dataclass(frozen=True)
class Log:
    """A log that is watched. `name` is what the verdict calls it."""

    name: str
    source: Adapter
    required: bool = False


@dataclass(frozen=True)
class Outside:
    """What brings users back, proves it, and who is told of it outside of Slack."""

    traffic: Traffic | None = None
    caches: Mapping[str, Adapter] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    logs: tuple[Log, ...] = ()
    notices: Mapping[str, Adapter] = field(default_factory=dict)
    on_call: Adapter | None = None
    tracker: Adapter | None = None
    papers: Mapping[str, Adapter] = field(default_factory=dict)


@dataclass(frozen=True)
class Service:
    """One service. `components` are ordered by tier, then name; people are Slack ids.

    `stakeholders` is a channel's name or id, None where nobody wants to be told.
    """

    name: str
    description: str
    owners: tuple[UserId, ...]
    responders: tuple[UserId, ...]
    stakeholders: str | None
    components: tuple[Component, ...]
    changes: Adapter | None
    health: HealthSpec | None
    watch: timedelta
    watch_interval: timedelta
    postmortem_template: Path | None
    links: tuple[tuple[str, str], ...] = ()
    policies: tuple[Layer, ...] = ()
    databases: tuple[Database, ...] = ()
    outside: Outside = Outside()
    watch_patience: timedelta = timedelta(minutes=10)
    public_name: str = ""

    @property
    def thresholds(self) -> Thresholds:
        return self.health.thresholds.resolved() if self.health else Thresholds()

    @property
    def critical(self) -> tuple[str, ...]:
        """The paths of the critical endpoints."""
        return tuple(endpoint.path for endpoint in self.health.critical) if self.health else ()

    def database(self, name: str) -> Database:
        """Raises Refusal for a database this service does not have."""
        for database in self.databases:
            if database.name == name:
                return database
        hint = did_you_mean(name, [d.name for d in self.databases])
        raise Refusal(f"{self.name} has no database {name!r}. {hint}".strip())

    def component(self, name: str) -> Component:
        """Raises Refusal for a component this service does not have."""
        for component in self.components:
            if component.name == name:
                return component
        hint = did_you_mean(name, [c.name for c in self.components])
        raise Refusal(f"{self.name} has no component {name!r}. {hint}")


@dataclass(frozen=True)
class Catalog:
    """Everything in kaeru.yml. `path` is where it was read; `people` are display names by Slack id.

    `emails` are Slack ids by e-mail address, in lower case.
    """

    path: Path
    workspace: WorkspaceSpec
    people: Mapping[UserId, str]
    services: Mapping[str, Service]
    forward_fix: ForwardFixSpec = field(default_factory=ForwardFixSpec)
    nudges: NudgesSpec = field(default_factory=NudgesSpec)
    emails: Mapping[str, UserId] = field(default_factory=dict)

    @property
    def timezone(self) -> ZoneInfo:
        """For documents that people read."""
        return ZoneInfo(self.workspace.timezone)

    def service(self, name: str) -> Service:
        """Raises Refusal, with the names that come near, for a service that is not in the file."""
        found = self.services.get(name)
        if found is not None:
            return found
        known = ", ".join(sorted(self.services))
        hint = did_you_mean(name, list(self.services))
        both = f"{hint} Known: {known}." if hint.startswith("Did") else hint
        raise Refusal(f"There is no service {name!r}. {both}")

    def policy(self, service: str, severity: Severity | None) -> Policy:
        """How a rollback of `service` is approved; without a severity yet, what `default` says.

        Raises Refusal for a service that is not in the file.
        """
        return effective(self.service(service).policies, severity)[0]

    def forward_fix_after(self, severity: Severity) -> timedelta:
        """When a forward fix is asked about. Severities that roll back have the shorter of the two times."""
        if severity is Severity.LOW:
            return self.forward_fix.low
        return self.forward_fix.medium
