"""Saying something to a pager again and again while that may help, and only while it is still wanted."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from bot.ports import OutcomeUnknown, PortError, Unavailable
from bot.ports.oncall import Paged
from bot.usecases.bounds import writing
from bot.workflows.patience import Patience

_log = logging.getLogger(__name__)

INSIST_FOR_S = 30 * 60.0
"""How long it is tried while the pager cannot be reached."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
CALL_S = 90.0
LOOK_S = 0.5


class NotNeeded(Exception):
    """It is not wanted any more; `str` says why."""


async def insistently(
    work: Callable[[], Awaitable[Paged]],
    what: str,
    *,
    turn: asyncio.Lock,
    look: Callable[[], Awaitable[None]],
    show: Callable[[str], Awaitable[None]] | None = None,
) -> Paged:
    """`work`, until it is done: it is safe to repeat, also where its outcome is unknown.

    `look` is asked before every try and while it waits, and raises NotNeeded. Tries take their `turn`: of two things
    that are said under the same key, the older one never arrives after the newer one. `show` hears what is in the
    way. Raises PortError and NotNeeded.
    """
    loop = asyncio.get_running_loop()
    patience = Patience(INSIST_FOR_S, first_s=FIRST_PAUSE_S, longest_s=LONGEST_PAUSE_S)
    while True:
        async with turn:
            await look()
            try:
                return await writing(work(), what, CALL_S)
            except PortError as error:
                trouble = error
        passes = isinstance(trouble, (Unavailable, OutcomeUnknown))
        wait = patience.pause_after(trouble) if passes else None
        if wait is None:
            raise patience.final(trouble)
        _log.warning("%s: %s", what, trouble)
        if show is not None:
            await show(trouble.advice)
        until = loop.time() + wait
        while (left := until - loop.time()) > 0:
            await asyncio.sleep(min(LOOK_S, left))
            await look()
