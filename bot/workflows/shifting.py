"""Setting a share of traffic with care: nothing is tried again before it was looked at."""

import asyncio
import logging

from bot.domain.base import Refusal
from bot.ports import Conflict, OutcomeUnknown, PortError, Refused, Unavailable
from bot.ports.traffic import Split, Traffic
from bot.usecases.bounds import reading, writing
from bot.usecases.fleet import Fleet
from bot.workflows.patience import Patience

_log = logging.getLogger(__name__)

WHAT = "What steers the traffic"
LOOK_S = 10.0
"""A balancer that takes longer to say how it splits is no help while users wait."""
SHIFT_S = 5 * 60.0
LOOK_AGAIN_S = 1.0


def traffic_of(fleet: Fleet, service: str) -> Traffic:
    """Raises Refused where nothing is configured any more."""
    try:
        found = fleet.hands(service).outside.traffic
    except Refusal as refusal:
        raise Refused(str(refusal)) from refusal
    if found is None:
        raise Refused(
            f"{service} has no `traffic` in kaeru.yml any more.",
            remedy="Put it back, or steer the traffic by hand and note it here.",
        )
    return found


async def looked(traffic: Traffic) -> Split:
    """How it is split now. Raises PortError."""
    return await reading(traffic.inspect(), WHAT, LOOK_S)


async def set_share(
    traffic: Traffic, share: float, key: str, *, insist_s: float, replans: bool = True
) -> Split:
    """Make `share` of the traffic reach the service, and say what was observed. The same again does nothing.

    What may pass by itself is tried again for `insist_s`. With `replans` also where somebody else has just set
    something else. Raises Refused, AuthFailed, Unavailable or Conflict where nothing was changed, OutcomeUnknown
    where that is not known.
    """
    patience = Patience(insist_s, first_s=LOOK_AGAIN_S)
    while True:
        try:
            plan = await reading(traffic.plan(share), WHAT, LOOK_S)
            return await writing(traffic.shift(plan, key), WHAT, SHIFT_S)
        except PortError as error:
            trouble = error
        passes = isinstance(trouble, (Unavailable, OutcomeUnknown)) or (
            replans and isinstance(trouble, Conflict)
        )
        pause = patience.pause_after(trouble) if passes else None
        if pause is None:
            raise patience.final(trouble)
        _log.warning("the traffic is set again: %s", trouble)
        await asyncio.sleep(pause)
