"""`kaeru timeline show` and `search`."""

import asyncio
import json

import click

from bot.cli.database import incident_of
from bot.cli.options import as_json
from bot.cli.records import open_records
from bot.cli.words import line_of, told
from bot.domain.chronicle import Line, lines
from bot.domain.timeline import Kind
from bot.views.mrkdwn import clean


@click.command()
@click.argument("incident")
@click.option("--short", is_flag=True, help="Only milestones and marked messages.")
@as_json
def show(incident: str, short: bool, json_: bool) -> None:  # noqa: FBT001 - click's way
    """Print everything in the order in which it happened."""
    click.echo(asyncio.run(_show(incident, short=short, as_json=json_)))


async def _show(word: str, *, short: bool, as_json: bool) -> str:
    async with open_records() as records:
        incident = await incident_of(records.store, word)
        entries = await records.store.read(lambda uow: uow.timeline.entries(incident.id))
        whole = lines(entries, incident, records.names_for(incident, entries))
        chosen = [line for line in whole if line.short or not short]
        if as_json:
            return json.dumps([line.model_dump(mode="json") for line in chosen], indent=2, ensure_ascii=False)
        return "\n".join(line_of(line.at, _text(line), records.zone) for line in chosen)


def _text(line: Line) -> str:
    return clean(line.text if line.kind is Kind.EVENT else f"{line.who}: {line.text}")


@click.command()
@click.argument("incident")
@click.argument("text")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many at most.")
@as_json
def search(incident: str, text: str, limit: int, json_: bool) -> None:  # noqa: FBT001 - click's way
    """Print the entries in which TEXT occurs, whatever its case. Exits with 1 where there is none."""
    if not text.strip():
        raise click.UsageError("Say what to look for.")
    found = asyncio.run(_search(incident, text, limit, as_json=json_))
    if found is None:
        raise click.ClickException(f"Nothing in the timeline of {incident} has that text.")
    click.echo(found)


async def _search(word: str, text: str, limit: int, *, as_json: bool) -> str | None:
    async with open_records() as records:
        incident = await incident_of(records.store, word)
        found = await records.store.read(lambda uow: uow.timeline.search(incident.id, text, limit))
        if not found:
            return None
        if as_json:
            return json.dumps([e.model_dump(mode="json") for e in found], indent=2, ensure_ascii=False)
        names = records.names_for(incident, found)
        return "\n".join(line_of(entry.at, told(entry, incident, names), records.zone) for entry in found)
