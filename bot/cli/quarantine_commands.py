"""`kaeru quarantine list` and `lift`."""

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime, tzinfo

import click

from bot.cli.office import Office, open_office
from bot.cli.options import acting_as, as_json
from bot.cli.words import stamp
from bot.clock import now
from bot.domain import events as e
from bot.domain.base import Refusal, UserId, Version
from bot.domain.policy import check_may_decide
from bot.domain.quarantine import BadShape
from bot.domain.releases import spoken
from bot.store import UnitOfWork


@click.command("list")
@as_json
def list_(json_: bool) -> None:  # noqa: FBT001 - click's way
    """List the quarantined versions, and shapes of versions."""
    click.echo(asyncio.run(_list(as_json=json_)))


@dataclass(frozen=True)
class _Held:
    """One line of the list: a version of `service` or, with a `shape`, one exact shape of a component."""

    service: str
    version: Version
    since: datetime
    incident: str
    shape: BadShape | None = None

    def lift(self, uow: UnitOfWork, by: UserId, at: datetime) -> None:
        if self.shape is None:
            uow.releases.lift(self.service, self.version, by, at)
        else:
            uow.bad_shapes.lift(self.service, self.shape, by, at)


async def _list(*, as_json: bool) -> str:
    async with open_office(None) as office:
        found = [held for service in sorted(office.catalog.services) for held in await _held(office, service)]
        if as_json:
            rows = [
                {
                    "service": held.service,
                    "version": held.version,
                    "component": held.shape.component if held.shape else None,
                    "since": held.since.isoformat(),
                    "incident": held.incident,
                }
                for held in found
            ]
            return json.dumps(rows, indent=2)
        if not found:
            return "Nothing is quarantined."
        return "\n".join(_line(held, office.catalog.timezone) for held in found)


def _line(held: _Held, zone: tzinfo) -> str:
    only = f" (these settings of {held.shape.component} only)" if held.shape else ""
    return f"{held.service}  {held.version}{only}  since {stamp(held.since, zone)} by {held.incident}"


async def _held(office: Office, service: str) -> list[_Held]:
    """What is quarantined of one service, versions first."""

    def look(uow: UnitOfWork) -> list[_Held]:
        versions = [
            _Held(service, record.version, record.quarantined_at, record.quarantined_by)
            for record in uow.releases.all(service).values()
            if record.quarantined_at is not None and record.quarantined_by is not None
        ]
        shapes = [
            _Held(service, bad.shape.version, bad.quarantined_at, bad.quarantined_by, bad.shape)
            for bad in uow.bad_shapes.all(service)
        ]
        return [*versions, *shapes]

    return await office.store.read(look)


@click.command()
@click.argument("service")
@click.argument("version")
@acting_as
def lift(service: str, version: str, as_: str | None) -> None:
    """Vouch for VERSION, so that it can be gone back to again. The incident's timeline says who did."""
    click.echo(asyncio.run(_lift(service, version, as_)))


async def _lift(service: str, version: str, as_: str | None) -> str:
    async with open_office(as_) as office:
        office.catalog.service(service)
        everything = await _held(office, service)
        found = [held for held in everything if held.version == version]
        if not found:
            shapes = ", ".join(dict.fromkeys(h.version for h in everything if spoken(h.version) == version))
            of_it = f" Of its settings these are: {shapes}." if shapes else ""
            raise Refusal(
                f"{service} {version} is not quarantined.{of_it} `kaeru quarantine list` shows what is."
            )
        office.actor.must_be_person("Lifting a quarantine")
        check_may_decide(office.catalog.policy(service, None), office.actor.user)
        at = now()
        said = e.QuarantineLifted(at=at, by=office.actor.user, version=version)
        open_one = await office.store.read(lambda uow: uow.incidents.open_for(service))
        also = [open_one.id] if open_one is not None else []
        for incident in dict.fromkeys((*(held.incident for held in found), *also)):
            mine = [held for held in found if held.incident == incident]

            def lifting(uow: UnitOfWork, mine: list[_Held] = mine) -> None:
                for held in mine:
                    held.lift(uow, office.actor.user, at)

            await office.desk.change(incident, lambda _incident: (said,), also=lifting)
        return f"{service} {version} can be gone back to again."
