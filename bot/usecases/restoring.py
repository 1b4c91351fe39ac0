"""Bringing a backup back: which one, into what, and what that would do."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from bot.catalog.model import Database
from bot.domain import decide
from bot.domain.base import Refusal
from bot.domain.databases import DatabasePart, Sideways
from bot.domain.incident import Incident
from bot.domain.plan import Level, Warn
from bot.domain.restores import Restore, RestorePlan, RestoreState, Shelved, chosen
from bot.domain.ways_back import Way
from bot.ports import PortError
from bot.ports.backups import Backup, Backups
from bot.store import Store
from bot.store.errors import StoreError
from bot.usecases.bounds import reading
from bot.usecases.desk import Desk
from bot.usecases.fleet import Fleet
from bot.usecases.noticed import Noticed

_log = logging.getLogger(__name__)

OFFERED = 10
"""How many other backups a card offers."""


class RestorePlanning:
    """Makes the plans of restores. Read-only towards the world."""

    def __init__(self, store: Store, fleet: Fleet, desk: Desk, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._fleet = fleet
        self._desk = desk
        self._clock = clock

    async def plan(self, argument: str) -> None:
        """Put the plan of restore `INCIDENT/NUMBER` on its card, or say why there is none. May be called again."""
        incident_id, _, number = argument.rpartition("/")
        incident = await self._store.read(lambda uow: uow.incidents.get(incident_id))
        restore = incident.restore(int(number))
        if restore.state is not RestoreState.PLANNING:
            return
        try:
            plan, shelf = await self._made(incident, restore)
        except PortError as error:
            await self._blocked(incident, restore, error.advice)
        except Refusal as refusal:
            await self._blocked(incident, restore, str(refusal))
        except StoreError:
            raise  # nothing could be written down either: the engine waits it out
        except Exception as error:  # noqa: BLE001 - whatever it was, the card must not prepare for ever
            _log.exception("the plan of restore %s broke down", argument)
            why = f"kaeru itself failed while it planned this ({type(error).__name__}); the log has the details."
            await self._blocked(incident, restore, f"{why} Press Try again.")
        else:
            await self._desk.change(
                incident.id,
                lambda now_it_is: decide.restore_planned(
                    now_it_is, restore.number, plan, shelf[1:], taken=shelf[0], now=self._clock()
                ),
            )

    async def _made(self, incident: Incident, restore: Restore) -> tuple[RestorePlan, tuple[Shelved, ...]]:
        backups = backups_of(self._fleet, incident.service, restore.database)
        into = into_of(
            backups, restore.into or f"{backups.database}_restored_{restore.number}", replace=restore.replace
        )
        return await restore_plan(backups, restore.database, restore.backup, into)

    async def _blocked(self, incident: Incident, restore: Restore, reason: str) -> None:
        await self._desk.change(
            incident.id,
            lambda now_it_is: decide.restore_blocked(now_it_is, restore.number, reason, now=self._clock()),
        )


def backups_of(fleet: Fleet, service: str, database: str) -> Backups:
    """Raises Refusal for a database that is not backed up, or not in kaeru.yml any more."""
    backups = fleet.hands(service).database(database).backups
    if backups is None:
        raise Refusal(
            f"{database} has no `backup` in kaeru.yml, so there is nothing that kaeru could bring back."
        )
    return backups


def into_of(backups: Backups, named: str, *, replace: bool) -> str:
    """The name of the database that the backup goes into. Raises Refusal where a name alone would replace the real one."""
    if replace:
        return backups.database
    if named == backups.database:
        raise Refusal(
            f"{named} is the database itself. Choose that it is to be replaced, if that is meant, or name another one."
        )
    return named


async def restore_plan(
    backups: Backups, database: str, wanted: str, into: str
) -> tuple[RestorePlan, tuple[Shelved, ...]]:
    """The plan, and the shelf: first what it brings back, then what could be taken instead, newest first.

    Raises Refusal or PortError.
    """
    there = await reading(backups.list(), f"The backups of {database}")
    found = _meant(there, wanted)
    if found is None:
        if wanted:
            raise Refusal(f"There is no backup {wanted} of {database}. {_there(there)}")
        proven = "has been proven" + (" without anything being said against it" if there else "")
        raise Refusal(f"No backup of {database} {proven}. {_there(there)}")
    plan = await reading(backups.plan_restore(found, into), f"The server of {database}")
    if not wanted and (passed := _passed_over(there, found)):
        warning = Warn(level=Level.WARNING, text=passed)
        plan = plan.model_copy(update={"warnings": (warning, *plan.warnings)})
    others = tuple(shelved(one) for one in there if one.id != found.id)[:OFFERED]
    return plan, (shelved(found), *others)


def shelved(backup: Backup) -> Shelved:
    """What people choose by."""
    return Shelved(
        id=backup.id,
        at=backup.at,
        bytes=backup.bytes,
        proof=backup.proof.value,
        dangers=tuple(w.text for w in backup.warnings if w.level is Level.DANGER),
    )


def _meant(backups: Sequence[Backup], wanted: str, *, before: datetime | None = None) -> Backup | None:
    found = chosen([shelved(one) for one in backups], wanted, before=before)
    return None if found is None else next(one for one in backups if one.id == found.id)


def _passed_over(backups: Sequence[Backup], found: Backup, *, before: datetime | None = None) -> str:
    """A sentence about the newer ones that were not chosen, and why; empty where there are none."""
    newer = [one for one in backups if one.at > found.at and (before is None or one.at < before)]
    if not newer:
        return ""
    dangers = shelved(newer[0]).dangers
    many = f"{len(newer)} newer backups were" if len(newer) > 1 else "A newer backup was"
    why = dangers[0] if dangers else "it is not proven."
    return f"{many} passed over. {newer[0].id}: {why} It is taken all the same where somebody names it."


def _there(backups: Sequence[Backup]) -> str:
    if not backups:
        return "There is no backup at all."
    return f"The newest of {len(backups)} is {backups[0].id}; name one to have it all the same."


async def restoring(
    database: Database,
    backups: Backups | None,
    noticed: Noticed,
    *,
    left_since: datetime | None,
) -> Sideways | None:
    """What bringing the right backup back would do; None where that is no way (nothing is backed up, say).

    The right one is the newest proven backup from before `left_since`, when the version that is left came to be.
    Asked where the verdict allows it, whatever has been chosen: what gives None is not offered, and `loses` is said
    before anybody chooses it. Read-only. Why there is none is a sentence in `noticed`, never an error.
    """
    if backups is None:
        return None
    name = database.name
    if left_since is None:
        noticed.warn(
            f"{name}: since when the present version runs is not known, so which backup is from before it is not "
            "known either; `/incident restore` brings one back that you name.",
            Level.INFO,
        )
        return None
    try:
        there = await reading(backups.list(), f"The backups of {name}")
        found = _meant(there, "", before=left_since)
        if found is None:
            noticed.warn(f"{name}: no proven backup is from before the present version.", Level.INFO)
            return None
        plan = await reading(backups.plan_restore(found, backups.database), f"The server of {name}")
    except PortError as error:
        noticed.warn(f"{name}: what could be brought back was not found out. {error.advice}")
        return None
    if passed := _passed_over(there, found, before=left_since):
        noticed.warn(f"{name}: {passed}")
    noticed.warn(
        f"{name}: the backup to bring back is of {found.at:%Y-%m-%d %H:%M} UTC, before the present version was "
        "seen; whether its migrations had run by then, kaeru cannot tell.",
        Level.INFO,
    )
    lost = f"everything written to {plan.into} since {plan.lost_since or found.at:%Y-%m-%d %H:%M} UTC"
    return Sideways(
        actions=plan.actions,
        fingerprint=plan.fingerprint,
        payload=plan.model_dump_json(),
        loses=(lost,),
        expected_s=plan.expected_s or 0.0,
    )


def notice_restore(part: DatabasePart, noticed: Noticed) -> None:
    """What the plan of the restore warns of and has checked, where that is the way."""
    if part.way is Way.RESTORE_BACKUP and part.restore is not None:
        plan = RestorePlan.model_validate_json(part.restore.payload)
        noticed.warnings += plan.warnings
        noticed.checks += plan.checks
