"""`kaeru schema`: for editors that complete kaeru.yml."""

import json

import click

from bot.catalog import catalog_schema
from integrations import registry


@click.command()
def schema() -> None:
    """Print the JSON Schema of kaeru.yml."""
    click.echo(json.dumps(catalog_schema(registry.kinds()), indent=2, ensure_ascii=False))
