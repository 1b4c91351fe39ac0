"""What a backup would be refused for, looked at before it is taken: the server, the place, and the room in it."""

from collections.abc import Awaitable, Callable

from bot.domain.plan import Check, Level, Warn
from bot.domain.sizes import size
from bot.ports.backups import Backup, BackupPlan
from bot.ports.errors import PortError
from integrations.backups.destination import Destination
from integrations.backups.engine import Engine
from integrations.backups.streams import in_thread

COMPRESSED = 0.1
"""The share of a database that its first backup is expected to have at least."""
ROOM = 1.2
"""How much more room than the last backup took is asked for."""


async def looked_at(
    engine: Engine, destination: Destination, newest: Callable[[], Awaitable[Backup | None]]
) -> BackupPlan:
    """Raises PortError where the server cannot be asked; what is wrong with the place is a check."""
    survey = await engine.survey()
    place, free = await _place(destination)
    last = await newest() if place.ok else None
    checks, warnings = (*survey.checks, place), survey.warnings
    if free is not None and place.ok:
        checks += (_room(free, last, survey.bytes),)
        if last is None and survey.bytes is not None and free < survey.bytes:
            text = (
                f"The first backup may not fit: {size(free)} are free, the database has {size(survey.bytes)} before it "
                "is compressed."
            )
            warnings += (Warn(level=Level.WARNING, text=text),)
    return BackupPlan(
        checks=checks,
        warnings=warnings,
        expected_bytes=None if last is None else last.bytes,
        expected_s=None if last is None else last.seconds,
    )


async def _place(destination: Destination) -> tuple[Check, int | None]:
    """Whether backups can be written where they are kept, and how much room there is."""
    try:
        await in_thread(destination.try_writing)
        free = await in_thread(destination.free_bytes)
    except PortError as error:
        return Check(name="place", ok=False, detail=error.advice), None
    return Check(name="place", ok=True, detail=destination.place("ID")), free


def _room(free: int, last: Backup | None, database: int | None) -> Check:
    """Against the last backup, or, before the first one, against the database: compressed, it is much smaller."""
    if last is not None:
        enough, other = free >= ROOM * last.bytes, f", the last backup has {size(last.bytes)}"
    elif database is not None:
        enough, other = free >= COMPRESSED * database, f", the database has {size(database)}"
    else:
        enough, other = True, ""
    return Check(name="room", ok=enough, detail=f"{size(free)} free{other}")
