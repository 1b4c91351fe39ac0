"""Where the releases are, and how the service is told to change."""

from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from bot.catalog import Duration
from integrations.version_url import VersionUrl


class SymlinkSettings(BaseModel):
    """Releases in folders, and a symbolic link to the one that runs."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    releases: Path = Field(examples=["/srv/shop/releases"])
    """The folder that holds one folder per version."""
    link: Path = Field(examples=["/srv/shop/current"])
    """The symbolic link that names the version to run."""
    restart: tuple[str, ...] = Field(default=(), examples=[["systemctl", "restart", "shop"]])
    """The program, with its arguments, that is run once the link has moved. Left out: the link alone decides."""
    restart_timeout: Duration = Field(default=timedelta(seconds=30), examples=["30s"])
    """How long that may take; then it is killed with all it started, and the outcome is looked for."""
    environment: dict[str, SecretStr] = Field(default_factory=dict, examples=[{"SHOP_ENV": "production"}])
    """Variables for that program. Of kaeru's own it sees PATH, HOME and the like, no secret."""
    version_url: VersionUrl | None = Field(default=None, examples=["http://127.0.0.1:8080/version"])
    """Where the running process says its version, as JSON. Without it, nobody sees what really runs."""
    version_field: str = Field(default="version", min_length=1, examples=["version"])
    """The field of that answer."""
    version_timeout: Duration = Field(default=timedelta(seconds=2), examples=["2s"])
    """How long that answer may take."""
    settle: Duration = Field(default=timedelta(seconds=10), examples=["10s"])
    """How long after a restart the new version may take to answer there."""

    @field_validator("releases", "link")
    @classmethod
    def _is_absolute(cls, value: Path) -> Path:
        if not value.is_absolute():
            raise ValueError(f"{value} has to be an absolute path, such as /srv/shop/current")
        return value
