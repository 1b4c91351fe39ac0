"""`kaeru incident agree` and `set-aside`: decide on a restore; the agreement is bound to what was shown."""

import asyncio

import click

from bot.cli.office import open_office
from bot.cli.options import acting_as, which
from bot.cli.restores import restore_text
from bot.cli.running import soon
from bot.domain.base import Refusal
from bot.domain.incident import Incident
from bot.domain.restores import PERSONS, Restore, RestoreState
from bot.usecases import commands as c


@click.command()
@which
@click.option("--yes", is_flag=True, help="Do not ask whether to.")
@click.option("--digest", default="", help="Agree only to the plan with this digest; for scripts.")
@acting_as
def agree(which: str | None, yes: bool, digest: str, as_: str | None) -> None:  # noqa: FBT001 - click's way
    """Show the plan of the restore that waits, and agree to it. Two different people have to."""
    incident_id, restore, text = asyncio.run(_look(which, as_, digest))
    click.echo(f"{text}\ndigest {restore.digest}")
    if not yes and not click.confirm(f"Agree to restore {restore.number} of {incident_id}?"):
        raise click.ClickException("Nothing was agreed to.")
    click.echo(asyncio.run(_agree(incident_id, restore, as_)))


@click.command("set-aside")
@which
@acting_as
def set_aside(which: str | None, as_: str | None) -> None:
    """Set the restore aside that waits for a decision."""
    click.echo(asyncio.run(_set_aside(which, as_)))


async def _look(word: str | None, as_: str | None, digest: str) -> tuple[str, Restore, str]:
    async with open_office(as_) as office:
        office.actor.must_be_person("Agreeing")
        incident = await office.find(word)
        restore = _waiting(incident)
        if restore.plan is None:
            note = f": {restore.detail}" if restore.detail else ""
            raise Refusal(f"Restore {restore.number} of {incident.id} has no plan to agree to yet{note}")
        if digest and digest != restore.digest:
            raise Refusal(f"The plan is another one by now ({restore.digest}). Look at it and decide anew.")
        shelf = () if restore.taken is None else (restore.taken, *restore.others)
        text = restore_text(restore.database, restore.plan, shelf, office.catalog.timezone)
        return incident.id, restore, text


async def _agree(incident_id: str, restore: Restore, as_: str | None) -> str:
    async with open_office(as_) as office:
        command = c.ApproveRestore(
            by=office.actor.user, incident_id=incident_id, number=restore.number, digest=restore.digest
        )
        incident = (await office.desk.handle(command)).incident
        now_it_is = incident.restore(restore.number)
        if now_it_is.state is RestoreState.RUNNING:
            return f"Agreed. {restore.database} is restored {await soon(office.settings)}; `kaeru incident show` says how it went."
        return f"Agreed, {len(set(now_it_is.approvals))} of {PERSONS}. A second person has to agree as well."


async def _set_aside(word: str | None, as_: str | None) -> str:
    async with open_office(as_) as office:
        office.actor.must_be_person("Setting a restore aside")
        incident = await office.find(word)
        restore = _waiting(incident)
        await office.desk.handle(
            c.RejectRestore(by=office.actor.user, incident_id=incident.id, number=restore.number)
        )
        return f"Restore {restore.number} of {restore.database} is set aside."


def _waiting(incident: Incident) -> Restore:
    waits = (RestoreState.PLANNING, RestoreState.READY, RestoreState.BLOCKED)
    found = [one for one in incident.restores if one.state in waits]
    if not found:
        raise Refusal(f"No restore waits for a decision in {incident.id}. `kaeru restore` asks for one.")
    return found[-1]
