"""Reading Python without running it: names, texts and calls of a syntax tree."""

import ast

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from integrations.migrations.sql_names import Dialect, cannot_fail, plain_default


class NotUnderstood(Exception):
    """The code computes something that only running it would tell."""


class Module:
    """A parsed file. `texts` are its module-level string constants."""

    def __init__(self, text: str) -> None:
        """Raises NotUnderstood where `text` is not Python."""
        try:
            self.tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise NotUnderstood from error
        self.values = {name: value for node in self.tree.body for name, value in _assigned(node)}

    @property
    def canonical(self) -> str:
        """The code without comments, layout and its docstring: what changes it changes the migration."""
        body = self.tree.body
        if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body = body[1:]
        return "\n".join(ast.dump(node) for node in body)

    @property
    def only_defines(self) -> bool:
        """Whether importing it does nothing but define names."""
        return all(isinstance(node, _DEFINING) or _is_text(node) for node in self.tree.body)

    def imports(self, module: str, name: str) -> bool:
        """Whether `name` is that of `module`, and nothing else is given its name."""
        return name not in self.values and any(
            isinstance(node, ast.ImportFrom)
            and node.module == module
            and any(alias.name == name and alias.asname in (None, name) for alias in node.names)
            for node in self.tree.body
        )

    def function(self, name: str) -> ast.FunctionDef | None:
        """The last one of its name, as Python has it."""
        found = [node for node in self.tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
        return found[-1] if found else None

    def text(self, node: ast.expr | None) -> str:
        """A text that is written down. Raises NotUnderstood for anything computed."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self.text(node.left) + self.text(node.right)
        if isinstance(node, ast.Name) and node.id in self.values:
            value = self.values[node.id]
            if isinstance(value, ast.Constant):
                return self.text(value)
        if isinstance(node, ast.Call) and name_of(node.func) in ("f", "text", "dedent") and node.args:
            return self.text(node.args[0])
        raise NotUnderstood

    def texts(self, node: ast.expr | None) -> tuple[str, ...]:
        """Texts in a list or tuple; one text alone counts as one; None as none."""
        if node is None or (isinstance(node, ast.Constant) and node.value is None):
            return ()
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return tuple(self.text(one) for one in node.elts)
        return (self.text(node),)


_DEFINING = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.ClassDef)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _assigned(node: ast.stmt) -> list[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        return [(target.id, node.value) for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        return [(node.target.id, node.value)]
    return []


def name_of(node: ast.expr) -> str:
    """The last name of `a.b.c`; empty for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((one.value for one in call.keywords if one.arg == name), None)


def argument(call: ast.Call, place: int, name: str) -> ast.expr | None:
    """An argument by its place or its name. Raises NotUnderstood where `*` or `**` hide it."""
    if any(isinstance(one, ast.Starred) for one in call.args) or any(
        one.arg is None for one in call.keywords
    ):
        raise NotUnderstood
    return call.args[place] if place < len(call.args) else keyword(call, name)


def is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def is_false(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def is_none(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def flag(call: ast.Call, name: str, *, absent: bool) -> bool:
    """A keyword that is True or False. Raises NotUnderstood for anything else."""
    value = keyword(call, name)
    if value is None or is_none(value):
        return absent
    if not is_true(value) and not is_false(value):
        raise NotUnderstood
    return is_true(value)


def sql_expression(text: str, dialect: Dialect) -> exp.Expr | None:
    try:
        return parse_one(text, read=dialect)
    except (SqlglotError, RecursionError):
        return None


def is_plain_sql(text: str, dialect: Dialect) -> bool:
    """Whether a default written in SQL can be had for every row."""
    found = sql_expression(text, dialect)
    return found is not None and plain_default(found)


def is_total_sql(text: str, dialect: Dialect) -> bool:
    """Whether an expression written in SQL has a value for every row."""
    found = sql_expression(text, dialect)
    return found is not None and cannot_fail(found)
