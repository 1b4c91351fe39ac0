"""Liquibase: changelogs in XML, YAML, JSON and formatted SQL."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from bot.domain.migrations import Step, Tool, Undo
from integrations.migrations.liquibase_changes import Changes, ChangeSet, read_change_set
from integrations.migrations.liquibase_documents import Include, entries_of, is_document
from integrations.migrations.operations import unknown
from integrations.migrations.python import NotUnderstood
from integrations.migrations.scripts import NO_UNDO, UNREAD, Files, Reading, Script, twice, undo_of
from integrations.migrations.sql import classify
from integrations.migrations.sql_names import Dialect

_FORMATTED = re.compile(r"(?i)\s*--\s*liquibase formatted sql")
_SET = re.compile(r"(?im)^--\s*changeset\s+(?P<author>[^:\s]+|\"[^\"]+\"):(?P<id>\S+)(?P<rest>.*)$")
_ROLLBACK = re.compile(r"(?im)^--\s*rollback\b[ \t]*(?P<sql>.*)$")
_NOTHING = frozenset({"", "empty", "not required"})


def read_liquibase(files: Files, dialect: Dialect) -> Reading:
    """Every changeset, as `path::id::author`, in the order of the changelogs and what they include."""
    scripts = [script for path in _order(files) for script in _of_file(path, files[path], dialect)]
    return Reading(Tool.LIQUIBASE, tuple(scripts), tuple(twice(scripts)))


def is_changelog(path: str, text: str | None) -> bool:
    return text is not None and (is_formatted(text) or is_document(path, text))


def is_formatted(text: str) -> bool:
    return _FORMATTED.match(text) is not None


def _order(files: Files) -> list[str]:
    """Included files where they are included; the others, which nobody includes, by name."""
    logs = {path: text for path, text in sorted(files.items()) if text is None or is_changelog(path, text)}
    included = {path: list(_included(path, text, logs)) for path, text in logs.items()}
    inner = {one for those in included.values() for one in those}
    ordered: dict[str, None] = {}

    def visit(path: str, above: tuple[str, ...]) -> None:
        if path in ordered or path in above:
            return
        for one in included[path]:
            visit(one, (*above, path))
        ordered[path] = None

    for path in [*(path for path in logs if path not in inner), *logs]:
        visit(path, ())
    return list(ordered)


def _included(path: str, text: str | None, logs: Files) -> Iterator[str]:
    if text is None or is_formatted(text):
        return
    try:
        includes = [one for one in entries_of(path, text) if isinstance(one, Include)]
    except NotUnderstood:
        return
    for include in includes:
        wanted = str(PurePosixPath(include.path))
        beside = str(PurePosixPath(path).parent / wanted)
        for one in logs:
            folder = str(PurePosixPath(one).parent)
            place = folder if include.folder else one
            if place in (wanted, beside) or place.endswith(f"/{wanted}"):
                yield one


def _of_file(path: str, text: str | None, dialect: Dialect) -> list[Script]:
    if text is None:
        return [Script(path, path, (UNREAD,), NO_UNDO, "")]
    if is_formatted(text):
        return list(_formatted(path, text, dialect))
    try:
        sets = [one for one in entries_of(path, text) if isinstance(one, ChangeSet)]
    except NotUnderstood:
        return [Script(path, path, (unknown("is a changelog that is not understood"),), NO_UNDO, text)]
    return [_script(path, one, read_change_set(one, dialect)) for one in sets]


def _script(path: str, one: ChangeSet, changes: Changes) -> Script:
    undo: Undo = undo_of(changes.undone) if changes.reversible else NO_UNDO
    name = f"{path}::{one.id}::{one.author}"
    return Script(name, path, changes.steps, undo, one.content, repeatable=one.repeatable)


def _formatted(path: str, text: str, dialect: Dialect) -> Iterator[Script]:
    marks = list(_SET.finditer(text))
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        body = text[mark.end() : len(text) if following is None else following.start()]
        rollbacks = [found["sql"].strip() for found in _ROLLBACK.finditer(body)]
        rest = mark["rest"].lower()
        steps: tuple[Step, ...] = classify(_ROLLBACK.sub("", body), dialect)
        if "enddelimiter" in rest or "splitstatements" in rest:
            steps = (unknown("splits its statements in a way of its own"),)
        undo = NO_UNDO
        if rollbacks:
            undone = "\n".join(sql for sql in rollbacks if sql.lower() not in _NOTHING)
            undo = undo_of(classify(undone, dialect))
        author = mark["author"].strip('"')
        script = Script(f"{path}::{mark['id']}::{author}", path, steps, undo, body + rest)
        yield replace(script, repeatable="runonchange:true" in rest.replace(" ", ""))
