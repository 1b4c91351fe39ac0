"""How the file's approval policies, in layers, become the domain's."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ConfigDict, Field

from bot.catalog.document import Loc
from bot.catalog.durations import Duration
from bot.catalog.people import People
from bot.domain.base import Value
from bot.domain.policy import Policy
from bot.domain.severity import Severity


class PolicySpec(Value):
    """How rollbacks of one severity are approved. What is left out comes from `default`."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    quorum: int | None = Field(default=None, ge=1, le=20, examples=[1])
    """How many different people must approve. Said nowhere: 1."""
    approvers: People | None = Field(default=None, examples=[["alice", "@oncall"]])
    """Who may approve, reject and hold. Left out or empty: everybody in the workspace."""
    requester_may_approve: bool | None = Field(default=None, examples=[False])
    """Whether the person who asked for the rollback counts as an approver. Said nowhere: false."""
    expires_after: Duration | None = Field(default=None, examples=["15m"])
    """How long a plan can be approved before it has to be made anew. Said nowhere: 15m."""
    break_glass: bool | None = Field(default=None, examples=[True])
    """Whether one approver may go ahead alone, with a reason that is kept. Critical only. Said nowhere: true."""
    page: bool | None = Field(default=None, examples=[True])
    """Whether whoever is on call is called. Said nowhere: for critical and high. Under `default` also before a severity is chosen."""


class PoliciesSpec(Value):
    """Approval policies by severity."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    default: PolicySpec = PolicySpec()
    """What holds for every severity that does not say otherwise, and before a severity is chosen."""
    critical: PolicySpec = PolicySpec()
    """Data loss, a breach, or a full outage. Break-glass is allowed unless this says otherwise."""
    high: PolicySpec = PolicySpec()
    """Many users cannot do something important."""
    medium: PolicySpec = PolicySpec()
    """Some users are hindered, there is a way around."""
    low: PolicySpec = PolicySpec()
    """A blemish, nobody is stopped."""


Layer = tuple[Loc, PoliciesSpec]
"""Where in the file a set of policies stands, and the set. The first layer that says something wins."""


def effective(layers: Sequence[Layer], severity: Severity | None) -> tuple[Policy, dict[str, Loc]]:
    """The policy that follows from `layers` (closest first), and where each of its values was written."""
    said: dict[str, Any] = {"break_glass": severity is Severity.CRITICAL}
    where: dict[str, Loc] = {}
    names = ([severity.value] if severity else []) + ["default"]
    for loc, policies in reversed(layers):
        for name in reversed(names):
            spec: PolicySpec = getattr(policies, name)
            for key in spec.model_fields_set:
                value = getattr(spec, key)
                if value is not None:
                    said[key], where[key] = value, (*loc, name, key)
    if severity is not Severity.CRITICAL:
        said["break_glass"] = False  # the domain has it for Critical only; a button must not promise more
    return Policy(**said), where


def unsatisfiable(layers: Sequence[Layer]) -> Iterable[tuple[Loc, str]]:
    """Where a policy can never be met, and why; nothing for policies that can."""
    for loc, policies in layers:
        for severity in Severity:
            spec: PolicySpec = getattr(policies, severity.value)
            if spec.break_glass and severity is not Severity.CRITICAL:
                yield (
                    (*loc, severity.value, "break_glass"),
                    "break-glass is for `critical` only; remove it here.",
                )
    for choice in (None, *Severity):
        policy, where = effective(layers, choice)
        able = len(policy.approvers) - (0 if policy.requester_may_approve else 1)
        if policy.approvers and policy.quorum > able:
            yield where.get("quorum", where["approvers"]), _too_few(policy, able)


def _too_few(policy: Policy, able: int) -> str:
    count = len(policy.approvers)
    people = "1 person" if count == 1 else f"{count} people"
    asker = (
        "" if policy.requester_may_approve else f", and only {able} when one of them asks for the rollback"
    )
    way_out = "" if policy.requester_may_approve else ", or set requester_may_approve: true"
    return (
        f"a quorum of {policy.quorum} cannot be reached: approvers has {people}{asker}. "
        f"Name more approvers, lower the quorum{way_out}."
    )
