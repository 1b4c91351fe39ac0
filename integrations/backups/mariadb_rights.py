"""MariaDB and MySQL: whether a user may do all that a restore does, looked at beforehand, with the statement that helps."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.domain.plan import Check
from integrations.backups.mariadb_server import Cursor, rows

ALL = "ALL PRIVILEGES"
SCRATCH = r"kaeru\_scratch\_%"
_LOADS = ("SELECT", "INSERT", "CREATE", "DROP", "ALTER", "LOCK TABLES")
_NOTES = ("SELECT", "INSERT", "CREATE", "DELETE")
"""For the database in which it is written down how far a restore has come."""
_DEFINERS = ("SET USER", "SET_USER_ID", "SET_ANY_DEFINER", "SUPER")
_GRANT = re.compile(
    r"^GRANT (?P<what>.+?) ON (?P<where>\*\.\*|[`\"](?:[^`\"]|``)+[`\"]\.\*) TO ", re.IGNORECASE
)
_KINDS = (
    ("views", "table_schema", ("CREATE VIEW", "SHOW VIEW")),
    ("triggers", "trigger_schema", ("TRIGGER",)),
    ("routines", "routine_schema", ("CREATE ROUTINE", "ALTER ROUTINE")),
    ("events", "event_schema", ("EVENT",)),
)


@dataclass(frozen=True)
class Grants:
    """What a user may do: `given` are pairs of a pattern of databases, `%` for all of them, and a right."""

    user: str
    given: frozenset[tuple[str, str]]

    def missing(self, database: str, wanted: Iterable[str]) -> list[str]:
        """Those of `wanted` that the user has not on `database`."""
        has = {right for pattern, right in self.given if _matches(pattern, database)}
        return [] if ALL in has else [right for right in wanted if right not in has]

    def any_of(self, *wanted: str) -> bool:
        """Whether it has one of them everywhere."""
        return any(pattern == "%" and right in (ALL, *wanted) for pattern, right in self.given)

    @property
    def quoted(self) -> str:
        name, _, host = self.user.rpartition("@")
        return f"`{name}`@`{host}`"


async def grants_of(cursor: Cursor) -> Grants:
    """Of the user that is connected, its active roles included."""
    ((user,),) = await rows(cursor, "SELECT current_user()")
    given = set()
    for (line,) in await rows(cursor, "SHOW GRANTS"):
        # The end of such a line may hold the hash of a password: it goes no further than here.
        if found := _GRANT.match(line):
            where = found["where"].rpartition(".")[0].strip('`"').replace("``", "`")
            pattern = "%" if where == "*" else where
            given |= {(pattern, right.strip().upper()) for right in found["what"].split(",")}
    return Grants(user, frozenset(given))


async def rights(
    cursor: Cursor, scratch: Cursor | None, database: str, into: str, *, scratch_name: str, ledger: str
) -> tuple[Check, ...]:
    """One check for each database that a restore of `database` makes something in.

    `scratch` is a cursor on the server of the scratch database, None where it is the same one.
    """
    wanted, definers, code = list(_LOADS), set[str](), False
    for table, column, needed in _KINDS:
        kind = "routine_type" if table == "routines" else "NULL"
        query = f"SELECT definer, {kind} FROM information_schema.{table} WHERE {column} = %s"  # noqa: S608 - constants
        if found := await rows(cursor, query, database):
            wanted += needed
            definers |= {definer for definer, _ in found}
            code = code or table == "triggers" or any(kind == "FUNCTION" for _, kind in found)
    own = await grants_of(cursor)
    other = own if scratch is None else await grants_of(scratch)
    ((log, trusts),) = await rows(cursor, "SELECT @@log_bin, @@log_bin_trust_function_creators")
    return (
        _on(other, scratch_name, wanted, shown=SCRATCH, named="rights on the scratch database"),
        _on(own, ledger, _NOTES, shown=ledger.replace("_", r"\_"), named=f"rights on {ledger}"),
        _on(own, into, wanted, shown=into.replace("_", r"\_"), named=f"rights on {into}"),
        *_on_code(own, definers - {own.user}, needs_trust=code and bool(log) and not trusts),
    )


def _on(grants: Grants, database: str, wanted: Iterable[str], *, shown: str, named: str) -> Check:
    missing = grants.missing(database, wanted)
    if not missing:
        return Check(name=named, ok=True, detail=f"{grants.user} has them")
    lacks = ", ".join(missing)
    run = f"GRANT {lacks} ON `{shown}`.* TO {grants.quoted}"
    return Check(name=named, ok=False, detail=f"{grants.user} lacks {lacks} there. Run {run}")


def _on_code(grants: Grants, definers: set[str], *, needs_trust: bool) -> list[Check]:
    checks = []
    if definers and not grants.any_of(*_DEFINERS):
        names = ", ".join(sorted(definers)[:5])
        detail = (
            f"views, triggers, routines or events belong to {names}, and {grants.user} may not make them in their name. "
            f"Run GRANT SET USER ON *.* TO {grants.quoted} (MySQL: SET_USER_ID)"
        )
        checks.append(Check(name="right to set definers", ok=False, detail=detail))
    if needs_trust and not grants.any_of("SUPER"):
        detail = (
            f"the server keeps a binary log, and {grants.user} may make no trigger or function then. "
            "Run SET GLOBAL log_bin_trust_function_creators = 1, as long as the restore takes"
        )
        checks.append(Check(name="right to make code", ok=False, detail=detail))
    return checks


def _matches(pattern: str, database: str) -> bool:
    """As GRANT means it: `%` and `_` stand for others, unless a backslash stands before them."""
    parts = re.findall(r"\\.|.", pattern)
    regex = "".join(
        re.escape(part[-1]) if len(part) > 1 else {"%": ".*", "_": "."}.get(part, re.escape(part))
        for part in parts
    )
    return re.fullmatch(regex, database, re.IGNORECASE) is not None
