"""`kaeru incident way`: decide about a database that migrations have changed."""

import asyncio

import click

from bot.cli.office import open_office
from bot.cli.options import acting_as
from bot.cli.plans import plan_text
from bot.domain.base import Refusal
from bot.domain.ways_back import Way, way_named
from bot.usecases import commands as c
from bot.views.data_facts import after_choice


@click.command()
@click.argument("which", metavar="INCIDENT")
@click.argument("database")
@click.argument("words", metavar="WAY", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask whether to.")
@acting_as
def way(which: str, database: str, words: tuple[str, ...], yes: bool, as_: str | None) -> None:  # noqa: FBT001 - click's way
    """Decide which way a database goes that migrations have changed.

    WAY is `code only`, `down migration`, `restore backup` or `forward fix`.
    The plan is shown first. It dies by the decision, and a fresh one goes that way; somebody else has to approve it.
    """
    chosen = way_named(" ".join(words))
    if chosen is None:
        raise click.UsageError(f"There is no such way. Say one of: {', '.join(one.value for one in Way)}.")
    incident_id, number, digest, text = asyncio.run(_look(which, as_))
    click.echo(text)
    if not yes and not click.confirm(f"Decide {chosen.value} for the database {database} of {incident_id}?"):
        raise click.ClickException("Nothing was decided.")
    asyncio.run(_decide(incident_id, number, digest, database, chosen, as_))
    click.echo(f"Decided: {chosen.value} for the database {database}. {after_choice(chosen)}")


async def _look(word: str, as_: str | None) -> tuple[str, int, str, str]:
    async with open_office(as_) as office:
        office.actor.must_be_person("Deciding")
        incident = await office.find(word)
        record = incident.record
        if record is None or record.plan is None:
            raise Refusal(
                f"{incident.id} has no plan to decide on yet. See `kaeru incident show {incident.id}`."
            )
        plan = record.plan
        return incident.id, plan.number, plan.digest, plan_text(plan, office.register.names)


async def _decide(  # noqa: PLR0917 - what the command needs
    incident_id: str, number: int, digest: str, database: str, way: Way, as_: str | None
) -> None:
    async with open_office(as_) as office:
        command = c.ChooseWay(
            by=office.actor.user,
            incident_id=incident_id,
            number=number,
            digest=digest,
            database=database,
            way=way,
        )
        await office.desk.handle(command)
