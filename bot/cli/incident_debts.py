"""`kaeru incident give-back`, `given-back` and `take-over`: what to do about what is suspended."""

import asyncio

import click

from bot.cli.office import open_office
from bot.cli.options import acting_as, which
from bot.cli.running import soon
from bot.domain.base import Refusal
from bot.domain.incident import Incident, Owed
from bot.settings import load_settings
from bot.usecases import commands as c

_thing = click.option(
    "--debt",
    metavar="ID",
    help="Which one, as `kaeru incident show` names it; needed where there are several.",
)


@click.command("give-back")
@which
@_thing
@acting_as
def give_back(which: str | None, debt: str | None, as_: str | None) -> None:
    """Let kaeru switch on again what it suspended for the rollback."""
    owed = asyncio.run(_on_debt(c.GiveBack, which, debt, as_, person="Giving back"))
    click.echo(
        f"{owed} is given back {asyncio.run(soon(load_settings()))}; `kaeru incident show` says how it went."
    )


@click.command("given-back")
@which
@_thing
@acting_as
def given_back(which: str | None, debt: str | None, as_: str | None) -> None:
    """Say that it was switched on again by hand, where kaeru has tried in vain."""
    owed = asyncio.run(_on_debt(c.GivenBack, which, debt, as_, person="Saying so"))
    click.echo(f"{owed} counts as given back.")


@click.command("take-over")
@which
@_thing
@acting_as
def take_over(which: str | None, debt: str | None, as_: str | None) -> None:
    """See to what is suspended outside kaeru; the incident may be closed then."""
    owed = asyncio.run(_on_debt(c.TakeOver, which, debt, as_))
    click.echo(f"{owed}: you see to it.")


async def _on_debt(
    kind: type[c.DebtCommand], word: str | None, named: str | None, as_: str | None, *, person: str = ""
) -> str:
    """Carry it out; the id of the debt that it is about."""
    async with open_office(as_) as office:
        if person:
            office.actor.must_be_person(person)
        incident = await office.find(word)
        owed = _chosen(incident, named)
        command = kind(by=office.actor.user, incident_id=incident.id, debt=owed.debt.id)
        await office.desk.handle(command)
        return owed.debt.id


def _chosen(incident: Incident, named: str | None) -> Owed:
    found = [o for o in incident.debts if named in (None, o.debt.id, o.debt.key)]
    if len(found) == 1:
        return found[0]
    there = ", ".join(o.debt.id for o in incident.debts)
    if not there:
        raise Refusal(f"Nothing is suspended because of {incident.id} any more.")
    raise Refusal(f"Say which one with --debt: {there}.")
