"""PostgreSQL: whether a role may do all that a restore does, looked at beforehand, with the statement that helps."""

from typing import Any, LiteralString

from psycopg import AsyncConnection, sql

from bot.domain.plan import Check

NAMED = 5
SET_FROM = 16
"""The major version since which being a member of a role and being allowed to become it are two things."""
LOCKED_FROM = 15
"""The major version since which not everybody may create in the schema public of a new database."""

_ROLE: LiteralString = """
SELECT current_user, rolsuper, rolcreatedb, current_setting('server_version_num')::int / 10000,
  pg_has_role('pg_signal_backend', 'USAGE')
FROM pg_roles WHERE rolname = current_user
"""
_SETTINGS: LiteralString = """
SELECT DISTINCT s.setrole::regrole::text FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
WHERE d.datname = current_database() AND s.setrole <> 0 AND s.setrole <> current_user::regrole
  AND NOT (SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user) ORDER BY 1
"""
_SESSIONS: LiteralString = """
SELECT DISTINCT a.usename, r.rolsuper FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
WHERE a.datname = %s AND NOT pg_has_role(r.oid, 'USAGE') ORDER BY 1
"""
_NO_MEMBER: LiteralString = """
NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = {}::regclass AND d.objid = o.oid AND d.deptype = 'e')
"""
_OURS: LiteralString = "n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'"
_OBJECTS: LiteralString = f"""
  SELECT o.relnamespace, o.relowner FROM pg_class o WHERE o.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    AND {_NO_MEMBER.replace("{}", "'pg_class'")}
  UNION SELECT o.pronamespace, o.proowner FROM pg_proc o WHERE {_NO_MEMBER.replace("{}", "'pg_proc'")}
  UNION SELECT o.typnamespace, o.typowner FROM pg_type o WHERE o.typtype IN ('d', 'e', 'r')
    AND {_NO_MEMBER.replace("{}", "'pg_type'")}
"""  # noqa: S608 - made of constants
# What the first of all superusers owns has no entry in pg_shdepend, so it takes both.
_OWNERS: LiteralString = f"""
SELECT r.rolname, r.rolsuper FROM pg_roles r WHERE r.oid IN (
  SELECT datdba FROM pg_database WHERE datname = current_database()
  UNION SELECT o.owner FROM ({_OBJECTS}) o(schema, owner) JOIN pg_namespace n ON n.oid = o.schema WHERE {_OURS}
  UNION SELECT n.nspowner FROM pg_namespace n WHERE {_OURS} AND NOT (n.nspname = 'public' AND n.nspowner = 10 AND %s)
  UNION SELECT d.refobjid FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o'
    AND d.classid <> 'pg_extension'::regclass AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e')
) AND r.rolname <> 'pg_database_owner' ORDER BY 1
"""  # noqa: S608 - made of constants
_MAY_BECOME: LiteralString = "SELECT pg_has_role(%s, 'USAGE') AND pg_has_role(%s, {})"
# What is given to an owner has to be created by it, so to say: it needs CREATE on the schema, which only the schema's
# owner has while a dump is restored, as the rights come last.
_HOMELESS: LiteralString = f"""
SELECT DISTINCT pg_get_userbyid(o.owner), n.nspname, pg_get_userbyid(h.owner) FROM ({_OBJECTS}) o(schema, owner) JOIN pg_namespace n ON n.oid = o.schema
CROSS JOIN LATERAL (SELECT CASE WHEN pg_get_userbyid(n.nspowner) = 'pg_database_owner'
  THEN (SELECT datdba FROM pg_database WHERE datname = current_database()) ELSE n.nspowner END) h(owner)
WHERE {_OURS}
  AND NOT (n.nspname = 'public' AND %s)
  AND NOT pg_has_role(o.owner, h.owner, 'USAGE') ORDER BY 1, 2
"""  # noqa: S608 - made of constants
_SUPERUSERS: LiteralString = """
SELECT 'the extension ' || e.extname FROM pg_extension e
JOIN pg_available_extension_versions v ON v.name = e.extname AND v.version = e.extversion
WHERE v.superuser AND NOT v.trusted AND e.extname <> 'plpgsql'
UNION SELECT 'the event trigger ' || evtname FROM pg_event_trigger
  WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = pg_event_trigger.oid
    AND d.deptype = 'e')
UNION SELECT 'the publication ' || pubname FROM pg_publication WHERE puballtables
ORDER BY 1
"""


