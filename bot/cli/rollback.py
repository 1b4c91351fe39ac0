"""`kaeru rollback`: what `/rollback` does in chat."""

import asyncio

import click

from bot.cli.office import Office, open_office
from bot.cli.options import acting_as
from bot.cli.plans import plan_text
from bot.clock import now
from bot.domain.base import Refusal
from bot.usecases.arming import Arming
from bot.usecases.commands import RollBack
from bot.usecases.fleet import Fleet
from handlers import parse
from integrations.fleet import hands_of, let_go


@click.command()
@click.argument("service")
@click.argument("version", required=False)
@click.option("--dry-run", is_flag=True, help="Only show the plan; nothing is changed and nobody is told.")
@acting_as
def rollback(service: str, version: str | None, dry_run: bool, as_: str | None) -> None:  # noqa: FBT001 - click's way
    """Ask for a rollback of SERVICE, or join the one that is open.

    Without VERSION kaeru chooses the last one that served well. Nothing is rolled back before the plan is
    approved, in Slack or with `kaeru incident approve`.
    """
    wanted = None if version is None else _version(version)
    click.echo(asyncio.run(_rollback(service, wanted, as_, dry_run=dry_run)))


def _version(word: str) -> str:
    try:
        return parse.version(word)
    except Refusal as refusal:
        raise click.UsageError(str(refusal)) from refusal


async def _rollback(service: str, wanted: str | None, as_: str | None, *, dry_run: bool) -> str:
    async with open_office(as_, make=True) as office:
        hands = hands_of(office.catalog.service(service))
        try:
            fleet = Fleet({service: hands})
            arming = Arming(office.store, office.catalog, fleet, office.desk, clock=now)
            if dry_run:
                plan = await arming.make(service, wanted=wanted)
                return f"{plan_text(plan, office.register.names)}\nDry run: nothing was changed."
            if wanted is not None:
                await arming.check_version(service, wanted)
        finally:
            await let_go(hands)
        return await _begin(office, service, wanted)


async def _begin(office: Office, service: str, wanted: str | None) -> str:
    command = RollBack(by=office.actor.user, service=service, version=wanted)
    changed = await office.desk.roll_back(command)
    incident = changed.incident
    if any(event.type == "incident_declared" for event in changed.events):
        return (
            f"{incident.id} is declared. kaeru opens its channel and makes the plan as soon as it runs.\n"
            f"Say how bad it is: kaeru incident severity {incident.id} high\n"
            f"Follow it:         kaeru incident follow {incident.id}"
        )
    return f"{service} has an open incident already: {incident.id}."
