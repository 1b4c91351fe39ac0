"""`kaeru incident ack`: somebody is on it."""

import asyncio

import click

from bot.cli.office import open_office
from bot.cli.options import acting_as, which
from bot.cli.running import soon
from bot.settings import load_settings
from bot.usecases import commands as c


@click.command("ack")
@which
@acting_as
def ack(which: str | None, as_: str | None) -> None:
    """Be on it: stop the pager."""
    asyncio.run(_ack(which, as_))
    click.echo(
        f"Acknowledged. The pager is stopped {asyncio.run(soon(load_settings()))}; `kaeru incident show` says how it went."
    )


async def _ack(word: str | None, as_: str | None) -> None:
    async with open_office(as_) as office:
        office.actor.must_be_person("Acknowledging")
        incident = await office.find(word)
        await office.desk.handle(c.AcknowledgePage(by=office.actor.user, incident_id=incident.id))
