"""What a reader makes of a tool's files at one version, and what two versions of them differ in."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.domain.migrations import Change, Effect, Found, History, Migration, Step, Tool, Undo, worst

Files = Mapping[str, str | None]
"""Path to text; None for a file that could not be read (too large, a link)."""

UNREAD = Step(effect=Effect.UNKNOWN, does="could not be read: it is too large, or no file")
NO_UNDO = Undo(exists=False)


@dataclass(frozen=True)
class Script:
    """One migration of one version. `content` is what makes it another one when it changes."""

    id: str
    path: str
    steps: tuple[Step, ...]
    undo: Undo
    content: str
    parents: tuple[str, ...] = ()
    repeatable: bool = False
    """Run again whenever it changes, as Flyway's R files are."""


@dataclass(frozen=True)
class Reading:
    """All migrations of one tool at one version, in the tool's order."""

    tool: Tool
    scripts: tuple[Script, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def history(self) -> History:
        return History(
            ids=tuple(script.id for script in self.scripts),
            parents=tuple((script.id, parent) for script in self.scripts for parent in script.parents),
        )


def undo_of(steps: Iterable[Step]) -> Undo:
    """What running `steps` as the way back would destroy."""
    steps = tuple(steps)
    return Undo(
        exists=True,
        loses=tuple(dict.fromkeys(step.loses for step in steps if step.loses)),
        understood=worst(step.effect for step in steps) is not Effect.UNKNOWN,
    )


def number_of(text: str) -> tuple[int, ...]:
    """A version such as 1.10 or 2024_01_02 as numbers, for its place in the order."""
    return tuple(int(part) for part in re.findall(r"\d+", text))


def twice(scripts: Iterable[Script]) -> list[str]:
    """A sentence for each id that two files claim."""
    paths: dict[str, list[str]] = {}
    for script in scripts:
        paths.setdefault(script.id, []).append(script.path)
    return [f"{' and '.join(where)} are both {one}." for one, where in paths.items() if len(where) > 1]


def between(older: Reading, newer: Reading, *, numbered: bool) -> Found:
    """What `newer` has that `older` has not, what it has lost, and what reads otherwise now."""
    before = {script.id: script for script in older.scripts}
    after = {script.id: script for script in newer.scripts}
    gone = [
        _gone(newer.tool, script, "is no longer there in the newer version", Change.DELETED)
        for script in older.scripts
        if script.id not in after
    ]
    found = []
    for script in newer.scripts:
        former = before.get(script.id)
        if former is None or (script.repeatable and former.content != script.content):
            found.append(_as_migration(newer.tool, script))
        elif former.content != script.content:
            found.append(
                _gone(newer.tool, script, "reads otherwise than in the older version", Change.CHANGED)
            )
    return Found(
        known=True,
        tools=(newer.tool,) if newer.scripts or older.scripts else (),
        migrations=(*gone, *found),
        older=older.history,
        newer=newer.history,
        notes=(*newer.notes, *(_late(older, newer) if numbered else ())),
    )


def _as_migration(tool: Tool, script: Script) -> Migration:
    return Migration(
        tool=tool,
        id=script.id,
        path=script.path,
        effect=worst(step.effect for step in script.steps),
        does=tuple(step.does for step in script.steps),
        undo=_complete(script),
        change=Change.ADDED,
    )


def _complete(script: Script) -> Undo:
    """No way back returns what the migration has destroyed."""
    gone = tuple(f"{step.loses}, gone since the migration ran" for step in script.steps if step.loses)
    if not script.undo.exists or not gone:
        return script.undo
    return script.undo.model_copy(update={"loses": tuple(dict.fromkeys((*script.undo.loses, *gone)))})


def _gone(tool: Tool, script: Script, why: str, change: Change) -> Migration:
    """Which of its two texts the database has seen cannot be told, so it is unknown and cannot be undone."""
    return Migration(
        tool=tool,
        id=script.id,
        path=script.path,
        effect=Effect.UNKNOWN,
        does=(why,),
        undo=NO_UNDO,
        change=change,
    )


def _late(older: Reading, newer: Reading) -> list[str]:
    """Numbers that came in below those which the older version had already."""
    known = {script.id for script in older.scripts}
    fixed = [script.id for script in newer.scripts if not script.repeatable]
    last = max((place for place, one in enumerate(fixed) if one in known), default=-1)
    return [
        f"{one} comes before {fixed[last]}, which the older version has already: "
        "the tool may have left it out, or run it out of order."
        for one in fixed[: max(last, 0)]
        if one not in known
    ]


def in_order(scripts: Iterable[Script]) -> tuple[Script, ...]:
    """Each after its parents, otherwise as they come. What is left of a circle comes last."""
    waiting = {script.id: script for script in scripts}
    done: dict[str, Script] = {}
    while waiting:
        ready = [one for one in waiting.values() if not any(parent in waiting for parent in one.parents)]
        for script in ready or list(waiting.values()):
            done[script.id] = waiting.pop(script.id)
    return tuple(done.values())
