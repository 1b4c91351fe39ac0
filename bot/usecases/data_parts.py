"""The databases' part in a plan: what lies between the versions, which ways are left, and which one was chosen."""

import asyncio
import logging
from collections.abc import Awaitable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.catalog.model import Database, Service
from bot.domain.base import Version
from bot.domain.databases import ChosenWay, DatabasePart, Sideways, question_of
from bot.domain.migrations import AppliedState, Found
from bot.domain.plan import Check, Warn
from bot.domain.ways_back import Way, decide, without_down
from bot.ports import PortError
from bot.ports.migrations import Migrations
from bot.usecases.backup_wish import backup_wish
from bot.usecases.bounds import reading
from bot.usecases.fleet import DatabaseHands, Hands
from bot.usecases.noticed import Noticed
from bot.usecases.restoring import notice_restore, restoring

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Between:
    """The versions that a rollback goes between. `left_since` is when the newer one came to run; None: not known."""

    older: Version
    newer: Version
    left_since: datetime | None = None


@dataclass(frozen=True)
class DataParts:
    """The databases in the order of kaeru.yml, and what was noticed of them."""

    parts: tuple[DatabasePart, ...] = ()
    warnings: tuple[Warn, ...] = ()
    checks: tuple[Check, ...] = ()


async def database_parts(
    service: Service,
    hands: Hands,
    between: Between,
    *,
    ways: Sequence[ChosenWay] = (),
    skipped: Collection[str] = (),
) -> DataParts:
    """What going back means for each database. Read-only; what cannot be found out is said and raises nothing."""
    chosen = {way.database: way for way in ways}
    made = await asyncio.gather(
        *(
            _part(d, hands.databases[d.name], between, chosen.get(d.name), skipped=d.name in skipped)
            for d in service.databases
            if d.name in hands.databases
        )
    )
    return DataParts(
        parts=tuple(part for part, _ in made),
        warnings=tuple(w for _, noticed in made for w in noticed.warnings),
        checks=tuple(c for _, noticed in made for c in noticed.checks),
    )


async def _part(
    database: Database, hands: DatabaseHands, between: Between, chosen: ChosenWay | None, *, skipped: bool
) -> tuple[DatabasePart, Noticed]:
    noticed, part = Noticed(), DatabasePart(name=database.name)
    if hands.migrations is not None:
        part = await _with_verdict(part, hands.migrations, between.older, between.newer)
        if part.verdict is not None and Way.RESTORE_BACKUP in part.verdict.allowed:
            restore = await restoring(database, hands.backups, noticed, left_since=between.left_since)
            part = part.model_copy(update={"restore": restore})
        part = _decided(part, chosen, noticed)
        notice_restore(part, noticed)
    wish = await backup_wish(database, part, hands.backups, noticed, skipped=skipped)
    return part.model_copy(update={"backup": wish}), noticed


async def _with_verdict(
    part: DatabasePart, migrations: Migrations, older: Version, newer: Version
) -> DatabasePart:
    """With the migrations, the verdict on them, and the way down where there is one."""
    what = f"The migrations of {part.name}"
    try:
        found = await reading(migrations.between(older, newer), what)
        applied = await reading(migrations.applied(found), f"The database {part.name}")
    except PortError as error:
        found, applied = Found(known=False, note=error.advice), AppliedState(known=False)
    except Exception as error:  # noqa: BLE001 - not to know it is an answer too, and the careful one
        _log.exception("the migrations of %s could not be looked up", part.name)
        note = f"kaeru itself failed over them ({type(error).__name__}); the log has the details."
        found, applied = Found(known=False, note=note), AppliedState(known=False)
    verdict = decide(found, applied)
    part = part.model_copy(
        update={
            "migrations": found.migrations,
            "verdict": verdict,
            "notes": found.notes,
            "fingerprint": applied.fingerprint,
        }
    )
    part = part.model_copy(update={"question": question_of(part, older, newer)})
    if Way.DOWN_MIGRATION not in verdict.allowed:
        return part
    planning = migrations.plan_down(found, applied, older, newer)
    down, why = await _down(planning, what)
    notes = (*part.notes, *([why] if why else ()))
    verdict = verdict if down is not None else without_down(verdict)
    return part.model_copy(update={"down": down, "notes": notes, "verdict": verdict})


async def _down(planning: Awaitable[Sideways], what: str) -> tuple[Sideways | None, str]:
    """What running them backwards would do, or why kaeru cannot."""
    try:
        return await reading(planning, what), ""
    except PortError as error:
        return None, error.advice
    except Exception as error:  # noqa: BLE001 - it is one way of several
        _log.exception("no way down could be planned")
        return (
            None,
            f"kaeru itself failed over the way down ({type(error).__name__}); the log has the details.",
        )


def _decided(part: DatabasePart, chosen: ChosenWay | None, noticed: Noticed) -> DatabasePart:
    """With the way that was chosen, as long as it is about this very question; else the recommended one, or none."""
    verdict = part.verdict
    if verdict is None:
        return part
    there = {Way.DOWN_MIGRATION: part.down is not None, Way.RESTORE_BACKUP: part.restore is not None}
    offered = tuple(way for way in verdict.allowed if there.get(way, True))
    update: dict[str, object] = {
        "offered": offered,
        "way": None if verdict.decision else verdict.recommended,
    }
    if chosen is not None and chosen.question == part.question and chosen.way in offered:
        update |= {"way": chosen.way, "chosen_by": chosen.by}
    elif chosen is not None:
        noticed.warn(
            f"What was decided about the database {part.name} ({chosen.way}) does not hold any more: "
            "what it was decided on has changed since."
        )
    return part.model_copy(update=update)
