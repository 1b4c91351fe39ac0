"""What `kaeru check` found."""

import asyncio
from collections.abc import Awaitable, Sequence
from enum import StrEnum

from bot.domain.base import Value
from bot.ports import PortError
from bot.store import StoreError

PATIENCE_S = 15.0
"""How long one look at the outside world may take."""


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Row(Value):
    """One thing that was looked at. `area` is "kaeru", "Slack" or a service; `remedy` is empty when ok."""

    area: str
    name: str
    state: State
    seen: str
    remedy: str = ""


class CheckReport(Value):
    """All rows, in the order of the areas. `readable` is False where there was no catalog to go by."""

    rows: tuple[Row, ...]
    readable: bool = True

    def count(self, state: State) -> int:
        return sum(row.state is state for row in self.rows)

    @property
    def exit_code(self) -> int:
        """0: nothing fails (warnings are allowed). 1: something fails. 2: kaeru.yml cannot be used."""
        if not self.readable:
            return 2
        return 1 if self.count(State.FAIL) else 0


def row_of(area: str, name: str, state: State, seen: str, remedy: str = "") -> Row:
    """A row; what is ok needs no remedy."""
    return Row(area=area, name=name, state=state, seen=seen, remedy="" if state is State.OK else remedy)


async def attempt(area: str, name: str, looking: Awaitable[Sequence[Row]], remedy: str) -> Sequence[Row]:
    """What `looking` finds, or one failed row; `remedy` is for errors that bring none of their own."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await looking
    except PortError as error:
        return [row_of(area, name, State.FAIL, str(error), error.remedy or remedy)]
    except StoreError as error:
        return [row_of(area, name, State.FAIL, str(error), remedy)]
    except TimeoutError:
        again = f"Try once more: it may only be busy. If it stays so, see whether it can be reached from here. {remedy}"
        return [row_of(area, name, State.FAIL, f"no answer within {PATIENCE_S:.0f} seconds", again)]
