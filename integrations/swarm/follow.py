"""Looks at a change until its end, and what has to be done then.

The daemon sends no events of tasks, only of services and nodes, so tasks are asked for: three small requests to a
manager, ten times a second at first and twice a second where it takes longer.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator

from bot.domain.evidence import Outcome
from bot.ports.errors import PortError
from bot.ports.target import Observation
from integrations.swarm.access import Manager
from integrations.swarm.errors import Missing
from integrations.swarm.history import History, Known
from integrations.swarm.looking import Doubt, Look, debts_of, judged, look
from integrations.swarm.service import is_marked
from integrations.swarm.tasks import is_to_blame
from integrations.swarm.updating import restore_pace, wake

_log = logging.getLogger(__name__)

POLL_S = 0.1
KEEN_S = 10.0
"""How long it is looked so often: most rollbacks are over by then, and each look costs the manager little."""
PATIENT_POLL_S = 0.5
SILENT_S = 5.0
"""How long nothing new may happen before the same is said again."""
STUCK_S = 3.0
"""How long old tasks may stay beside a full set of new ones, with a node gone, before the daemon is woken up."""


async def follow(
    manager: Manager,
    goal: Known,
    history: History,
    *,
    component: str,
    began: float,
    timeout_s: float,
    doubt: Doubt | None = None,
) -> AsyncGenerator[Observation, None]:
    """Observations until one is not unknown; `began` is the loop's time. Raises what `Manager` raises."""
    loop = asyncio.get_running_loop()
    said, said_at = "", loop.time()
    whole_since: float | None = None
    while True:
        try:
            at = await look(manager)
        except Missing as error:
            yield Observation(outcome=Outcome.FAILED, detail=error.advice, running=None, untouched=True)
            return
        seen = judged(at, goal, history, doubt)
        if seen.outcome is Outcome.UNKNOWN and loop.time() - began >= timeout_s:
            detail = f"After {timeout_s:g} s: {seen.detail}"
            blameless = not is_to_blame(at.count(history, goal.ref), at.message)
            changes = {"outcome": Outcome.FAILED, "detail": detail, "blameless": blameless}
            seen = seen.model_copy(update=changes)
        if seen.outcome is not Outcome.UNKNOWN:
            yield await ended(manager, at, seen, component)
            return
        whole_since = (whole_since or loop.time()) if _waits_in_vain(at, goal, history) else None
        if whole_since is not None and loop.time() - whole_since >= STUCK_S:
            # The daemon's updater waits without end for a task that was on the node that is gone. Any change of the
            # spec makes it begin anew, and it then finds the new tasks and stops the old.
            await wake(manager)
            _log.warning("the update of %s was stuck on a node that is gone; woken up", manager.service_name)
            detail = f"{seen.detail} The daemon's update was stuck on a node that is gone and was woken up."
            seen = seen.model_copy(update={"detail": detail})
            whole_since = None
        if seen.detail != said or loop.time() - said_at >= SILENT_S:
            said, said_at = seen.detail, loop.time()
            yield seen
        await asyncio.sleep(POLL_S if loop.time() - began < KEEN_S else PATIENT_POLL_S)


def _waits_in_vain(at: Look, goal: Known, history: History) -> bool:
    count = at.count(history, goal.ref)
    everywhere = count.running >= count.wanted and not count.starting
    return at.state == "updating" and everywhere and bool(count.old) and bool(count.lost)


async def ended(manager: Manager, at: Look, seen: Observation, component: str) -> Observation:
    """`seen`, after the service has its own pace back; with the debt where it has not.

    Not after a failure: any update would wake a paused one up and try the failing tasks again.
    """
    owed = debts_of(at.service, component)
    if seen.outcome is not Outcome.SUCCEEDED or not is_marked(at.service["Spec"]):
        return seen.model_copy(update={"debts": owed})
    try:
        await restore_pace(manager)
    except PortError as error:
        # The rollback has succeeded all the same; what is owed can be given back later.
        _log.warning("the UpdateConfig of %s is not given back yet: %s", manager.service_name, error)
        return seen.model_copy(update={"debts": owed})
    return seen
