"""How a service is seen from outside, as it stands in the services file."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from bot.catalog.base import Spec, expected
from bot.catalog.durations import Duration
from bot.catalog.texts import Address, FieldPath, UrlPath
from bot.domain.evidence import Thresholds


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
            raise expected("either {path: /version, field: version} or {header: X-Version}")
        if self.header is not None and self.field is not None:
            raise expected("a field only together with a path, not with a header")
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
            raise expected("method: GET where something is expected of the answer")
        return self

    @model_validator(mode="before")
    @classmethod
    def _short(cls, written: Any) -> Any:
        if isinstance(written, str):
            return {"path": written}
        if not isinstance(written, dict | BaseModel):
            raise expected("a path such as /checkout, or {path: /checkout, method: HEAD}")
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
            raise expected("vantages with names of their own")
        return self
