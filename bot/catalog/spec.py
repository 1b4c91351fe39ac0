"""What may stand in the services file: every setting with its meaning, its default and an example."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    WithJsonSchema,
    model_validator,
)

from bot.catalog.base import Name, Spec, expected
from bot.catalog.durations import Duration
from bot.catalog.health_spec import HealthSpec
from bot.catalog.outside import LogSpec, MetricSpec, TrafficSpec
from bot.catalog.people import People
from bot.catalog.policies import PoliciesSpec
from bot.catalog.texts import Channel, Label, Link
from bot.catalog.workspace_spec import ForwardFixSpec, NoticeSpec, NudgesSpec, PersonSpec, WorkspaceSpec

TargetSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "target"})]
ChangesSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "changes"})]
BackupSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "backup"})]
MigrationsSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "migrations"})]
CacheSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "cache"})]
OnCallSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "on_call"})]
TrackerSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "tracker"})]
PaperSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "paper"})]


class ComponentSpec(Spec):
    """A part of a service that has a version of its own."""

    target: TargetSpec = Field(examples=[{"kind": "symlink"}])
    """Where it runs and how it is taken back; `kind` names the adapter, the rest is the adapter's."""
    tier: int = Field(default=0, ge=0, le=99, examples=[1])
    """Lower tiers are rolled back first; those of the same tier at once."""


class DatabaseSpec(Spec):
    """A database of the service: how it is backed up, and which migrations change it."""

    backup: BackupSpec | None = Field(
        default=None, examples=[{"kind": "postgresql", "database": "shop", "directory": "/var/backups/kaeru"}]
    )
    """How it is backed up, as soon as a rollback is asked for; `kind` names the adapter."""
    wait_for_backup: Literal["when it changes", "always", "never"] = Field(
        default="when it changes", examples=["always"]
    )
    """When a rollback waits until the backup has been taken and proven: only where its schema or its rows will be
    changed, always, or never."""
    drill_every: Duration | None = Field(default=None, ge=timedelta(minutes=1), examples=["7d"])
    """How often the newest backup is proven by a restore into a scratch database. Left out: never."""
    migrations: MigrationsSpec | None = Field(default=None, examples=[{"kind": "git", "tool": "alembic"}])
    """Where its migrations are looked up; needs `changes`, from whose repository they are read."""

    @model_validator(mode="after")
    def _something(self) -> "DatabaseSpec":
        if self.backup is None and self.migrations is None:
            raise expected("`backup`, `migrations`, or both")
        if self.backup is None and (self.drill_every or self.wait_for_backup == "always"):
            raise expected("`backup` where a backup is to be waited for or drilled")
        return self


