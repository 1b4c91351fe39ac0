"""What kaeru keeps of a shape beside its name: enough to bring it back, and to say what has changed around it since."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError


class Keepsake(BaseModel):
    """The JSON of `bot.ports.memory.Shape.spec`.

    `template` can be put into the workload as it is. `digests` are the image IDs that pods reported, by image;
    `configs` are short hashes of the values in the ConfigMaps and Secrets that the shape refers to, by
    `Secret/name` and key: enough to notice a change, too short to give a value away.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    template: dict[str, Any] = {}
    revision: int | None = None
    author: str = ""
    cause: str = ""
    digests: Mapping[str, str] = {}
    configs: Mapping[str, Mapping[str, str]] = {}

    def dumped(self) -> str:
        """The same text for the same content."""
        return self.model_dump_json(exclude_defaults=True)


def read_keepsake(spec: str) -> Keepsake | None:
    """None where this is none: a shape without a template cannot be brought back."""
    try:
        kept = Keepsake.model_validate_json(spec)
    except ValidationError:
        return None
    return kept if kept.template else None
