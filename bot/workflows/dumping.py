"""A backup taken or proven through its port, watched on the way."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from bot.domain.backups import Taken
from bot.ports import Unavailable
from bot.ports.backups import Backup, BackupProgress
from bot.usecases.bounds import reading

SILENT_S = 60.0
"""Progress comes every two seconds; after so long without any, nothing more is expected."""

Tell = Callable[[BackupProgress], Awaitable[None]]


async def followed(doing: AsyncGenerator[BackupProgress | Backup, None], what: str, tell: Tell) -> Backup:
    """The result of `Backups.take` or `verify`. Raises what they raise, and Unavailable where they fall silent."""
    async with aclosing(doing) as items:
        while True:
            try:
                item = await reading(anext(items), what, SILENT_S)
            except StopAsyncIteration as error:
                raise Unavailable(f"{what} came to no end.") from error
            if isinstance(item, Backup):
                return item
            await tell(item)


def taken(backup: Backup) -> Taken:
    """What the incident keeps of it."""
    return Taken(
        id=backup.id,
        at=backup.at,
        bytes=backup.bytes,
        sha256=backup.sha256,
        seconds=backup.seconds,
        proof=backup.proof.value,
        warnings=backup.warnings,
        place=backup.place,
    )
