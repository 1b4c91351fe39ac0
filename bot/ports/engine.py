"""The durable workflow engine, thin enough to be exchanged."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from bot.domain.base import Value

T = TypeVar("T")


class Steps(Protocol):
    """How a workflow's body does anything at all."""

    async def run(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` once and remember its result; after a restart the remembered result is given back.

        A crash within `work` leads to `work` being called again: it must look before it acts.
        Names are unique within a workflow. Results are plain JSON, or None.
        """
        ...


Workflow = Callable[[Steps, str], Awaitable[None]]
"""A workflow's body: pure between its steps, driven by one string argument."""


class Parked(Value):
    """A workflow that gave up. `reason` is a sentence."""

    workflow_id: str
    name: str
    reason: str


class Engine(Protocol):
    """Starts durable workflows. A workflow id names one execution for good."""

    async def start(self, name: str, workflow_id: str, argument: str) -> None:
        """Start workflow `name` under `workflow_id`. Starting it again under the same id does nothing."""
        ...

    async def parked(self) -> tuple[Parked, ...]:
        """Workflows that ended in an error or used up their recoveries, newest first."""
        ...
