"""Where a reply goes: below the message of another slot, which may not be there yet."""

from bot.ports import Unavailable
from bot.ports.chat import Operation, Post, slot_of_thread
from bot.store import Store, StoreUnavailable

SOON_S = 0.5


async def threaded(store: Store, operation: Operation) -> Operation:
    """`operation` with the `ts` of the message that it answers. Where that could never be posted, it is no reply.

    Raises Unavailable where that message is not there yet.
    """
    above = slot_of_thread(operation.thread_ts) if isinstance(operation, Post) else None
    if above is None:
        return operation
    try:
        item = await store.read(lambda uow: uow.outbox.get(*above))
    except StoreUnavailable as error:
        raise Unavailable(str(error)) from error
    if item is not None and item.result is not None and item.result.ts is not None:
        return operation.model_copy(update={"thread_ts": item.result.ts})
    if item is not None and item.is_dead:
        return operation.model_copy(update={"thread_ts": None})
    raise Unavailable("The message that this answers is not in Slack yet.", retry_after_s=SOON_S)
