"""`kaeru timeline`: read, search, verify and export what was kept."""

import asyncio
import sys

import click

from bot.clock import now
from bot.domain.timeline import Verification
from bot.settings import load_settings
from bot.store import Store


@click.group()
def timeline() -> None:
    """Read, search, verify and export an incident's timeline."""


@timeline.command()
@click.argument("incident")
def verify(incident: str) -> None:
    """Walk the hash chain of INCIDENT. Exits with 1 where anything was changed, removed or cut off."""

    async def look() -> Verification:
        store = await Store.open(load_settings().database, clock=now)
        try:
            return await store.read(lambda uow: uow.timeline.verify(incident))
        finally:
            await store.close()

    found = asyncio.run(look())
    if not found.intact:
        sys.exit(f"The timeline of {incident} is broken at entry {found.broken_at}: {found.reason}.")
    click.echo(f"The timeline of {incident} is intact: {found.count} entries, head {found.head[:16]}.")
