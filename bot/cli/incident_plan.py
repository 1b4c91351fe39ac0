"""`kaeru incident refresh`, `choose` and `rollback`: another plan, or a rollback after all."""

import asyncio

import click

from bot.cli.office import Office, carry_out, open_office
from bot.cli.options import acting_as, which
from bot.cli.rollback import arming_for, version_of
from bot.domain.incident import Incident
from bot.usecases import commands as c


@click.command()
@which
@acting_as
def refresh(which: str | None, as_: str | None) -> None:
    """Ask for a fresh plan where none is open any more."""

    def command(incident_id: str, office: Office) -> c.Refresh:
        return c.Refresh(by=office.actor.user, incident_id=incident_id)

    click.echo(_asked(asyncio.run(carry_out(which, as_, command))))


@click.command()
@click.argument("which", metavar="INCIDENT")
@click.argument("version", required=False)
@acting_as
def choose(which: str, version: str | None, as_: str | None) -> None:
    """Choose another version to go back to.

    Without VERSION kaeru chooses anew. An open plan is out of date then, and its approvals with it.
    """
    click.echo(_asked(asyncio.run(_choose(which, None if version is None else version_of(version), as_))))


async def _choose(word: str, version: str | None, as_: str | None) -> Incident:
    async with open_office(as_) as office:
        incident = await office.find(word)
        if version is not None:
            async with arming_for(office, incident.service) as arming:
                await arming.check_version(incident.service, version)
        command = c.ChooseVersion(by=office.actor.user, incident_id=incident.id, version=version)
        return (await office.desk.handle(command)).incident


@click.command()
@which
@acting_as
def rollback(which: str | None, as_: str | None) -> None:
    """Roll back after all: leave the forward fix and decide on the plan."""

    def command(incident_id: str, office: Office) -> c.RollBackAfterAll:
        return c.RollBackAfterAll(by=office.actor.user, incident_id=incident_id)

    incident = asyncio.run(carry_out(which, as_, command))
    click.echo(
        f"{incident.id} is to be rolled back after all. Approve its plan: kaeru incident approve {incident.id}"
    )


def _asked(incident: Incident) -> str:
    number = incident.record.number if incident.record else 1
    return f"Plan {number} of {incident.id} is asked for. kaeru makes it as soon as it runs."
