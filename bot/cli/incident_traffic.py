"""`kaeru incident traffic`: what to do about users who are being brought back."""

import asyncio
from typing import Literal

import click

from bot.cli.office import open_office
from bot.cli.options import acting_as, which
from bot.cli.running import soon
from bot.settings import load_settings
from bot.usecases import commands as c

Word = Literal["continue", "stop"]


@click.command("traffic")
@click.argument("what", type=click.Choice(["continue", "stop"]))
@which
@acting_as
def traffic(what: Word, which: str | None, as_: str | None) -> None:
    """Let users come back further where kaeru asks, or leave traffic as it is."""
    asyncio.run(_say(what, which, as_))
    if what == "continue":
        click.echo(
            f"It goes on {asyncio.run(soon(load_settings()))}; `kaeru incident show` says how it goes."
        )
    else:
        click.echo("Traffic is left as it is, and the run ends.")


async def _say(what: Word, word: str | None, as_: str | None) -> None:
    async with open_office(as_) as office:
        office.actor.must_be_person("Saying so")
        incident = await office.find(word)
        kind = c.ContinueTraffic if what == "continue" else c.StopTraffic
        await office.desk.handle(kind(by=office.actor.user, incident_id=incident.id))
