"""`kaeru rollback`: what `/rollback` does in chat."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from bot.cli.memories import remembering
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
@click.option(
    "--exercise", is_flag=True, help="It is an exercise: nobody is paged, and nobody outside is told."
)
@acting_as
def rollback(
    service: str,
    version: str | None,
    dry_run: bool,  # noqa: FBT001 - click's way
    exercise: bool,  # noqa: FBT001 - click's way
    as_: str | None,
) -> None:
    """Ask for a rollback of SERVICE, or join the one that is open.

    Without VERSION kaeru chooses the last one that served well. Nothing is rolled back before the plan is
    approved, in Slack or with `kaeru incident approve`.
    """
    wanted = None if version is None else version_of(version)
    click.echo(asyncio.run(_rollback(service, wanted, as_, dry_run=dry_run, exercise=exercise)))


def version_of(word: str) -> str:
    """Raises click.UsageError for what cannot be a version."""
    try:
        return parse.version(word)
    except Refusal as refusal:
        raise click.UsageError(str(refusal)) from refusal


@asynccontextmanager
async def arming_for(office: Office, service: str) -> AsyncIterator[Arming]:
    """What makes plans, with a hand on nothing but `service`."""
    hands = hands_of(office.catalog.service(service), remembering(office.store))
    try:
        yield Arming(office.store, office.catalog, Fleet({service: hands}), office.desk, clock=now)
    finally:
        await let_go(hands)


async def _rollback(
    service: str, wanted: str | None, as_: str | None, *, dry_run: bool, exercise: bool
) -> str:
    async with open_office(as_, make=True) as office:
        async with arming_for(office, service) as arming:
            if dry_run:
                plan = await arming.make(service, wanted=wanted)
                return f"{plan_text(plan, office.register.names)}\nDry run: nothing was changed."
            if wanted is not None:
                await arming.check_version(service, wanted)
        return await _begin(office, service, wanted, exercise=exercise)


async def _begin(office: Office, service: str, wanted: str | None, *, exercise: bool) -> str:
    command = RollBack(by=office.actor.user, service=service, version=wanted, exercise=exercise)
    changed = await office.desk.roll_back(command)
    incident = changed.incident
    what = "declared as an exercise" if incident.exercise else "declared"
    if any(event.type == "incident_declared" for event in changed.events):
        return (
            f"{incident.id} is {what}. kaeru opens its channel and makes the plan as soon as it runs.\n"
            f"Say how bad it is: kaeru incident severity {incident.id} high\n"
            f"Follow it:         kaeru incident follow {incident.id}"
        )
    real = " It is no exercise." if exercise and not incident.exercise else ""
    return f"{service} has an open incident already: {incident.id}.{real}"
