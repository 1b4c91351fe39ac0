"""Who may let a rollback happen. Pure: a policy, the facts, and an answer."""

from collections.abc import Sequence
from datetime import timedelta

from bot.domain.base import Refusal, UserId, Value, refuse
from bot.domain.severity import Severity


class Policy(Value):
    """How a rollback of one severity is approved.

    `approvers` empty means every person of the workspace. `quorum` counts distinct people.
    `break_glass` lets a single approver of a Critical incident go ahead alone, with a recorded reason.
    `page` is whether whoever is on call is called; None leaves it to the severity.
    """

    quorum: int = 1
    approvers: tuple[UserId, ...] = ()
    requester_may_approve: bool = False
    expires_after: timedelta = timedelta(minutes=15)
    break_glass: bool = False
    page: bool | None = None

    def pages(self, severity: Severity | None) -> bool:
        """Whether people are called for an incident of this severity: unasked for those that roll back."""
        if self.page is not None:
            return self.page
        return severity is not None and severity.rolls_back

    def allows(self, user: UserId) -> bool:
        """Whether `user` is among those who decide, leaving aside who asked."""
        return not self.approvers or user in self.approvers


class Tally(Value):
    """Where the approvals stand."""

    approvals: tuple[UserId, ...]
    needed: int

    @property
    def missing(self) -> int:
        return max(0, self.needed - len(self.approvals))

    @property
    def reached(self) -> bool:
        return self.missing == 0


def tally(
    policy: Policy,
    approvals: Sequence[UserId],
    *,
    requesters: Sequence[UserId],
    deciders: Sequence[UserId] = (),
) -> Tally:
    """Count the distinct people whose approval this policy accepts, in the order in which they approved.

    `requesters` are whoever asked for the rollback and whoever chose its version; `deciders` whoever chose what is
    done to a database. None of those approves their own choice alone, whatever the policy says.
    """
    counted = [
        user
        for user in dict.fromkeys(approvals)
        if policy.allows(user) and (policy.requester_may_approve or user not in requesters)
    ]
    needed = max(policy.quorum, 2) if alone(counted, deciders) else policy.quorum
    return Tally(approvals=tuple(counted), needed=needed)


def alone(approvals: Sequence[UserId], deciders: Sequence[UserId]) -> bool:
    """Whether somebody approves their own choice about a database, and nobody else does."""
    people = set(approvals)
    return len(people) == 1 and people <= set(deciders)


def adds_nothing(policy: Policy, user: UserId, deciders: Sequence[UserId]) -> bool:
    """Whether the approval of `user` changes nothing: one is enough, and it has to be another person's."""
    return policy.quorum <= 1 and set(deciders) == {user}


class NotAnApprover(Refusal):
    """Somebody wants to decide whom the policy does not name."""


def check_may_decide(policy: Policy, user: UserId) -> None:
    """Raise Refusal unless `user` may decide at all: reject, hold, choose another version."""
    if not policy.allows(user):
        raise NotAnApprover(
            f"You are not among the approvers of this rollback. Ask {mention(policy.approvers)}."
        )


def check_may_approve(
    policy: Policy,
    user: UserId,
    *,
    requesters: Sequence[UserId],
    approvals: Sequence[UserId],
    deciders: Sequence[UserId] = (),
) -> None:
    """Raise Refusal unless `user` may add an approval now."""
    check_may_decide(policy, user)
    if user in requesters and not policy.requester_may_approve:
        others = [u for u in policy.approvers if u not in requesters]
        whom = mention(others) if others else "someone else"
        asked = "asked for this rollback" if user == requesters[0] else "chose this version"
        refuse(f"You {asked}, and the policy wants another person's approval. Ask {whom}.")
    if adds_nothing(policy, user, deciders):
        others = [u for u in policy.approvers if u != user]
        whom = mention(others) if others else "someone else"
        refuse(
            f"You chose what is done to the database, and that takes another person's approval. Ask {whom}."
        )
    if user in approvals:
        refuse("You have approved already; another person's approval is still missing.")


def mention(users: Sequence[UserId]) -> str:
    """People as Slack shows them: `<@U1>, <@U2> or <@U3>`."""
    names = [f"<@{u}>" for u in users]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}" if names else "anyone"
