"""Which messages of an incident's channel count as a report of users."""

from typing import Annotated

from pydantic import Field, StringConstraints

from bot.catalog.base import Spec

EmojiName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_+'-]+$", max_length=100)]


class UserReportsSpec(Spec):
    """What users say is evidence too."""

    reactions: tuple[EmojiName, ...] = Field(
        default=("sos",), min_length=1, max_length=10, examples=[["sos", "user-report"]]
    )
    """Whoever reacts to a message of an incident's channel with one of these emoji, by their names without colons, says that it is a report of users."""
