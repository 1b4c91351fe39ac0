"""`kaeru run`: the bot itself."""

import asyncio
import gc
import json
import logging
import os
import signal

import click

from bot import app
from bot.catalog import Catalog, load_catalog
from bot.cli.logs import set_up_logging
from bot.settings import Settings, load_settings, strangers
from integrations import registry

_log = logging.getLogger(__name__)


@click.command()
@click.option(
    "--announce", is_flag=True, help="Print one line of JSON on standard output once kaeru listens."
)
def run(announce: bool) -> None:  # noqa: FBT001 - click's way
    """Run the bot until it is told to stop."""
    settings = load_settings()
    set_up_logging(settings)
    for sentence in strangers(os.environ):
        _log.warning(sentence)
    asyncio.run(_run(settings, load_catalog(settings.config, registry.kinds()), announce=announce))


async def _run(settings: Settings, catalog: Catalog, *, announce: bool) -> None:
    stop = asyncio.Event()

    def told(number: signal.Signals) -> None:
        _log.info("kaeru is told to stop (%s)", number.name)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told, number)

    def ready() -> None:
        # All that is there now stays to the end. Left out of collections, it no longer makes people wait for them.
        gc.freeze()
        _log.info("kaeru listens; services: %s", ", ".join(sorted(catalog.services)))
        if announce:
            click.echo(json.dumps({"ready": True}))

    await app.run(settings, catalog, stop, ready)
    _log.info("kaeru has stopped; whatever was under way goes on at the next start")
