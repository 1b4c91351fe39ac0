"""Which log it is, and how its lines are read."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from bot.catalog import Duration
from integrations.kubernetes.kind import Kind
from integrations.kubernetes.settings import KubernetesSettings
from integrations.swarm.settings import SwarmSettings, TlsSettings

PLACEHOLDERS = ("{since}", "{until}", "{since_s}", "{until_s}")
_BRACES = re.compile(r"\{[^{}]*\}")


def _is_pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{value!r} is no regular expression: {error}") from error
    return value


def _is_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is no time zone, such as UTC or Europe/Berlin") from error
    return value


def _is_argument(value: str) -> str:
    for found in _BRACES.findall(value):
        if found not in PLACEHOLDERS:
            raise ValueError(f"{found} is not known here; known is {', '.join(PLACEHOLDERS)}")
    return value


def _is_name(value: str) -> str:
    # journalctl would take it for an option.
    if not value or value.startswith("-"):
        raise ValueError(f"{value!r} is no name of the journal")
    return value


Pattern = Annotated[str, AfterValidator(_is_pattern)]
Zone = Annotated[str, AfterValidator(_is_zone)]
Argument = Annotated[str, AfterValidator(_is_argument)]
JournalName = Annotated[str, AfterValidator(_is_name)]


class LogSettings(BaseModel):
    """What all logs have."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    errors: Pattern | None = Field(default=None, examples=["^E "])
    """A regular expression that finds errors. Left out: levels are found in plain text, logfmt and JSON."""
    warnings: Pattern | None = Field(default=None, examples=["^W "])
    """The same for warnings. With either of the two, levels are not looked for any more."""
    every: Duration = Field(default=timedelta(seconds=1), examples=["1s"])
    """The time between two looks while the log is followed."""
    max_read: int = Field(default=64 * 1024 * 1024, ge=1024, le=4 * 1024**3, examples=[64 * 1024 * 1024])
    """How many bytes are read at most at once, of each file or container. What is beyond is left out, and said."""


class FileLogSettings(LogSettings):
    """A file that the service writes, and the older ones that it was rotated to."""

    path: Path = Field(examples=["/var/log/shop/shop.log"])
    """The file that is written now. What it was rotated to is found beside it: `shop.log.1`, `shop.log-20261124.gz`."""
    rotated: str | None = Field(default=None, pattern=r"^[^/]+$", examples=["shop-*.log.gz"])
    """Another pattern of names in the same folder, where rotated files are called differently."""
    timezone: Zone = Field(default="UTC", examples=["Europe/Berlin"])
    """The time zone of times that name none."""


class JournaldLogSettings(LogSettings):
    """What the service told systemd's journal on this machine."""

    units: tuple[JournalName, ...] = Field(default=(), examples=[["shop.service"]])
    """The systemd units. Either these or `identifiers`."""
    identifiers: tuple[JournalName, ...] = Field(default=(), examples=[["shop"]])
    """The syslog identifiers, where it is no unit."""
    namespace: JournalName | None = Field(default=None, examples=["shop"])
    """The journal's namespace (LogNamespace= of the unit), if it has one of its own."""
    directory: Path | None = Field(default=None, examples=["/var/log/journal/remote"])
    """A folder of journal files instead of this machine's journal, such as one that other machines send theirs to."""
    journalctl: Path = Field(default=Path("/usr/bin/journalctl"), examples=["/usr/bin/journalctl"])
    """The program that reads it."""
    timeout: Duration = Field(default=timedelta(seconds=20), examples=["20s"])
    """How long one read may take."""
    max_lines: int = Field(default=200_000, ge=1, le=10_000_000, examples=[200_000])
    """How many lines are read at most at once, the newest ones."""

    @model_validator(mode="after")
    def _one_place(self) -> "JournaldLogSettings":
        if bool(self.units) == bool(self.identifiers):
            raise ValueError("name either units or identifiers")
        if self.namespace is not None and self.directory is not None:
            raise ValueError("namespace is of this machine's journal: leave out directory")
        return self


