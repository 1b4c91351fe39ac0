"""How well the targets of one target group are, as the balancer sees them."""

import asyncio
import hashlib
from dataclasses import dataclass, replace
from typing import Any

from bot.domain.plan import Level, Warn
from integrations.aws.arns import arn
from integrations.aws.calls import Calls, together

PACE_S = 2.0
"""Seconds between two looks while health is waited for."""
_LEAVING = ("draining", "unhealthy.draining")
Key = tuple[str, int | None]


@dataclass(frozen=True)
class Target:
    """`state` is AWS's own: initial, healthy, unhealthy, unhealthy.draining, unused, draining, unavailable."""

    id: str
    port: int | None
    state: str
    reason: str = ""

    @property
    def leaving(self) -> bool:
        """Deregistered. It shows for the whole deregistration delay, and gets no new requests."""
        return self.state in _LEAVING

    @property
    def key(self) -> Key:
        return self.id, self.port


@dataclass(frozen=True)
class Group:
    """A target group at one moment. `attributes` are AWS's own, as text."""

    text: str
    targets: tuple[Target, ...]
    attributes: dict[str, str]

    @property
    def name(self) -> str:
        return arn(self.text).name

    @property
    def registered(self) -> tuple[Target, ...]:
        """Those that get requests, or would if they were healthy."""
        return tuple(t for t in self.targets if not t.leaving)

    @property
    def healthy(self) -> tuple[Target, ...]:
        return tuple(t for t in self.registered if t.state == "healthy")

    @property
    def unchecked(self) -> bool:
        """Whether nobody checks their health, as is usual for a Lambda function: it is not known then."""
        return bool(self.registered) and all(
            t.state == "unavailable" and t.reason == "Target.HealthCheckDisabled" for t in self.registered
        )

    @property
    def unattached(self) -> bool:
        """Whether no balancer uses it yet, so that no target of it is checked."""
        return bool(self.registered) and all(
            t.state == "unused" and t.reason == "Target.NotInUse" for t in self.registered
        )

    @property
    def drain_s(self) -> int:
        return _number(self.attributes.get("deregistration_delay.timeout_seconds"), 300)

    @property
    def sticky(self) -> bool:
        return self.attributes.get("stickiness.enabled") == "true"

    def enough(self, percent: int) -> bool:
        """Whether users may be sent to it."""
        return self.unchecked or len(self.healthy) >= needed(len(self.registered), percent)

    def said(self) -> str:
        """`3 of 4 targets of shop healthy, 2 draining`."""
        if self.unchecked:
            return f"the health of {self.name} is not checked"
        states: dict[str, int] = {}
        for target in self.targets:
            if target.state != "healthy":
                states[target.state] = states.get(target.state, 0) + 1
        rest = "".join(f", {count} {state}" for state, count in sorted(states.items()))
        return f"{len(self.healthy)} of {len(self.registered)} targets of {self.name} healthy{rest}"

    def warnings(self, *, now: bool, then: bool = False) -> list[Warn]:
        """What people should know of it where users are sent to it `now`, or `then`, by a plan."""
        serves = now or then
        found = []
        floor = _number(
            self.attributes.get("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count"),
            1,
        )
        if now and self.registered and not self.unchecked and len(self.healthy) < floor:
            found.append(
                Warn(
                    level=Level.DANGER,
                    text=f"{self.name} has {len(self.healthy)} healthy targets, and the balancer fails open below "
                    f"{floor}: users are sent to all of its targets, healthy or not.",
                )
            )
        if serves and not self.registered:
            text = f"{self.name} has no targets: users that are sent there get a 503."
            found.append(Warn(level=Level.DANGER, text=text))
        if serves and self.unchecked:
            text = f"Nobody checks the health of {self.name}: whether it answers is not known here."
            found.append(Warn(level=Level.WARNING, text=text))
        if slow := _number(self.attributes.get("slow_start.duration_seconds"), 0):
            text = f"{self.name} starts new targets slowly, for {slow} s: they get less than their part until then."
            found.append(Warn(level=Level.INFO, text=text))
        return found


def needed(count: int, percent: int) -> int:
    """How many of `count` targets have to be healthy; at least one."""
    return max(1, -(-count * percent // 100))


async def look(calls: Calls, group: str) -> Group:
    """Read-only. Raises as `Calls.read`."""
    targets, found = await together(
        _targets(calls, group), calls.read("describe_target_group_attributes", TargetGroupArn=group)
    )
    return Group(group, targets, {one["Key"]: one["Value"] for one in found["Attributes"]})


async def again(calls: Calls, group: Group) -> Group:
    """The same with the health of now; attributes hardly ever change."""
    return replace(group, targets=await _targets(calls, group.text))


async def _targets(calls: Calls, group: str) -> tuple[Target, ...]:
    health = await calls.read("describe_target_health", TargetGroupArn=group)
    return tuple(_target(one) for one in health["TargetHealthDescriptions"])


def _target(one: dict[str, Any]) -> Target:
    target, health = one["Target"], one.get("TargetHealth", {})
    return Target(
        target["Id"], target.get("Port"), health.get("State", "unavailable"), health.get("Reason", "")
    )


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdigit() else default


async def awaited(calls: Calls, group: Group, percent: int, within_s: float) -> Group:
    """`group` once enough of its targets are healthy, or as it is when the time is over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while True:
        seen = await again(calls, group)
        left = deadline - loop.time()
        if seen.enough(percent) or left <= 0:
            return seen
        await asyncio.sleep(min(PACE_S, left))


def digest(text: str) -> str:
    """8 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]
