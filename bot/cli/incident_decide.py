"""`kaeru incident severity`, `reject`, `hold`, `release` and `close`."""

import asyncio

import click

from bot.cli.office import Office, carry_out, open_office
from bot.cli.options import acting_as, which
from bot.domain import decide
from bot.domain.base import Refusal
from bot.domain.severity import Severity
from bot.usecases import commands as c


@click.command()
@click.argument("which", metavar="INCIDENT")
@click.argument("level", type=click.Choice([severity.value for severity in Severity], case_sensitive=False))
@acting_as
def severity(which: str, level: str, as_: str | None) -> None:
    """Say how bad it is: critical and high lead to a rollback, medium and low recommend a forward fix."""
    chosen = Severity(level)

    def command(incident_id: str, office: Office) -> c.SetSeverity:
        return c.SetSeverity(by=office.actor.user, incident_id=incident_id, severity=chosen)

    incident = asyncio.run(carry_out(which, as_, command))
    click.echo(f"The severity of {incident.id} is {chosen.label} now: {chosen.meaning}.")


@click.command()
@which
@click.option("--reason", default="", help="Why; kept in the timeline.")
@acting_as
def reject(which: str | None, reason: str, as_: str | None) -> None:
    """Reject the plan."""
    number, incident_id = asyncio.run(_reject(which, reason, as_))
    click.echo(f"Plan {number} of {incident_id} is rejected.")


async def _reject(word: str | None, reason: str, as_: str | None) -> tuple[int, str]:
    async with open_office(as_) as office:
        office.actor.must_be_person("Rejecting")
        incident = await office.find(word)
        record = incident.record
        if record is None:
            raise Refusal(f"{incident.id} has no plan yet.")
        command = c.Reject(by=office.actor.user, incident_id=incident.id, number=record.number, reason=reason)
        await office.desk.handle(command)
        return record.number, incident.id


@click.command()
@which
@click.option("--reason", default="", help="Why; kept in the timeline.")
@acting_as
def hold(which: str | None, reason: str, as_: str | None) -> None:
    """Let nothing new begin until it is released. A step that runs is let finish."""

    def command(incident_id: str, office: Office) -> c.Hold:
        return c.Hold(by=office.actor.user, incident_id=incident_id, reason=reason)

    incident = asyncio.run(carry_out(which, as_, command))
    click.echo(f"{incident.id} is on hold: nothing new begins until `kaeru incident release {incident.id}`.")


@click.command()
@which
@acting_as
def release(which: str | None, as_: str | None) -> None:
    """Release the hold."""

    def command(incident_id: str, office: Office) -> c.Release:
        return c.Release(by=office.actor.user, incident_id=incident_id)

    incident = asyncio.run(carry_out(which, as_, command))
    click.echo(f"The hold of {incident.id} is released.")


@click.command()
@which
@click.option("--summary", default="", help="What helped, in a sentence; stands on top of the postmortem.")
@click.option(
    "--unverified", is_flag=True, help="Although no rollback of it was verified; the postmortem says so."
)
@click.option(
    "--accept",
    is_flag=True,
    help="Accept by name all that stays open; `kaeru incident accept` says what that is.",
)
@acting_as
def close(which: str | None, summary: str, unverified: bool, accept: bool, as_: str | None) -> None:  # noqa: FBT001 - click's way
    """Close it; the postmortem follows as soon as kaeru runs."""

    def command(incident_id: str, office: Office) -> c.Close:
        if accept:
            office.actor.must_be_person("Accepting")
        return c.Close(
            by=office.actor.user,
            incident_id=incident_id,
            summary=summary,
            unverified=unverified,
            accept=(decide.ALL,) if accept else (),
        )

    incident = asyncio.run(carry_out(which, as_, command))
    click.echo(f"{incident.id} is closed. The bot posts the postmortem in its channel.")
