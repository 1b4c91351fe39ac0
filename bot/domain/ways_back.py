"""The decision matrix: what lies between two versions decides which ways back there are. docs/migrations.md shows it."""

from collections.abc import Sequence
from enum import StrEnum

from bot.domain.base import Value
from bot.domain.migrations import AppliedState, Effect, Found, Migration, Standing, worst

_NAMED = 5  # migrations named in a sentence


class Way(StrEnum):
    CODE_ONLY = "code only"
    """The older code, on the schema as it is."""
    DOWN_MIGRATION = "down migration"
    """The newer version's migrations are run backwards, then the older code."""
    RESTORE_BACKUP = "restore backup"
    """The database as it was before; everything written since is lost."""
    FORWARD_FIX = "forward fix"
    """Nothing goes back; the newer version is mended."""


_SHORT = {"code": "code only", "down": "down migration", "restore": "restore backup", "fix": "forward fix"}


def way_named(text: str) -> Way | None:
    """The way that somebody means: by its name, with or without a hyphen, or by `code`, `down`, `restore` or `fix`."""
    word = " ".join(text.lower().replace("-", " ").replace("_", " ").split())
    return next((way for way in Way if way.value == _SHORT.get(word, word)), None)


class Situation(StrEnum):
    """What lies between the versions. Of several that hold, the one further down in this list counts."""

    NONE = "no migrations"
    NOT_APPLIED = "none applied"
    EXPAND = "expand"
    DATA = "data"
    CONTRACT_UNDONE_FREELY = "contract, its down migrations lose nothing"
    CONTRACT_UNDONE_AT_A_LOSS = "contract, its down migrations lose data"
    CONTRACT_ONE_WAY = "contract, no way down"
    UNKNOWN_WITH_DOWN = "unknown, with down migrations"
    UNKNOWN_ONE_WAY = "unknown, no way down"
    BEHIND = "the database lacks migrations of the older version"
    STRANGERS = "the database has migrations that neither version knows"
    UNREADABLE = "the migrations cannot be read"
    TORN = "a migration was begun and not finished"


class Row(Value):
    """One line of the matrix. The recommended way comes first in `allowed`."""

    situation: Situation
    allowed: tuple[Way, ...]
    decision: bool
    why: str

    @property
    def recommended(self) -> Way:
        return self.allowed[0]

    @property
    def second_person(self) -> bool:
        """Whoever decides about a schema that may not fit does not decide alone."""
        return self.decision


_CODE, _DOWN, _RESTORE, _FIX = Way.CODE_ONLY, Way.DOWN_MIGRATION, Way.RESTORE_BACKUP, Way.FORWARD_FIX

MATRIX: tuple[Row, ...] = (
    Row(situation=Situation.NONE, allowed=(_CODE, _FIX), decision=False,
        why="No database migration lies between the versions."),
    Row(situation=Situation.NOT_APPLIED, allowed=(_CODE, _FIX), decision=False,
        why="The database has applied none of the migrations between the versions, so the older code finds its own schema."),
    Row(situation=Situation.EXPAND, allowed=(_CODE, _FIX), decision=False,
        why="The migrations only add: the older code runs on the newer schema, and what they added may stay."),
    Row(situation=Situation.DATA, allowed=(_CODE, _FIX, _RESTORE), decision=False,
        why="The migrations change rows and not the schema: the older code finds its schema, and sees the changed rows."),
    Row(situation=Situation.CONTRACT_UNDONE_FREELY, allowed=(_DOWN, _FIX, _CODE, _RESTORE), decision=True,
        why="The older code may fail on the newer schema; the down migrations lose nothing."),
    Row(situation=Situation.CONTRACT_UNDONE_AT_A_LOSS, allowed=(_FIX, _DOWN, _RESTORE, _CODE), decision=True,
        why="The older code may fail on the newer schema, and running the down migrations destroys data."),
    Row(situation=Situation.CONTRACT_ONE_WAY, allowed=(_FIX, _RESTORE, _CODE), decision=True,
        why="The older code may fail on the newer schema, and not every migration can be run backwards."),
    Row(situation=Situation.UNKNOWN_WITH_DOWN, allowed=(_FIX, _DOWN, _RESTORE, _CODE), decision=True,
        why="Somebody has to read the migrations first: what they do to the older code is not understood."),
    Row(situation=Situation.UNKNOWN_ONE_WAY, allowed=(_FIX, _RESTORE, _CODE), decision=True,
        why="Somebody has to read the migrations first: what they do is not understood, and not every one can be run backwards."),
    Row(situation=Situation.BEHIND, allowed=(_FIX, _RESTORE, _CODE), decision=True,
        why="The database lacks migrations that the older version counts on."),
    Row(situation=Situation.STRANGERS, allowed=(_FIX, _RESTORE, _CODE), decision=True,
        why="The database has applied migrations that neither version knows: somebody else changed its schema."),
    Row(situation=Situation.UNREADABLE, allowed=(_FIX, _RESTORE, _CODE), decision=True,
        why="Which migrations lie between the versions could not be found out."),
    Row(situation=Situation.TORN, allowed=(_FIX, _RESTORE, _CODE), decision=True,
        why="A migration was begun and not finished: the schema is neither the older version's nor the newer's."),
)  # fmt: skip


