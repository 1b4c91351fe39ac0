"""`kaeru check`: everything that would fail later, looked at on the real world."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
import yaml

from bot.catalog import Service, load_catalog
from bot.cli.check_database import look_at_databases
from bot.cli.check_table import render
from bot.cli.check_template import try_template
from bot.cli.memories import memories_of
from bot.clock import now
from bot.domain.base import UserId
from bot.settings import Settings, load_settings, strangers
from bot.usecases.check import SlackIdentity, Surroundings
from bot.usecases.check import check as look
from bot.usecases.check_report import CheckReport
from bot.usecases.fleet import Hands
from integrations import registry
from integrations.fleet import hands_of, let_go
from integrations.slack import SlackChat, close_client, make_client
from integrations.slack.identity import identify

COLUMNS = 100


@click.command()
@click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), help="Another file than KAERU_CONFIG's."
)
@click.pass_context
def check(ctx: click.Context, config: Path | None) -> None:
    """Look at everything that would fail later. Nothing is changed.

    Exits with 0 where nothing fails, 1 where something does, 2 where kaeru.yml cannot be used.
    """
    settings = load_settings()
    report = asyncio.run(_check(settings, config or settings.config))
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = min(shutil.get_terminal_size((COLUMNS, 24)).columns, 140) if sys.stdout.isatty() else COLUMNS
    click.echo(render(report, width, color=color), nl=False, color=color)
    ctx.exit(report.exit_code)


async def _check(settings: Settings, config: Path) -> CheckReport:
    made: list[Hands] = []

    async with _slack(settings) as slack, memories_of(settings) as memories:

        def hands(service: Service) -> Hands:
            made.append(hands_of(service, memories))
            return made[-1]

        world = Surroundings(
            load=lambda: load_catalog(config, registry.kinds()),
            hands=hands,
            data=settings.data,
            database=lambda: look_at_databases(settings),
            template=try_template,
            clock=now,
            wanted_scopes=wanted_scopes(),
            warnings=strangers(os.environ),
            alerts=None if settings.alerts is None else settings.alerts[:2],
            **slack,
        )
        try:
            return await look(world)
        finally:
            for one in made:
                await let_go(one)


@asynccontextmanager
async def _slack(settings: Settings) -> AsyncIterator[dict[str, Any]]:
    """What `Surroundings` says of Slack: two questions, or which token is missing."""
    tokens = (("SLACK_BOT_TOKEN", settings.slack_bot_token), ("SLACK_APP_TOKEN", settings.slack_app_token))
    missing = [name for name, token in tokens if token is None]
    if settings.slack_bot_token is None or missing:
        yield {"slack_missing": f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set"}
        return
    client = make_client(settings.slack_bot_token.get_secret_value(), base_url=settings.slack_api_url)
    chat = SlackChat(client)

    async def me() -> SlackIdentity:
        found = await identify(client)
        return SlackIdentity(
            team=found.team, bot=found.bot, scopes=found.scopes, server_time=found.server_time
        )

    async def person(user: UserId) -> str | None:
        name = await chat.name_of(user)
        return None if name == user else name

    try:
        yield {"slack": me, "person": person}
    finally:
        await close_client(client)


def wanted_scopes() -> frozenset[str]:
    """The bot scopes of the manifest: beside the package `bot` in an installed one, else in the repository."""
    package = Path(__file__).resolve().parents[1]
    packaged = package / "manifest.yml"
    path = packaged if packaged.exists() else package.parent / "manifest.yml"
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    return frozenset(manifest["oauth_config"]["scopes"]["bot"])
