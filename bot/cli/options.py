"""Arguments and options that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def acting_as(command: F) -> F:
    """`--as PERSON`."""
    return click.option(
        "--as",
        "as_",
        metavar="PERSON",
        help="Act for a person of kaeru.yml, by name or Slack id; who typed it is kept beside it.",
    )(command)


def which(command: F) -> F:
    """`[INCIDENT]`: its id, the service that has it open, or nothing where only one is open."""
    return click.argument("which", metavar="[INCIDENT]", required=False)(command)


def as_json(command: F) -> F:
    """`--json`."""
    return click.option("--json", "json_", is_flag=True, help="Print JSON, for scripts.")(command)
