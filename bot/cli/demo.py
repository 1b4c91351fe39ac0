"""`kaeru demo`: the whole story on this machine."""

import sys
from pathlib import Path

import click

from sandbox import demo as the_demo
from sandbox.demo import places


@click.command()
@click.option(
    "--check", is_flag=True, help="Play the story by itself, and exit with 0 only if all of it was observed."
)
@click.option(
    "--on",
    type=click.Choice(places.NAMES),
    default=places.PROCESSES,
    show_default=True,
    help="What the shop runs on; for a cluster this needs Debian 12 and root, or one that is given.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Where the page is; 0 takes a free port."
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep everything in this folder instead of a temporary one.",
)
def demo(check: bool, on: str, port: int, data: Path | None) -> None:  # noqa: FBT001 - click's way
    """Play a rollback on this machine, without a Slack account."""
    sys.exit(the_demo.main(check=check or not sys.stdout.isatty(), on=on, port=port, data=data))
