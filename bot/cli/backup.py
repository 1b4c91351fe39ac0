"""`kaeru backup`, `backups` and `backup-verify`: take one now, see what there is, prove one again."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import click

from bot.catalog import Service, load_catalog
from bot.cli.database import open_store, sqlite_path
from bot.cli.options import as_json
from bot.clock import now
from bot.domain.base import Refusal
from bot.domain.durations import human
from bot.domain.plan import Level
from bot.domain.sizes import size
from bot.ports.backups import Backup, BackupProgress, Backups, Proof
from bot.settings import Settings, load_settings
from bot.views.backup_card import progress_line
from bot.views.mrkdwn import clean
from bot.workflows.dumping import followed
from integrations import registry
from integrations.fleet import hands_of, let_go

_PROOFS = click.Choice(["read", "restored"])


@click.command()
@click.argument("service")
@click.argument("database", required=False)
@click.option(
    "--prove", type=_PROOFS, help="Prove it further than kaeru.yml says: read to its end, or restored."
)
@click.pass_context
def backup(ctx: click.Context, service: str, database: str | None, prove: str | None) -> None:
    """Take a backup of SERVICE's DATABASE now. DATABASE may be left out where there is only one.

    Exits with 0 where it is there, with 1 where there is none or something is said against it.
    """
    made = asyncio.run(_take(service, database, prove))
    click.echo(made.place)
    click.echo("\n".join(_described(made)))
    ctx.exit(1 if _dangers(made) else 0)


@click.command()
@click.argument("service")
@click.argument("database", required=False)
@as_json
def backups(service: str, database: str | None, json_: bool) -> None:  # noqa: FBT001 - click's way
    """List the backups of SERVICE's databases, newest first: how old, how large, how they were proven."""
    found = asyncio.run(_listed(service, database))
    if json_:
        told = [{"name": name, **one.model_dump(mode="json")} for name, each, _ in found for one in each]
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    at = now()
    for name, each, elsewhere in found:
        click.echo(f"{name}: {len(each)} {'backup' if len(each) == 1 else 'backups'}")
        if elsewhere:
            click.echo(
                "  In the same place there are backups of other databases, or of this one under another host, port or name: "
                f"{', '.join(elsewhere)}"
            )
        for one in each:
            click.echo("\n".join(f"  {text}" for text in _described(one, at)))


@click.command("backup-verify")
@click.argument("service")
@click.argument("database", required=False)
@click.option(
    "--backup", "id_", metavar="ID", help="Which one, as `kaeru backups` names it; else the newest."
)
@click.option("--prove", type=_PROOFS, default="restored", show_default=True, help="How far.")
@click.pass_context
def backup_verify(
    ctx: click.Context, service: str, database: str | None, id_: str | None, prove: str
) -> None:
    """Prove a backup again: read it to its end, or restore it into a scratch database that is dropped.

    What is found is kept beside the backup. Exits with 1 where it is not what it should be.
    """
    proven = asyncio.run(_verify(service, database, id_, Proof(prove)))
    click.echo("\n".join(_described(proven)))
    ctx.exit(1 if _dangers(proven) else 0)


async def _take(name: str, named: str | None, prove: str | None) -> Backup:
    async with _of(name, named) as (settings, found):
        database, one = _single(name, found)
        key = f"command line/{database}/{now():%Y%m%dT%H%M%S.%f}"
        made = await _watched(one.take(key), f"The backup of {database}")
        if made.proof is Proof.RESTORED and prove == Proof.READ.value:
            note = (
                "kaeru.yml has `verify: restored` for it, which proves more than --prove read: that was done."
            )
            click.echo(note, err=True)
        elif prove is not None and made.proof is not Proof.RESTORED and prove != made.proof.value:
            made = await _watched(one.verify(made, Proof(prove)), f"Proving the backup of {database}")
        if await _is_quiet(settings, name):
            # Not every destination can tell what is unfinished from what the bot is just writing.
            await one.prune()
        return made


