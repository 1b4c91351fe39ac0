"""`kaeru incident follow`: the timeline as it grows."""

import asyncio

import click

from bot.cli.database import incident_of
from bot.cli.options import which
from bot.cli.records import Records, open_records
from bot.cli.words import line_of, told
from bot.domain.incident import Incident
from bot.domain.timeline import Entry, Kind
from bot.store.unit import UnitOfWork

POLL_S = 0.5


@click.command()
@which
def follow(which: str | None) -> None:
    """Print the timeline as it grows, until the incident is closed.

    Begins with what is there already; Ctrl-C ends it earlier.
    """
    try:
        asyncio.run(_follow(which))
    except KeyboardInterrupt:
        click.echo()


async def _follow(word: str | None) -> None:
    async with open_records() as records:
        incident_id = (await incident_of(records.store, word)).id
        reached = 0

        def look(uow: UnitOfWork) -> tuple[Incident, tuple[Entry, ...]]:
            return uow.incidents.get(incident_id), uow.timeline.entries(incident_id, after_seq=reached)

        while True:
            incident, entries = await records.store.read(look)
            _print(records, incident, entries)
            reached = entries[-1].seq if entries else reached
            if not incident.is_open:
                return
            await asyncio.sleep(POLL_S)


def _print(records: Records, incident: Incident, entries: tuple[Entry, ...]) -> None:
    names = records.names_for(incident, entries)
    for entry in entries:
        if entry.kind is Kind.PROBE:
            continue  # one every few seconds; `kaeru timeline show` has them
        click.echo(line_of(entry.at, told(entry, incident, names), records.zone))
