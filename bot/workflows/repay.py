"""Giving back as a durable workflow: what is suspended is switched on again, seen to be so, and written down.

One step, made again after a crash: giving back what is back already does nothing, and so does writing it down.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from bot.domain import decide
from bot.domain.base import BOT, Refusal
from bot.domain.debts import Debt
from bot.domain.incident import Incident, Owed
from bot.ports import OutcomeUnknown, PortError, Refused, Target, Unavailable
from bot.ports.engine import Steps, Workflow
from bot.store import Store
from bot.usecases.bounds import reading, writing
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.workflows.giving_back import giving_back
from bot.workflows.patience import Patience
from bot.workflows.settling import repaid_everywhere

_log = logging.getLogger(__name__)

INSIST_FOR_S = 60.0
LOOK_AGAIN_S = 1.0


class Repaying:
    """What the step does. May be called again with the same argument."""

    def __init__(self, store: Store, fleet: Fleet, desk: Desk, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._fleet = fleet
        self._desk = desk
        self._clock = clock

    async def repay(self, argument: str) -> None:
        """Give back what attempt `INCIDENT/NUMBER` is about, or write down why that is not possible."""
        incident_id, _, number = argument.rpartition("/")
        incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
        owed = _asked(incident, int(number))
        if owed is None:
            return
        try:
            key = f"{incident.id}/repay:{owed.attempt}"
            if (giving := giving_back(self._fleet, incident.service, owed.debt, key)) is not None:
                await giving
            else:
                target = self._fleet.hands(incident.service).target(owed.debt.component)
                await given_back(target, owed.debt, key)
        except Refusal:
            await self._kept(incident, owed, _by_hand(incident, owed.debt))
        except PortError as error:
            await self._kept(incident, owed, error.advice)
        else:
            await self._repaid(incident, owed)

    async def _kept(self, incident: Incident, owed: Owed, reason: str) -> None:
        await self._desk.change(
            incident.id,
            lambda now_it_is: decide.debt_kept(
                now_it_is, owed.debt.id, attempt=owed.attempt, reason=reason, now=self._clock()
            ),
        )

    async def _repaid(self, incident: Incident, owed: Owed) -> None:
        """An earlier incident of the service may owe the same thing: it is given back for all of them."""
        await repaid_everywhere(
            self._store,
            self._desk,
            incident.service,
            lambda one: decide.debt_repaid(one, owed.debt.id, by=owed.asked_by or BOT, now=self._clock()),
        )


async def given_back(target: Target, debt: Debt, key: str) -> None:
    """Give `debt` back until that is seen; nothing is concluded from what cannot be seen.

    Raises Refused, Conflict or Unavailable where it is suspended still, OutcomeUnknown where nobody knows.
    """
    patience = Patience(INSIST_FOR_S, first_s=LOOK_AGAIN_S)
    while True:
        trouble: PortError = Refused(
            f"{debt.component} was told to give it back, and is suspended still.",
            remedy="Something else may suspend it again: look at it by hand.",
        )
        try:
            await writing(target.repay(debt, key), f"Giving back {debt.component}")
        except OutcomeUnknown as error:
            _log.warning("outcome unknown: %s", error)
            trouble = error
        except Unavailable as error:
            trouble = error
        except PortError as error:
            raise patience.final(error)  # noqa: B904 - `final` has chained it
        if not isinstance(trouble, Unavailable):
            try:
                if not await _is_suspended(target, debt):
                    return
            except Unavailable as error:
                trouble = OutcomeUnknown(f"Whether it was given back could not be seen. {error.advice}")
        if (pause := patience.pause_after(trouble)) is None:
            raise patience.final(trouble)
        await asyncio.sleep(pause)


async def _is_suspended(target: Target, debt: Debt) -> bool:
    seen = await reading(target.inspect(), debt.component)
    return debt.id in seen.unseen_debts or any(one.id == debt.id for one in seen.debts)


def _asked(incident: Incident, attempt: int) -> Owed | None:
    return next((o for o in incident.debts if o.attempt == attempt and o.asked_by is not None), None)


def _by_hand(incident: Incident, debt: Debt) -> str:
    return (
        f"{debt.component} of {incident.service} is not in kaeru.yml any more, so kaeru cannot give it back. "
        f"Do it by hand ({debt.id}) and then press Done by hand, or put {debt.component} back into kaeru.yml."
    )


def bind(work: Repaying) -> Workflow:
    """The workflow as the engine takes it. Its argument is `INCIDENT/ATTEMPT`."""

    async def body(steps: Steps, argument: str) -> None:
        await steps.run("repay", lambda: work.repay(argument))

    return body
