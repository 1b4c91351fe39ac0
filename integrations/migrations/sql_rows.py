"""INSERT, UPDATE, DELETE and MERGE: what changed rows mean for the older code."""

from sqlglot import exp

from bot.domain.migrations import Step
from integrations.migrations.sql_names import contract, data, key_of, name_of, unknown
from integrations.migrations.sql_tables import Scope


def change(node: exp.Expr, scope: Scope) -> Step:
    target = name_of(node.this) or "a table"
    if isinstance(node, exp.Insert):
        if (
            scope.dialect == "postgres"
            and numbers_itself(node)
            and key_of(node.this, scope.dialect) not in scope.tables
        ):
            return unknown(
                f"inserts rows into {target} with numbers of their own: its sequence may give the older code the same ones"
            )
        overwrites = node.args.get("conflict") is not None
        return data(f"inserts rows into {target}", f"what {target} held before" if overwrites else "")
    if isinstance(node, exp.Delete):
        where = node.args.get("where")
        if where is None or always(where.this):
            return contract(f"deletes every row of {target}", f"the rows of {target}")
        return data(f"deletes rows of {target}", f"rows of {target}")
    if isinstance(node, exp.Update):
        return data(f"changes rows of {target}", f"earlier values in {target}")
    return data(f"merges rows into {target}", f"earlier values in {target}")


def always(condition: exp.Expr) -> bool:  # noqa: PLR0911 - one answer per kind of condition
    """Whether a condition is meant to hold for every row: no column is in it, or it only asks whether one has a value."""
    if isinstance(condition, exp.Paren):
        return always(condition.this)
    if isinstance(condition, exp.And):
        return always(condition.left) and always(condition.right)
    if isinstance(condition, exp.Or):
        return always(condition.left) or always(condition.right)
    if condition.find(exp.Column, exp.Query) is None:
        return True
    if isinstance(condition, exp.EQ):
        return condition.left == condition.right
    negated = isinstance(condition, exp.Not)
    asks = condition.this if negated else condition
    if not isinstance(asks, exp.Is) or not isinstance(asks.expression, exp.Null):
        return False
    return (negated or bool(asks.args.get("negate"))) and _is_key(asks.this)


def _is_key(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column) and node.name.lower() == "id"


def numbers_itself(node: exp.Insert) -> bool:
    """Whether rows come with an `id` that may be a number; without a list of columns the first one may be it."""
    if node.args.get("default"):
        return False
    names = (
        [part.name.lower() for part in node.this.expressions] if isinstance(node.this, exp.Schema) else ["id"]
    )
    if "id" not in names:
        return False
    place, rows = names.index("id"), node.expression
    if not isinstance(rows, exp.Values):
        return True
    values = [row.expressions[place] if isinstance(row, exp.Tuple) else row for row in rows.expressions]
    return not all(_is_no_number(value) for value in values)


def _is_no_number(value: exp.Expr) -> bool:
    if isinstance(value, exp.Var):
        return value.name.upper() == "DEFAULT"
    return isinstance(value, exp.Literal) and value.is_string and not value.name.strip().isdigit()
