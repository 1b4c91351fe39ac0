"""`kaeru incident notices` and `tell`: what people outside were told, and one thing more for them."""

import asyncio

import click

from bot.cli.database import incident_of
from bot.cli.office import Office, carry_out
from bot.cli.options import acting_as, which
from bot.cli.records import open_records
from bot.cli.running import soon
from bot.domain.audiences import Audience
from bot.settings import load_settings
from bot.usecases import commands as c
from bot.usecases.telling import with_troubles
from bot.views.notices_said import notices_text


@click.command()
@which
def notices(which: str | None) -> None:
    """Show what was told to whom."""
    click.echo(asyncio.run(_notices(which)))


async def _notices(word: str | None) -> str:
    async with open_records() as records:
        incident = await incident_of(records.store, word)
        shown = await records.store.read(lambda uow: with_troubles(uow, incident))
        return "\n".join(notices_text(shown, records.zone))


@click.command()
@click.argument("which", metavar="INCIDENT")
@click.argument("audience", type=click.Choice([one.value for one in Audience]))
@click.argument("text", nargs=-1, required=True)
@acting_as
def tell(which: str, audience: str, text: tuple[str, ...], as_: str | None) -> None:
    """Let an audience know something, in your words."""

    def command(incident_id: str, office: Office) -> c.TellAudience:
        return c.TellAudience(
            by=office.actor.user, incident_id=incident_id, audience=Audience(audience), text=" ".join(text)
        )

    incident = asyncio.run(carry_out(which, as_, command))
    click.echo(
        f"It is sent {asyncio.run(soon(load_settings()))}; `kaeru incident notices {incident.id}` says what came of it."
    )
