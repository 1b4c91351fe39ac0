"""Who may let a rollback happen."""

import pytest

from bot.domain.base import Refusal
from bot.domain.policy import Policy, check_may_approve, check_may_decide, tally

TWO_OF_THREE = Policy(quorum=2, approvers=("UA", "UB", "UC"))


def test_only_approvers_decide() -> None:
    check_may_decide(TWO_OF_THREE, "UB")
    with pytest.raises(Refusal, match="Ask <@UA>, <@UB> or <@UC>"):
        check_may_decide(TWO_OF_THREE, "UX")


def test_without_a_list_everybody_decides() -> None:
    check_may_decide(Policy(), "UX")


def test_the_requester_needs_somebody_else() -> None:
    with pytest.raises(Refusal, match=r"another person's approval\. Ask <@UB> or <@UC>"):
        check_may_approve(TWO_OF_THREE, "UA", requesters=("UA",), approvals=())
    trusting = TWO_OF_THREE.model_copy(update={"requester_may_approve": True})
    check_may_approve(trusting, "UA", requesters=("UA",), approvals=())


def test_approving_twice_is_said_and_not_counted() -> None:
    with pytest.raises(Refusal, match="approved already"):
        check_may_approve(TWO_OF_THREE, "UB", requesters=("UA",), approvals=("UB",))
    assert not tally(TWO_OF_THREE, ("UB", "UB"), requesters=("UA",)).reached


def test_only_approvals_that_this_policy_accepts_are_counted() -> None:
    count = tally(TWO_OF_THREE, ("UX", "UA", "UB"), requesters=("UA",))
    assert count.approvals == ("UB",)
    assert count.missing == 1
    assert tally(TWO_OF_THREE, ("UX", "UB", "UC"), requesters=("UA",)).reached
