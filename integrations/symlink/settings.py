"""Where the releases are, and how the service is told to change."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator


class SymlinkSettings(BaseModel):
    """`link` points at one of the folders in `releases`.

    `restart` is an argv list, run after the link has moved; empty where the link alone decides. It sees
    `environment` and a few harmless variables, not the bot's own. `version_url` answers with JSON whose
    `version_field` is the version that runs; after a restart it has `settle_s` seconds to say the new one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    releases: Path
    link: Path
    restart: tuple[str, ...] = ()
    restart_timeout_s: float = Field(default=30.0, gt=0, le=600)
    environment: dict[str, str] = Field(default_factory=dict, repr=False)
    version_url: str | None = None
    version_field: str = "version"
    version_timeout_s: float = Field(default=2.0, gt=0, le=30)
    settle_s: float = Field(default=10.0, ge=0, le=600)

    @field_validator("releases", "link")
    @classmethod
    def _is_absolute(cls, value: Path) -> Path:
        if not value.is_absolute():
            raise ValueError(f"{value} has to be an absolute path: the bot may run from anywhere")
        return value

    @field_validator("version_url")
    @classmethod
    def _is_plain(cls, value: str | None) -> str | None:
        if value is not None:
            url = urlsplit(value)
            if url.scheme not in ("http", "https") or not url.hostname or url.username:
                raise ValueError("version_url is an http address without a user; it is shown to people")
        return value
