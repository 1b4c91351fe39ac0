"""The forms that ask for a backup to be brought back."""

from collections.abc import Sequence

from bot.domain.incident import Incident
from bot.domain.restores import Restore
from bot.views.blocks import Block, context, entry, modal, option, radio, section, select, text_input
from bot.views.ids import Field, Modal, Ref
from bot.views.mrkdwn import code
from bot.views.restore_card import on_the_shelf

REPLACE = "replace"
_BESIDE = "beside"
_NAME = 60
_BACKUP = 120


def restore(incident: Incident, databases: Sequence[str], database: str = "") -> Block:
    """Which database, which backup, and where to. Nothing is touched by it: a plan is made first."""
    offered = {name: option(name, name) for name in databases}
    initial = offered.get(database) or (offered[databases[0]] if len(databases) == 1 else None)
    beside = option("Into a new database beside it", _BESIDE, description="Nothing that is there is touched")
    replace = option("Replace the database itself", REPLACE, description="What was written since is lost")
    blocks = [
        entry(
            Field.DATABASE, "Database", select(list(offered.values()), placeholder="Which?", initial=initial)
        ),
        entry(
            Field.BACKUP,
            "Backup",
            text_input(most=_BACKUP),
            hint="Leave it empty for the newest one that was proven. The plan lists the others.",
            optional=True,
        ),
        entry(Field.INTO, "Where to?", radio([beside, replace], initial=beside)),
        entry(
            Field.INTO_NAME,
            "Name of the new database",
            text_input(most=_NAME),
            hint="Leave it empty, and kaeru names it.",
            optional=True,
        ),
        context("This only makes a plan. Two people have to agree before anything is done."),
    ]
    ref = Ref(incident_id=incident.id)
    return modal(
        "Restore a backup",
        blocks,
        callback=Modal.RESTORE.value,
        submit="Make the plan",
        metadata=ref.encode(),
    )


def other_backup(incident: Incident, restore: Restore) -> Block:
    """Another backup for the same restore."""
    choices = [option(on_the_shelf(one), one.id) for one in restore.others]
    blocks = [
        section(f"Instead of {code(restore.plan.backup if restore.plan else restore.backup, 100)}:"),
        entry(Field.BACKUP, "Backup", select(choices, placeholder="Which one?")),
        context("A fresh plan is made for it, and people agree anew."),
    ]
    ref = Ref(incident_id=incident.id, number=restore.number)
    return modal(
        "Another backup",
        blocks,
        callback=Modal.OTHER_BACKUP.value,
        submit="Make the plan",
        metadata=ref.encode(),
    )
