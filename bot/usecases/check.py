"""`kaeru check`: everything that would fail later, looked at now. Nothing is changed anywhere.

The outside world comes in as functions (`Surroundings`), so that the same code runs for real and in tests.
"""

import asyncio
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.catalog import Catalog, CatalogInvalid, Service
from bot.domain.base import UserId, Value
from bot.domain.severity import Severity
from bot.usecases.check_alerts import look_at_alerts
from bot.usecases.check_report import CheckReport, Row, State, attempt, row_of
from bot.usecases.check_service import Shared, look_at_service, look_at_sharing
from bot.usecases.fleet import Hands

_LOW_DISK, _NO_DISK = 1024**3, 100 * 1024**2  # bytes
_SKEW_S = 30.0


class SlackIdentity(Value):
    """What `auth.test` says. `scopes` and `server_time` are from its headers; None where they were not sent."""

    team: str
    bot: str
    scopes: frozenset[str] | None = None
    server_time: datetime | None = None


@dataclass(frozen=True)
class Surroundings:
    """What is asked.

    `load` raises CatalogInvalid. `hands` makes a service's ports (as the bot itself would). `slack` and
    `person` (a display name, None for an id that nobody has) are None where no token is set; then
    `slack_missing` says which. `database` returns what was seen. `template` renders one of the bot's
    postmortems with a template (None: kaeru's own) and raises ValueError with a sentence. All that reach
    outside may raise PortError. `alerts` is where alerts are taken (host and port), None where they are not.
    `warnings` are sentences about the environment.
    """

    load: Callable[[], Catalog]
    hands: Callable[[Service], Hands]
    data: Path
    database: Callable[[], Awaitable[str]]
    template: Callable[[Path | None], None]
    clock: Callable[[], datetime]
    wanted_scopes: frozenset[str]
    slack: Callable[[], Awaitable[SlackIdentity]] | None = None
    person: Callable[[UserId], Awaitable[str | None]] | None = None
    slack_missing: str = ""
    warnings: tuple[str, ...] = ()
    alerts: tuple[str, int] | None = None


async def check(world: Surroundings) -> CheckReport:
    """Look at everything. Without a usable catalog only what does not need one is looked at."""
    catalog, config = _config(world)
    rows = [
        *config,
        *(row_of("kaeru", "environment", State.WARN, w, "Unset or rename it.") for w in world.warnings),
    ]
    rows += await asyncio.to_thread(_data, world.data)
    rows += await attempt("kaeru", "database", _database(world), "Look at KAERU_DATABASE_URL.")
    rows += await _slack(world)
    if catalog is None:
        return CheckReport(rows=tuple(rows), readable=False)
    rows += await attempt("Slack", "people", _people(world, catalog), "Look at `people` in kaeru.yml.")
    if world.alerts is not None:
        rows += await look_at_alerts(catalog, world.alerts)
    shared: Shared = defaultdict(list)
    services = await asyncio.gather(
        *(
            look_at_service(s, catalog, make_hands=world.hands, template=world.template, shared=shared)
            for s in catalog.services.values()
        )
    )
    rows += [row for found in services for row in found]
    return CheckReport(rows=(*rows, *look_at_sharing(shared)))


def _config(world: Surroundings) -> tuple[Catalog | None, list[Row]]:
    try:
        catalog = world.load()
    except CatalogInvalid as error:
        rows = [row_of("kaeru", "kaeru.yml", State.FAIL, str(problem)) for problem in error.problems]
        remedy = "docs/configuration.md has every setting."
        return None, [*rows[:-1], rows[-1].model_copy(update={"remedy": remedy})]
    names = ", ".join(catalog.services)
    return catalog, [row_of("kaeru", "kaeru.yml", State.OK, f"{catalog.path} is valid; services: {names}")]


def _data(folder: Path) -> list[Row]:
    remedy = "Make it writable for the user that runs kaeru, or choose another folder with KAERU_DATA."
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".check-") as probe:
            probe.write(b"kaeru")
            probe.flush()
            os.fsync(probe.fileno())
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return [row_of("kaeru", "data folder", State.FAIL, f"{folder}: {error.strerror}", remedy)]
    state = State.FAIL if free < _NO_DISK else State.WARN if free < _LOW_DISK else State.OK
    space = f"{free / 1024**3:.1f} GiB free"
    return [
        row_of("kaeru", "data folder", state, f"{folder} can be written, {space}", "Free some space there.")
    ]


async def _database(world: Surroundings) -> list[Row]:
    return [row_of("kaeru", "database", State.OK, await world.database())]


async def _slack(world: Surroundings) -> Sequence[Row]:
    if world.slack is None:
        remedy = "docs/configuration.md says how to make the app and its tokens."
        return [row_of("Slack", "tokens", State.FAIL, world.slack_missing or "no token is set", remedy)]
    return await attempt("Slack", "tokens", _identity(world, world.slack), "Look at SLACK_BOT_TOKEN.")


async def _identity(world: Surroundings, ask: Callable[[], Awaitable[SlackIdentity]]) -> list[Row]:
    me = await ask()
    rows = [row_of("Slack", "tokens", State.OK, f"{me.bot} in {me.team}")]
    if me.scopes is None:
        seen = "Slack did not say which scopes the bot has"
        rows.append(row_of("Slack", "scopes", State.WARN, seen, "Compare them with manifest.yml by hand."))
    elif missing := sorted(world.wanted_scopes - me.scopes):
        remedy = "Add them in the app's settings (OAuth & Permissions), then reinstall the app."
        rows.append(row_of("Slack", "scopes", State.FAIL, f"missing: {', '.join(missing)}", remedy))
    else:
        rows.append(row_of("Slack", "scopes", State.OK, f"all {len(world.wanted_scopes)} of manifest.yml"))
    if me.server_time is not None:
        skew = (world.clock() - me.server_time).total_seconds()
        state = State.OK if abs(skew) <= _SKEW_S else State.WARN
        way = "ahead of" if skew > 0 else "behind"
        seen = (
            f"within {_SKEW_S:.0f} s of Slack's" if state is State.OK else f"{abs(skew):.0f} s {way} Slack's"
        )
        rows.append(
            row_of("kaeru", "clock", state, seen, "Turn on NTP; times in the timeline would be wrong.")
        )
    return rows


async def _people(world: Surroundings, catalog: Catalog) -> list[Row]:
    ask = world.person
    if ask is None:
        return []
    wanted = list(dict.fromkeys(_everyone(catalog)))
    names = dict(zip(wanted, await asyncio.gather(*(ask(user) for user in wanted)), strict=True))
    unknown = [
        f"{user} ({catalog.people[user]})" if user in catalog.people else user
        for user, n in names.items()
        if not n
    ]
    if unknown:
        seen = f"nobody in this workspace has the id {', '.join(unknown)}"
        return [
            row_of("Slack", "people", State.FAIL, seen, "Copy the member id from the person's Slack profile.")
        ]
    count = "1 person is" if len(wanted) == 1 else f"{len(wanted)} people are"
    return [row_of("Slack", "people", State.OK, f"{count} named in kaeru.yml, all are in Slack")]


def _everyone(catalog: Catalog) -> Iterable[UserId]:
    yield from catalog.people
    for name, service in catalog.services.items():
        yield from (*service.owners, *service.responders)
        for way in service.outside.notices.values():
            yield from getattr(way.settings, "people", ())
        for severity in (None, *Severity):
            yield from catalog.policy(name, severity).approvers
