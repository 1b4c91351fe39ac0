"""What a target looked like at other times, as kaeru itself remembers it: clusters forget, or remember the wrong thing."""

from datetime import datetime
from typing import Protocol

from pydantic import Field

from bot.domain.base import Value, Version


class Shape(Value, hide_input_in_errors=True):
    """One exact shape of one component. Times are UTC.

    `ref` is the adapter's own fingerprint of it, `spec` its description (JSON): enough to bring it back when the
    target has forgotten it. The spec may hold what must not be shown; it goes to no log, no card, no timeline.
    `good_at` is when the service was last seen serving well in this shape; `last_at` when it last was current.
    """

    ref: str
    version: Version
    spec: str = Field(repr=False)
    first_at: datetime
    last_at: datetime
    good_at: datetime | None = None


class Memory(Protocol):
    """The shapes of one component of one service."""

    async def keep(self, ref: str, version: Version, spec: str) -> None:
        """This shape is what is set to run now. Cheap where nothing is new."""
        ...

    async def shapes(self) -> tuple[Shape, ...]:
        """All of them, the one that was current last first."""
        ...

    async def recall(self, ref: str) -> Shape | None: ...


class Forgetful:
    """A memory for where none is kept, such as a check of the configuration."""

    async def keep(self, ref: str, version: Version, spec: str) -> None:
        pass

    async def shapes(self) -> tuple[Shape, ...]:
        return ()

    async def recall(self, ref: str) -> Shape | None:  # noqa: ARG002 - the port's signature
        return None
