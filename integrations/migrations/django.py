"""Django: migrations in Python files, read from their syntax trees and never run."""

import ast
import re
from pathlib import PurePosixPath

from bot.domain.migrations import Tool
from integrations.migrations import python as py
from integrations.migrations.django_operations import App, Operations, is_reversible
from integrations.migrations.operations import unknown
from integrations.migrations.python import Module, NotUnderstood
from integrations.migrations.scripts import NO_UNDO, UNREAD, Files, Reading, Script, in_order, twice, undo_of
from integrations.migrations.sql_names import Dialect

_PATH = re.compile(r"(?:.*/)?(?P<app>[^/]+)/migrations/(?P<name>[A-Za-z0-9_]+)\.py")
UNREADABLE = unknown("is Python that is not understood")


def read_django(files: Files, dialect: Dialect) -> Reading:
    """`app.name` for every app/migrations/name.py with a class Migration, each after its dependencies."""
    modules: dict[str, tuple[str, Module]] = {}
    scripts: list[Script] = []
    for path, text in sorted(files.items()):
        match = _PATH.fullmatch(path)
        if match is None or match["name"] == "__init__" or (text is not None and "Migration" not in text):
            continue
        one = f"{match['app']}.{match['name']}"
        try:
            module = Module(text or "")
            parents = _dependencies(module)
        except NotUnderstood:
            scripts.append(Script(one, path, (UNREADABLE,), NO_UNDO, text or ""))
            continue
        if text is None:
            scripts.append(Script(one, path, (UNREAD,), NO_UNDO, ""))
            continue
        modules[one] = path, module
        scripts.append(Script(one, path, (), NO_UNDO, module.canonical, parents))
    ordered = in_order(scripts)
    # In their order, because what a field was before decides what changing it does.
    app_states: dict[str, App] = {}
    read = [
        _read(script, modules[script.id][1], app_states, dialect) if script.id in modules else script
        for script in ordered
    ]
    return Reading(Tool.DJANGO, tuple(read), (*twice(read), *_leaves(read)))


def _read(script: Script, module: Module, states: dict[str, App], dialect: Dialect) -> Script:
    app = states.setdefault(script.id.partition(".")[0], App(script.id.partition(".")[0]))
    try:
        calls = _operations(module)
    except NotUnderstood:
        return Script(script.id, script.path, (UNREADABLE,), NO_UNDO, script.content, script.parents)
    operations = Operations(module, app, dialect)
    for call in calls:
        operations.read(call)
    undo = NO_UNDO
    if all(is_reversible(call) for call in calls):
        undo = undo_of(operations.undone)
    return Script(script.id, script.path, operations.schema.steps, undo, script.content, script.parents)


def _migration(module: Module) -> ast.ClassDef:
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef) and node.name == "Migration":
            return node
    raise NotUnderstood


def _attribute(module: Module, name: str) -> ast.expr | None:
    for node in _migration(module).body:
        if isinstance(node, ast.Assign) and any(py.name_of(target) == name for target in node.targets):
            return node.value
        if isinstance(node, ast.AnnAssign) and py.name_of(node.target) == name:
            return node.value
    return None


def _operations(module: Module) -> list[ast.Call]:
    found = _attribute(module, "operations")
    if found is None:
        return []
    if not isinstance(found, (ast.List, ast.Tuple)) or not module.only_defines:
        raise NotUnderstood
    calls = [one for one in found.elts if isinstance(one, ast.Call)]
    if len(calls) != len(found.elts):
        raise NotUnderstood
    return calls


def _dependencies(module: Module) -> tuple[str, ...]:
    """Those that are named; `swappable_dependency` and `__first__` say nothing about the order here."""
    found = _attribute(module, "dependencies")
    pairs = found.elts if isinstance(found, (ast.List, ast.Tuple)) else []
    named = [pair for pair in pairs if isinstance(pair, ast.Tuple) and len(pair.elts) == 2]
    return tuple(".".join(module.text(part) for part in pair.elts) for pair in named)


def _leaves(scripts: list[Script]) -> list[str]:
    built_on = {parent for script in scripts for parent in script.parents}
    leaves: dict[str, list[str]] = {}
    for script in scripts:
        if script.id not in built_on:
            leaves.setdefault(script.id.partition(".")[0], []).append(script.id)
    # A leaf that only other apps build on is none within its app.
    inner = {
        parent for s in scripts for parent in s.parents if parent.partition(".")[0] == s.id.partition(".")[0]
    }
    return [
        f"{' and '.join(found)} both come last in their app: they are on branches that were not merged."
        for found in leaves.values()
        if len([one for one in found if one not in inner]) > 1
    ]


def is_migration(path: str, text: str | None) -> bool:
    name = PurePosixPath(path).name
    return (
        bool(_PATH.fullmatch(path))
        and name != "__init__.py"
        and text is not None
        and "migrations.Migration" in text
    )
