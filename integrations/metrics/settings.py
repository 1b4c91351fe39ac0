"""Where a metric is to be had: Prometheus, a JSON endpoint, CloudWatch."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from bot.catalog import Duration
from integrations.aws_access import Access

CLOSED = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)
SECOND = timedelta(seconds=1)
_RARE_PERIODS_S = (1, 5, 10, 20, 30)


def _plain(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("an address such as https://prometheus.example.com")
    if url.username or url.password or url.fragment:
        raise ValueError("an address without user and password; these have settings of their own")
    return value


def _without_query(value: str) -> str:
    if urlsplit(value).query:
        raise ValueError("an address without a query")
    return value.rstrip("/")


Url = Annotated[str, AfterValidator(_plain)]
Base = Annotated[Url, AfterValidator(_without_query)]
Pointer = Annotated[str, Field(pattern=r"^(?:/(?:[^~/]|~[01])*)+$")]
Whole = Annotated[Duration, Field(ge=SECOND)]


class MetricSettings(BaseModel):
    """What every metric has."""

    model_config = CLOSED

    unit: str = Field(default="", max_length=20, examples=["ms"])
    """The unit, for people. `share` is special: values between 0 and 1, shown as percent; set by `of`."""


class HttpSettings(MetricSettings):
    """Who to be at an HTTP server, and whom to trust."""

    user: str | None = Field(default=None, min_length=1, pattern=r"^[^:\x00-\x1f]+$", examples=["kaeru"])
    """The user for basic authentication; goes with `password`."""
    password: SecretStr | None = Field(default=None, examples=["${METRICS_PASSWORD}"])
    """The password of that user."""
    token: SecretStr | None = Field(default=None, examples=["${METRICS_TOKEN}"])
    """A bearer token instead."""
    token_file: Path | None = Field(default=None, examples=["/run/secrets/metrics-token"])
    """A file that holds a bearer token; it is read again for every request, so that it may be renewed."""
    ca_file: Path | None = Field(default=None, examples=["ca.pem"])
    """A certificate authority of your own, in PEM."""
    timeout: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0), examples=["10s"])
    """How long a whole answer may take."""

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        if sum(given is not None for given in (self.user, self.token, self.token_file)) > 1:
            raise ValueError("only one of user, token and token_file says who kaeru is")
        return self


class PrometheusSettings(HttpSettings):
    """A query of Prometheus, or of what speaks its HTTP API (Thanos, Mimir, VictoriaMetrics)."""

    url: Base = Field(examples=["https://prometheus.example.com"])
    """Its address, up to the part before `/api/v1`."""
    query: str = Field(
        min_length=1, max_length=8000, examples=['sum(rate(http_requests_total{job="shop",code=~"5.."}[1m]))']
    )
    """PromQL that gives one series: `sum(…)` what would be several."""
    of: str | None = Field(
        default=None, max_length=8000, examples=['sum(rate(http_requests_total{job="shop"}[1m]))']
    )
    """What the query is a part of, in PromQL. The metric is then the share, and its counts are known: both should give
    events, not seconds or bytes."""
    counts: Literal["per second", "each"] = Field(default="per second", examples=["each"])
    """With `of`: whether its values are per second (`rate`) or how many there were in each step (`increase`)."""
    absent: Literal["gap", "zero"] = Field(default="gap", examples=["zero"])
    """With `of`: what it means where only the query gives nothing. `zero` is right for errors that are counted from
    the first one on; it also makes a misspelt query look like no errors."""
    step: Whole = Field(default=timedelta(seconds=15), examples=["15s"])
    """The time between two values; best that of the scrapes."""
    fresh: Whole = Field(default=timedelta(seconds=90), examples=["30s"])
    """How old a sample may be, longer than the time between two scrapes. Older ones are a gap, where the server can be
    asked for that."""
    looks_back: Whole | None = Field(default=None, examples=["5m"])
    """How much time before it each value describes. Left out: the longest range in the query, such as `[5m]`."""
    tenant: str | None = Field(default=None, pattern=r"^[\w!.*'()|-]{1,150}$", examples=["shop"])
    """The tenant of Mimir, Cortex or Loki-like servers (`X-Scope-OrgID`)."""

    @model_validator(mode="after")
    def _of_goes_with(self) -> Self:
        if self.of is None and {"absent", "counts"} & self.model_fields_set:
            raise ValueError("absent and counts go with `of`")
        return self


class JsonSettings(HttpSettings):
    """A number in the JSON of an endpoint. It knows only the present, so kaeru samples it."""

    url: Url = Field(examples=["https://shop.example.com/internal/stats"])
    """The endpoint. It is asked every few seconds by GET."""
    value: Pointer = Field(examples=["/checkout/p95_ms"])
    """Where the number stands, as a JSON Pointer."""
    of: Pointer | None = Field(default=None, examples=["/checkout/requests"])
    """Where the number stands that it is a part of. The metric is then the share."""
    counter: bool = Field(default=False, examples=[True])
    """Whether the numbers only grow, and the metric is their growth: per second, or the share of it."""
    every: Whole = Field(default=timedelta(seconds=15), examples=["15s"])
    """The time between two samples."""
    keep: Duration = Field(
        default=timedelta(hours=2), ge=timedelta(minutes=1), le=timedelta(days=7), examples=["2h"]
    )
    """How long samples are kept, in memory."""


class CloudWatchMetric(BaseModel):
    """One metric of CloudWatch, by one statistic."""

    model_config = CLOSED

    namespace: str = Field(min_length=1, max_length=255, examples=["AWS/ApplicationELB"])
    """The metric's namespace."""
    name: str = Field(min_length=1, max_length=255, examples=["HTTPCode_Target_5XX_Count"])
    """The metric's name."""
    dimensions: dict[str, str] = Field(
        default_factory=dict, max_length=30, examples=[{"LoadBalancer": "app/shop/50dc6c495c0c9188"}]
    )
    """All of its dimensions: CloudWatch finds nothing by some of them."""
    stat: str = Field(default="Average", pattern=r"^[A-Za-z]{1,20}[\d.():%]*$", examples=["Sum", "p95"])
    """The statistic: `Average`, `Sum`, `Maximum`, `p95` …"""


