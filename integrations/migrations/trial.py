"""Whether the way down and the database's list could be used, tried without changing anything."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.domain.base import Version
from bot.domain.migrations import AppliedState, Found, Standing, Tool
from bot.domain.plan import Check
from bot.ports.errors import PortError, Refused
from integrations.migrations.down import WayDown, filled, program_of
from integrations.migrations.settings import MigrationsSettings
from integrations.process import TimedOut, run
from integrations.runs import told

NAME = "way down"
TRY_S = 12.0
"""How long a harmless call may take before it says nothing."""

Verb = Callable[[str], bool]
_HARMLESS: dict[Tool, tuple[Verb, tuple[str, ...]]] = {
    Tool.ALEMBIC: (lambda word: word == "downgrade", ("current",)),
    Tool.DJANGO: (lambda word: word == "migrate", ("showmigrations", "--list")),
    Tool.RAILS: (lambda word: word.startswith("db:"), ("db:migrate:status",)),
    Tool.FLYWAY: (lambda word: word == "undo", ("info",)),
    Tool.LIQUIBASE: (lambda word: word.startswith("rollback"), ("status",)),
}
"""The word of `down` with which the tool begins to change something, and what it can be asked instead."""


def of_list(found: Found, applied: AppliedState, *, needed: bool) -> tuple[Check, ...]:
    """About the files of the version that runs, and the database's own list. `needed` is whether there is a way down."""
    if not found.known:
        return (Check(name="files", ok=False, detail=found.note, required=False),)
    tools = ", ".join(found.tools) or "no tool"
    notes = "; ".join(note.rstrip(".") for note in found.notes)
    files = Check(
        name="files", ok=bool(found.tools), detail=f"{tools}{f': {notes}' if notes else ''}", required=False
    )
    if not applied.known:
        cost = "" if needed else " Every migration counts as applied."
        listed = Check(name="applied list", ok=False, detail=f"{applied.note}{cost}", required=needed)
        return (files, listed)
    count = sum(standing is Standing.APPLIED for _, standing in applied.standings)
    said = [f"{count} applied of {len(applied.standings)}"]
    if applied.dirty:
        said.append(f"{', '.join(applied.dirty)} was begun and not finished")
    return (files, Check(name="applied list", ok=not applied.dirty, detail="; ".join(said), required=False))


async def of_way_down(settings: MigrationsSettings, version: Version, tools: Sequence[Tool]) -> Check | None:
    """The program of `down` as it would be found, and its harmless sister command; None where there is no `down`."""
    if not settings.down or settings.down_folder is None:
        return None
    values = {"older": version, "newer": version}
    try:
        folder = Path(filled(str(settings.down_folder), values))
        way = WayDown(version, version, (), settings.down, folder)
        await asyncio.to_thread(_refuse_missing, way, settings)
        argv = harmless(settings.down, tools, values)
        if argv is None:
            detail = (
                f"{way.name} is there; it was not tried, as kaeru knows no call of it that changes nothing"
            )
            return Check(name=NAME, ok=True, detail=detail)
        ended = await run(argv, timeout_s=TRY_S, cwd=folder, environment=settings.environment)
    except TimedOut as error:
        return Check(name=NAME, ok=False, detail=str(error), required=False)
    except PortError as error:
        return Check(name=NAME, ok=False, detail=error.advice)
    asked = f"{way.name} {' '.join(_HARMLESS[tools[0]][1])}"
    if ended.code == 0:
        return Check(name=NAME, ok=True, detail=f"{asked} runs in {folder}")
    lines = [line for line in ended.stdout.decode(errors="replace").splitlines() if line.strip()]
    last = told(ended.last_line or (lines[-1] if lines else ""), settings.unsayable)
    return Check(name=NAME, ok=False, detail=f"{asked} ended with {ended.code}{f': {last}' if last else ''}")


def _refuse_missing(way: WayDown, settings: MigrationsSettings) -> None:
    if not way.folder.is_dir():
        raise Refused(f"There is no folder {way.folder}.", remedy="Correct `down_folder`.")
    if not program_of(way, settings.environment):
        raise Refused(f"{way.argv[0]} is no program here.", remedy="Correct `down`, or install it.")


def harmless(down: Sequence[str], tools: Sequence[Tool], values: dict[str, str]) -> tuple[str, ...] | None:
    """`down` with a command that only looks in the place of the one that changes; None where none is known."""
    if len(tools) != 1 or tools[0] not in _HARMLESS:
        return None
    begins, instead = _HARMLESS[tools[0]]
    place = next((n for n, word in enumerate(down) if n > 0 and begins(word)), None)
    if place is None:
        return None
    return (*(filled(word, values) for word in down[:place]), *instead)
