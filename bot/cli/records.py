"""What reading commands need: the bot's database, and names and a time zone where kaeru.yml can be read."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path

import click

from bot.catalog import Catalog, CatalogInvalid, load_catalog
from bot.cli.database import open_store
from bot.cli.people import Register
from bot.domain.base import UserId
from bot.domain.incident import Incident
from bot.domain.timeline import Entry
from bot.settings import Settings, load_settings
from bot.store import Store
from integrations import registry


@dataclass(frozen=True)
class Records:
    """`catalog` is None, `names` are empty and `zone` is UTC where kaeru.yml cannot be used."""

    settings: Settings
    store: Store
    catalog: Catalog | None
    names: Mapping[UserId, str]
    zone: tzinfo

    def names_for(self, incident: Incident, entries: Iterable[Entry] = ()) -> dict[str, str]:
        """Everybody's names, the channel's, and kaeru's own: whoever sent the entries that are marked so."""
        ours = {entry.actor: "kaeru" for entry in entries if entry.body.get("own")}
        channel = {incident.channel_id: f"#{incident.channel_name}"} if incident.channel_name else {}
        return {**{k: v for k, v in channel.items() if k is not None}, **ours, **self.names}


@asynccontextmanager
async def open_records() -> AsyncIterator[Records]:
    """Raises SettingsInvalid and StoreError. What was kept can be read without a usable kaeru.yml."""
    settings = load_settings()
    catalog, names, zone = _from_catalog(settings.config)
    async with open_store(settings) as store:
        yield Records(settings, store, catalog, names, zone)


def _from_catalog(path: Path) -> tuple[Catalog | None, Mapping[UserId, str], tzinfo]:
    try:
        catalog = load_catalog(path, registry.kinds())
    except CatalogInvalid as error:
        click.echo(f"People are shown by their ids: {error.problems[0]}", err=True)
        return None, {}, UTC
    return catalog, Register.of(catalog).names, catalog.timezone
