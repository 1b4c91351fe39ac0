"""More places at which a bot dies: within a restore, when a step of it has been done and nothing remembers that yet."""

from collections.abc import Callable
from typing import Any

from integrations.backups.keeping import Keeping


def watch(passing: Callable[[str], None]) -> None:
    """`passing` hears of `restored-beside` (a proven copy stands beside the real database) and `switched`."""
    prove, switch = Keeping._prove_beside, Keeping._switch

    async def proven(self: Keeping, *arguments: Any) -> None:
        await prove(self, *arguments)
        passing("restored-beside")

    async def switched(self: Keeping, *arguments: Any) -> None:
        await switch(self, *arguments)
        passing("switched")

    Keeping._prove_beside = proven  # type: ignore[method-assign]  # a bot for tests dies in them
    Keeping._switch = switched  # type: ignore[method-assign]  # a bot for tests dies in them
