"""`kaeru quarantine list` and `lift`."""

import asyncio
import json

import click

from bot.cli.office import Office, open_office
from bot.cli.options import acting_as, as_json
from bot.cli.words import stamp
from bot.clock import now
from bot.domain import events as e
from bot.domain.base import Refusal
from bot.domain.policy import check_may_decide
from bot.domain.releases import Standing
from bot.store import ReleaseRecord, UnitOfWork


@click.command("list")
@as_json
def list_(json_: bool) -> None:  # noqa: FBT001 - click's way
    """List the quarantined versions."""
    click.echo(asyncio.run(_list(as_json=json_)))


async def _list(*, as_json: bool) -> str:
    async with open_office(None) as office:
        found = [
            (service, record)
            for service in sorted(office.catalog.services)
            for record in (await _ledger(office, service)).values()
            if record.standing is Standing.QUARANTINED
        ]
        if as_json:
            rows = [
                {
                    "service": service,
                    "version": record.version,
                    "since": record.quarantined_at.isoformat() if record.quarantined_at else None,
                    "incident": record.quarantined_by,
                }
                for service, record in found
            ]
            return json.dumps(rows, indent=2)
        if not found:
            return "Nothing is quarantined."
        zone = office.catalog.timezone
        return "\n".join(
            f"{service}  {record.version}  since {stamp(record.quarantined_at, zone)} by {record.quarantined_by}"
            for service, record in found
            if record.quarantined_at is not None
        )


async def _ledger(office: Office, service: str) -> dict[str, ReleaseRecord]:
    return await office.store.read(lambda uow: uow.releases.all(service))


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
        record = (await _ledger(office, service)).get(version)
        if record is None or record.quarantined_by is None:
            raise Refusal(f"{service} {version} is not quarantined. `kaeru quarantine list` shows what is.")
        office.actor.must_be_person("Lifting a quarantine")
        check_may_decide(office.catalog.policy(service, None), office.actor.user)
        at = now()
        said = e.NoteAdded(at=at, by=office.actor.user, text=f"Quarantine of {version} lifted")

        def lifting(uow: UnitOfWork) -> None:
            uow.releases.lift(service, version, office.actor.user, at)

        await office.desk.change(record.quarantined_by, lambda _incident: (said,), also=lifting)
        return f"{service} {version} can be gone back to again."
