"""`kaeru incident report`: what users say, as evidence."""

import asyncio

import click

from bot.cli.database import incident_of
from bot.cli.office import Office, carry_out
from bot.cli.options import acting_as, moment
from bot.cli.records import Records, open_records
from bot.cli.words import indented
from bot.domain.incident import Incident
from bot.domain.prose import name
from bot.domain.reports import Standing
from bot.usecases import commands as c
from bot.views.mrkdwn import clean


@click.command("report")
@click.argument("which", metavar="INCIDENT")
@click.argument("text", nargs=-1)
@click.option("--users", type=click.IntRange(min=1), default=1, help="How many users, as far as you know.")
@click.option("--again", "standing", flag_value="again", help="It was well, and is broken again.")
@click.option("--gone", "standing", flag_value="gone", help="They say that it is well.")
@click.option("--since", metavar="TIME", help="Since when they see it: 2026-11-24T14:05+01:00.")
@click.option(
    "--withdraw", metavar="ID", help="Take a report back instead; without a text its ids are listed."
)
@acting_as
def report(  # noqa: PLR0917 - click passes by name
    which: str,
    text: tuple[str, ...],
    users: int,
    standing: Standing | None,
    since: str | None,
    withdraw: str | None,
    as_: str | None,
) -> None:
    """Pass on what users say, as evidence. TEXT counts as a report that it is still broken.

    Without a text: list the reports that count.
    """
    if withdraw is not None:

        def back(incident_id: str, office: Office) -> c.WithdrawReport:
            return c.WithdrawReport(by=office.actor.user, incident_id=incident_id, report=withdraw)

        click.echo(f"Taken back in {asyncio.run(carry_out(which, as_, back)).id}.")
        return
    if not text and standing != "gone":
        click.echo(asyncio.run(_listed(which)))
        return
    when = None if since is None else moment(since)

    def command(incident_id: str, office: Office) -> c.ReportUsers:
        return c.ReportUsers(
            by=office.actor.user,
            incident_id=incident_id,
            text=" ".join(text),
            users=users,
            standing=standing or "still",
            seen_since=when,
        )

    incident = asyncio.run(carry_out(which, as_, command))
    click.echo(f"Counted as report {incident.reports[-1].id} of {incident.id}.")


async def _listed(word: str) -> str:
    async with open_records() as records:
        incident = await incident_of(records.store, word)
        if not incident.reports:
            return f"Users have reported nothing of {incident.id}."
        return "\n".join(_lines(incident, records))


def _lines(incident: Incident, records: Records) -> list[str]:
    names = records.names_for(incident)
    return [
        clean(
            indented(
                f"{one.id}  {one.at.astimezone(records.zone):%Y-%m-%d %H:%M:%S %Z}  {one.standing}  "
                f"{one.users}  {name(one.by, names)}: {one.text}"
            )
        )
        for one in sorted(incident.reports, key=lambda one: one.at)
    ]
