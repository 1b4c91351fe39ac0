"""Which account and region, which balancer and which distribution."""

import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from bot.catalog import Duration
from integrations.aws.arns import Arn, arn
from integrations.aws_access import Access

CLOSED = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)
_PARTITION = r"^arn:(?:aws|aws-cn|aws-us-gov|aws-iso[a-z-]*):"

ListenerArn = Annotated[
    str, Field(pattern=rf"{_PARTITION}elasticloadbalancing:[a-z0-9-]+:\d{{12}}:listener/app/[^/\s]+/\w+/\w+$")
]
RuleArn = Annotated[
    str,
    Field(
        pattern=rf"{_PARTITION}elasticloadbalancing:[a-z0-9-]+:\d{{12}}:listener-rule/app/[^/\s]+/\w+/\w+/\w+$"
    ),
]
GroupArn = Annotated[
    str, Field(pattern=rf"{_PARTITION}elasticloadbalancing:[a-z0-9-]+:\d{{12}}:targetgroup/[^/\s]+/\w+$")
]
RoleArn = Annotated[str, Field(pattern=rf"{_PARTITION}iam::\d{{12}}:role/[\w+=,.@/-]+$")]
_BALANCER = "arn:aws:elasticloadbalancing:eu-central-1:123456789012"


class AccountSettings(BaseModel):
    """Who kaeru is at AWS. Nothing set: what AWS's own tools would take (environment, profile, the machine's role)."""

    model_config = CLOSED

    profile: str | None = Field(default=None, pattern=r"^[^\s\[\]]+$", examples=["production"])
    """A profile of the AWS configuration of the user that runs kaeru."""
    role_arn: RoleArn | None = Field(default=None, examples=["arn:aws:iam::123456789012:role/kaeru"])
    """A role to assume with that, usually of another account. Its credentials are renewed in time."""
    external_id: SecretStr | None = Field(default=None, examples=["${KAERU_EXTERNAL_ID}"])
    """What the trust policy of that role asks for besides; goes with `role_arn`."""
    endpoint: str | None = Field(default=None, pattern=r"^https?://", examples=["http://127.0.0.1:5000"])
    """Another address for every service of AWS, such as an emulator's."""
    timeout: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0), examples=["10s"])
    """How long one answer may take."""

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.external_id is not None and self.role_arn is None:
            raise ValueError("external_id goes with role_arn")
        return self

    def access(self, region: str) -> Access:
        """The same, for the clients of `region`."""
        seconds = self.timeout.total_seconds()
        return Access(
            region=region,
            endpoint=self.endpoint,
            profile=self.profile,
            role_arn=self.role_arn,
            external_id=self.external_id,
            connect_timeout_s=min(seconds, 5.0),
            read_timeout_s=seconds,
        )


class AlbTarget(BaseModel):
    """One target of a target group."""

    model_config = CLOSED

    id: str = Field(pattern=r"^[\w:.-]+$", examples=["i-0123456789abcdef0"])
    """The id of an instance, or an IP address: what the target group's type asks for."""
    port: int | None = Field(default=None, ge=1, le=65535, examples=[8080])
    """Its port. Left out: the target group's."""


