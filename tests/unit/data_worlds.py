"""Databases within a plan, for tests: as arming would put them there."""

from bot.domain.databases import ChosenWay, DatabasePart, Sideways, question_of
from bot.domain.migrations import AppliedList, Effect, Found, History, Migration, Tool, Undo, compare
from bot.domain.ways_back import Way, decide

OLDER, NEWER = "v1.2.9", "v1.3.0"
FREELY = Undo(exists=True)


def migration(
    number: str,
    effect: Effect = Effect.CONTRACT,
    *,
    undo: Undo = FREELY,
    does: tuple[str, ...] = (),
) -> Migration:
    return Migration(
        tool=Tool.ALEMBIC,
        id=number,
        path=f"db/versions/{number}.py",
        effect=effect,
        does=does or (f"drops the column carts.{number}",),
        undo=undo,
    )


def part(
    *migrations: Migration,
    name: str = "orders",
    way: Way | None = None,
    by: str | None = None,
    down: bool = True,
) -> DatabasePart:
    """A part with a real verdict on `migrations`, all of them applied. `way` is what `by` chose."""
    ids = tuple(one.id for one in migrations)
    found = Found(
        known=True, migrations=migrations, older=History(ids=("0001",)), newer=History(ids=("0001", *ids))
    )
    applied = compare(found.older, found.newer, AppliedList(known=True, ids=("0001", *ids)))
    verdict = decide(found, applied)
    sideways = Sideways(
        actions=("Run alembic downgrade 0001 in /srv/shop/current",),
        fingerprint=applied.fingerprint,
        about=tuple(reversed(ids)),
        loses=verdict.loses,
        expected_s=5.0,
    )
    able = down and Way.DOWN_MIGRATION in verdict.allowed
    offered = tuple(
        one
        for one in verdict.allowed
        if one is not Way.RESTORE_BACKUP and (able or one is not Way.DOWN_MIGRATION)
    )
    made = DatabasePart(
        name=name,
        migrations=migrations,
        verdict=verdict,
        way=way if way is not None or verdict.decision else verdict.recommended,
        chosen_by=by,
        offered=offered,
        notes=() if able else ("kaeru is not told how to run the migrations backwards.",),
        down=sideways if able else None,
        fingerprint=applied.fingerprint,
    )
    return made.model_copy(update={"question": question_of(made, OLDER, NEWER)})


def gone(asked: DatabasePart, chosen: ChosenWay) -> DatabasePart:
    """The same part in the fresh plan that follows a decision."""
    return asked.model_copy(update={"way": chosen.way, "chosen_by": chosen.by})
