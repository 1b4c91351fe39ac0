"""What a new column, and a new constraint, mean for code that does not know them."""

from sqlglot import exp

from bot.domain.migrations import Step
from integrations.migrations.sql_bindings import SERIAL, deletes
from integrations.migrations.sql_names import (
    cannot_fail,
    contract,
    expand,
    name_of,
    plain_default,
    unknown,
)

# Types of well-known extensions. Any other type may be a domain, which may refuse what the older code writes.
_KNOWN_TYPES = frozenset(
    {"citext", "hstore", "geometry", "geography", "vector", "ltree", "tsvector", "tsquery"}
)
_HARMLESS = (
    exp.CharacterSetColumnConstraint,
    exp.CollateColumnConstraint,
    exp.CommentColumnConstraint,
    exp.OnUpdateColumnConstraint,
    exp.InvisibleColumnConstraint,
)


def added_column(table: str, column: exp.ColumnDef, known_types: set[str]) -> Step:
    """A column that is added to a table which the older code writes to."""
    where = f"{table}.{column.name}"
    kinds = [constraint.args.get("kind") for constraint in column.args.get("constraints") or ()]
    default = _default(kinds)
    reason = _refusal(column, kinds, default)
    if reason:
        return contract(f"adds the column {where}, {reason}")
    computed = next((kind for kind in kinds if isinstance(kind, exp.ComputedColumnConstraint)), None)
    if computed is not None:
        if cannot_fail(computed.this) and column.kind is not None and column.kind.this is exp.DType.TEXT:
            return expand(f"adds the column {where}, computed from others")
        return contract(f"adds the column {where}, computed from others: a write may fail over it")
    if default is not None and not plain_default(default):
        return unknown(f"adds the column {where}, with a default that is computed")
    strange = _strange(column, kinds, known_types)
    if strange:
        return unknown(f"adds the column {where}, {strange}")
    demands = any(
        isinstance(kind, exp.NotNullColumnConstraint) and not kind.args.get("allow_null") for kind in kinds
    )
    optional = default is None and not demands
    return expand(f"adds the column {where}" + (", which may be empty" if optional else ", with a default"))


def _default(kinds: list[exp.Expr | None]) -> exp.Expr | None:
    for kind in kinds:
        if isinstance(kind, exp.DefaultColumnConstraint) and not isinstance(kind.this, exp.Null):
            return kind.this if isinstance(kind.this, exp.Expr) else None
    return None


def _refusal(column: exp.ColumnDef, kinds: list[exp.Expr | None], default: exp.Expr | None) -> str:
    """Why rows of the older code would be refused; empty where they would not."""
    generated = (exp.GeneratedAsIdentityColumnConstraint, exp.AutoIncrementColumnConstraint)
    numbered = column.kind is not None and column.kind.this in SERIAL
    numbered = numbered or any(isinstance(kind, generated) for kind in kinds)
    computed = any(isinstance(kind, exp.ComputedColumnConstraint) for kind in kinds)
    for kind in kinds:
        if isinstance(kind, exp.NotNullColumnConstraint) and not kind.args.get("allow_null"):
            if default is None and not numbered and not computed:
                return "which must have a value and has no default"
        elif isinstance(kind, exp.UniqueColumnConstraint):
            if default is not None or kind.args.get("nulls"):
                return "in which two rows may not have the same value"
        elif isinstance(kind, exp.PrimaryKeyColumnConstraint):
            return "a primary key"
        elif isinstance(kind, exp.CheckColumnConstraint):
            return "with a check"
        elif isinstance(kind, exp.Reference) and (
            default is not None or numbered or deletes(kind) != "empties"
        ):
            return f"which refers to {name_of(kind.this)}, whose rows can then no longer be deleted freely"
    return ""


def _strange(column: exp.ColumnDef, kinds: list[exp.Expr | None], known_types: set[str]) -> str:
    expected = (
        *_HARMLESS,
        exp.NotNullColumnConstraint,
        exp.DefaultColumnConstraint,
        exp.UniqueColumnConstraint,
        exp.Reference,
        exp.GeneratedAsIdentityColumnConstraint,
        exp.AutoIncrementColumnConstraint,
    )
    if any(isinstance(kind, exp.GeneratedAsIdentityColumnConstraint) and _ends(kind) for kind in kinds):
        return "numbered within bounds, so that the numbers may run out"
    if any(not isinstance(kind, expected) for kind in kinds):
        return "with something that is not understood"
    if column.kind is None:
        return "without a type"
    inner = [column.kind, *column.kind.find_all(exp.DataType)]
    own = [one for one in inner if one.this is exp.DType.USERDEFINED]
    if any(type_name(one) not in known_types | _KNOWN_TYPES for one in own):
        return "of a type that this migration does not define"
    return ""


def _ends(kind: exp.GeneratedAsIdentityColumnConstraint) -> bool:
    return any(kind.args.get(bound) is not None for bound in ("maxvalue", "minvalue", "increment"))


def type_name(kind: exp.DataType) -> str:
    own = kind.args.get("kind")
    return (own.name if isinstance(own, exp.Expr) else str(own or "")).lower()


def added_constraint(table: str, constraint: exp.Expr) -> Step:
    """A constraint that is added to a table which the older code writes to."""
    inner: exp.Expr = constraint
    if isinstance(constraint, exp.Constraint) and constraint.expressions:
        inner = constraint.expressions[0]
    if isinstance(inner, exp.IndexColumnConstraint):
        if all(cannot_fail(one) for one in inner.expressions):
            return expand(f"adds an index to {table}")
        return contract(f"adds an index over an expression to {table}: a write may fail over it")
    if isinstance(inner, (exp.UniqueColumnConstraint, exp.PrimaryKey)):
        return contract(f"forbids equal rows in {table}")
    if isinstance(inner, exp.ForeignKey):
        reference = inner.args.get("reference")
        target = name_of(reference.this) if isinstance(reference, exp.Reference) else ""
        return contract(f"binds {table} to {target or 'another table'} by a foreign key")
    if isinstance(inner, exp.CheckColumnConstraint):
        return contract(f"adds a check to {table}")
    return unknown(f"adds to {table} a constraint that is not understood")
