"""A database within a plan: what lies between the versions, which way it goes, and the backup that stands behind it."""

import hashlib
import json
from collections.abc import Sequence

from bot.domain.base import UserId, Value, Version
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
    destroyed by it, `about` names what it is done with: the migrations, last first, or the backup.
    """

    actions: tuple[str, ...]
    fingerprint: str
    about: tuple[str, ...] = ()
    payload: str = ""
    loses: tuple[str, ...] = ()
    expected_s: float = 0.0


class ChosenWay(Value):
    """What somebody decided about a database. It holds as long as the `question` (`DatabasePart.question`) is the same."""

    database: str
    way: Way
    by: UserId
    question: str = ""


class DatabasePart(Value):
    """One database's part in a plan.

    `way` None: nobody has decided yet, and somebody has to. `offered` are the ways of the verdict that can be gone
    here, best first; `notes` say why others cannot. `chosen_by` chose the way in so many words; None where the
    verdict leaves no choice to people. `down` and `restore` say what these ways would do, also before one of them is
    chosen. `question` is what a decision is about; `fingerprint` the database's own list, empty where it is not known.
    """

    name: str
    migrations: tuple[Migration, ...] = ()
    verdict: Verdict | None = None
    way: Way | None = Way.CODE_ONLY
    chosen_by: UserId | None = None
    offered: tuple[Way, ...] = ()
    notes: tuple[str, ...] = ()
    down: Sideways | None = None
    restore: Sideways | None = None
    backup: BackupWish | None = None
    question: str = ""
    fingerprint: str = ""

    @property
    def undecided(self) -> bool:
        return self.way is None

    @property
    def changes_data(self) -> bool:
        """Whether rows or schema are changed by kaeru itself."""
        return self.way in (Way.DOWN_MIGRATION, Way.RESTORE_BACKUP)


def question_of(part: DatabasePart, older: Version, newer: Version) -> str:
    """What a decision about this part would be about: the versions, the migrations, and what the database has of them."""
    verdict = part.verdict
    of_verdict = None if verdict is None else [verdict.situation, *verdict.loses]
    migrations = [m.model_dump(mode="json") for m in part.migrations]
    asked = [part.name, older, newer, migrations, of_verdict, part.fingerprint]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def undecided(parts: Sequence[DatabasePart]) -> tuple[DatabasePart, ...]:
    """Those about which somebody has to decide before the plan can be approved."""
    return tuple(part for part in parts if part.undecided)


def waited_for(parts: Sequence[DatabasePart]) -> tuple[DatabasePart, ...]:
    """Those whose backup the rollback waits for."""
    return tuple(part for part in parts if part.backup is not None and part.backup.wait)
