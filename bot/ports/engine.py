"""The durable workflow engine, thin enough to be exchanged."""

from typing import Protocol

from bot.domain.base import Value


class Parked(Value):
    """A workflow that gave up. `reason` is a sentence."""

    workflow_id: str
    name: str
    reason: str


class Engine(Protocol):
    """Starts durable workflows. A workflow id names one execution for good."""

    async def start(self, name: str, workflow_id: str, *args: str) -> None:
        """Start workflow `name` under `workflow_id`. Starting it again under the same id does nothing."""
        ...

    async def parked(self) -> tuple[Parked, ...]:
        """Workflows that ended in an error or used up their recoveries, newest first."""
        ...
