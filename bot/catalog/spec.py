"""What may stand in the services file: every setting with its meaning, its default and an example."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from bot.catalog.alerts import AlertsSpec
from bot.catalog.base import Name, Spec
from bot.catalog.base import expected as _expected
from bot.catalog.durations import Duration
from bot.catalog.outside import LogSpec, MetricSpec, TrafficSpec
from bot.catalog.people import SLACK_USER, People
from bot.catalog.policies import PoliciesSpec
from bot.catalog.problems import did_you_mean
from bot.catalog.reports import UserReportsSpec
from bot.domain.evidence import Thresholds


def _archival(written: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """A length of an hour at least, or never; one sentence where it is neither."""
    try:
        length = read(written)
    except ValidationError:
        length = timedelta(0)
    if length != "never" and length < timedelta(hours=1):
        raise _expected("a duration of at least 1h such as 14d, or never")
    return length


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        near = did_you_mean(name, sorted(available_timezones())) if len(name) > 2 else ""
        hint = f" {near}" if near.startswith("Did") else ""
        sentence = f"{name!r} is not a time zone; expected one such as UTC or Europe/Berlin.{hint}"
        raise PydanticCustomError("sentence", "{sentence}", {"sentence": sentence}) from error
    return name


def _address(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    host = rest.split("/")[0]
    if scheme not in ("http", "https") or not separator or not host or any(c.isspace() for c in url):
        raise _expected("an address such as https://shop.example.com")
    if "?" in url or "#" in url:
        raise _expected("an address without a query, such as https://shop.example.com")
    return url.rstrip("/")


def _link(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if scheme not in ("http", "https") or not separator or not rest or any(c.isspace() for c in url):
        raise _expected("an address such as https://wiki.example.com/runbooks/shop")
    return url


def _path(path: str) -> str:
    if not path.startswith("/") or any(c.isspace() for c in path):
        raise _expected("a path that begins with a slash, such as /checkout")
    return path


def _channel(name: str) -> str:
    bare = name.removeprefix("#")
    if not bare or len(bare) > 80 or any(c.isspace() or c in "#,<>@" for c in bare):
        raise _expected("a channel such as incidents, or its id such as C0123ABCD")
    return bare


Address = Annotated[str, AfterValidator(_address)]
Link = Annotated[str, AfterValidator(_link)]
UrlPath = Annotated[str, AfterValidator(_path)]
FieldPath = Annotated[str, StringConstraints(pattern=r"^[^.\s]+(\.[^.\s]+)*$", max_length=120)]
Channel = Annotated[str, AfterValidator(_channel)]
TargetSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "target"})]
ChangesSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "changes"})]
BackupSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "backup"})]
MigrationsSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "migrations"})]
CacheSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "cache"})]
NoticeSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "notice"})]
OnCallSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "on_call"})]
TrackerSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "tracker"})]
PaperSpec = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "paper"})]


Label = Annotated[str, StringConstraints(min_length=1, max_length=60)]


class WorkspaceSpec(Spec):
    """What holds for everything."""

    stakeholders: Channel | None = Field(default=None, examples=["incidents"])
    """The channel that is told when an incident begins, is mitigated, and ends. Name or id."""
    timezone: Annotated[str, AfterValidator(_timezone)] = Field(default="UTC", examples=["Europe/Berlin"])
    """The time zone of documents for people, such as the postmortem. IANA name."""
    notices: dict[Label, NoticeSpec] = Field(
        default_factory=dict, max_length=20, examples=[{"management": {"kind": "email"}}]
    )
    """Who is told outside of Slack about every service's incidents."""
    notice_templates: Path | None = Field(default=None, examples=["templates/notices"])
    """A folder with templates of your own, `AUDIENCE.txt.j2`, for notices. A path from this file's folder."""
    user_reports: UserReportsSpec = UserReportsSpec()
    """Which messages of an incident's channel count as a report of users."""
    alerts: AlertsSpec = AlertsSpec()
    """How a monitoring system's alerts are read, where they may open incidents."""
    archive_after: Annotated[Duration | Literal["never"], WrapValidator(_archival)] = Field(
        default=timedelta(days=7), examples=["14d"]
    )
    """How long after the close, and after the last message of a person, an incident's channel is archived: an hour at least; or never."""
    channel_prefix: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,19}$")] = Field(
        default="inc", examples=["inc"]
    )
    """How the names of incident channels begin: inc-20261124-shop-1."""

    @property
    def archives_after(self) -> timedelta | None:
        """The same; None for never."""
        return None if self.archive_after == "never" else self.archive_after