class ServiceSpec(Spec):
    """Something that can be rolled back."""

    description: str = Field(default="", max_length=200, examples=["Where tea is sold"])
    """One line for people who do not know it."""
    public_name: str = Field(default="", max_length=80, examples=["Tea orders"])
    """What customers call it, in notices to them. Left out: our service."""
    owners: People = Field(default=(), examples=[["alice"]])
    """Who the service belongs to."""
    responders: People | None = Field(default=None, examples=[["@oncall"]])
    """Who is invited when an incident begins. Left out: the owners."""
    stakeholders: Channel | None = Field(default=None, examples=["shop-status"])
    """The channel to tell, instead of the workspace's."""
    target: TargetSpec | None = Field(default=None, examples=[{"kind": "symlink"}])
    """For a service with one component: its target. Short for `components` with one named like the service."""
    components: dict[Name, ComponentSpec] = Field(
        default_factory=dict, examples=[{"web": {"target": {"kind": "symlink"}}}]
    )
    """The parts that are rolled back together, by name."""
    changes: ChangesSpec | None = Field(default=None, examples=[{"kind": "git", "repository": "../shop"}])
    """Where to look up what lies between two versions."""
    databases: dict[Name, DatabaseSpec] = Field(
        default_factory=dict, max_length=20, examples=[{"shop": {"migrations": {"kind": "git"}}}]
    )
    """The databases whose rows and schema the service uses, by name."""
    health: HealthSpec | None = Field(default=None, examples=[{"url": "https://shop.example.com"}])
    """How it is seen from outside. Without it no rollback of the service can be proven."""
    traffic: TrafficSpec | None = Field(
        default=None, examples=[{"through": {"kind": "haproxy", "socket": "/run/haproxy/admin.sock"}}]
    )
    """How users' traffic comes back after the rollback. Left out: the rollback itself brings it back."""
    caches: dict[Name, CacheSpec] = Field(
        default_factory=dict, max_length=20, examples=[{"cdn": {"kind": "cloudfront"}}]
    )
    """What keeps old answers and is told to forget them, by name."""
    metrics: dict[Label, MetricSpec] = Field(
        default_factory=dict, max_length=30, examples=[{"orders": {"source": {"kind": "json"}}}]
    )
    """Numbers that somebody else measures, by the names that the verdict calls them."""
    logs: dict[Label, LogSpec] = Field(
        default_factory=dict, max_length=20, examples=[{"app": {"source": {"kind": "file"}}}]
    )
    """Logs that are watched, by the names that the verdict calls them."""
    notices: dict[Label, NoticeSpec] = Field(
        default_factory=dict, max_length=20, examples=[{"status page": {"kind": "statuspage"}}]
    )
    """Who is told outside of Slack, besides those of the workspace."""
    on_call: OnCallSpec | None = Field(default=None, examples=[{"kind": "pagerduty"}])
    """Who is called when an incident begins, and how."""
    tracker: TrackerSpec | None = Field(default=None, examples=[{"kind": "github"}])
    """Where the open actions of a postmortem go."""
    papers: dict[Label, PaperSpec] = Field(
        default_factory=dict, max_length=10, examples=[{"wiki": {"kind": "confluence"}}]
    )
    """Where the postmortem goes besides the incident's channel."""
    watch: Duration = Field(default=timedelta(minutes=5), examples=["5m"])
    """How long the service is watched after a rollback until it counts as verified."""
    watch_interval: Duration = Field(default=timedelta(seconds=5), examples=["5s"])
    """The time between two looks while it is watched."""
    watch_patience: Duration = Field(default=timedelta(minutes=10), examples=["10m"])
    """How long after that what has to be measured and could not be is waited for. Then it ends as not verified."""
    policies: PoliciesSpec = PoliciesSpec()
    """Approval policies of this service; what is left out comes from the file's own."""
    links: dict[Label, Link] = Field(
        default_factory=dict, max_length=20, examples=[{"Runbook": "https://wiki.example.com/shop"}]
    )
    """Bookmarks of the incident's channel, such as runbook and dashboards, by their titles."""
    postmortem_template: Path | None = Field(default=None, examples=["templates/postmortem.md.j2"])
    """A template of its own for the postmortem. A path from this file's folder."""


class FileSpec(Spec):
    """kaeru.yml: what kaeru can roll back, for whom, and who decides. Names that begin with x- are yours."""

    workspace: WorkspaceSpec = WorkspaceSpec()
    """What holds for everything."""
    people: dict[str, PersonSpec] = Field(default_factory=dict, examples=[{"alice": {"slack": "U0123ABCD"}}])
    """Names for Slack ids."""
    groups: dict[str, People] = Field(default_factory=dict, examples=[{"oncall": ["alice", "bob"]}])
    """Names for several people at once."""
    policies: PoliciesSpec = PoliciesSpec()
    """Who approves a rollback."""
    forward_fix: ForwardFixSpec = ForwardFixSpec()
    """The clock of forward fixes."""
    nudges: NudgesSpec = NudgesSpec()
    """Friendly reminders."""
    services: dict[Name, ServiceSpec] = Field(min_length=1, examples=[{"shop": {}}])
    """What can be rolled back, by the name that is typed after /rollback."""