class KubernetesLogSettings(LogSettings):
    """What the pods of a workload wrote, those included that their containers were started before."""

    namespace: str = Field(examples=["shop"])
    """The namespace of the workload."""
    name: str = Field(examples=["web"])
    """The name of the workload."""
    workload: Kind = Field(default=Kind.DEPLOYMENT, examples=["statefulset"])
    """What it is: deployment, statefulset or daemonset."""
    container: str | None = Field(default=None, examples=["web"])
    """The container to read. Left out: all of them but init containers."""
    kubeconfig: Path | None = Field(default=None, examples=["/etc/kaeru/kubeconfig"])
    """The file that says how the cluster is reached. Left out: as for the target of the kind kubernetes."""
    context: str | None = Field(default=None, examples=["production"])
    """The context of that file. Left out: its current one."""
    connect_timeout: Duration = Field(default=timedelta(seconds=5), examples=["5s"])
    """How long connecting to the API server may take."""
    read_timeout: Duration = Field(default=timedelta(seconds=10), examples=["10s"])
    """How long the API server may say nothing."""
    every: Duration = Field(default=timedelta(seconds=2), examples=["2s"])
    """The time between two looks while the log is followed. Each asks once for each container."""

    @property
    def cluster(self) -> KubernetesSettings:
        """How the cluster is reached and which workload it is. Raises ValueError for names that are none."""
        return KubernetesSettings(
            **self.model_dump(exclude={"errors", "warnings", "every", "max_read"}, exclude_none=True)
        )

    @model_validator(mode="after")
    def _is_there(self) -> "KubernetesLogSettings":
        _ = self.cluster
        return self


class SwarmLogSettings(LogSettings):
    """What the tasks of a Docker Swarm service wrote."""

    service: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", examples=["shop_web"])
    """The service's name, as `docker service ls` shows it."""
    host: str | None = Field(default=None, examples=["ssh://deploy@manager-1.internal"])
    """A manager, as for the target of the kind swarm."""
    context: str | None = Field(default=None, min_length=1, examples=["production"])
    """The Docker context that names the manager, instead of `host`."""
    tls: TlsSettings | None = None
    """For `tcp://`: the certificates. A context brings its own."""
    read_timeout: Duration = Field(default=timedelta(seconds=10), examples=["10s"])
    """How long one task's log may take."""
    every: Duration = Field(default=timedelta(seconds=2), examples=["2s"])
    """The time between two looks while the log is followed. Each asks once for each task."""

    @property
    def manager(self) -> SwarmSettings:
        """How the manager is reached. Raises ValueError for what leads nowhere."""
        return SwarmSettings(service=self.service, host=self.host, context=self.context, tls=self.tls)

    @model_validator(mode="after")
    def _leads_there(self) -> "SwarmLogSettings":
        _ = self.manager
        return self


class CommandLogSettings(LogSettings):
    """What a program prints that reads the log wherever it is: over SSH, or from a service for logs."""

    argv: tuple[Argument, ...] = Field(
        min_length=1,
        examples=[["ssh", "-oBatchMode=yes", "web1", "journalctl", "-u", "shop", "--since=@{since_s}"]],
    )
    """The program and its arguments; no shell. It prints the lines from `{since}` to `{until}` (2026-11-24T10:00:00Z;
    with `_s`: seconds since 1970), oldest first, each with its time, and ends with 0."""
    timezone: Zone = Field(default="UTC", examples=["Europe/Berlin"])
    """The time zone of times that name none."""
    timeout: Duration = Field(default=timedelta(seconds=20), examples=["20s"])
    """How long one run may take; then it is ended."""
    every: Duration = Field(default=timedelta(seconds=5), examples=["5s"])
    """The time between two runs while the log is followed."""
