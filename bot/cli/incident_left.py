"""`kaeru incident accept`, `actions` and `file`: what an incident leaves, and where it goes."""

import asyncio

import click

from bot.cli.database import incident_of
from bot.cli.office import open_office
from bot.cli.options import acting_as, which
from bot.cli.records import open_records
from bot.cli.running import soon
from bot.cli.words import indented, shown
from bot.domain import decide
from bot.domain.base import Refusal
from bot.domain.filing import action_id
from bot.domain.incident import Filing, Incident
from bot.domain.left_open import left_open
from bot.domain.prose import Names, name
from bot.usecases import commands as c


@click.command()
@which
@click.option("--left", "named", metavar="ID", multiple=True, help="Which one; may be given several times.")
@click.option("--all", "all_", is_flag=True, help="Everything that is left open.")
@acting_as
def accept(which: str | None, named: tuple[str, ...], all_: bool, as_: str | None) -> None:  # noqa: FBT001 - click's way
    """Accept by name that something stays open when the incident is closed. Without options: say what does."""
    click.echo(asyncio.run(_accept(which, (decide.ALL,) if all_ else named, as_)))


async def _accept(word: str | None, named: tuple[str, ...], as_: str | None) -> str:
    async with open_office(as_) as office:
        incident = await office.find(word)
        left = left_open(incident)
        if not named:
            if not left:
                return f"Nothing of {incident.id} is left open that nobody has accepted."
            lines = [indented(f"  {one.id}  {one.text} {one.settle}") for one in left]
            return "\n".join((f"Left open of {incident.id}:", *lines))
        office.actor.must_be_person("Accepting")
        command = c.AcceptLeft(by=office.actor.user, incident_id=incident.id, accept=named)
        changed = await office.desk.handle(command)
        return f"Accepted: {len(changed.events)} of {incident.id}. The postmortem says so."


@click.command()
@which
def actions(which: str | None) -> None:
    """List the open actions, and where each of them was filed."""
    click.echo(asyncio.run(_actions(which)))


async def _actions(word: str | None) -> str:
    async with open_records() as records:
        incident = await incident_of(records.store, word)
        if not incident.actions:
            return f"{incident.id} has no open actions."
        names = records.names_for(incident)
        return "\n".join(_line(incident, a.text, a.owner, names) for a in incident.actions)


def _line(incident: Incident, text: str, owner: str | None, names: Names) -> str:
    filing = incident.filings.get(action_id(text), Filing())
    whose = name(owner, names) if owner else "nobody yet"
    where = f"  {filing.reference} {filing.url}".rstrip() if filing.reference else ""
    trouble = f"  not filed: {filing.trouble}" if filing.trouble else ""
    return indented(f"{shown(text, names)} ({whose}){where}{trouble}")


@click.command()
@which
@acting_as
def file(which: str | None, as_: str | None) -> None:
    """Try at once what has not become an issue, or is not among the papers, yet."""
    click.echo(asyncio.run(_file(which, as_)))


async def _file(word: str | None, as_: str | None) -> str:
    if word is None:
        raise Refusal(
            "Say which incident: only closed ones are filed. `kaeru incident list --all` shows them."
        )
    async with open_office(as_) as office:
        incident = await office.find(word)
        await office.desk.handle(c.FileAgain(by=office.actor.user, incident_id=incident.id))
        return f"{incident.id} is filed again {await soon(office.settings)}; `kaeru incident actions {incident.id}` says how it went."