class Verdict(Value):
    """Which ways are allowed, best first. `why` is for people; `loses` says what the down migrations would destroy.

    With `decision`, somebody has to choose one of `allowed` in so many words, and with `second_person` somebody
    else has to agree.
    """

    situation: Situation
    allowed: tuple[Way, ...]
    recommended: Way
    decision: bool
    second_person: bool
    why: str
    loses: tuple[str, ...] = ()


def decide(found: Found, applied: AppliedState) -> Verdict:
    """What the migrations between the versions leave as ways back from the newer version to the older one."""
    concerned = tuple(one for one in found.migrations if applied.may_be_applied(one.id))
    situation = _situation(found, concerned, applied)
    row = next(row for row in MATRIX if row.situation is situation)
    loses = tuple(dict.fromkeys(loss for one in concerned for loss in one.undo.loses))
    return Verdict(
        situation=situation,
        allowed=row.allowed,
        recommended=row.recommended,
        decision=row.decision,
        second_person=row.second_person,
        why=" ".join((row.why, *_details(found, concerned, applied, situation))),
        loses=loses if Way.DOWN_MIGRATION in row.allowed else (),
    )


def without_down(verdict: Verdict) -> Verdict:
    """The same where nobody can run the down migrations: nothing is said of what they would do."""
    row = next(row for row in MATRIX if row.situation is verdict.situation)
    if row.situation not in (Situation.CONTRACT_UNDONE_FREELY, Situation.CONTRACT_UNDONE_AT_A_LOSS):
        return verdict
    why = verdict.why.replace(row.why, "The older code may fail on the newer schema.", 1)
    return verdict.model_copy(update={"why": why, "loses": ()})


def _situation(found: Found, concerned: Sequence[Migration], applied: AppliedState) -> Situation:
    surroundings = (
        (bool(applied.dirty), Situation.TORN),
        (not found.known, Situation.UNREADABLE),
        (bool(applied.strangers), Situation.STRANGERS),
        (bool(applied.missing), Situation.BEHIND),
        (not found.migrations, Situation.NONE),
        (not concerned, Situation.NOT_APPLIED),
    )
    return next((situation for holds, situation in surroundings if holds), None) or _of_effects(concerned)


def _of_effects(concerned: Sequence[Migration]) -> Situation:
    effect = worst(one.effect for one in concerned)
    # They are undone last first, so one without a way down stops those before it as well.
    undone = all(one.undo.exists for one in concerned)
    if effect is Effect.EXPAND:
        return Situation.EXPAND
    if effect is Effect.DATA:
        return Situation.DATA
    if effect is Effect.UNKNOWN:
        return Situation.UNKNOWN_WITH_DOWN if undone else Situation.UNKNOWN_ONE_WAY
    if not undone:
        return Situation.CONTRACT_ONE_WAY
    if all(one.undo.harmless for one in concerned):
        return Situation.CONTRACT_UNDONE_FREELY
    return Situation.CONTRACT_UNDONE_AT_A_LOSS


def _details(
    found: Found, concerned: Sequence[Migration], applied: AppliedState, situation: Situation
) -> list[str]:
    sentences = []
    culprits = [one.path or one.id for one in concerned if one.effect.demands_decision]
    if situation is Situation.TORN:
        sentences.append(f"It is {_named(applied.dirty)}.")
    elif situation is Situation.UNREADABLE:
        sentences.append(found.note)
    elif situation is Situation.STRANGERS:
        sentences.append(f"They are {_named(applied.strangers)}.")
    elif situation is Situation.BEHIND:
        sentences.append(f"They are {_named(applied.missing)}.")
    elif culprits:
        files = "the migrations" if len(culprits) > 1 else "the migration"
        sentences.append(f"This is because of {files} {_named(culprits)}.")
    if not applied.known and found.migrations:
        sentences.append(
            f"What the database has applied is not known, so every migration counts as applied. {applied.note}"
        )
    elif len(concerned) < len(found.migrations) and concerned:
        waiting = [one.id for one in found.migrations if applied.standing(one.id) is Standing.NOT_APPLIED]
        sentences.append(f"Not applied, and left out of this: {_named(waiting)}.")
    return [sentence.strip() for sentence in sentences if sentence.strip()]


def _named(ids: Sequence[str]) -> str:
    rest = len(ids) - _NAMED
    return ", ".join(ids[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
