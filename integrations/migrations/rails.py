"""Rails: ActiveRecord migrations, read by a conservative reader of their language and never run."""

import re

from bot.domain.migrations import Tool, Undo
from integrations.migrations.operations import unknown
from integrations.migrations.python import NotUnderstood
from integrations.migrations.rails_operations import Body
from integrations.migrations.ruby import Call, Parser
from integrations.migrations.scripts import NO_UNDO, UNREAD, Files, Reading, Script, twice, undo_of
from integrations.migrations.sql_names import Dialect

PATH = re.compile(r"(?:.*/)?(?P<version>\d+)_(?P<name>[a-z0-9_]+)(?:\.[a-z0-9_]+)?\.rb")
_COMMENT = re.compile(r"(?m)^\s*#.*\n")
_CALLS = frozenset({"disable_ddl_transaction!", "frozen_string_literal", "disable_statement_timeout!"})
UNREADABLE = unknown("is Ruby that is not understood")


def read_rails(files: Files, dialect: Dialect) -> Reading:
    """Every VERSION_name.rb in the order of the versions."""
    scripts = []
    for path, text in sorted(files.items()):
        match = PATH.fullmatch(path)
        if match is not None:
            scripts.append(_script(str(int(match["version"])), path, text, dialect))
    scripts.sort(key=lambda script: int(script.id))
    return Reading(Tool.RAILS, tuple(scripts), tuple(twice(scripts)))


def _script(version: str, path: str, text: str | None, dialect: Dialect) -> Script:
    if text is None:
        return Script(version, path, (UNREAD,), NO_UNDO, "")
    content = _COMMENT.sub("", text)
    try:
        methods = _methods(Parser(text).statements())
    except (NotUnderstood, RecursionError):
        return Script(version, path, (UNREADABLE,), NO_UNDO, content)
    up = methods.get("change", methods.get("up"))
    if up is None or up.body is None:
        return Script(version, path, (UNREADABLE,), NO_UNDO, content)
    body = Body(dialect)
    body.read(up.body)
    return Script(version, path, body.steps, _undo(methods, body, dialect), content)


def _methods(statements: list[Call]) -> dict[str, Call]:
    """The methods of the one class of the file. Raises NotUnderstood for anything beside them."""
    classes = [one for one in statements if one.name == "class"]
    if (
        len(classes) != 1
        or len(statements) != 1
        or not str(classes[0].arguments[1]).startswith("ActiveRecord::Migration")
    ):
        raise NotUnderstood
    inner = classes[0].body or []
    methods = {str(one.arguments[0]): one for one in inner if one.name == "def"}
    others = [one for one in inner if one.name != "def" and one.name not in _CALLS]
    if others or not set(methods) <= {"change", "up", "down"} or ("change" in methods and len(methods) > 1):
        raise NotUnderstood
    return methods


def _undo(methods: dict[str, Call], up: Body, dialect: Dialect) -> Undo:
    if "change" in methods:
        return undo_of(up.undone) if up.reversible else NO_UNDO
    down = methods.get("down")
    if down is None or down.body is None:
        return NO_UNDO
    body = Body(dialect)
    body.read(down.body)
    return undo_of(body.steps) if body.steps or not up.steps else NO_UNDO
