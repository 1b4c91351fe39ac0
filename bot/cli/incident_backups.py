"""`kaeru incident back-up`, `use-backup` and `skip-backup`: what to do about the backup of a database."""

import asyncio

import click

from bot.cli.office import open_office
from bot.cli.options import acting_as, which
from bot.cli.running import soon
from bot.domain.base import Refusal
from bot.domain.incident import Incident
from bot.settings import load_settings
from bot.usecases import commands as c

_which_one = click.option("--database", metavar="NAME", help="Which one; needed where there are several.")


@click.command("back-up")
@which
@_which_one
@acting_as
def back_up(which: str | None, database: str | None, as_: str | None) -> None:
    """Back the database up once more, after a backup that failed or is not to be relied on."""
    name = asyncio.run(_on_backup(c.BackUpAgain, which, database, as_))
    click.echo(
        f"{name} is backed up again {asyncio.run(soon(load_settings()))}; `kaeru incident show` says how it went."
    )


@click.command("use-backup")
@which
@_which_one
@acting_as
def use_backup(which: str | None, database: str | None, as_: str | None) -> None:
    """Rely on a backup in spite of what is said against it."""
    name = asyncio.run(_on_backup(c.UseBackup, which, database, as_, person="Saying so"))
    click.echo(f"The backup of {name} is relied on.")


@click.command("skip-backup")
@which
@_which_one
@acting_as
def skip_backup(which: str | None, database: str | None, as_: str | None) -> None:
    """Let the rollback not wait for a backup. Not where it changes that database."""
    name = asyncio.run(_on_backup(c.SkipBackup, which, database, as_, person="Saying so"))
    click.echo(f"The rollback does not wait for a backup of {name}.")


async def _on_backup(
    kind: type[c.BackupCommand], word: str | None, named: str | None, as_: str | None, *, person: str = ""
) -> str:
    """Carry it out; the name of the database that it is about."""
    async with open_office(as_) as office:
        if person:
            office.actor.must_be_person(person)
        incident = await office.find(word)
        database = _chosen(incident, named)
        await office.desk.handle(kind(by=office.actor.user, incident_id=incident.id, database=database))
        return database


def _chosen(incident: Incident, named: str | None) -> str:
    there = [one.database for one in incident.backups]
    found = [name for name in there if named in (None, name)]
    if len(found) == 1:
        return found[0]
    if not there:
        raise Refusal(f"No database is backed up because of {incident.id}.")
    raise Refusal(f"Say which one with --database: {', '.join(there)}.")
