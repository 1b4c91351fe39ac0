"""Statements that the parser does not take apart: the few of them whose every word is known.

Each pattern has to match the whole statement. What matches none is unknown, however harmless it looks.
"""

import re

from bot.domain.migrations import Effect, Step
from integrations.migrations.sql_names import Dialect

LONGEST = 2000  # characters of a statement that is looked at here

_PART = r'(?:"[^"]+"|`[^`]+`|[A-Za-z_][\w$]*)'
_NAME = rf"{_PART}(?:\.{_PART})*"
_N = rf"(?P<name>{_NAME})"
_TABLE = rf"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?{_N}"
_NAMES = rf"{_NAME}(?: ?, ?{_NAME})*"
_TEXT = r"'[^'\\]*'"
_KEYS = r"\( ?" + rf"{_PART}(?:\(\d+\))?(?: ASC| DESC)?(?: ?, ?{_PART}(?:\(\d+\))?(?: ASC| DESC)?)*" + r" ?\)"
_INDEXED = r"(?: USING (?:BTREE|HASH))?(?: ALGORITHM ?=? ?\w+)?(?: LOCK ?=? ?\w+)?"
_WHO = rf"(?:{_TEXT}|{_PART})(?:@(?:{_TEXT}|{_PART}))?"
_EXTENSIONS = (
    "btree_gin|btree_gist|citext|cube|earthdistance|fuzzystrmatch|hstore|intarray|ltree|pg_stat_statements|pg_trgm|"
    "pgcrypto|plpgsql|postgis|tablefunc|unaccent|uuid-ossp|vector"
)
_SETTINGS = "lock_timeout|statement_timeout|idle_in_transaction_session_timeout|maintenance_work_mem|work_mem|search_path"