class CloudWatchSettings(MetricSettings):
    """A metric of CloudWatch. Nothing set about the account: what AWS's own tools would take."""

    region: str = Field(pattern=r"^[a-z0-9-]+$", examples=["eu-central-1"])
    """The region."""
    metric: CloudWatchMetric
    """What is measured."""
    of: CloudWatchMetric | None = None
    """What it is a part of, usually both by `Sum`. The metric is then the share."""
    absent: Literal["gap", "zero"] = Field(default="gap", examples=["zero"])
    """With `of`: what it means where only the metric has no value. `zero` is right for a load balancer's errors, which
    CloudWatch counts only where there are any; it also makes a misspelt metric look like no errors."""
    period: Whole = Field(default=timedelta(seconds=60), examples=["60s"])
    """The time of one value: a multiple of 60 s, or 1, 5, 10, 20 or 30 s for metrics of high resolution."""
    settles: Duration = Field(default=timedelta(minutes=2), examples=["3m"])
    """How long after its end a value may still change; younger ones are gaps."""
    profile: str | None = Field(default=None, pattern=r"^[^\s\[\]]+$", examples=["production"])
    """A profile of the AWS configuration of the user that runs kaeru."""
    role_arn: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$",
        examples=["arn:aws:iam::123456789012:role/kaeru"],
    )
    """A role to assume with that, usually of another account."""
    external_id: SecretStr | None = Field(default=None, examples=["${KAERU_EXTERNAL_ID}"])
    """What the trust policy of that role asks for besides; goes with `role_arn`."""
    access_key: SecretStr | None = Field(default=None, examples=["${METRICS_ACCESS_KEY}"])
    """The id of an access key; goes with `secret_key`."""
    secret_key: SecretStr | None = Field(default=None, examples=["${METRICS_SECRET_KEY}"])
    """The secret of that access key."""
    endpoint: str | None = Field(default=None, pattern=r"^https?://", examples=["http://127.0.0.1:5000"])
    """Another address for every service of AWS, such as an emulator's."""
    timeout: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0), examples=["10s"])
    """How long one answer may take."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        seconds = self.period.total_seconds()
        if seconds % 60 and seconds not in _RARE_PERIODS_S:
            raise ValueError("the period is a multiple of 60s, or 1s, 5s, 10s, 20s or 30s")
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key go together")
        if self.external_id is not None and self.role_arn is None:
            raise ValueError("external_id goes with role_arn")
        if self.of is None and "absent" in self.model_fields_set:
            raise ValueError("absent goes with `of`")
        return self

    def access(self) -> Access:
        """The same, for the session."""
        seconds = self.timeout.total_seconds()
        return Access(
            region=self.region,
            endpoint=self.endpoint,
            profile=self.profile,
            role_arn=self.role_arn,
            external_id=self.external_id,
            access_key=self.access_key,
            secret_key=self.secret_key,
            connect_timeout_s=min(seconds, 5.0),
            read_timeout_s=seconds,
        )
