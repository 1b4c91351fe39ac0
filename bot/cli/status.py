"""`kaeru status`: what is open, what waits for Slack, and what was given up."""

import asyncio
import json
from dataclasses import dataclass

import click

from bot.cli.incident_read import data_of
from bot.cli.options import as_json
from bot.cli.parked import parked
from bot.cli.records import Records, open_records
from bot.cli.words import indented, listed
from bot.clock import now
from bot.domain.incident import Incident
from bot.ports.engine import Parked
from bot.store import InboxItem, OutboxItem
from bot.store.unit import UnitOfWork
from bot.views.mrkdwn import clean


@dataclass(frozen=True)
class Now:
    """`waiting` counts what Slack does not show yet, `undelivered` was given up, `unread` are requests that were."""

    incidents: tuple[Incident, ...]
    waiting: int
    undelivered: tuple[OutboxItem, ...]
    unread: tuple[InboxItem, ...]
    stopped: tuple[Parked, ...]


@click.command()
@click.option(
    "--retry-dead", is_flag=True, help="Let what could not be delivered to Slack be tried once more."
)
@as_json
def status(retry_dead: bool, json_: bool) -> None:  # noqa: FBT001 - click's way
    """Show what is open, what waits for Slack, and what was given up."""
    click.echo(asyncio.run(_status(retry_dead=retry_dead, as_json=json_)))


async def _status(*, retry_dead: bool, as_json: bool) -> str:
    async with open_records() as records:
        tried = await records.store.write(_retry) if retry_dead else 0
        found = await _look(records)
        if as_json:
            return json.dumps(_data(found), indent=2, ensure_ascii=False)
        again = [f"{_count(tried, 'message')} will be tried once more."] if retry_dead else []
        return "\n".join([*again, *_lines(found, records)])


def _retry(uow: UnitOfWork) -> int:
    """Whether it arrived after all is looked up before it is sent again; the delivery sees to that."""
    items = uow.outbox.dead_items()
    for item in items:
        uow.outbox.retry(item.id, at=now(), error=item.error)
    return len(items)


async def _look(records: Records) -> Now:
    def look(
        uow: UnitOfWork,
    ) -> tuple[tuple[Incident, ...], int, tuple[OutboxItem, ...], tuple[InboxItem, ...]]:
        open_ones = uow.incidents.list(open_only=True, limit=1000)
        return open_ones, uow.outbox.backlog(), uow.outbox.dead_items(), uow.inbox.dead_items()

    incidents, waiting, undelivered, unread = await records.store.read(look)
    return Now(incidents, waiting, undelivered, unread, await parked(records.settings))


def _lines(found: Now, records: Records) -> list[str]:
    lines = listed(found.incidents, records.names, records.zone) or ["No incident is open."]
    lines.append(
        f"{_count(found.waiting, 'message')} for Slack wait to be sent."
        if found.waiting
        else "Nothing waits to be sent to Slack."
    )
    if found.undelivered:
        lines.append(
            f"{_count(len(found.undelivered), 'message')} could not be delivered; --retry-dead tries again:"
        )
        lines += [f"  {item.key}: {item.error}" for item in found.undelivered]
    if found.unread:
        lines.append(f"{_count(len(found.unread), 'request')} from Slack could not be carried out:")
        lines += [
            f"  {item.kind} of {item.received_at:%Y-%m-%d %H:%M:%S %Z}: {item.reason}"
            for item in found.unread
        ]
    if found.stopped:
        lines.append(f"{_count(len(found.stopped), 'workflow')} stopped; the log of the bot says why:")
        lines += [f"  {one.workflow_id} {one.reason}" for one in found.stopped]
    return [clean(indented(line)) for line in lines]


def _data(found: Now) -> dict[str, object]:
    return {
        "incidents": [data_of(incident) for incident in found.incidents],
        "waiting": found.waiting,
        "undelivered": [
            {"key": item.key, "incident": item.incident_id, "reason": item.error}
            for item in found.undelivered
        ],
        "unread": [
            {"kind": item.kind, "received_at": item.received_at.isoformat(), "reason": item.reason}
            for item in found.unread
        ],
        "parked": [one.model_dump(mode="json") for one in found.stopped],
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what if number == 1 else what + 's'}"