_E, _D, _C = Effect.EXPAND, Effect.DATA, Effect.CONTRACT
_POSTGRES = (
    (_E, rf"ALTER TYPE {_N} ADD VALUE (?:IF NOT EXISTS )?{_TEXT}(?: (?:BEFORE|AFTER) {_TEXT})?",
     "adds a value to the type {name}, which the older code may then meet"),
    (_E, rf"{_TABLE} VALIDATE CONSTRAINT {_NAME}", "checks the rows of {name} against a constraint that holds already"),
    (_E, rf"{_TABLE} ALTER (?:COLUMN )?{_PART} SET STATISTICS -?\d+", "tunes the statistics of {name}"),
    (_E, rf'CREATE EXTENSION (?:IF NOT EXISTS )?"?(?P<name>{_EXTENSIONS})"?(?: WITH)?(?: SCHEMA {_NAME})?(?: CASCADE)?',
     "adds the extension {name}"),
    (_E, rf"CREATE DOMAIN {_N} (?:AS )?[^;]+", "creates the type {name}"),
    (_E, rf"CREATE STATISTICS (?:IF NOT EXISTS )?{_N} (?:\([\w, ]+\) )?ON {_NAMES} FROM {_NAME}", "tunes statistics"),
    (_E, rf"ALTER SEQUENCE (?:IF EXISTS )?{_N} OWNED BY {_NAME}", "ties the sequence {name} to a column"),
    (_E, rf"CREATE (?:ROLE|USER) {_N}(?: WITH)?(?: (?:NO)?(?:LOGIN|INHERIT|CREATEDB|CREATEROLE|SUPERUSER))*",
     "creates the role {name}"),
    (_E, rf"LOCK (?:TABLE )?(?:ONLY )?{_NAMES}(?: IN [A-Z ]+ MODE)?(?: NOWAIT)?", "locks tables for a while"),
    (_E, rf"VACUUM(?: ?\([\w, ]+\)| FULL| FREEZE| VERBOSE| ANALYZE)*(?: {_NAMES})?", "tidies storage"),
    (_E, rf"REINDEX(?: ?\([\w, ]+\))? (?:INDEX|TABLE|SCHEMA|DATABASE) (?:CONCURRENTLY )?{_N}", "rebuilds indexes"),
    (_E, rf"RESET (?:{_SETTINGS})", ""),
    (_D, rf"REFRESH MATERIALIZED VIEW (?:CONCURRENTLY )?{_N}(?: WITH DATA)?", "refreshes the view {name}"),
    (_C, rf"ALTER TYPE {_N} RENAME VALUE {_TEXT} TO {_TEXT}", "renames a value of the type {name}"),
    (_C, rf"{_TABLE} SET SCHEMA {_NAME}", "moves the table {name} to another schema"),
    (_C, rf"{_TABLE} (?:ENABLE|FORCE) ROW LEVEL SECURITY", "hides rows of {name} by policies"),
    (_C, rf"{_TABLE} OWNER TO {_NAME}", "gives the table {name} to another owner"),
    (_C, rf"{_TABLE} (?:DISABLE|ENABLE(?: ALWAYS| REPLICA)?) (?:TRIGGER|RULE) {_NAME}",
     "switches triggers or rules of {name}"),
    (_C, rf"{_TABLE} DETACH PARTITION {_NAME}(?: CONCURRENTLY| FINALIZE)?", "takes rows out of the table {name}"),
    (_C, rf"{_TABLE} ATTACH PARTITION {_NAME} [^;]+", "puts rows into the table {name}"),
    (_C, rf"{_TABLE} ADD (?:CONSTRAINT {_PART} )?(?:UNIQUE|PRIMARY KEY) USING INDEX {_NAME}[^;]*",
     "forbids equal rows in {name}"),
    (_C, rf"{_TABLE} ADD (?:CONSTRAINT {_PART} )?EXCLUDE [^;]+", "forbids rows in {name} that conflict"),
    (_C, rf"ALTER SEQUENCE (?:IF EXISTS )?{_N} [^;]+", "changes the sequence {name}"),
    (_C, rf"CREATE (?:OR REPLACE )?RULE {_N} [^;]+", "makes the rule {name} rewrite statements"),
    (_C, rf"CREATE POLICY {_N} [^;]+", "hides rows by the policy {name}"),
    (_C, rf"DROP [A-Z]+ (?:IF EXISTS )?{_N}[^;]*", "drops {name}"),
    (_C, r"DROP OWNED BY [^;]+", "drops everything of a role"),
)  # fmt: skip
_MYSQL = (
    (_E, rf"CREATE (?:FULLTEXT )?INDEX (?:IF NOT EXISTS )?{_PART} ON {_N} ?{_KEYS}{_INDEXED}", "adds an index to {name}"),
    (_E, rf"(?:ANALYZE|OPTIMIZE|CHECK) TABLES? {_NAMES}", "tidies storage"),
    (_E, rf"LOCK TABLES {_NAME} (?:READ|WRITE)(?: ?, ?{_NAME} (?:READ|WRITE))*", ""),
    (_E, r"UNLOCK TABLES", ""),
    (_E, rf"ALTER TABLE {_N} (?:DISABLE|ENABLE) KEYS", ""),
    (_E, rf"ALTER (?:DATABASE|SCHEMA) (?:{_N} )?(?:DEFAULT )?CHARACTER SET ?=? ?\w+(?: (?:DEFAULT )?COLLATE ?=? ?\w+)?",
     "sets the character set of new tables"),
    (_E, rf"GRANT [A-Z, ]+ ON (?:\*|{_PART})\.(?:\*|{_PART}) TO {_WHO}(?: ?, ?{_WHO})*", "grants rights"),
    (_C, rf"REVOKE [A-Z, ]+ ON (?:\*|{_PART})\.(?:\*|{_PART}) FROM {_WHO}(?: ?, ?{_WHO})*", "takes rights away"),
    (_C, rf"RENAME TABLES? {_N} TO [^;]+", "renames the table {name}"),
    (_C, rf"ALTER TABLE {_N} CONVERT TO CHARACTER SET [^;]+", "stores the texts of {name} in another character set"),
    (_C, rf"ALTER TABLE {_N} ADD (?:CONSTRAINT (?:{_PART} )?)?CHECK ?\([^;]+", "adds a check to {name}"),
    (_C, rf"ALTER IGNORE TABLE {_N} [^;]+", "alters the table {name} and drops rows that do not fit"),
    (_C, rf"CREATE (?:OR REPLACE )?(?:DEFINER ?= ?[^ ]+ )?TRIGGER (?:IF NOT EXISTS )?{_N} [^;]+",
     "makes the trigger {name} run at every write"),
)  # fmt: skip
_PATTERNS: dict[Dialect, tuple[tuple[Effect, re.Pattern[str], str], ...]] = {
    "postgres": tuple(
        (effect, re.compile(pattern, re.IGNORECASE), does) for effect, pattern, does in _POSTGRES
    ),
    "mysql": tuple((effect, re.compile(pattern, re.IGNORECASE), does) for effect, pattern, does in _MYSQL),
}
_LOSES = re.compile(r"(?:ALTER IGNORE TABLE|DROP (?:TABLE|SCHEMA|DATABASE|OWNED))\b", re.IGNORECASE)


def read_command(statement: str, dialect: Dialect) -> Step | None:
    """The step of a statement that one pattern knows to its last word; None for any other."""
    if len(statement) > LONGEST:
        return None
    words = " ".join(statement.split())
    for effect, pattern, does in _PATTERNS[dialect]:
        match = pattern.fullmatch(words)
        if match:
            name = re.sub(r'["`]', "", match.groupdict().get("name") or "")
            loses = "what it held" if _LOSES.match(words) else ""
            return Step(effect=effect, does=does.format(name=name), loses=loses)
    return None
