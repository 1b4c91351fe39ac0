"""Arguments and options that several commands share."""

from collections.abc import Callable
from datetime import datetime
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


def moment(text: str) -> datetime:
    """What was typed for a time. Raises UsageError for one without its zone."""
    wrong = click.UsageError(f"{text!r} is no time with its zone, such as 2026-11-24T14:05+01:00.")
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise wrong from error
    if at.tzinfo is None:
        raise wrong
    return at
