"""`kaeru stats`: numbers over all incidents."""

import asyncio
import json
from pathlib import Path

import click

from bot.cli.files import write_file
from bot.cli.options import as_json
from bot.cli.records import Records, open_records
from bot.clock import now
from bot.domain.base import Refusal
from bot.domain.stats import Stats
from bot.ports import PortError
from bot.usecases.stats import gather, picture_of, since_of
from bot.views.mrkdwn import clean
from bot.views.stats import stats_text
from integrations.charts.charts import MatplotlibCharts


@click.command()
@click.option("--service", metavar="NAME", help="Only this service.")
@click.option(
    "--since",
    default="",
    metavar="WHEN",
    help="30d, 8w, 6m, 1y, 2026-10 or 2026-10-24. Left out: all there is.",
)
@click.option(
    "--chart",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file to draw the picture into, as PNG.",
)
@as_json
def stats(service: str | None, since: str, chart: Path | None, json_: bool) -> None:  # noqa: FBT001 - click's way
    """Show numbers over all incidents: how long things took, and how often rolling back was right."""
    click.echo(asyncio.run(_stats(service, since, chart, as_json=json_)))


async def _stats(service: str | None, since: str, chart: Path | None, *, as_json: bool) -> str:
    async with open_records() as records:
        await _must_exist(records, service)
        begin = since_of(since, now=now(), zone=records.zone)
        found = await gather(records.store, service=service, since=begin, until=now(), zone=records.zone)
        drawn = "" if chart is None else await _draw(found, records, chart)
        if as_json:
            if drawn:
                click.echo(drawn, err=True)
            return json.dumps(found.model_dump(mode="json"), indent=2, ensure_ascii=False)
        return "\n".join(
            clean(line) for line in (*stats_text(found, records.zone), *([drawn] if drawn else []))
        )


async def _must_exist(records: Records, service: str | None) -> None:
    """A service of kaeru.yml, or one that had an incident."""
    if service is None or (records.catalog is not None and service in records.catalog.services):
        return
    seen = await records.store.read(lambda uow: uow.incidents.list(open_only=False, limit=1, service=service))
    if not seen:
        raise Refusal(
            f"There is no service {service!r}, and no incident of one. `kaeru incident list --all` has them."
        )


async def _draw(found: Stats, records: Records, chart: Path) -> str:
    if not found.cases:
        return "There is no picture, because no incident is in the numbers."
    try:
        picture = await MatplotlibCharts(zone=str(records.zone)).stats(picture_of(found, records.zone))
    except PortError as error:
        raise click.ClickException(f"There is no picture. {error.advice}") from error
    write_file(chart, picture)
    return f"{chart} is written."
