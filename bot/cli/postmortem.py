"""`kaeru postmortem`: the same papers as at the close, written into a folder and posted nowhere."""

import asyncio
from pathlib import Path

import click

from bot.cli.database import incident_of
from bot.cli.files import write_file
from bot.cli.records import Records, open_records
from bot.clock import now
from bot.domain.evidence import Probe
from bot.domain.incident import Incident
from bot.domain.postmortem import Postmortem, build
from bot.domain.timeline import Completeness
from bot.ports import PortError
from bot.store.unit import UnitOfWork
from bot.usecases.closing import BEFORE
from bot.usecases.picture import chart_of
from bot.views.postmortem import render, render_strictly
from integrations.charts.charts import MatplotlibCharts


@click.command()
@click.argument("incident")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The folder to write to. Else: the current one.",
)
@click.option(
    "--template",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Another template than the service's own, to try it out.",
)
def postmortem(incident: str, output: Path, template: Path | None) -> None:
    """Write the postmortem of INCIDENT into a folder, as Markdown and with its picture.

    Nothing is posted and nothing is recorded. A template given here that does not work is an error.
    """
    for line in asyncio.run(_write(incident, output, template)):
        click.echo(line)


async def _write(word: str, folder: Path, template: Path | None) -> list[str]:
    async with open_records() as records:
        incident = await incident_of(records.store, word)
        written, probes = await _compose(records, incident)
        text = _rendered(records, written, template)
        document = folder / f"{incident.id}-postmortem.md"
        write_file(document, text.encode())
        said = [f"{document} is written."]
        if not probes and not incident.reports:
            return [*said, "There is no picture, because nothing was measured."]
        picture = folder / f"{incident.id}.png"
        try:
            charts = MatplotlibCharts(zone=str(records.zone))
            write_file(picture, await charts.incident(chart_of(incident, probes, written.verdicts)))
        except PortError as error:
            return [*said, f"There is no picture. {error.advice}"]
        return [*said, f"{picture} is written."]


async def _compose(records: Records, incident: Incident) -> tuple[Postmortem, tuple[Probe, ...]]:
    """How many messages the channel has is not known here, and the postmortem says so."""
    began = min(t for t in (incident.detected_at, incident.declared_at) if t is not None)

    def look(uow: UnitOfWork) -> tuple[Postmortem, tuple[Probe, ...]]:
        entries = uow.timeline.entries(incident.id)
        probes = uow.probes.window(incident.service, began - BEFORE, incident.closed_at)
        written = build(
            incident,
            entries,
            probes,
            kept=Completeness.of(entries),
            expected_messages=None,
            verification=uow.timeline.verify(incident.id),
            names=records.names_for(incident, entries),
            zone=records.zone,
            now=now(),
            revision=max(1, incident.postmortem_revision),
        )
        return written, probes

    return await records.store.read(look)


def _rendered(records: Records, written: Postmortem, template: Path | None) -> str:
    if template is not None:
        try:
            return render_strictly(written, template)
        except ValueError as error:
            raise click.ClickException(str(error)) from error
    service = records.catalog.services.get(written.service) if records.catalog else None
    return render(written, service.postmortem_template if service else None)
