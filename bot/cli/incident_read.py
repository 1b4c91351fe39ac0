"""`kaeru incident list` and `show`."""

import asyncio
import json
from typing import Any

import click

from bot.cli.database import incident_of
from bot.cli.options import as_json, which
from bot.cli.parked import parked
from bot.cli.records import open_records
from bot.cli.words import about, listed
from bot.domain.incident import Incident


@click.command("list")
@click.option("--all", "all_", is_flag=True, help="Closed ones too.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
@as_json
def list_(all_: bool, limit: int, json_: bool) -> None:  # noqa: FBT001 - click's way
    """List the open incidents, newest first."""
    click.echo(asyncio.run(_list(open_only=not all_, limit=limit, as_json=json_)))


async def _list(*, open_only: bool, limit: int, as_json: bool) -> str:
    async with open_records() as records:
        incidents = await records.store.read(lambda uow: uow.incidents.list(open_only=open_only, limit=limit))
        if as_json:
            return json.dumps([data_of(incident) for incident in incidents], indent=2, ensure_ascii=False)
        if not incidents:
            return "No incident is open." if open_only else "There has been no incident."
        return "\n".join(listed(incidents, records.names, records.zone))


@click.command()
@which
@as_json
def show(which: str | None, json_: bool) -> None:  # noqa: FBT001 - click's way
    """Show where an incident stands and whose move it is."""
    click.echo(asyncio.run(_show(which, as_json=json_)))


async def _show(word: str | None, *, as_json: bool) -> str:
    async with open_records() as records:
        incident = await incident_of(records.store, word)
        lost = await records.store.read(
            lambda uow: [item for item in uow.outbox.dead_items() if item.incident_id == incident.id]
        )
        stopped = [one for one in await parked(records.settings) if incident.id in one.workflow_id]
        if as_json:
            whole = data_of(incident)
            whole["undelivered"] = [{"key": item.key, "reason": item.error} for item in lost]
            whole["parked"] = [one.model_dump() for one in stopped]
            return json.dumps(whole, indent=2, ensure_ascii=False)
        known = records.catalog is not None and incident.service in records.catalog.services
        policy = (
            records.catalog.policy(incident.service, incident.severity) if known and records.catalog else None
        )
        lines = about(incident, policy, records.names_for(incident), records.zone)
        lines += [f"  not in Slack  {item.key}: {item.error}" for item in lost]
        lines += [f"  stopped  {one.workflow_id} {one.reason}" for one in stopped]
        return "\n".join(lines)


def data_of(incident: Incident) -> dict[str, Any]:
    """An incident as JSON: its state as it is kept, without what the open plans hold in full."""
    return incident.model_dump(mode="json")
