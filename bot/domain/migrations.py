"""What database migrations lie between two versions, and which ways back they leave.

A rollback goes from the newer version to the older one. The newer version's migrations may have been applied by
then, so either the older code runs on the newer schema, or the schema goes back, or nothing goes back at all.
"""

import hashlib
import json
from collections.abc import Iterable
from enum import StrEnum

from bot.domain.base import Value


class Effect(StrEnum):
    """What a migration means for the code from before it."""

    EXPAND = "expand"
    """Every statement of the older code still runs: something was added, nothing was taken away."""
    DATA = "data"
    """Rows were changed; the schema is as it was."""
    CONTRACT = "contract"
    """Something the older code may use is gone, renamed, narrower or newly enforced."""
    UNKNOWN = "unknown"
    """Not understood; treated as the worst."""

    @property
    def danger(self) -> int:
        """0 (none) to 3; larger is worse."""
        return tuple(Effect).index(self)

    @property
    def demands_decision(self) -> bool:
        return self in (Effect.CONTRACT, Effect.UNKNOWN)


def worst(effects: Iterable[Effect]) -> Effect:
    """The most dangerous of them; EXPAND where there is none."""
    return max(effects, key=lambda effect: effect.danger, default=Effect.EXPAND)


class Tool(StrEnum):
    ALEMBIC = "alembic"
    DJANGO = "django"
    RAILS = "rails"
    FLYWAY = "flyway"
    LIQUIBASE = "liquibase"
    GOLANG_MIGRATE = "golang-migrate"
    SQL = "sql"
    """Plain files in the order of their names, kept by no tool."""


class Step(Value):
    """One thing a migration does. `does` is a clause such as "drops the column users.age"; no row's value is in it.

    `loses` says which data it destroys, or is empty.
    """

    effect: Effect
    does: str
    loses: str = ""


class Undo(Value):
    """The way back that the migration itself brings. `loses` says what running it would destroy.

    `understood` is False where some of it could not be read: then `loses` may be incomplete.
    """

    exists: bool
    loses: tuple[str, ...] = ()
    understood: bool = True

    @property
    def harmless(self) -> bool:
        return self.exists and self.understood and not self.loses


class Change(StrEnum):
    """What happened to the migration from the older version to the newer one."""

    ADDED = "added"
    CHANGED = "changed"
    DELETED = "deleted"


class Migration(Value):
    """One migration that the versions do not share. `id` is what the tool's own list calls it."""

    tool: Tool
    id: str
    path: str
    effect: Effect
    does: tuple[str, ...]
    undo: Undo
    change: Change = Change.ADDED


class History(Value):
    """The migrations that one version knows, in the tool's order.

    `parents` holds (migration, the one before it) where the tool keeps a graph.
    """

    ids: tuple[str, ...] = ()
    parents: tuple[tuple[str, str], ...] = ()

    def up_to(self, heads: Iterable[str]) -> frozenset[str]:
        """The heads that this history knows, and everything they build on."""
        known, seen = set(self.ids), set[str]()
        waiting = [head for head in heads if head in known]
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting += [parent for child, parent in self.parents if child == one]
        return frozenset(seen)


class Listing(StrEnum):
    """What a tool's own table holds."""

    EACH = "each"
    """Every applied migration."""
    HEADS = "heads"
    """Those that no other applied one builds on."""
    LATEST = "latest"
    """The last one, by number."""


class AppliedList(Value):
    """What the database's own list says. `known` is False where it could not be read, and `note` says why.

    `dirty` are those the tool began and did not finish.
    """

    known: bool
    note: str = ""
    listing: Listing = Listing.EACH
    ids: tuple[str, ...] = ()
    dirty: tuple[str, ...] = ()


class Standing(StrEnum):
    APPLIED = "applied"
    NOT_APPLIED = "not applied"
    UNKNOWN_TO_BOTH = "unknown to both versions"


class AppliedState(Value):
    """The database's list beside both versions. Where it is not `known`, everything counts as applied.

    `missing` are the older version's own migrations that the database has not; `strangers` those that it has and
    neither version knows.
    """

    known: bool
    note: str = ""
    standings: tuple[tuple[str, Standing], ...] = ()
    missing: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()
    dirty: tuple[str, ...] = ()

    def standing(self, migration: str) -> Standing | None:
        """None where it is not known, or the migration is none of these."""
        return dict(self.standings).get(migration)

    def may_be_applied(self, migration: str) -> bool:
        return self.standing(migration) is not Standing.NOT_APPLIED

    @property
    def fingerprint(self) -> str:
        """What the database has applied, in 16 hex digits; empty where nothing of it is known."""
        if not self.known and not self.strangers:
            return ""
        applied = sorted(one for one, standing in self.standings if standing is not Standing.NOT_APPLIED)
        text = json.dumps([applied, sorted(self.strangers), sorted(self.dirty)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def compare(older: History, newer: History, database: AppliedList) -> AppliedState:
    """What of both versions the database has applied."""
    if not database.known:
        return AppliedState(known=False, note=database.note)
    every = tuple(dict.fromkeys((*older.ids, *newer.ids)))
    applied = _applied(older, newer, database)
    if applied is None:
        heads = ", ".join(database.ids)
        return AppliedState(
            known=False,
            note=f"The database stands at {heads}, which neither version knows.",
            standings=tuple((one, Standing.UNKNOWN_TO_BOTH) for one in database.ids if one not in every),
            strangers=tuple(one for one in database.ids if one not in every),
            dirty=database.dirty,
        )
    strangers = tuple(one for one in database.ids if one not in every)
    return AppliedState(
        known=True,
        note=database.note,
        standings=(
            *((one, Standing.APPLIED if one in applied else Standing.NOT_APPLIED) for one in every),
            *((one, Standing.UNKNOWN_TO_BOTH) for one in strangers),
        ),
        missing=tuple(one for one in older.ids if one not in applied),
        strangers=strangers,
        dirty=database.dirty,
    )


def _applied(older: History, newer: History, database: AppliedList) -> frozenset[str] | None:
    """What the list stands for; None where that cannot be told, as it names what neither version knows."""
    if database.listing is Listing.EACH:
        return frozenset(database.ids)
    every = {*older.ids, *newer.ids}
    if any(one not in every for one in database.ids):
        return None
    if database.listing is Listing.HEADS:
        return older.up_to(database.ids) | newer.up_to(database.ids)
    if not all(one.isdecimal() for one in every):
        return None
    last = max((int(one) for one in database.ids), default=-1)
    return frozenset(one for one in every if int(one) <= last)


class Found(Value):
    """The migrations between two versions, in the tool's order; `notes` are sentences about the whole.

    `known` is False where they could not be found out, and `note` says why.
    """

    known: bool
    note: str = ""
    tools: tuple[Tool, ...] = ()
    migrations: tuple[Migration, ...] = ()
    older: History = History()
    newer: History = History()
    notes: tuple[str, ...] = ()