class PersonSpec(Spec):
    """Somebody who is named elsewhere in this file."""

    slack: Annotated[str, StringConstraints(pattern=rf"^{SLACK_USER.pattern}$")] = Field(
        examples=["U0123ABCD"]
    )
    """The Slack member id: in Slack, the person's profile, the three dots, Copy member ID."""
    name: str | None = Field(default=None, min_length=1, max_length=80, examples=["Alice"])
    """The name in documents. Left out: the one in Slack."""
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)] | None = Field(
        default=None, examples=["alice@example.com"]
    )
    """The address by which an on-call system knows them, so that they are invited when they are called."""


class ForwardFixSpec(Spec):
    """How long a forward fix may take before kaeru asks about it."""

    medium: Duration = Field(default=timedelta(minutes=30), examples=["30m"])
    """For Medium incidents."""
    low: Duration = Field(default=timedelta(hours=4), examples=["4h"])
    """For Low incidents."""
    remind_every: Duration = Field(default=timedelta(minutes=30), examples=["30m"])
    """How often kaeru asks again after that."""


class NudgesSpec(Spec):
    """Friendly reminders."""

    postmortem_after: Duration = Field(default=timedelta(hours=24), examples=["24h"])
    """When to remind of an incident that is verified but not closed, so that it has no postmortem yet."""


class VersionSpec(Spec):
    """Where the running service itself says which version it is: a field of a JSON answer, or a header."""

    path: UrlPath | None = Field(default=None, examples=["/version"])
    """The endpoint that answers with JSON."""
    field: str | None = Field(default=None, min_length=1, examples=["version"])
    """The field of that answer. Left out: `version`."""
    header: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]+$", examples=["X-Version"])
    """Instead of a path: the header of every answer."""

    @model_validator(mode="after")
    def _one_way(self) -> "VersionSpec":
        if (self.path is None) == (self.header is None):
            raise _expected("either {path: /version, field: version} or {header: X-Version}")
        if self.header is not None and self.field is not None:
            raise _expected("a field only together with a path, not with a header")
        return self

    @property
    def json_field(self) -> str:
        """The field to read where there is a path."""
        return self.field or "version"


def _or_a_path(schema: dict[str, Any]) -> None:
    whole = dict(schema)
    schema.clear()
    schema.update(
        anyOf=[{"type": "string", "pattern": "^/", "examples": ["/checkout"]}, whole],
        description=whole.pop("description", ""),
        title=whole.pop("title", ""),
    )


class EndpointSpec(Spec):
    """One critical endpoint; any status from 200 to 299 is well. A plain path is short for `{path: …}`."""

    path: UrlPath = Field(examples=["/checkout"])
    """The path below `url`."""
    method: Literal["GET", "HEAD"] = Field(default="GET", examples=["GET"])
    """The request's method. It is asked every few seconds, so only those that change nothing."""
    expect: dict[FieldPath, str | int | float | bool | None] = Field(
        default_factory=dict, max_length=20, examples=[{"status": "ok", "checks.database": True}]
    )
    """Fields of the JSON answer and the values they have to have; `checks.0.ok` is a field of the first in a list."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra=_or_a_path,
    )

    @model_validator(mode="after")
    def _has_a_body(self) -> "EndpointSpec":
        if self.expect and self.method == "HEAD":
            raise _expected("method: GET where something is expected of the answer")
        return self

    @model_validator(mode="before")
    @classmethod
    def _short(cls, written: Any) -> Any:
        if isinstance(written, str):
            return {"path": written}
        if not isinstance(written, dict | BaseModel):
            raise _expected("a path such as /checkout, or {path: /checkout, method: HEAD}")
        return written


class VantageSpec(Spec):
    """Another address at which the service is asked the same, with rows of its own: one of its hosts, or the balancer."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")] = Field(
        examples=["web1"]
    )
    """What people call it."""
    url: Address = Field(examples=["https://10.0.0.5:8443"])
    """Where it answers; http or https. The same paths are added to it."""
    host: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$")] | None
    ) = Field(default=None, examples=["shop.example.com"])
    """The name to ask it for, where it serves several; its certificate has to be for this name too."""


