"""`kaeru incident note`, `mark`, `action`, `role` and `lessons`: what only adds to the record."""

import asyncio
import re
from datetime import datetime

import click

from bot.cli.office import Office, carry_out, open_office
from bot.cli.options import acting_as, moment, which
from bot.domain.base import Refusal
from bot.usecases import commands as c

_ROLE = re.compile(r"[a-z][a-z-]{1,30}")
_TS = re.compile(r"(?:https://\S+/p(?=\d{16}\b))?(\d{10})\.?(\d{6})(?:\?\S*)?")


@click.command()
@click.argument("which", metavar="INCIDENT")
@click.argument("text", nargs=-1, required=True)
@acting_as
def note(which: str, text: tuple[str, ...], as_: str | None) -> None:
    """Keep a line in the timeline."""

    def command(incident_id: str, office: Office) -> c.AddNote:
        return c.AddNote(by=office.actor.user, incident_id=incident_id, text=" ".join(text))

    click.echo(f"Noted in the timeline of {asyncio.run(carry_out(which, as_, command)).id}.")


@click.command()
@click.argument("which", metavar="INCIDENT")
@click.argument("message", metavar="MESSAGE")
@click.option("--note", default="", help="What to say about it.")
@click.option("--at", metavar="TIME", help="When it was, if not when it was written: 2026-11-24T14:05+01:00.")
@acting_as
def mark(which: str, message: str, note: str, at: str | None, as_: str | None) -> None:
    """Mark a message as belonging in the short timeline.

    MESSAGE is its link, as Slack's Copy link gives it, or its ts such as 1764000000.000100.
    """
    found = _TS.fullmatch(message)
    if found is None:
        raise click.UsageError(
            f"{message!r} is no message. Give its link, or its ts such as 1764000000.000100."
        )
    when = None if at is None else moment(at)
    incident = asyncio.run(_mark(which, f"{found[1]}.{found[2]}", note, when, as_))
    click.echo(f"Marked in the timeline of {incident}.")


async def _mark(word: str, ts: str, note: str, at: datetime | None, as_: str | None) -> str:
    async with open_office(as_) as office:
        incident = await office.find(word)
        recorded = await office.store.read(lambda uow: uow.timeline.about(incident.id, [ts]))
        if not recorded:
            raise Refusal(
                f"The timeline of {incident.id} has no such message. "
                f"`kaeru timeline search {incident.id} TEXT --json` gives the ts of those that it has."
            )
        command = c.MarkMessage(
            by=office.actor.user,
            incident_id=incident.id,
            slack_ts=ts,
            text=str(recorded[-1].body.get("text", "")),
            author=recorded[0].actor,
            note=note,
            at=at,
        )
        await office.desk.handle(command)
        return incident.id


@click.command()
@click.argument("which", metavar="INCIDENT")
@click.argument("text", nargs=-1, required=True)
@click.option("--owner", metavar="PERSON", help="Who does it: a person of kaeru.yml.")
@acting_as
def action(which: str, text: tuple[str, ...], owner: str | None, as_: str | None) -> None:
    """Keep something that remains to be done."""

    def command(incident_id: str, office: Office) -> c.AddAction:
        whose = None if owner is None else office.register.person(owner)
        return c.AddAction(by=office.actor.user, incident_id=incident_id, text=" ".join(text), owner=whose)

    click.echo(f"Kept as an open action of {asyncio.run(carry_out(which, as_, command)).id}.")


@click.command()
@click.argument("which", metavar="INCIDENT")
@click.argument("role", metavar="ROLE")
@click.argument("person", metavar="PERSON")
@acting_as
def role(which: str, role: str, person: str, as_: str | None) -> None:
    """Say who does what: ROLE is lead, comms, scribe, fixer or a word of your own."""
    if not _ROLE.fullmatch(role.lower()):
        raise click.UsageError(
            f"{role!r} cannot be a role. Roles are words such as lead, comms, scribe or fixer."
        )

    def command(incident_id: str, office: Office) -> c.AssignRole:
        user = office.register.person(person)
        return c.AssignRole(by=office.actor.user, incident_id=incident_id, role=role.lower(), user=user)

    incident = asyncio.run(carry_out(which, as_, command))
    click.echo(f"{person} is {role.lower()} of {incident.id} now.")


@click.command()
@which
@click.option("--root-cause", default="", help="What the cause was.")
@click.option("--lessons", "learned", default="", help="What was learned.")
@click.option("--impact", default="", help="What users noticed.")
@click.option(
    "--action", "actions", multiple=True, help="Something that remains to be done; may be repeated."
)
@acting_as
def lessons(  # noqa: PLR0917 - click passes by name
    which: str | None, root_cause: str, learned: str, impact: str, actions: tuple[str, ...], as_: str | None
) -> None:
    """Record root cause and lessons, also after the close; the postmortem is written anew then.

    What is left out stays as it was recorded before.
    """
    if not (root_cause or learned or impact or actions):
        raise click.UsageError(
            "There is nothing to record: give --root-cause, --lessons, --impact or --action."
        )
    incident = asyncio.run(_record(which, (root_cause, learned, impact), actions, as_))
    click.echo(f"Recorded for {incident}.")


async def _record(
    word: str | None, said: tuple[str, str, str], actions: tuple[str, ...], as_: str | None
) -> str:
    async with open_office(as_) as office:
        incident, by = await office.find(word), office.actor.user
        root_cause, learned, impact = said
        command = c.RecordLessons(
            by=by,
            incident_id=incident.id,
            root_cause=root_cause or incident.root_cause,
            lessons=learned or incident.lessons,
            impact=impact or incident.impact,
            actions=tuple(c.AddAction(by=by, incident_id=incident.id, text=text) for text in actions),
        )
        await office.desk.handle(command)
        return incident.id
