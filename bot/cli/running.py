"""Whether the bot runs that goes on with what was decided here."""

import fcntl
from pathlib import Path

from bot.cli.database import sqlite_path
from bot.settings import Settings
from bot.store import StoreUnavailable, bot_holds


async def soon(settings: Settings) -> str:
    """When what was decided happens, for the end of half a sentence: now, or as soon as kaeru runs."""
    return "now: kaeru goes on with it" if await _runs(settings) else "as soon as kaeru runs"


async def _runs(settings: Settings) -> bool:
    path = sqlite_path(settings.engine_database)
    if path is not None and _is_locked(Path(f"{path}.lock")):
        return True
    try:
        return await bot_holds(settings.database)
    except StoreUnavailable:
        return False  # what was decided is kept; that nobody is seen running says no more than before


def _is_locked(beside: Path) -> bool:
    """Whether a running bot has the lock beside its engine's database (bot/workflows/engine.py)."""
    try:
        lock = beside.open("rb")
    except OSError:
        return False  # no bot has run here, or it is not ours to see
    with lock:
        try:
            # Shared, and let go at once: two who look do not see each other.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
