"""A deploy target: something that runs a version of a component and can be taken back to another one."""

from datetime import datetime
from typing import Protocol

from bot.domain.base import Value, Version
from bot.domain.evidence import Outcome
from bot.domain.plan import Check, Warn


class Capabilities(Value):
    """What this target can do at all, so that a button that cannot work is never drawn."""

    kind: str
    can_pick_version: bool = True
    can_preview: bool = True
    can_revert: bool = True
    can_shift_traffic: bool = False


class Available(Value):
    """A version that could be run, and since when it has been there (UTC), if that is known."""

    version: Version
    since: datetime | None = None


class Inspection(Value):
    """The world as it is.

    `current` is what is configured to run, `running` what was observed to run (None: could not be observed).
    They may disagree; then `warnings` says so. `fingerprint` changes whenever a plan made now would no
    longer hold; it is opaque, short, and without secrets.
    """

    current: Version
    running: Version | None
    available: tuple[Available, ...]
    fingerprint: str
    warnings: tuple[Warn, ...] = ()


class TargetPlan(Value):
    """What applying would do. Making it changes nothing. `expected_s` is seconds."""

    actions: tuple[str, ...]
    warnings: tuple[Warn, ...]
    checks: tuple[Check, ...]
    expected_s: float


class Change(Value):
    """A planned way from one version to another. `fingerprint` is the inspection's it was planned against."""

    component: str
    from_version: Version
    to_version: Version
    fingerprint: str


class Observation(Value):
    """What was seen of a change.

    succeeded: the target version runs, and that was observed. failed: it does not and will not by itself.
    unknown: still under way, or it could not be seen. `detail` is one sentence; `running` is what serves now.
    """

    outcome: Outcome
    detail: str
    running: Version | None


class Target(Protocol):
    """The whole life of a change. All methods may raise Unavailable, Refused, AuthFailed."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def inspect(self) -> Inspection:
        """What runs now and which versions can be returned to. Read-only, safe to call every few seconds."""
        ...

    async def plan(self, change: Change) -> TargetPlan:
        """What `apply` would do, with warnings and preflight checks. Read-only."""
        ...

    async def apply(self, change: Change, key: str) -> Observation:
        """Make `change.to_version` run.

        Looks before it acts: where the target version already is configured and runs, nothing is done and
        that is a success. `key` is the same on every retry of the same step.
        Raises Conflict where the world no longer matches `change.fingerprint` (and is not the result of this
        very change), OutcomeUnknown where it may or may not have happened.
        """
        ...

    async def observe(self, change: Change, key: str) -> Observation:
        """What has become of `change`. Read-only."""
        ...

    async def revert(self, change: Change, key: str) -> Observation:
        """Put back `change.from_version`, as far as `change` was applied. Same manners as `apply`."""
        ...
