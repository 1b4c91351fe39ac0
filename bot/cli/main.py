"""The command line. Each command is small, says what it did, and exits with 0, 1 (it failed) or 2 (wrong words)."""

import asyncio
import json
import logging
import os
import signal
import sys
from pathlib import Path

import click

from bot import app
from bot.catalog import Catalog, CatalogInvalid, load_catalog
from bot.cli.logs import set_up_logging
from bot.cli.timeline import timeline
from bot.domain.base import Refusal
from bot.ports import PortError
from bot.settings import Settings, SettingsInvalid, load_settings, strangers
from bot.store.errors import StoreError
from integrations import registry
from sandbox import demo as the_demo

_log = logging.getLogger(__name__)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="kaeru")
def cli() -> None:
    """Kaeru takes a bad production deploy back to the last good version and runs the incident around it."""


@cli.command()
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
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def ready() -> None:
        _log.info("kaeru listens; services: %s", ", ".join(sorted(catalog.services)))
        if announce:
            click.echo(json.dumps({"ready": True}))

    await app.run(settings, catalog, stop, ready)


@cli.command()
@click.option(
    "--check", is_flag=True, help="Play the story by itself, and exit with 0 only if all of it was observed."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Where the page is; 0 takes a free port."
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep everything in this folder instead of a temporary one.",
)
def demo(check: bool, port: int, data: Path | None) -> None:  # noqa: FBT001 - click's way
    """A bad release is rolled back from chat, on this machine, without a Slack account."""
    sys.exit(the_demo.main(check=check or not sys.stdout.isatty(), port=port, data=data))


cli.add_command(timeline)


def main() -> None:
    """Run the command line. What a person can mend is one sentence on standard error, not a traceback."""
    try:
        cli()
    except (SettingsInvalid, CatalogInvalid, Refusal, StoreError) as error:
        sys.exit(f"kaeru: {error}")
    except PortError as error:
        sys.exit(f"kaeru: {error.advice}")
