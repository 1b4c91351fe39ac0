"""What every value of the domain is: frozen, closed, and the same whenever it is read back from JSON."""

from typing import Annotated, NoReturn

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter

UserId = str
"""A Slack user id (`U…`), or `kaeru` for the bot itself, or `cli:NAME` for an operating-system user."""

BOT: UserId = "kaeru"

Version = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$")]
"""A release's name as its target reports it: no slash, no leading dot or dash, at most 128 characters."""

_VERSION: TypeAdapter[Version] = TypeAdapter(Version)


def as_version(text: str) -> Version:
    """`text` as a version. Raises ValueError."""
    return _VERSION.validate_python(text)


class Value(BaseModel):
    """A value object: equal by content, never changed in place."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Refusal(Exception):
    """A command that the domain declines; nothing was changed.

    `str(refusal)` is one or two sentences for the person who asked: what is in the way, and what to do next.
    """


def refuse(sentence: str) -> NoReturn:
    """Raise `Refusal(sentence)`, also where an expression is wanted."""
    raise Refusal(sentence)
