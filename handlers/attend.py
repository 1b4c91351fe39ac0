"""How every request is carried out: the person always gets an answer, and the inbox knows how it went.

The inbox's row is settled before anybody is answered. What failed live is settled as failed, because the
person is told to try again: carried out at the next start it would happen twice, or long after it was meant.
"""

import asyncio
import logging
from collections.abc import Callable

from bot.domain.base import Refusal
from bot.ports import PortError
from bot.store import CommitFailed, StoreError
from bot.store.unit import UnitOfWork
from handlers.surface import Body, Handler, Rooms, SureSurface, Surface

_log = logging.getLogger(__name__)

MAX_REASON = 500
BACKOFFS_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0)
"""How long a database that cannot be written to is waited for, to settle a request that was answered."""


async def attend(rooms: Rooms, handler: Handler, body: Body, surface: Surface, inbox_id: int | None) -> None:
    """Run a handler so that the person always gets an answer and the inbox always knows how it went."""
    sure = SureSurface(rooms, surface, body, f"answer-{inbox_id or body.get('trigger_id', '')}")
    try:
        await handler(body, sure, inbox_id)
    except Refusal as refusal:
        await _settled(rooms, inbox_id, _done(inbox_id), sure, str(refusal))
    except PortError as error:
        await _settled(rooms, inbox_id, _done(inbox_id), sure, error.advice)
    except Exception as error:  # noqa: BLE001 - a person waits for an answer, whatever went wrong
        _log.exception("request %s failed", inbox_id)
        await _failed(rooms, inbox_id, sure, error)
    else:
        await _settled(rooms, inbox_id, _done(inbox_id), sure, None)


Settling = Callable[[UnitOfWork], object]


def _done(inbox_id: int | None) -> Settling:
    return lambda uow: None if inbox_id is None else uow.inbox.done(inbox_id)


async def _settled(
    rooms: Rooms, inbox_id: int | None, settling: Settling, surface: Surface, answer: str | None
) -> None:
    """Settle the row, then answer; with the database down the other way round, lest somebody waits for it."""
    kept = inbox_id is None or await _settle(rooms, settling)
    if answer is not None:
        await surface.reply(answer)
    if not kept:
        await _keep_settling(rooms, inbox_id, settling)


async def _failed(rooms: Rooms, inbox_id: int | None, surface: Surface, error: Exception) -> None:
    reason = f"{type(error).__name__}: {error}"[:MAX_REASON]

    def give_up(uow: UnitOfWork) -> bool:
        return inbox_id is None or uow.inbox.give_up(inbox_id, reason)

    if isinstance(error, StoreError):
        # The database was just waited for; the person is not made to wait for it again.
        await surface.reply(_said_of(error, undone=not isinstance(error, CommitFailed)))
        await _keep_settling(rooms, inbox_id, give_up)
        return
    try:
        undone = await rooms.store.write(give_up)
    except StoreError:
        _log.exception("It could not be kept that request %s failed.", inbox_id)
        await surface.reply(_said_of(error, undone=False))
        await _keep_settling(rooms, inbox_id, give_up)
        return
    # A decision settles its row in its own transaction: where that is so, it stands whatever failed after it.
    await surface.reply(_said_of(error, undone=True) if undone else _stands(error))


def _said_of(error: Exception, *, undone: bool) -> str:
    what = f"Something went wrong on kaeru's side ({type(error).__name__}); the log has the details."
    if undone:
        return f"{what} Nothing was changed by this request. Try again, or act by hand and note it here."
    return f"{what} Whether it was done is not known: look at `/incident status` before you try again."


def _stands(error: Exception) -> str:
    return (
        f"What you asked for is done, but something after it went wrong ({type(error).__name__}); the log has "
        "the details. Look at `/incident status`; there is no need to ask again."
    )


async def _settle(rooms: Rooms, settling: Settling) -> bool:
    try:
        await rooms.store.write(settling)
    except StoreError as error:
        _log.warning("It could not be kept how a request went: %s", error)
        return False
    return True


async def _keep_settling(rooms: Rooms, inbox_id: int | None, settling: Settling) -> None:
    """Whoever was answered must not see it carried out at the next start."""
    if inbox_id is None:
        return
    for pause in BACKOFFS_S:
        if await _settle(rooms, settling):
            return
        await asyncio.sleep(pause)
    _log.error("It is not kept that request %s was answered; the next start may carry it out.", inbox_id)
