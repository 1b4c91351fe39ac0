"""`kaeru incident exercise`: what is left out of the numbers over all incidents."""

import asyncio

import click

from bot.cli.office import Office, carry_out
from bot.cli.options import acting_as
from bot.usecases import commands as c


@click.command()
@click.argument("which", metavar="INCIDENT")
@click.option("--off", is_flag=True, help="It is no exercise after all.")
@acting_as
def exercise(which: str, off: bool, as_: str | None) -> None:  # noqa: FBT001 - click's way
    """Say that it is an exercise or a test: `kaeru stats` counts it as such, also after the close."""

    def command(incident_id: str, office: Office) -> c.MarkExercise:
        return c.MarkExercise(by=office.actor.user, incident_id=incident_id, exercise=not off)

    incident = asyncio.run(carry_out(which, as_, command))
    click.echo(f"{incident.id} is {'no exercise' if off else 'an exercise'}.")
