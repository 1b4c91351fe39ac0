"""The strategy that a rollback has widened for speed, and that is to be given back.

It is given back by whoever follows the change to its end, also after a crash: the workflow calls `follow` again.
Should nobody ever do that (the run was given up meanwhile), the workload itself still says so in its annotation,
`inspect` shows it as a debt, and paying it back gives the strategy back. The next rollback of the same workload
gives back the first one's strategy, not the widened one.
"""

import asyncio

from bot.domain.debts import Debt
from bot.ports.errors import Conflict, OutcomeUnknown, PortError, Unavailable
from integrations.kubernetes.api import Api, Missing
from integrations.kubernetes.patch import is_widened, to_strategy_before
from integrations.kubernetes.workload import Workload

TRIES = 5
WITHIN_S = 6.0
"""The end of a rollback does not wait longer for it than that."""
AGAIN_S = 1.0
PREFIX = "surge:"


async def given_back(api: Api, path: str) -> None:
    """Give the strategy of the workload at `path` back; nothing where that has been done. Raises as the API does."""
    for last in (*[False] * (TRIES - 1), True):
        operations = to_strategy_before(await api.get(path))
        if not operations:
            return
        try:
            await api.patch(path, operations)
        except Conflict:  # the annotation or the strategy has changed since it was read
            if last:
                raise
        else:
            return


async def tried(api: Api, path: str) -> str:
    """`given_back`, insisted on for `WITHIN_S`; why that failed, as a sentence, or nothing. Raises no port's error."""
    why = f"The API server did not answer within {WITHIN_S:g} s."
    try:
        async with asyncio.timeout(WITHIN_S):
            while True:
                try:
                    await given_back(api, path)
                except Missing:  # nothing is left that could be given anything
                    return ""
                except (Unavailable, OutcomeUnknown) as error:
                    why = error.advice
                    await asyncio.sleep(AGAIN_S)
                else:
                    return ""
    except TimeoutError:
        return why
    except PortError as error:
        return error.advice


def debt_of(workload: Workload, component: str = "") -> Debt | None:
    """What is to be given back, if anything."""
    if not is_widened(workload.raw):
        return None
    now = (workload.strategy.get("rollingUpdate") or {}).get("maxSurge", "unknown")
    return Debt(
        id=f"{PREFIX}{workload.kind}/{workload.namespace}/{workload.name}",
        component=component or workload.name,
        text=f"The maxSurge of {workload.title} is {now}, for the time of a rollback.",
        until="The rollback has come to its end, as it is then given back by itself; give it back if it was not.",
    )


def is_of(debt: Debt) -> bool:
    return debt.id.startswith(PREFIX)
