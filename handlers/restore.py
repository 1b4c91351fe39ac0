"""Asking for a backup to be brought back: the form, and what comes back of it."""

from collections.abc import Mapping
from typing import Any

from bot.domain.base import Refusal
from bot.domain.incident import Incident
from bot.usecases import commands as c
from bot.views import restore_modals
from bot.views.ids import Field, Ref
from bot.views.restore_modals import REPLACE
from handlers.surface import Rooms


def restore_form(rooms: Rooms, incident: Incident, database: str = "") -> dict[str, Any]:
    """The form, with `database` chosen. Raises Refusal where nothing of the service is backed up."""
    backed_up = [d.name for d in rooms.catalog.service(incident.service).databases if d.backup is not None]
    if not backed_up:
        raise Refusal(
            f"{incident.service} has no database with a `backup` in kaeru.yml, so there is nothing to bring back."
        )
    return restore_modals.restore(incident, backed_up, database)


def restore_wish(ref: Ref, by: str, values: Mapping[str, Any]) -> c.AskRestore:
    """What the form asks for."""
    return c.AskRestore(
        by=by,
        incident_id=ref.incident_id,
        database=_text(values, Field.DATABASE),
        backup=_text(values, Field.BACKUP),
        into=_text(values, Field.INTO_NAME),
        replace=_text(values, Field.INTO) == REPLACE,
    )


def other_backup(ref: Ref, by: str, values: Mapping[str, Any]) -> c.AskRestoreAgain:
    """The same restore with the backup that was chosen."""
    return c.AskRestoreAgain(
        by=by, incident_id=ref.incident_id, number=ref.number, backup=_text(values, Field.BACKUP)
    )


def _text(values: Mapping[str, Any], field: Field) -> str:
    return str(values.get(field) or "").strip()
