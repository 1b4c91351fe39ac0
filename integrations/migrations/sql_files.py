"""Tools whose migrations are SQL files: Flyway, golang-migrate, and plain folders."""

import re
from pathlib import PurePosixPath

from bot.domain.migrations import Effect, Step, Tool, Undo
from integrations.migrations.scripts import (
    NO_UNDO,
    UNREAD,
    Files,
    Reading,
    Script,
    number_of,
    twice,
    undo_of,
)
from integrations.migrations.sql import classify
from integrations.migrations.sql_names import Dialect

FLYWAY = re.compile(
    r"(?P<kind>[VUBR])(?P<version>\d+(?:[._]\d+)*)?__(?P<what>.+)\.(?P<ending>sql|java|kt|groovy|py|cs)"
)
GOLANG = re.compile(r"(?P<number>\d+)_(?P<what>.+)\.(?P<way>up|down)\.(?P<ending>sql)")
_PLACEHOLDER = re.compile(r"\$\{[^}]*\}")
_DOWN = re.compile(r"(?P<stem>.+?)(?:[._-](?:down|undo|rollback|revert))\.sql")
_UP = re.compile(r"(?P<stem>.+?)(?:[._-]up)\.sql")
# goose: "-- +goose Up"; sql-migrate: "-- +migrate Up"; dbmate: "-- migrate:up"
_SECTION = re.compile(r"(?im)^--\s*(?:\+goose|\+migrate|migrate:)\s*(?P<way>up|down)\b.*$")


def sql_steps(text: str | None, dialect: Dialect) -> tuple[Step, ...]:
    return (UNREAD,) if text is None else classify(text, dialect)


def read_flyway(files: Files, dialect: Dialect) -> Reading:
    """V and B files in the order of their versions, then R files by name; U files are the way back of a V file."""
    versioned: dict[str, Script] = {}
    repeatable, notes, undos, all_versioned = [], [], dict[str, Undo](), []
    for path, text in sorted(files.items()):
        match = FLYWAY.fullmatch(PurePosixPath(path).name)
        if match is None:
            continue
        version = (match["version"] or "").replace("_", ".")
        steps = _flyway_steps(match["ending"], text, dialect)
        if match["kind"] == "U":
            undos[version] = undo_of(steps)
        elif match["kind"] == "R":
            name = f"R {match['what'].replace('_', ' ')}"
            repeatable.append(Script(name, path, steps, NO_UNDO, text or "", repeatable=True))
        elif match["kind"] == "V":
            all_versioned.append(Script(version, path, steps, NO_UNDO, text or ""))
        else:
            notes.append(f"{path} is a baseline: a new database begins with it, and this one has not run it.")
    for script in all_versioned:
        undo = undos.get(script.id, NO_UNDO)
        versioned[script.id] = Script(script.id, script.path, script.steps, undo, script.content)
    ordered = sorted(versioned.values(), key=lambda script: number_of(script.id))
    return Reading(Tool.FLYWAY, (*ordered, *repeatable), (*twice(all_versioned), *notes))


def _flyway_steps(ending: str, text: str | None, dialect: Dialect) -> tuple[Step, ...]:
    if ending != "sql":
        return (Step(effect=Effect.UNKNOWN, does="is a program, which is not read"),)
    if text is not None and _PLACEHOLDER.search(text):
        return (Step(effect=Effect.UNKNOWN, does="has placeholders, whose values are not known"),)
    return sql_steps(text, dialect)


def read_golang_migrate(files: Files, dialect: Dialect) -> Reading:
    """NUMBER_name.up.sql in the order of the numbers, with NUMBER_name.down.sql as the way back."""
    ups: list[Script] = []
    downs: dict[str, Undo] = {}
    for path, text in sorted(files.items()):
        match = GOLANG.fullmatch(PurePosixPath(path).name)
        if match is None:
            continue
        number = str(int(match["number"]))
        if match["way"] == "down":
            downs[number] = undo_of(sql_steps(text, dialect))
        else:
            ups.append(Script(number, path, sql_steps(text, dialect), NO_UNDO, text or ""))
    scripts = [
        Script(one.id, one.path, one.steps, downs.get(one.id, NO_UNDO), one.content)
        for one in sorted(ups, key=lambda script: int(script.id))
    ]
    return Reading(Tool.GOLANG_MIGRATE, tuple(scripts), tuple(twice(scripts)))


def read_plain(files: Files, dialect: Dialect) -> Reading:
    """Every .sql file in the order of the numbers in its name, then of the name. `x.down.sql` is the way back of `x`."""
    scripts: list[Script] = []
    downs = {_stem(path, _DOWN): text for path, text in files.items() if _DOWN.fullmatch(path)}
    for path, text in files.items():
        if not path.endswith(".sql") or _DOWN.fullmatch(path):
            continue
        stem = _stem(path, _UP) if _UP.fullmatch(path) else path.removesuffix(".sql")
        up, down = _sections(text)
        undo = NO_UNDO if down is None else undo_of(sql_steps(down, dialect))
        if stem in downs:
            undo = undo_of(sql_steps(downs[stem], dialect))
        scripts.append(Script(stem, path, sql_steps(up, dialect), undo, text or ""))
    scripts.sort(key=lambda script: (number_of(PurePosixPath(script.id).name)[:1], script.id))
    return Reading(Tool.SQL, tuple(scripts))


def _stem(path: str, pattern: re.Pattern[str]) -> str:
    match = pattern.fullmatch(path)
    return match["stem"] if match else path


def _sections(text: str | None) -> tuple[str | None, str | None]:
    """The ways up and down of a file that holds both; otherwise the file, and None."""
    if text is None:
        return None, None
    marks = list(_SECTION.finditer(text))
    if not marks:
        return text, None
    parts: dict[str, str] = {}
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        end = len(text) if following is None else following.start()
        way = mark["way"].lower()
        parts[way] = parts.get(way, "") + text[mark.end() : end]
    # What stands before the first mark would run as well, or be refused: it is read with the way up.
    return text[: marks[0].start()] + parts.get("up", ""), parts.get("down")