async def rights(
    maintenance: AsyncConnection[Any], real: AsyncConnection[Any] | None, replaced: str | None
) -> tuple[Check, ...]:
    """One check for each right that a restore needs of the role that is connected.

    `real` is a connection to the database that the backup is of, None where it is gone; `replaced` is the database that
    would be replaced.
    """
    row = await (await maintenance.execute(_ROLE)).fetchone()
    role, superuser, createdb, major, signals = row or ("kaeru's role", False, False, 0, False)
    quoted = _quoted(maintenance, role)
    may_create = Check(
        name="right to create",
        ok=superuser or createdb,
        detail=f"{role} may make databases"
        if superuser or createdb
        else f"{role} may make no database. Run ALTER ROLE {quoted} CREATEDB",
    )
    if superuser:
        return (may_create,)
    checks = [may_create]
    if real is not None:
        checks += await _ownership(real, role, quoted, major)
    if replaced is not None:
        checks.append(await _sessions(maintenance, replaced, role, quoted, may_end=signals))
    return tuple(checks)


async def _ownership(real: AsyncConnection[Any], role: str, quoted: str, major: int) -> list[Check]:
    """Everything that is restored is given to whoever owned it, and only who may become that role may do so."""
    become = sql.SQL(_MAY_BECOME).format("SET" if major >= SET_FROM else "MEMBER")
    owners = dict(await (await real.execute(_OWNERS, (major < LOCKED_FROM,))).fetchall())
    foreign = [one for one in owners if await (await real.execute(become, (one, one))).fetchone() != (True,)]
    owned = f"{role} has the rights of {_some(list(owners))}, to whom all in it belongs"
    if foreign:
        grant = f"GRANT {', '.join(_quoted(real, one) for one in foreign)} TO {quoted}"
        owned = f"{role} may not give what it restores to {_some(foreign)}. Run {grant}"
        if supers := [one for one in foreign if owners[one]]:
            owned += (
                f"; as {_some(supers)} is a superuser, that makes {role} one too: "
                "better give what belongs to it to another role first"
            )
    owns = Check(name="ownership", ok=not foreign, detail=owned)
    homeless = await (await real.execute(_HOMELESS, (major < LOCKED_FROM,))).fetchall()
    creates = Check(name="right to create in the schemas", ok=True, detail="the owners have it")
    if homeless:
        owner, schema, home = homeless[0]
        more = f" (and {len(homeless) - 1} more like that)" if len(homeless) > 1 else ""
        detail = (
            f"{owner} owns something in the schema {schema} of {home}, and a restore can give it to {owner} only with "
            f"the rights of {home}{more}. Run GRANT {_quoted(real, home)} TO {_quoted(real, owner)}, or let a superuser restore"
        )
        creates = Check(name="right to create in the schemas", ok=False, detail=detail)
    checks = [owns, creates]
    if found := [one for (one,) in await (await real.execute(_SETTINGS)).fetchall()]:
        detail = (
            f"{role} may not give {_some(found)} the settings that it has in this database alone. "
            f"Run ALTER ROLE {quoted} CREATEROLE"
        )
        checks.append(Check(name="settings of roles", ok=False, detail=detail))
    if found := [one for (one,) in await (await real.execute(_SUPERUSERS)).fetchall()]:
        detail = f"only a superuser can make {_some(found)} anew. Run ALTER ROLE {quoted} SUPERUSER for the restore"
        checks.append(Check(name="superuser", ok=False, detail=detail))
    return checks


async def _sessions(
    maintenance: AsyncConnection[Any],
    database: str,
    role: str,
    quoted: str,
    *,
    may_end: bool,
) -> Check:
    """Ending everybody else's sessions: those of superusers are ended by superusers alone."""
    foreign = await (await maintenance.execute(_SESSIONS, (database,))).fetchall()
    supers = [name for name, superuser in foreign if superuser]
    others = [name for name, superuser in foreign if not superuser]
    name = "right to end sessions"
    if others and not may_end:
        text = f"{role} may not end the sessions of {_some(others)} in {database}. Run GRANT pg_signal_backend TO {quoted}"
        return Check(name=name, ok=False, detail=text)
    if supers:
        text = f"{_some(supers)}, a superuser, has a session in {database}, which only superusers can end. End it first"
        return Check(name=name, ok=False, detail=text)
    return Check(name=name, ok=True, detail=f"{role} may end those in {database}")


def _quoted(connection: AsyncConnection[Any], name: str) -> str:
    """As a statement wants it: in quotes where it needs them."""
    plain = name.isidentifier() and name.isascii() and name == name.lower()
    return name if plain else sql.Identifier(name).as_string(connection)


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
