"""What was planned, and approved, besides the version: it travels from `plan` to `apply` as text."""

from pydantic import ValidationError

from bot.domain.base import Value
from bot.ports.errors import Conflict


class StuckPod(Value):
    """A pod that its StatefulSet waits for in vain; the uid keeps one that has come in its place alive."""

    name: str
    uid: str


class Payload(Value):
    """`suspend` are the ids of debts of the owners' syncs to suspend; `surge` is the maxSurge of the way back.

    `delete_pods` are to be deleted once the template is right. `accepts` is the shape that the cluster's admission makes
    of the template that is written, where it alters it.
    """

    suspend: tuple[str, ...] = ()
    surge: str | None = None
    delete_pods: tuple[StuckPod, ...] = ()
    accepts: str = ""

    @property
    def text(self) -> str:
        """For `TargetPlan.payload`; empty where nothing was planned. The same for equal payloads."""
        return self.model_dump_json(exclude_defaults=True) if self != Payload() else ""


def read(text: str) -> Payload:
    """The payload of a change. Raises Conflict where it is of another version of kaeru."""
    if not text:
        return Payload()
    try:
        return Payload.model_validate_json(text)
    except ValidationError as error:
        raise Conflict(
            "What was planned was planned by another version of kaeru.", remedy="Approve a fresh plan."
        ) from error
