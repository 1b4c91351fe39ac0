"""`kaeru timeline export`: the same files as `/incident export`, written here."""

import asyncio
from pathlib import Path

import click

from bot.cli.database import incident_of
from bot.cli.files import write_file
from bot.cli.records import open_records
from bot.clock import now
from bot.views.export import timeline_json, timeline_markdown


@click.command()
@click.argument("incident")
@click.option(
    "--format", "form", type=click.Choice(["md", "json"]), default="md", show_default=True, help="Which file."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write. Else: standard output.",
)
def export(incident: str, form: str, output: Path | None) -> None:
    """Write the timeline as Markdown or JSON: to read, or to verify (docs/timeline-format.md)."""
    text = asyncio.run(_export(incident, form))
    if output is None:
        click.echo(text, nl=False)
        return
    write_file(output, text.encode())
    click.echo(f"{output} is written.")


async def _export(word: str, form: str) -> str:
    async with open_records() as records:
        incident = await incident_of(records.store, word)
        entries, verification = await records.store.read(
            lambda uow: (uow.timeline.entries(incident.id), uow.timeline.verify(incident.id))
        )
        names = records.names_for(incident, entries)
        if form == "json":
            return timeline_json(incident, entries, verification=verification, names=names, now=now())
        return timeline_markdown(incident, entries, verification=verification, names=names, zone=records.zone)
