"""Which repository, and how its tags name versions."""

from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from bot.catalog import Duration

MIGRATIONS = (
    "*/migrations/*",
    "*/migration/*",
    "*/migrate/*",
    "*/alembic/versions/*",
    "*/flyway/*",
    "*/liquibase/*",
    "*/V[0-9]*__*.sql",
)


class GitSettings(BaseModel):
    """A clone of the service's repository, in which tags name the versions."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    repository: Path = Field(examples=["/srv/shop/source"])
    """The clone, bare or not. kaeru only reads it, apart from `fetch_from`."""
    tag_prefix: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9._/+@-]*)?$", examples=["shop/"])
    """What stands before the version in a tag: with `v`, version 1.2.9 is the tag v1.2.9."""
    fetch_from: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", examples=["origin"]
    )
    """The remote whose tags are fetched when a version is unknown. Left out: never."""
    migrations: tuple[str, ...] = Field(default=MIGRATIONS, examples=[["*/db/changes/*"]])
    """Paths that are database migrations. `*` also stands for slashes; paths are taken from `/`."""
    timeout: Duration = Field(default=timedelta(seconds=10), examples=["10s"])
    """How long git may take for one answer."""
