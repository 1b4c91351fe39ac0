"""What every switch can do, whatever it is made of."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from bot.domain.base import Version
from bot.domain.plan import Check, Warn
from integrations.bluegreen.settings import Colour
from integrations.nginx_workers import Open


@dataclass(frozen=True)
class Setting:
    """How the switch stands. `colour` is None where it says neither; `trouble` then is why, if it can know.

    `mark` changes whenever somebody has moved or edited it: a short hash, without secrets. `blocks` is whether it must
    not be moved while there is trouble.
    """

    colour: Colour | None
    mark: str
    trouble: str = ""
    warnings: tuple[Warn, ...] = ()
    blocks: bool = True


@dataclass(frozen=True)
class Turned:
    """What came of a switch. `failure` is a sentence where it did not happen, and `restored` says that all is as before."""

    failure: str = ""
    restored: bool = False


Serves = Callable[[], Awaitable[bool]]
"""Whether the colour that was asked for is what answers users now."""


class Switch(Protocol):
    """All methods may raise Unavailable, Refused, AuthFailed."""

    @property
    def identity(self) -> str:
        """What is switched, the same for every target that switches the same."""
        ...

    async def read(self) -> Setting: ...

    async def checks(self) -> tuple[Check, ...]:
        """What has to hold so that it can be moved. Changes nothing."""
        ...

    def actions(self, colour: Colour, version: Version) -> tuple[str, ...]:
        """Sentences that an approval is for."""
        ...

    async def turn(self, colour: Colour, version: Version, mark: str, serves: Serves) -> Turned:
        """Let `colour` serve; where it is set already, do whatever of it may be missing.

        `serves` is asked where a program says that it failed: what answers decides.
        Raises Conflict where it stands neither at `mark` nor at `colour`, OutcomeUnknown where a program was stopped.
        """
        ...

    async def keep(self, colour: Colour) -> None:
        """`colour` was seen serving: tidy up, and let it last over a restart of the proxy."""
        ...

    async def still_open(self, left: Colour) -> Open:
        """What is still open on the colour that was left."""
        ...
