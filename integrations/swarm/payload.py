"""What was planned, and approved, besides the version: it travels from `plan` to `apply` as text."""

from pydantic import Field, ValidationError

from bot.domain.base import Value
from bot.ports.errors import Conflict
from integrations.swarm.updating import Order


class Payload(Value):
    """`parallelism` is how many tasks change at once, 0 is all."""

    order: Order
    parallelism: int = Field(ge=0)

    @property
    def text(self) -> str:
        """For `TargetPlan.payload`. The same for equal payloads."""
        return self.model_dump_json()


def read(text: str) -> Payload:
    """The payload of a change. Raises Conflict where it is of another version of kaeru, or of another target."""
    try:
        return Payload.model_validate_json(text)
    except ValidationError as error:
        raise Conflict(
            "What was planned was planned by another version of kaeru.", remedy="Approve a fresh plan."
        ) from error