class AlbSettings(AccountSettings):
    """An Application Load Balancer that sends users to a target group, or to another one.

    `by: weights` sets weights on the actions of listeners and rules. `by: targets` registers and deregisters the
    targets of one group.
    """

    by: Literal["weights", "targets"] = Field(default="weights", examples=["weights"])
    """How the share is changed."""
    target_group: GroupArn = Field(examples=[f"{_BALANCER}:targetgroup/shop/73e2d6bc24d8a067"])
    """The target group that serves."""
    other_group: GroupArn | None = Field(
        default=None, examples=[f"{_BALANCER}:targetgroup/shop-maintenance/943f017f100becff"]
    )
    """By weights: the target group that gets the rest, such as a maintenance page."""
    listeners: tuple[ListenerArn, ...] = Field(
        default=(), examples=[[f"{_BALANCER}:listener/app/public/50dc6c495c0c9188/f2f7dc8efc522ab2"]]
    )
    """By weights: listeners whose default action sends users to one of the two."""
    rules: tuple[RuleArn, ...] = Field(
        default=(),
        examples=[
            [f"{_BALANCER}:listener-rule/app/public/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee"]
        ],
    )
    """By weights: rules that do."""
    targets: tuple[AlbTarget, ...] = Field(default=(), examples=[[{"id": "i-0123456789abcdef0"}]])
    """By targets: those that serve."""
    other_targets: tuple[AlbTarget, ...] = Field(default=(), examples=[[{"id": "10.0.0.9", "port": 8080}]])
    """By targets: those that take the rest. Left out: it is either open or shut, and shut users get a 503."""
    min_healthy_percent: int = Field(default=50, ge=1, le=100, examples=[100])
    """How many of the targets that users are sent to have to be healthy, at least one."""
    healthy_within: Duration = Field(default=timedelta(minutes=3), gt=timedelta(0), examples=["3m"])
    """How long they are waited for before users are sent to them."""
    measure: bool = Field(default=True, examples=[False])
    """Whether what was served is read from CloudWatch."""
    balancer_errors: bool = Field(default=True, examples=[False])
    """Whether the balancer's own 5XX count as this service's errors. CloudWatch counts them for a whole balancer: where
    it has other services that fail, switch it off. Connections that targets do not accept are counted instead."""
    metrics_delay: Duration = Field(default=timedelta(minutes=2), gt=timedelta(0), examples=["2m"])
    """How long CloudWatch takes until the count of a minute is whole."""

    @field_validator("listeners", "rules")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("one of them stands here twice")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.by == "weights":
            if self.other_group is None or self.other_group == self.target_group:
                raise ValueError("weights need an other_group, which gets what target_group does not")
            if not self.listeners and not self.rules:
                raise ValueError("weights are set on listeners or rules: name at least one")
            if self.targets or self.other_targets:
                raise ValueError("targets and other_targets go with `by: targets`")
        else:
            if not self.targets:
                raise ValueError("by targets, at least one of `targets` is needed")
            if self.listeners or self.rules or self.other_group:
                raise ValueError("listeners, rules and other_group go with `by: weights`")
            if twice := sorted({t.id for t in self.targets} & {t.id for t in self.other_targets}):
                raise ValueError(f"{', '.join(twice)} cannot be a target of both")
        if len({(a.region, a.account) for a in self.arns}) > 1:
            raise ValueError("all of these have to be in one account and region")
        return self

    @property
    def arns(self) -> tuple[Arn, ...]:
        groups = (self.target_group, *((self.other_group,) if self.other_group else ()))
        return tuple(arn(text) for text in (*groups, *self.listeners, *self.rules))

    @property
    def region(self) -> str:
        return self.arns[0].region


class CloudFrontSettings(AccountSettings):
    """A CloudFront distribution that keeps answers of the service."""

    distribution: str = Field(pattern=r"^[A-Z0-9]{8,20}$", examples=["E1EXAMPLE12345"])
    """Its id."""
    paths: tuple[str, ...] = Field(default=("/*",), min_length=1, examples=[["/*"]])
    """What is invalidated unless it is said otherwise. `/*` is billed as one path."""

    @field_validator("paths")
    @classmethod
    def _are_paths(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for path in value:
            if problem := path_problem(path):
                raise ValueError(problem)
        return value

    @property
    def region(self) -> str:
        """CloudFront is one service for the whole world, and its requests are signed for this region."""
        return "us-east-1"


def path_problem(path: str) -> str | None:
    """Why CloudFront would not take `path`, in a sentence; None if it does."""
    if not re.fullmatch(r"/[^\s*]*\*?", path, re.ASCII) or not path.isascii():
        return f"{path!r} is not a path such as /images/logo.png or /images/*: ASCII, and a * only at its end"
    return None