class ThresholdsSpec(Spec):
    """What is still acceptable after a rollback. The factor applies to what was measured while it was well."""

    max_error_rate: float = Field(default=0.02, ge=0, le=1, examples=[0.02])
    """The share of failed requests, between 0 and 1."""
    max_p95: Duration = Field(default=timedelta(seconds=1), examples=["1s"])
    """The 95th percentile of latency, whatever was measured before."""
    latency_factor: float = Field(default=2.0, ge=1, le=100, examples=[2])
    """How many times the measured latency is still acceptable …"""
    latency_slack: Duration = Field(default=timedelta(milliseconds=50), examples=["50ms"])
    """… plus this much, so that a fast service is not judged by noise."""

    def resolved(self) -> Thresholds:
        return Thresholds(
            max_error_rate=self.max_error_rate,
            max_p95_ms=self.max_p95 / timedelta(milliseconds=1),
            latency_factor=self.latency_factor,
            latency_slack_ms=self.latency_slack / timedelta(milliseconds=1),
        )


class HealthSpec(Spec):
    """How the service is seen from outside, where its users are."""

    url: Address = Field(examples=["https://shop.example.com"])
    """Where the service answers; http or https. The paths below are added to it, and a random `_fresh=…` to each request."""
    version: VersionSpec = Field(examples=[{"path": "/version", "field": "version"}])
    """Where the running service says its version. Without it no rollback could be proven."""
    critical: tuple[EndpointSpec, ...] = Field(default=(), examples=[["/checkout", "/cart"]])
    """What must work for the service to count as well."""
    timeout: Duration = Field(default=timedelta(seconds=2), examples=["2s"])
    """How long an answer may take before it counts as failed."""
    ca_file: Path | None = Field(default=None, examples=["ca.pem"])
    """A certificate authority of your own, in PEM. A path from this file's folder."""
    vantages: tuple[VantageSpec, ...] = Field(
        default=(), max_length=50, examples=[[{"name": "web1", "url": "http://10.0.0.5:8080"}]]
    )
    """Other addresses of the service. Each of them has to answer with the expected version as well."""
    certificate_warning: Duration = Field(default=timedelta(days=14), examples=["14d"])
    """A certificate that ends sooner is warned about; it does not fail anything before it has ended."""
    consecutive: int = Field(default=5, ge=1, le=1000, examples=[5])
    """How many good rounds in a row prove a rollback."""
    interval: Duration = Field(default=timedelta(seconds=1), examples=["1s"])
    """The time between two rounds of that proof."""
    prove_for: Duration = Field(default=timedelta(minutes=2), examples=["2m"])
    """How long that proof may take; the rollback counts as failed after it."""
    probe_every: Duration = Field(default=timedelta(seconds=10), examples=["10s"])
    """How often the service is asked while all is well, to know what good looks like."""
    thresholds: ThresholdsSpec = ThresholdsSpec()
    """What is still acceptable."""

    @model_validator(mode="after")
    def _has_different_vantages(self) -> "HealthSpec":
        names = [vantage.name for vantage in self.vantages]
        if len(set(names)) < len(names):
            raise _expected("vantages with names of their own")
        return self


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
            raise _expected("`backup`, `migrations`, or both")
        if self.backup is None and (self.drill_every or self.wait_for_backup == "always"):
            raise _expected("`backup` where a backup is to be waited for or drilled")
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
