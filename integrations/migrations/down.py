"""What running migrations backwards would do: which ones, up to where, by which command. Pure but for a look at the program."""

import hashlib
import json
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.domain.base import Version
from bot.domain.databases import Sideways
from bot.domain.migrations import AppliedState, Found, History, Standing, Tool
from bot.ports.errors import Refused
from integrations.migrations.settings import PLACEHOLDER, MigrationsSettings
from integrations.process import redact

EACH_S = 5.0
"""What one migration is expected to take, as long as nobody knows better."""
_PLAIN = re.compile(r"[\w./:@+][\w./:@+-]*")
_NOTHING = {Tool.ALEMBIC: "base", Tool.DJANGO: "zero", Tool.RAILS: "0"}
"""What the tools call the state before their first migration."""
_DOWN_HELP = "Set `down` in the database's migrations in kaeru.yml, such as [alembic, downgrade, '{to}']."


@dataclass(frozen=True)
class WayDown:
    """`undo` are the migrations, last first. `argv` runs in `folder`; `command` is its fingerprint, settings included."""

    older: Version
    newer: Version
    undo: tuple[str, ...]
    argv: tuple[str, ...]
    folder: Path

    @property
    def command(self) -> str:
        return hashlib.sha256(json.dumps([self.argv, str(self.folder)]).encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """The program, as people call it."""
        return Path(self.argv[0]).name

    @property
    def payload(self) -> str:
        return json.dumps({"older": self.older, "newer": self.newer, "command": self.command})


def plan_down(
    settings: MigrationsSettings, found: Found, applied: AppliedState, older: Version, newer: Version
) -> Sideways:
    """Raises Refused where kaeru cannot run them backwards here, with what to do about it."""
    way = way_down(settings, found, applied, older, newer)
    if not way.folder.is_dir():
        raise Refused(
            f"The migrations cannot be run backwards: there is no folder {way.folder}.",
            remedy="Correct `down_folder` in kaeru.yml.",
        )
    if not program_of(way, settings.environment):
        raise Refused(
            f"The migrations cannot be run backwards: {way.argv[0]} is no program here.",
            remedy="Install it where kaeru runs, or correct `down` in kaeru.yml.",
        )
    count = len(way.undo)
    every = "it is" if count == 1 else f"all {count} are"
    return Sideways(
        actions=(
            f"Run {redact(shlex.join(way.argv))} in {way.folder}",
            f"Ask the database whether {every} undone: {', '.join(way.undo)}",
        ),
        fingerprint=applied.fingerprint,
        about=way.undo,
        payload=way.payload,
        loses=tuple(
            dict.fromkeys(
                loss
                for one in found.migrations
                if one.id in way.undo
                for loss in (
                    *one.undo.loses,
                    *(() if one.undo.understood else (f"what is not understood of {one.id}",)),
                )
            )
        ),
        expected_s=count * EACH_S,
    )


def way_down(
    settings: MigrationsSettings, found: Found, applied: AppliedState, older: Version, newer: Version
) -> WayDown:
    """Raises Refused where there is none."""
    if not settings.down or settings.down_folder is None:
        raise Refused("kaeru is not told how to run the migrations backwards.", remedy=_DOWN_HELP)
    if not applied.known or len(found.tools) != 1:
        raise Refused(
            "The migrations are not run backwards without the database's own list of them.",
            remedy=applied.note or "Set `database_url` in the database's migrations in kaeru.yml.",
        )
    tool = found.tools[0]
    undo = tuple(one.id for one in reversed(found.migrations) if applied.standing(one.id) is Standing.APPLIED)
    if not undo:
        raise Refused(
            "The database has applied none of the migrations, so there is nothing to run backwards."
        )
    one_way = [one.id for one in found.migrations if one.id in undo and not one.undo.exists]
    if one_way:
        raise Refused(f"{', '.join(one_way)} cannot be run backwards: it brings no way back.")
    used = {name for element in settings.down for name in PLACEHOLDER.findall(element)}
    values = {"older": older, "newer": newer, "steps": str(len(undo)), "from": undo[0]}
    if tool is Tool.DJANGO and used & {"to", "from", "app"}:
        values |= _django(found.older, undo)
    elif "to" in used:
        values["to"] = _last(found.older, tool)
    argv = tuple(filled(element, values) for element in settings.down)
    return WayDown(older, newer, undo, argv, Path(filled(str(settings.down_folder), values)))


def _django(older: History, undo: tuple[str, ...]) -> dict[str, str]:
    """Django goes back one app at a time."""
    apps = {one.partition(".")[0] for one in undo}
    if len(apps) > 1:
        raise Refused(
            f"The migrations belong to several apps ({', '.join(sorted(apps))}), and Django goes back one app at a time.",
            remedy="Run them backwards by hand, or give `down` a program that knows how, with {older}.",
        )
    app = apps.pop()
    names = [name for owner, _, name in (one.partition(".") for one in older.ids) if owner == app]
    return {
        "app": app,
        "to": names[-1] if names else _NOTHING[Tool.DJANGO],
        "from": undo[0].partition(".")[2],
    }


def _last(older: History, tool: Tool) -> str:
    """The older version's last migration, up to which is gone back."""
    built_on = {parent for _, parent in older.parents}
    heads = [one for one in older.ids if one not in built_on] if older.parents else list(older.ids[-1:])
    if len(heads) > 1:
        raise Refused(
            f"The older version ends in several migrations ({', '.join(heads)}), so there is no single one to go back to.",
            remedy="Run them backwards by hand, or use {steps} in `down`.",
        )
    if heads:
        return heads[0]
    if tool in _NOTHING:
        return _NOTHING[tool]
    raise Refused(
        f"The older version has no migrations, and {tool} has no name for that.",
        remedy="Use {steps} in `down`.",
    )


def filled(template: str, values: Mapping[str, str]) -> str:
    """A migration's id comes from a file: it becomes part of one argument, and never an option."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        found = values.get(name, "")
        if not _PLAIN.fullmatch(found):
            raise Refused(
                f"{{{name}}} would be {found!r} here, which is not put into a command.",
                remedy="Run the migrations backwards by hand, or use {steps} in `down`.",
            )
        return found

    return PLACEHOLDER.sub(value, template)


def program_of(way: WayDown, environment: Mapping[str, str]) -> str | None:
    """Where the program of `way` is; None where it is nowhere."""
    name = way.argv[0]
    if "/" in name:
        return shutil.which(str(way.folder / name))
    return shutil.which(name, path=environment.get("PATH"))
