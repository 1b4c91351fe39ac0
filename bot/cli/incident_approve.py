"""`kaeru incident approve`: the plan is shown, and the approval is bound to what was shown."""

import asyncio

import click

from bot.cli.office import open_office
from bot.cli.options import acting_as, which
from bot.cli.plans import plan_text
from bot.cli.running import soon
from bot.cli.words import spoken
from bot.domain.base import Refusal
from bot.domain.decide import backups_in_the_way
from bot.domain.incident import Status
from bot.domain.plan import Plan
from bot.usecases import commands as c
from bot.views.wording import approval_missing


@click.command()
@which
@click.option("--yes", is_flag=True, help="Do not ask whether to.")
@click.option("--digest", default="", help="Approve only the plan with this digest; for scripts.")
@click.option(
    "--break-glass", metavar="REASON", default="", help="Go ahead alone, where the policy allows it."
)
@acting_as
def approve(which: str | None, yes: bool, digest: str, break_glass: str, as_: str | None) -> None:  # noqa: FBT001 - click's way
    """Show the plan and approve it.

    The approval counts for the plan that was shown. If another one has taken its place meanwhile, it is refused.
    """
    incident_id, plan, text = asyncio.run(_look(which, as_, digest))
    click.echo(text)
    if not yes and not click.confirm(f"Approve plan {plan.number} of {incident_id}?"):
        raise click.ClickException("Nothing was approved.")
    click.echo(asyncio.run(_approve(incident_id, plan, break_glass, as_)))


async def _look(word: str | None, as_: str | None, digest: str) -> tuple[str, Plan, str]:
    async with open_office(as_) as office:
        office.actor.must_be_person("Approving")
        incident = await office.find(word)
        record = incident.record
        if record is None or record.plan is None:
            note = f": {record.note.rstrip('.')}" if record is not None and record.note else ""
            raise Refusal(
                f"{incident.id} has no plan to approve yet{note}. See `kaeru incident show {incident.id}`."
            )
        if digest and digest != record.plan.digest:
            raise Refusal(
                f"The plan of {incident.id} is another one by now ({record.plan.digest}). Look at it and decide anew."
            )
        besides = backups_in_the_way(incident, record.plan)
        return incident.id, record.plan, plan_text(record.plan, office.register.names, besides=besides)


async def _approve(incident_id: str, plan: Plan, break_glass: str, as_: str | None) -> str:
    async with open_office(as_) as office:
        bound = {"incident_id": incident_id, "number": plan.number, "digest": plan.digest}
        command: c.PlanCommand = c.Approve(by=office.actor.user, **bound)
        if break_glass:
            command = c.BreakGlass(by=office.actor.user, reason=break_glass, **bound)
        incident = (await office.desk.handle(command)).incident
        if incident.status is Status.ROLLING_BACK:
            return f"Approved. The rollback to {plan.to_version} begins {await soon(office.settings)}."
        missing = approval_missing(incident, office.desk.policy(incident))
        return f"Approved. {spoken(missing, office.register.names).capitalize()}."
