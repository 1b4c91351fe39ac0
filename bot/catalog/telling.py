"""What every way to tell people has in kaeru.yml, whatever the way is."""

from pydantic import BaseModel, ConfigDict, Field

from bot.domain.audiences import Audience, Moment


class ToldSettings(BaseModel):
    """Whom a notice is for, and of what they are told."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    audience: Audience = Field(examples=["support"])
    """Whose words it has, and how much it says: engineers, support, executives or customers."""
    moments: frozenset[Moment] = Field(
        default=frozenset(Moment), min_length=1, examples=[["begun", "mitigated", "relapsed", "closed"]]
    )
    """Of what they are told. Left out: of everything."""