async def _listed(name: str, named: str | None) -> list[tuple[str, tuple[Backup, ...], tuple[str, ...]]]:
    """Each database's name, its backups, and where others lie, which is only looked for where it has none."""
    async with _of(name, named) as (_, found):
        listed = []
        for database, one in found.items():
            there = await one.list()
            listed.append((database, there, () if there else await one.elsewhere()))
        return listed


async def _verify(name: str, named: str | None, id_: str | None, proof: Proof) -> Backup:
    async with _of(name, named) as (_, found):
        database, one = _single(name, found)
        there = await one.list()
        chosen = next((b for b in there if id_ in (None, b.id)), None)
        if chosen is None:
            missing = (
                f"There is no backup {id_} of {database}."
                if id_
                else f"There is no backup of {database} yet."
            )
            raise Refusal(
                f"{missing} `kaeru backups {name} {database}` lists them, `kaeru backup` takes one."
            )
        return await _watched(one.verify(chosen, proof), f"Proving the backup of {database}")


@asynccontextmanager
async def _of(name: str, named: str | None) -> AsyncIterator[tuple[Settings, dict[str, Backups]]]:
    """The backups of the service's databases, or of the named one. Raises Refusal where there are none."""
    settings = load_settings()
    service = load_catalog(settings.config, registry.kinds(), only=name).service(name)
    wanted = _names(service, named)
    hands = hands_of(service)
    try:
        found = {n: hands.databases[n].backups for n in wanted}
        yield settings, {n: one for n, one in found.items() if one is not None}
    finally:
        await let_go(hands)


def _names(service: Service, named: str | None) -> list[str]:
    backed_up = [d.name for d in service.databases if d.backup is not None]
    if named is not None and service.database(named).name not in backed_up:
        raise Refusal(f"{named} of {service.name} has no `backup` in kaeru.yml.")
    if not backed_up:
        raise Refusal(f"{service.name} has no database with a `backup` in kaeru.yml.")
    return backed_up if named is None else [named]


def _single(service: str, found: dict[str, Backups]) -> tuple[str, Backups]:
    if len(found) > 1:
        raise Refusal(f"{service} has several databases; name one of {', '.join(found)}.")
    return next(iter(found.items()))


async def _is_quiet(settings: Settings, service: str) -> bool:
    """Whether no incident of the service is open, as far as there is a database that knows."""
    path = sqlite_path(settings.database)
    if path is not None and not path.exists():
        return True
    async with open_store(settings) as store:
        return await store.read(lambda uow: uow.incidents.open_for(service)) is None


async def _watched(doing: AsyncGenerator[BackupProgress | Backup, None], what: str) -> Backup:
    """The result; each phase is one line on standard error, and so is what is waited for."""
    told = ""

    async def tell(progress: BackupProgress) -> None:
        nonlocal told
        now_it_is = f"{progress.phase} {progress.detail}"
        if now_it_is != told:
            told = now_it_is
            click.echo(clean(progress_line(progress)), err=True)

    return await followed(doing, what, tell)


def _described(one: Backup, at: datetime | None = None) -> list[str]:
    """One line, and one more for each thing that is said against it."""
    age = "" if at is None else f"{human(timedelta(seconds=int((at - one.at).total_seconds())))} old, "
    when = "" if one.proven_at is None else f" at {one.proven_at:%Y-%m-%d %H:%M} UTC"
    unproven = "not proven" if one.proven_at is None else "its proof failed"
    proof = {Proof.NONE: unproven, Proof.READ: "read to its end", Proof.RESTORED: "restored and counted"}
    took = human(timedelta(seconds=one.seconds))
    first = f"{one.id}  {age}{size(one.bytes)} in {took}, {proof[one.proof]}{when}"
    return [clean(text) for text in (first, *(f"  {w.level.value}: {w.text}" for w in one.warnings))]


def _dangers(one: Backup) -> bool:
    return any(warning.level is Level.DANGER for warning in one.warnings)
