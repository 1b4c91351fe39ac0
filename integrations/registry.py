"""Every adapter by its kind: its settings and how it is made. Nothing of an adapter is imported before it is asked for.

A new adapter is one line in the table of its port, such as `TARGETS` or `NOTIFIERS`; integrations/README.md says what else it needs.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel

from bot.catalog import Adapter, HealthSpec, Kinds
from bot.ports import ChangeSource, HealthProbe, Memory, Target
from bot.ports.backups import Backups
from bot.ports.caches import Cache
from bot.ports.logs import Logs
from bot.ports.metrics import Metrics
from bot.ports.migrations import Migrations
from bot.ports.notices import Notifier, Postbox
from bot.ports.oncall import OnCall
from bot.ports.trackers import Papers, Tracker
from bot.ports.traffic import Traffic
from integrations.extras import missing


@dataclass(frozen=True)
class Entry:
    """Where an adapter lives. `settings` and `factory` are `module:name`; the factory takes the settings.

    One that `remembers` takes a `bot.ports.Memory` too, one that `posts` a `bot.ports.notices.Postbox`.
    """

    settings: str
    factory: str
    remembers: bool = False
    posts: bool = False

    def settings_model(self) -> type[BaseModel]:
        return cast("type[BaseModel]", _load(self.settings))

    def make(self, settings: BaseModel, *context: Any) -> Any:
        """Raises Refused where the library of an extra is not installed."""
        try:
            return _load(self.factory)(settings, *context)
        except ImportError as error:
            lacking = missing(error)
            if lacking is None:
                raise
            raise lacking from error


TARGETS: Mapping[str, Entry] = {
    "bluegreen": Entry(
        settings="integrations.bluegreen.settings:BlueGreenSettings",
        factory="integrations.bluegreen.target:BlueGreenTarget",
        remembers=True,
    ),
    "hosts": Entry(
        settings="integrations.hosts.settings:HostsSettings",
        factory="integrations.hosts.target:HostsTarget",
    ),
    "kubernetes": Entry(
        settings="integrations.kubernetes.settings:KubernetesSettings",
        factory="integrations.kubernetes.target:KubernetesTarget",
        remembers=True,
    ),
    "symlink": Entry(
        settings="integrations.symlink.settings:SymlinkSettings",
        factory="integrations.symlink.target:SymlinkTarget",
    ),
    "script": Entry(
        settings="integrations.script.settings:ScriptSettings",
        factory="integrations.script.target:ScriptTarget",
        remembers=True,
    ),
    "swarm": Entry(
        settings="integrations.swarm.settings:SwarmSettings",
        factory="integrations.swarm.target:SwarmTarget",
        remembers=True,
    ),
}
CHANGES: Mapping[str, Entry] = {
    "git": Entry(
        settings="integrations.git.settings:GitSettings", factory="integrations.git.source:GitChanges"
    ),
}
BACKUPS: Mapping[str, Entry] = {
    "mariadb": Entry(
        settings="integrations.backups.settings:MariadbBackupSettings",
        factory="integrations.backups.make:mariadb",
    ),
    "mysql": Entry(
        settings="integrations.backups.settings:MariadbBackupSettings",
        factory="integrations.backups.make:mariadb",
    ),
    "postgresql": Entry(
        settings="integrations.backups.settings:PostgresqlBackupSettings",
        factory="integrations.backups.make:postgresql",
    ),
}
LOGS: Mapping[str, Entry] = {
    "command": Entry(
        settings="integrations.logs.settings:CommandLogSettings", factory="integrations.logs.command:make"
    ),
    "file": Entry(
        settings="integrations.logs.settings:FileLogSettings", factory="integrations.logs.files:make"
    ),
    "journald": Entry(
        settings="integrations.logs.settings:JournaldLogSettings", factory="integrations.logs.journald:make"
    ),
    "kubernetes": Entry(
        settings="integrations.logs.settings:KubernetesLogSettings", factory="integrations.logs.pods:make"
    ),
    "swarm": Entry(
        settings="integrations.logs.settings:SwarmLogSettings", factory="integrations.logs.services:make"
    ),
}
MIGRATIONS: Mapping[str, Entry] = {
    "git": Entry(
        settings="integrations.migrations.settings:MigrationsSettings",
        factory="integrations.migrations.source:VersionMigrations",
    ),
}
METRICS: Mapping[str, Entry] = {
    "cloudwatch": Entry(
        settings="integrations.metrics.settings:CloudWatchSettings",
        factory="integrations.metrics.cloudwatch:CloudWatch",
    ),
    "json": Entry(
        settings="integrations.metrics.settings:JsonSettings",
        factory="integrations.metrics.json_endpoint:JsonEndpoint",
    ),
    "prometheus": Entry(
        settings="integrations.metrics.settings:PrometheusSettings",
        factory="integrations.metrics.prometheus:Prometheus",
    ),
}
TRAFFIC: Mapping[str, Entry] = {
    "alb": Entry(
        settings="integrations.aws.settings:AlbSettings",
        factory="integrations.aws.alb:AlbTraffic",
    ),
    "command": Entry(
        settings="integrations.traffic.settings:CommandTrafficSettings",
        factory="integrations.traffic.command:CommandTraffic",
    ),
    "haproxy": Entry(
        settings="integrations.traffic.settings:HaproxyTrafficSettings",
        factory="integrations.traffic.haproxy:HaproxyTraffic",
    ),
    "nginx": Entry(
        settings="integrations.traffic.settings:NginxTrafficSettings",
        factory="integrations.traffic.nginx:NginxTraffic",
    ),
}
CACHES: Mapping[str, Entry] = {
    "cloudfront": Entry(
        settings="integrations.aws.settings:CloudFrontSettings",
        factory="integrations.aws.cloudfront:CloudFrontCache",
    ),
}
NOTIFIERS: Mapping[str, Entry] = {
    "email": Entry(
        settings="integrations.notices.settings:EmailSettings",
        factory="integrations.notices.email:EmailNotifier",
    ),
    "slack": Entry(
        settings="integrations.notices.settings:SlackSettings",
        factory="integrations.notices.slack:SlackNotifier",
        posts=True,
    ),
    "statuspage": Entry(
        settings="integrations.notices.settings:StatuspageSettings",
        factory="integrations.notices.statuspage:StatuspageNotifier",
    ),
    "webhook": Entry(
        settings="integrations.notices.settings:WebhookSettings",
        factory="integrations.notices.webhook:WebhookNotifier",
    ),
}
ONCALL: Mapping[str, Entry] = {
    "opsgenie": Entry(
        settings="integrations.oncall.settings:OpsgenieSettings",
        factory="integrations.oncall.opsgenie:Opsgenie",
    ),
    "pagerduty": Entry(
        settings="integrations.oncall.settings:PagerDutySettings",
        factory="integrations.oncall.pagerduty:PagerDuty",
    ),
    "slack_usergroup": Entry(
        settings="integrations.oncall.settings:SlackUsergroupSettings",
        factory="integrations.oncall.slack_usergroup:SlackUsergroup",
    ),
}
TRACKERS: Mapping[str, Entry] = {
    "github": Entry(
        settings="integrations.trackers.settings:GithubSettings",
        factory="integrations.trackers.github:GithubTracker",
    ),
    "jira": Entry(
        settings="integrations.trackers.settings:JiraSettings",
        factory="integrations.trackers.jira:JiraTracker",
    ),
}
PAPERS: Mapping[str, Entry] = {
    "confluence": Entry(
        settings="integrations.papers.settings:ConfluenceSettings",
        factory="integrations.papers.confluence:ConfluencePapers",
    ),
    "git": Entry(
        settings="integrations.papers.settings:GitRepositorySettings",
        factory="integrations.papers.git_repository:GitRepository",
    ),
}


def kinds() -> Kinds:
    """The settings models of every adapter, for the catalog and its schema."""
    return Kinds(
        targets=_models(TARGETS),
        changes=_models(CHANGES),
        backups=_models(BACKUPS),
        migrations=_models(MIGRATIONS),
        traffic=_models(TRAFFIC),
        caches=_models(CACHES),
        metrics=_models(METRICS),
        logs=_models(LOGS),
        notices=_models(NOTIFIERS),
        on_call=_models(ONCALL),
        trackers=_models(TRACKERS),
        papers=_models(PAPERS),
    )


def _models(entries: Mapping[str, Entry]) -> Mapping[str, type[BaseModel]]:
    return {kind: entry.settings_model() for kind, entry in entries.items()}


def make_target(adapter: Adapter, memory: Memory) -> Target:
    """The deploy target of a component. Raises KeyError for a kind that is not registered."""
    entry = TARGETS[adapter.kind]
    return cast("Target", entry.make(adapter.settings, *((memory,) if entry.remembers else ())))


def make_changes(adapter: Adapter) -> ChangeSource:
    """The change source of a service. Raises KeyError for a kind that is not registered."""
    return cast("ChangeSource", CHANGES[adapter.kind].make(adapter.settings))


def make_backups(adapter: Adapter) -> Backups:
    """The backups of a database. Raises KeyError for a kind that is not registered."""
    return cast("Backups", BACKUPS[adapter.kind].make(adapter.settings))


def make_migrations(adapter: Adapter, changes: ChangeSource) -> Migrations:
    """The migrations of a database, read from what the service's change source reads.

    Raises KeyError for a kind that is not registered.
    """
    return cast("Migrations", MIGRATIONS[adapter.kind].make(adapter.settings, changes))


def make_metrics(adapter: Adapter) -> Metrics:
    """A metric of a service. Raises KeyError for a kind that is not registered."""
    return cast("Metrics", METRICS[adapter.kind].make(adapter.settings))


def make_traffic(adapter: Adapter) -> Traffic:
    """What steers the traffic of a service. Raises KeyError for a kind that is not registered."""
    return cast("Traffic", TRAFFIC[adapter.kind].make(adapter.settings))


def make_logs(adapter: Adapter) -> Logs:
    """A log of a service. Raises KeyError for a kind that is not registered."""
    return cast("Logs", LOGS[adapter.kind].make(adapter.settings))


def make_cache(adapter: Adapter) -> Cache:
    """What keeps old answers of a service. Raises KeyError for a kind that is not registered."""
    return cast("Cache", CACHES[adapter.kind].make(adapter.settings))


def make_notifier(adapter: Adapter, postbox: Postbox) -> Notifier:
    """One way to tell people outside of Slack. Raises KeyError for a kind that is not registered."""
    entry = NOTIFIERS[adapter.kind]
    return cast("Notifier", entry.make(adapter.settings, *((postbox,) if entry.posts else ())))


def make_on_call(adapter: Adapter) -> OnCall:
    """Who is on call for a service. Raises KeyError for a kind that is not registered."""
    return cast("OnCall", ONCALL[adapter.kind].make(adapter.settings))


def make_tracker(adapter: Adapter) -> Tracker:
    """Where open actions go. Raises KeyError for a kind that is not registered."""
    return cast("Tracker", TRACKERS[adapter.kind].make(adapter.settings))


def make_papers(adapter: Adapter) -> Papers:
    """Where postmortems go. Raises KeyError for a kind that is not registered."""
    return cast("Papers", PAPERS[adapter.kind].make(adapter.settings))


def make_health(health: HealthSpec) -> HealthProbe:
    """What asks a service from outside, over HTTP."""
    settings = _load("integrations.http_health.settings:HttpHealthSettings")(
        base_url=health.url,
        version_path=health.version.path,
        version_field=health.version.json_field,
        critical=tuple(e.model_dump() for e in health.critical),
        vantages=tuple(v.model_dump() for v in health.vantages),
        warn_days=health.certificate_warning.days,
        timeout_s=health.timeout.total_seconds(),
        ca_file=None if health.ca_file is None else str(health.ca_file),
        **({"version_header": health.version.header} if health.version.header else {}),
    )
    return cast("HealthProbe", _load("integrations.http_health.probe:HttpHealthProbe")(settings))


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
