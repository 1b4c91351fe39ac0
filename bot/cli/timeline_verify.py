"""`kaeru timeline verify`. It imports the database and little else, so that scripts can call it often."""

import asyncio

import click

from bot.cli.database import open_store
from bot.domain.timeline import Verification
from bot.settings import load_settings


@click.command()
@click.argument("incident")
def verify(incident: str) -> None:
    """Walk the hash chain of INCIDENT. Exits with 1 where anything was changed, removed or cut off."""
    found = asyncio.run(_verify(incident))
    if not found.intact:
        raise click.ClickException(
            f"The timeline of {incident} is broken at entry {found.broken_at}: {found.reason}."
        )
    click.echo(f"The timeline of {incident} is intact: {found.count} entries, head {found.head[:16]}.")


async def _verify(incident: str) -> Verification:
    async with open_store(load_settings()) as store:
        return await store.read(lambda uow: uow.timeline.verify(incident))
