"""A database within a plan: what lies between the versions, which way it goes, and the backup that stands behind it."""

from collections.abc import Sequence

from bot.domain.base import UserId, Value
from bot.domain.migrations import Migration
from bot.domain.ways_back import Verdict, Way


class BackupWish(Value):
    """The backup that is taken because of the incident. `wait` says whether the rollback waits for it, `why` why.

    `expected_bytes` and `expected_s` (seconds) are what the last one had; None without one.
    """

    wait: bool
    why: str
    expected_bytes: int | None = None
    expected_s: float | None = None


class Sideways(Value):
    """What is done to the database itself: its migrations run backwards, or a backup brought back.

    `fingerprint` and `payload` are the adapter's own, as with a component's change; `loses` says which data is
    destroyed by it.
    """

    actions: tuple[str, ...]
    fingerprint: str
    payload: str = ""
    loses: tuple[str, ...] = ()
    expected_s: float = 0.0


class DatabasePart(Value):
    """One database's part in a plan.

    `way` None: nobody has decided yet, and somebody has to. `chosen_by` chose it in so many words; None where the
    verdict leaves no choice to people. `down` and `restore` are there where that is the way.
    """

    name: str
    migrations: tuple[Migration, ...] = ()
    verdict: Verdict | None = None
    way: Way | None = Way.CODE_ONLY
    chosen_by: UserId | None = None
    down: Sideways | None = None
    restore: Sideways | None = None
    backup: BackupWish | None = None

    @property
    def undecided(self) -> bool:
        return self.way is None

    @property
    def changes_data(self) -> bool:
        """Whether rows or schema are changed by kaeru itself."""
        return self.way in (Way.DOWN_MIGRATION, Way.RESTORE_BACKUP)


def undecided(parts: Sequence[DatabasePart]) -> tuple[DatabasePart, ...]:
    """Those about which somebody has to decide before the plan can be approved."""
    return tuple(part for part in parts if part.undecided)


def waited_for(parts: Sequence[DatabasePart]) -> tuple[DatabasePart, ...]:
    """Those whose backup the rollback waits for."""
    return tuple(part for part in parts if part.backup is not None and part.backup.wait)
