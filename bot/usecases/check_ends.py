"""What `kaeru check` says of where actions and postmortems go: each is looked at, and nothing is written."""

import asyncio
from collections.abc import Sequence

from bot.ports.trackers import Papers, Tracker
from bot.usecases.bounds import reading
from bot.usecases.check_report import Row, State, attempt, row_of
from bot.usecases.fleet import Hands


async def look_at_ends(area: str, hands: Hands) -> list[Row]:
    """A row for the tracker, and one for each place of papers."""
    ends: dict[str, Tracker | Papers] = {
        f"papers {name}": papers for name, papers in hands.outside.papers.items()
    }
    if hands.outside.tracker is not None:
        ends["tracker"] = hands.outside.tracker
    looks = (
        attempt(area, name, _one(area, name, end), f"Look at `{name}` in kaeru.yml.")
        for name, end in ends.items()
    )
    return [row for found in await asyncio.gather(*looks) for row in found]


async def _one(area: str, name: str, end: Tracker | Papers) -> Sequence[Row]:
    return [row_of(area, name, State.OK, await reading(end.check(), end.identity))]
