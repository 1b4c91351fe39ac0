"""What brings users back and proves it: traffic, caches, metrics and logs; and who is told of it."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, WithJsonSchema, model_validator

from bot.catalog.base import Spec, expected
from bot.catalog.durations import Duration
from bot.domain.no_worse import Expectation
from bot.domain.ramp import BackTo, Ramp, Stage

TrafficAdapter = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "traffic"})]
MetricAdapter = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "metric"})]
LogAdapter = Annotated[dict[str, Any], WithJsonSchema({"$kaeru": "log"})]
Percent = Annotated[float, Field(gt=0, le=100)]


class TrafficSpec(Spec):
    """How users' traffic comes back after a rollback: in stages, each of which has to prove itself."""

    through: TrafficAdapter = Field(examples=[{"kind": "haproxy", "socket": "/run/haproxy/admin.sock"}])
    """What steers it; `kind` names the adapter."""
    stages: tuple[Percent, ...] = Field(default=(10, 25, 50, 100), min_length=1, examples=[[10, 25, 50, 100]])
    """The shares of traffic, in percent, one after the other."""
    maintenance: Literal["never", "when data changes", "always"] = Field(
        default="never", examples=["when data changes"]
    )
    """When users see the maintenance page while the rollback runs. `health.url` then has to reach the service past the balancer."""
    soak: Duration = Field(default=timedelta(minutes=2), examples=["2m"])
    """For how long each stage has to go well."""
    fast: bool = Field(default=False, examples=[True])
    """Without soaks, as fast as healthy backends allow: for a service whose only alternative is an error."""
    back_to: Literal["previous", "zero"] = Field(default="previous", examples=["zero"])
    """Where to after a stage that failed."""
    retries: int = Field(default=1, ge=0, le=20, examples=[1])
    """How often it goes up again by itself after that, before people are asked."""
    patience: Duration = Field(default=timedelta(minutes=10), examples=["10m"])
    """How long, after a soak, it waits for what could not be verified before people are asked."""
    max_error_rate: float = Field(default=0.02, ge=0, le=1, examples=[0.02])
    """The share of failed requests that is acceptable, as the balancer counts them."""

    @model_validator(mode="after")
    def _rises(self) -> "TrafficSpec":
        if list(self.stages) != sorted(set(self.stages)):
            raise expected("stages that rise, such as [10, 25, 50, 100]")
        return self

    @property
    def ramp(self) -> Ramp:
        """The same, as the domain decides by it."""
        return Ramp(
            stages=tuple(Stage(share=percent / 100, soak=self.soak) for percent in self.stages),
            fast=self.fast,
            back_to=BackTo(self.back_to),
            retries=self.retries,
            patience=self.patience,
            max_error_rate=self.max_error_rate,
        )


class MetricSpec(Spec):
    """A number that somebody else measures, and what it has to be like for the service to count as well."""

    source: MetricAdapter = Field(
        examples=[{"kind": "prometheus", "url": "https://prometheus.example.com", "query": "up"}]
    )
    """Where it is measured; `kind` names the adapter."""
    better: Literal["lower", "higher"] = Field(default="lower", examples=["higher"])
    """Which way is good: lower for errors and latency, higher for orders."""
    no_worse: bool = Field(default=True, examples=[False])
    """Whether it is compared with what was before the incident."""
    tolerance: FiniteFloat = Field(default=0.2, ge=0, examples=[0.2])
    """How much worse is still acceptable, as a share of what was before …"""
    slack: FiniteFloat | None = Field(default=None, ge=0, examples=[0.01])
    """… plus this much, in the metric's own unit."""
    at_most: FiniteFloat | None = Field(default=None, examples=[0.02])
    """No more than this, whatever was before."""
    at_least: FiniteFloat | None = Field(default=None, examples=[5])
    """No less than this, whatever was before."""
    required: bool = Field(default=True, examples=[False])
    """Whether nothing counts as verified while this could not be measured. What it shows to be bad always counts."""

    @property
    def expectation(self) -> Expectation:
        """The same, as the domain judges by it."""
        return Expectation.model_validate(self.model_dump(exclude={"source", "required"}))


class LogSpec(Spec):
    """A log that is watched for errors and warnings, from before the rollback on."""

    source: LogAdapter = Field(examples=[{"kind": "file", "path": "/var/log/shop/app.log"}])
    """Where it is written; `kind` names the adapter."""
    required: bool = Field(default=False, examples=[True])
    """Whether nothing counts as verified while it could not be read. More errors than before always count."""
