"""The stretches of time that evidence is compared over: before it was ill, while it was, and since."""

from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import Field

from bot.domain.base import Value
from bot.domain.evidence import BaselineSource
from bot.domain.incident import Incident
from bot.domain.logwatch import LogCounts
from bot.domain.plan import Plan
from bot.domain.releases import spoken
from bot.domain.series import Series
from bot.store.unit import UnitOfWork
from bot.usecases.baselines import BASELINE_DAYS

BEFORE = timedelta(hours=1)
"""How much of the time before is compared with."""
LONGEST = timedelta(hours=2)
"""How much of a long illness is looked at: the newest part of it."""


class Span(NamedTuple):
    since: datetime
    until: datetime


class Before(Value):
    """What was measured before the incident, read while people still decided, so that it outlives what forgets.

    `began` is when the service began to be ill, or the bad version to serve. `metrics` and `logs` are by their names,
    and so is `ill_logs`: what was written since then, as far as it was read. The log of a pod goes with the pod.
    """

    incident_id: str
    began: datetime
    metrics: dict[str, Series] = Field(default_factory=dict)
    logs: dict[str, LogCounts] = Field(default_factory=dict)
    ill_logs: dict[str, LogCounts] = Field(default_factory=dict)

    @property
    def span(self) -> Span:
        return Span(self.began - BEFORE, self.began)


def before_of(uow: UnitOfWork, incident: Incident) -> Before | None:
    """What is kept of the time before this incident."""
    kept = uow.facts.get(_key(incident.service))
    return Before.model_validate(kept) if kept and kept["incident_id"] == incident.id else None


def keep_before(uow: UnitOfWork, service: str, before: Before) -> None:
    """Of each service only that of its newest incident is kept."""
    uow.facts.set(_key(service), before.model_dump(mode="json"))


def _key(service: str) -> str:
    return f"before:{service}"


def began_of(uow: UnitOfWork, incident: Incident, plan: Plan) -> datetime:
    """When the bad version began to serve, as kaeru's own probes tell; else when it was seen to be ill, or declared.

    What was seen longer ago than two weeks counts for nothing. To be asked before the rollback: afterwards the other
    versions were seen again. Where the bad version calls itself like the good one, their time tells them apart.
    """
    known = incident.detected_at or incident.declared_at
    if spoken(plan.from_version) == spoken(plan.to_version):
        until = plan.baseline.until if plan.baseline.source is BaselineSource.PROBES else None
        return min(until, known) if until is not None else known
    ledger = uow.releases.all(incident.service)
    others = [
        record.last_seen
        for version, record in ledger.items()
        if version != spoken(plan.from_version) and record.last_seen is not None
    ]
    oldest = incident.declared_at - timedelta(days=BASELINE_DAYS)
    before = [at for at in others if oldest <= at <= incident.declared_at]
    return min(max(before), known) if before else known


def during(began: datetime, ended: datetime) -> Span | None:
    """The illness, or the newest part of a long one; None where there is none."""
    return Span(max(began, ended - LONGEST), ended) if began < ended else None
