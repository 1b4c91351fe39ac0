"""Plans and what people decide about them."""

from datetime import datetime
from typing import Literal

from bot.domain.base import UserId, Version
from bot.domain.databases import ChosenWay
from bot.domain.events.base import Happened
from bot.domain.plan import Plan
from bot.domain.run import Step
from bot.domain.ways_back import Way


class PlanRequested(Happened):
    """`wanted` None means: let kaeru choose. `ways` are what was decided about databases and still is to hold."""

    type: Literal["plan_requested"] = "plan_requested"
    number: int
    wanted: Version | None = None
    reason: str = ""
    ways: tuple[ChosenWay, ...] = ()


class PlanReady(Happened):
    type: Literal["plan_ready"] = "plan_ready"
    plan: Plan


class PlanBlocked(Happened):
    """No plan could be made; `reason` is a sentence with what to do next."""

    type: Literal["plan_blocked"] = "plan_blocked"
    number: int
    reason: str


class PlanSuperseded(Happened):
    """The card died: the world or the wish moved on. Always followed by PlanRequested."""

    type: Literal["plan_superseded"] = "plan_superseded"
    number: int
    reason: str


class WayChosen(Happened):
    """Somebody decided about a database within plan `number`.

    With FORWARD_FIX nothing goes back: `owner` fixes forward until `forward_fix_due_at`. Any other way is followed by
    a fresh plan that goes it.
    """

    type: Literal["way_chosen"] = "way_chosen"
    number: int
    database: str
    way: Way
    why: str = ""
    loses: tuple[str, ...] = ()
    owner: UserId | None = None
    forward_fix_due_at: datetime | None = None


class PlanExpired(Happened):
    type: Literal["plan_expired"] = "plan_expired"
    number: int


class PlanRejected(Happened):
    type: Literal["plan_rejected"] = "plan_rejected"
    number: int
    reason: str


class ApprovalGiven(Happened):
    type: Literal["approval_given"] = "approval_given"
    number: int
    digest: str


class GlassBroken(Happened):
    """A Critical incident went ahead on one approval, for a stated reason."""

    type: Literal["glass_broken"] = "glass_broken"
    number: int
    digest: str
    reason: str


class RollbackApproved(Happened):
    """The policy is satisfied; the run exists from here on."""

    type: Literal["rollback_approved"] = "rollback_approved"
    run_id: str
    number: int
    digest: str
    approved_by: tuple[UserId, ...]
    steps: tuple[Step, ...]
    break_glass_reason: str = ""
