"""Which script deploys a version, and how one learns which versions there are and which one runs."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from bot.catalog import Duration
from bot.domain.base import Version
from integrations.version_url import VersionUrl

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")


def _is_program(value: tuple[str, ...]) -> tuple[str, ...]:
    if value and not value[0]:
        raise ValueError("the first element is the program, such as ./deploy.sh")
    for element in value:
        for found in _PLACEHOLDER.findall(element):
            if found != "{version}":
                raise ValueError(f"{found} is not known here: there is {{version}}")
    return value


Program = Annotated[tuple[str, ...], AfterValidator(_is_program)]


class ScriptSettings(BaseModel):
    """A script that deploys the version it is told."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    command: Program = Field(min_length=1, examples=[["./deploy.sh", "{version}", "--strategy=rolling"]])
    """The script with its arguments. `{version}` is put in, inside its argument. No shell."""
    cwd: Path = Field(examples=["/srv/deploy"])
    """The folder that all of these programs run in."""
    state: Path = Field(examples=["/var/lib/kaeru/deploy-shop"])
    """A folder of kaeru's own for this script: what it prints is kept there, and found again by a restarted bot."""
    environment: dict[str, SecretStr] = Field(
        default_factory=dict, examples=[{"DEPLOY_TOKEN": "${DEPLOY_TOKEN}"}]
    )
    """Variables for these programs. Of kaeru's own they see PATH, HOME and the like, no secret."""
    timeout: Duration = Field(default=timedelta(minutes=10), gt=timedelta(0), examples=["10m"])
    """How long the script may take; then it is ended with all that it has started."""
    grace: Duration = Field(default=timedelta(seconds=10), examples=["10s"])
    """How long it may take to end by itself then, before it is killed."""
    versions: Program = Field(default=(), examples=[["git", "-C", "/srv/shop/source", "tag", "--list", "v*"]])
    """A program that prints the versions that can be deployed, one a line."""
    known_versions: tuple[Version, ...] = Field(default=(), examples=[["v1.2.8", "v1.2.9"]])
    """The versions that can be deployed, instead of `versions`."""
    current: Program = Field(default=(), examples=[["cat", "/srv/shop/VERSION"]])
    """A program that prints the version that is deployed. Left out: `version_url` tells."""
    version_url: VersionUrl | None = Field(default=None, examples=["http://127.0.0.1:8080/version"])
    """Where the running service says its version, as JSON. Without it, nobody sees what really runs."""
    version_field: str = Field(default="version", min_length=1, examples=["version"])
    """The field of that answer."""
    version_timeout: Duration = Field(default=timedelta(seconds=2), examples=["2s"])
    """How long that answer may take."""
    looks: int = Field(default=3, ge=1, le=50, examples=[3])
    """How many answers in a row have to name the version: behind a load balancer they come from different places."""
    settle: Duration = Field(default=timedelta(seconds=10), examples=["10s"])
    """How long after the script has ended the version may take to answer."""
    resumable: bool = Field(default=False, examples=[True])
    """Whether the script may simply be run again with the same version after it was interrupted."""
    status: Program = Field(default=(), examples=[["./deploy.sh", "--status"]])
    """A program whose last line says how far the script is. Shown while it runs."""
    output_limit: int = Field(default=1_000_000, ge=10_000, examples=[1000000])
    """How many bytes of what the script prints are kept at most."""

    @field_validator("cwd", "state")
    @classmethod
    def _is_absolute(cls, value: Path) -> Path:
        if not value.is_absolute():
            raise ValueError(f"{value} has to be an absolute path, such as /srv/deploy")
        return value

    @model_validator(mode="after")
    def _can_tell(self) -> "ScriptSettings":
        if not any("{version}" in element for element in self.command):
            raise ValueError("command has no {version}: the script would not know what to deploy")
        if bool(self.versions) == bool(self.known_versions):
            raise ValueError("exactly one of versions and known_versions is needed")
        if not self.current and self.version_url is None:
            raise ValueError("current or version_url is needed: without both nobody knows which version runs")
        return self

    @property
    def secrets(self) -> dict[str, str]:
        """The variables in plain text."""
        return {name: value.get_secret_value() for name, value in self.environment.items()}
