"""The manifest beside the data: written last, it is what makes a backup exist."""

import json

from bot.ports.backups import Backup
from integrations.backups.destination import slug

FORMAT = 1


def name_of(key: str) -> str:
    """The name of the backup of `key`: always the same one, so that there are never two."""
    return slug(key)


def dumps(backup: Backup) -> bytes:
    body = {"format": FORMAT, **backup.model_dump(mode="json", exclude={"place"})}
    return json.dumps(body, indent=1, ensure_ascii=False).encode() + b"\n"


def loads(text: bytes, *, name: str, place: str) -> Backup | None:
    """The backup that a manifest describes; None where it is none that kaeru wrote."""
    try:
        body = json.loads(text)
        known = body.pop("format") == FORMAT and body.get("id") == name
        return Backup(**body, place=place) if known else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
