"""A deploy target: something that runs a version of a component and can be taken back to another one."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Protocol

from bot.domain.base import Value, Version
from bot.domain.debts import Debt
from bot.domain.evidence import Outcome
from bot.domain.plan import Check, Warn

POLL_S = 0.25
FOLLOW_FOR_S = 60.0


class Capabilities(Value):
    """What sort of target this is: its `kind` in kaeru.yml, which cards and errors name."""

    kind: str


class Available(Value):
    """A version that could be run, and since when it has been there (UTC), if that is known.

    `version` is what people call it; `ref` is what the target needs to find exactly this one again, opaque to
    everybody else. Where one version exists in several shapes (same image, other settings), the one that was
    seen serving well last, else the one that was set last, has the plain name; the others have exact names
    (`bot.domain.releases.shape_names`). An exact name never means another shape, but the plain one may after a while:
    what is to be recognised later is kept by its ref. `revision` is the target's own count, where it keeps one.
    `good_at` is when this very shape was last seen serving well. `note` is a phrase for people: "revision 4, kubectl".
    """

    version: Version
    ref: str = ""
    since: datetime | None = None
    revision: int | None = None
    good_at: datetime | None = None
    note: str = ""


class Inspection(Value):
    """The world as it is.

    `current` is what is configured to run, `running` what was observed to run (None: could not be observed).
    They may disagree; then `warnings` says so. `fingerprint` changes whenever a plan made now would no
    longer hold; it is opaque, short, and without secrets. `debts` are what kaeru left suspended in the world, and
    `unseen_debts` the ids of those of which that could not be told: nothing is concluded of them.
    """

    current: Version
    running: Version | None
    available: tuple[Available, ...]
    fingerprint: str
    current_ref: str = ""
    warnings: tuple[Warn, ...] = ()
    debts: tuple[Debt, ...] = ()
    unseen_debts: tuple[str, ...] = ()


class TargetPlan(Value):
    """What applying would do. Making it changes nothing. `expected_s` is seconds.

    `actions` are the sentences that an approval is for; `diff` are lines for people: names, never secret values.
    `payload` is whatever else was planned and has to be done exactly so (which sync to suspend, which surge to
    use), opaque and without secrets; it comes back in `Change.payload`.
    """

    actions: tuple[str, ...]
    warnings: tuple[Warn, ...]
    checks: tuple[Check, ...]
    expected_s: float
    diff: tuple[str, ...] = ()
    payload: str = ""


class Change(Value):
    """A planned way from one version to another. `fingerprint` is the inspection's it was planned against.

    The refs are the target's own names for the two: `Inspection.current_ref` and `Available.ref`.
    """

    component: str
    from_version: Version
    to_version: Version
    fingerprint: str
    from_ref: str = ""
    to_ref: str = ""
    payload: str = ""

    @property
    def backwards(self) -> "Change":
        """The way back; what was planned for the way there does not hold for it."""
        return self.model_copy(
            update={
                "from_version": self.to_version,
                "to_version": self.from_version,
                "from_ref": self.to_ref,
                "to_ref": self.from_ref,
                "payload": "",
            }
        )


class Observation(Value):
    """What was seen of a change.

    succeeded: the target version runs, and that was observed. failed: it does not and will not by itself.
    unknown: still under way, or it could not be seen. `detail` is one sentence, with live counts where there
    are any ("7 of 10 ready, 1 terminating"); `running` is what serves now. `debts` are what is suspended because
    of this change. `untouched` says of a failed one that this change has taken no effect on what is set to run, and
    will not any more: there is nothing to put back, and nothing was learned of the target version. `blameless` says of
    a failed one that something may have to be put back, and that the target version is not what failed: no room for it,
    a node or a host that is down, somebody's pause, a controller that sleeps. It is not held against the version.
    `output` are the lines that the change has printed since the last observation, redacted, for the thread under
    the checklist; each line is given once. `caveat` is a sentence about how a success came to be, where that did not go as it
    should: the program that led to it was ended at its time limit.
    """

    outcome: Outcome
    detail: str
    running: Version | None
    debts: tuple[Debt, ...] = ()
    untouched: bool = False
    blameless: bool = False
    output: tuple[str, ...] = ()
    caveat: str = ""


class Target(Protocol):
    """The whole life of a change. All methods may raise Unavailable, Refused, AuthFailed."""

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def identity(self) -> str:
        """What this target changes, the same for every target that changes the same thing."""
        ...

    async def inspect(self) -> Inspection:
        """What runs now and which versions can be returned to. Read-only, safe to call every few seconds."""
        ...

    async def plan(self, change: Change) -> TargetPlan:
        """What `apply` would do, with warnings and preflight checks. Read-only."""
        ...

    async def apply(self, change: Change, key: str) -> Observation:
        """Make `change.to_version` run.

        Looks before it acts: where the target version already is configured and runs, nothing is done and
        that is a success. `key` is the same on every retry of the same step. May return before the change has
        come to its end (unknown); then it is followed.
        Raises Conflict where the world no longer matches `change.fingerprint` (and is not the result of this
        very change), OutcomeUnknown where it may or may not have happened.
        """
        ...

    async def observe(self, change: Change, key: str) -> Observation:
        """One look at what has become of `change`. Read-only."""
        ...

    def follow(self, change: Change, key: str) -> AsyncGenerator[Observation, None]:
        """Looks at `change`, one after the other whenever something is new, until one is not unknown.

        At least one every 10 s, also where nothing is new. Where the target's own time limit is over, the last one is
        a failed one that says where it stands, or an unknown one of a target that cannot tell. Finishes what the
        change has put off until its end (a surge that is taken back), again after a crash.
        """
        ...

    async def revert(self, change: Change, key: str) -> Observation:
        """Put back `change.from_version`, as far as `change` was applied. Same manners as `apply`."""
        ...

    async def repay(self, debt: Debt, key: str) -> None:
        """Give back what `debt` says is suspended; nothing where that has been done already.

        Raises Refused where the target has no such debts, or where giving it back would undo the rollback.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections. Nothing is called afterwards."""
        ...


async def polled(target: Target, change: Change, key: str) -> AsyncGenerator[Observation, None]:
    """`Target.follow` for targets that can only be asked: an observation every `POLL_S`, for `FOLLOW_FOR_S`."""
    loop = asyncio.get_running_loop()
    until = loop.time() + FOLLOW_FOR_S
    while True:
        seen = await target.observe(change, key)
        yield seen
        if seen.outcome is not Outcome.UNKNOWN or loop.time() >= until:
            return
        await asyncio.sleep(POLL_S)
