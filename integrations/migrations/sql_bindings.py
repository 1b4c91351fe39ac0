"""The foreign keys of a table, as the parser reads them."""

from collections.abc import Iterator

from sqlglot import exp

from integrations.migrations.bindings import Binding, OnDelete, on_delete
from integrations.migrations.sql_names import Dialect, key_of

SERIAL = (exp.DType.SERIAL, exp.DType.BIGSERIAL, exp.DType.SMALLSERIAL)


def bindings_of(table: str, node: exp.Expr, dialect: Dialect) -> list[Binding]:
    """Of a CREATE TABLE, or of one action of an ALTER TABLE."""
    return [_binding(table, one, dialect) for one in node.find_all(exp.Reference)]


def demanded_by(node: exp.Expr) -> set[str]:
    """The columns, in lower case, that must have a value, or that a check may want to have one."""
    return {column.lower() for column in _demanded(node)}


def deletes(reference: exp.Reference) -> OnDelete:
    """What becomes of the row; a reference that cannot follow a change of what it refers to refuses that, too."""
    said = [str(option).upper() for option in reference.args.get("options") or ()]
    target = reference.this
    keys = target.expressions if isinstance(target, exp.Schema) else []
    # Names and the like change; numbers do not.
    if not all(key.name.lower().endswith("id") for key in keys) and not _follows(said):
        return "refuses"
    for words in said:
        if words.startswith("ON DELETE "):
            return on_delete(words.removeprefix("ON DELETE "))
    return "refuses"


def _follows(said: list[str]) -> bool:
    return any(words in ("ON UPDATE CASCADE", "ON UPDATE SET NULL") for words in said)


def _binding(table: str, reference: exp.Reference, dialect: Dialect) -> Binding:
    target = reference.this
    targeted = target.expressions if isinstance(target, exp.Schema) else []
    names = tuple(column.name.lower() for column in targeted)
    return Binding(table, key_of(target, dialect), _columns(reference), deletes(reference), names)


def _columns(reference: exp.Reference) -> tuple[str, ...]:
    holder = reference.find_ancestor(exp.ForeignKey, exp.ColumnDef)
    if isinstance(holder, exp.ForeignKey):
        return tuple(column.name.lower() for column in holder.expressions)
    return () if holder is None else (holder.name.lower(),)


def _never_empty(column: exp.ColumnDef) -> bool:
    if column.kind is not None and column.kind.this in (*SERIAL, exp.DType.USERDEFINED):
        return True  # a type of one's own may be a domain that is never empty
    kinds = [constraint.args.get("kind") for constraint in column.args.get("constraints") or ()]
    return any(
        isinstance(kind, (exp.PrimaryKeyColumnConstraint, exp.GeneratedAsIdentityColumnConstraint))
        or (isinstance(kind, exp.NotNullColumnConstraint) and not kind.args.get("allow_null"))
        for kind in kinds
    )


def _demanded(node: exp.Expr) -> Iterator[str]:
    for column in node.find_all(exp.ColumnDef):
        if _never_empty(column):
            yield column.name
    for key in node.find_all(exp.PrimaryKey):
        for part in key.expressions:
            yield part.name
    for check in node.find_all(exp.CheckColumnConstraint):
        for used in check.find_all(exp.Column):
            yield used.name
    for altered in node.find_all(exp.AlterColumn):
        if altered.args.get("allow_null") is False:
            yield altered.this.name
