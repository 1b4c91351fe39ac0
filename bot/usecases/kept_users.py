"""Whether users who are kept from a service have been brought back by others."""

import logging
from collections.abc import Callable
from datetime import datetime

from bot.domain import decide
from bot.domain.afterwards import is_all, is_of_traffic
from bot.domain.incident import Incident
from bot.ports import PortError
from bot.store import Store
from bot.usecases.bounds import reading
from bot.usecases.desk import Desk
from bot.usecases.fleet import Hands
from bot.usecases.owing import owing

_log = logging.getLogger(__name__)


async def notice_users_back(
    store: Store, desk: Desk, service: str, hands: Hands, *, clock: Callable[[], datetime]
) -> None:
    """Tell every incident of `service` that owes it. What cannot be seen is no news."""
    owed = [i for i in await store.read(owing) if i.service == service and _debts(i)]
    traffic = hands.outside.traffic
    if not owed or traffic is None:
        return
    try:
        split = await reading(traffic.inspect(), "What steers the traffic")
    except PortError as error:
        _log.debug("the traffic of %s: %s", service, error)
        return
    if not is_all(split.share):
        return
    for incident in owed:
        for debt_id in _debts(incident):
            await desk.change(
                incident.id,
                lambda now_it_is, debt_id=debt_id: decide.debt_repaid(now_it_is, debt_id, now=clock()),  # type: ignore[misc]  # binds the loop's value
            )


def _debts(incident: Incident) -> list[str]:
    return [owed.debt.id for owed in incident.debts if is_of_traffic(owed.debt) and owed.asked_by is None]
