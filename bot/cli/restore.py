"""`kaeru restore`: ask for a backup to be brought back, or only see what that would do."""

import asyncio
from dataclasses import dataclass

import click

from bot.catalog.model import Service
from bot.cli.office import Office, open_office
from bot.cli.options import acting_as
from bot.cli.restores import restore_text
from bot.domain.base import Refusal
from bot.usecases.commands import AskRestore
from bot.usecases.fleet import Fleet
from bot.usecases.restoring import backups_of, into_of, restore_plan
from integrations.fleet import hands_of, let_go


@click.command()
@click.argument("service")
@click.argument("database", required=False)
@click.option("--backup", metavar="ID", default="", help="Which one; left out, the newest that was proven.")
@click.option(
    "--into", metavar="NAME", default="", help="Into a new database of this name, beside the real one."
)
@click.option("--replace", is_flag=True, help="Replace the database itself.")
@click.option("--dry-run", is_flag=True, help="Only show the plan; nothing is changed and nobody is told.")
@acting_as
@click.pass_context
def restore(  # noqa: PLR0917 - click's way
    ctx: click.Context,
    service: str,
    database: str | None,
    backup: str,
    into: str,
    replace: bool,  # noqa: FBT001 - click's way
    dry_run: bool,  # noqa: FBT001 - click's way
    as_: str | None,
) -> None:
    """Ask for a backup of SERVICE's DATABASE to be brought back, within the incident that is open.

    The plan appears in the incident's channel, and two people have to agree to it: there, or with
    `kaeru incident agree`. With neither --into nor --replace it goes into a new database that kaeru names.
    Exits with 1 where it cannot be done, with --dry-run as well.
    """
    if into and replace:
        raise click.UsageError("use either --into or --replace, not both.")
    wish = _Wish(backup, into, replace=replace)
    text, possible = asyncio.run(_restore(service, database, wish, as_, dry_run=dry_run))
    click.echo(text)
    ctx.exit(0 if possible else 1)


@dataclass(frozen=True)
class _Wish:
    """Which backup, and where to; as in `bot.domain.restores.Restore`."""

    backup: str
    into: str
    replace: bool


async def _restore(
    name: str, named: str | None, wish: _Wish, as_: str | None, *, dry_run: bool
) -> tuple[str, bool]:
    """What is said, and whether it can be done as far as that is known."""
    async with open_office(as_, make=dry_run) as office:
        service = office.catalog.service(name)
        database = _database(service, named)
        if dry_run:
            return await _shown(office, service, database, wish)
        office.actor.must_be_person("Asking for a restore")
        incident = await office.store.read(lambda uow: uow.incidents.open_for(name))
        if incident is None:
            raise Refusal(
                f"{name} has no open incident, and a restore belongs to one. Declare it with `kaeru rollback {name}`, "
                "or add --dry-run to see what a restore would do."
            )
        command = AskRestore(
            by=office.actor.user,
            incident_id=incident.id,
            database=database,
            backup=wish.backup,
            into=wish.into,
            replace=wish.replace,
        )
        changed = await office.desk.handle(command)
        number = changed.incident.restores[-1].number
        return (
            f"Restore {number} of {database} is asked for. kaeru plans it as soon as it runs.\n"
            f"See it and agree: kaeru incident agree {incident.id}"
        ), True


def _database(service: Service, named: str | None) -> str:
    if named is not None:
        return service.database(named).name
    backed_up = [d.name for d in service.databases if d.backup is not None]
    if not backed_up:
        raise Refusal(f"{service.name} has no database with a `backup` in kaeru.yml.")
    if len(backed_up) > 1:
        raise Refusal(f"{service.name} has several databases; name one of {', '.join(backed_up)}.")
    return backed_up[0]


async def _shown(office: Office, service: Service, database: str, wish: _Wish) -> tuple[str, bool]:
    hands = hands_of(service)
    try:
        backups = backups_of(Fleet({service.name: hands}), service.name, database)
        named = wish.into or f"{backups.database}_restored"
        into = into_of(backups, named, replace=wish.replace)
        plan, shelf = await restore_plan(backups, database, wish.backup, into)
    finally:
        await let_go(hands)
    text = restore_text(database, plan, shelf, office.catalog.timezone)
    possible = all(check.ok for check in plan.checks if check.required)
    return f"{text}\nDry run: nothing was changed.", possible
