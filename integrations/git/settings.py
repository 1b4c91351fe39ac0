"""Which repository, and how its tags name versions."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

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
    """`repository` is a clone (bare or not) that the bot may read.

    A tag is `tag_prefix` + version. `fetch_from` names a remote (`origin`) that is asked for its tags when a
    version is unknown; None never fetches. `migrations` are patterns in which `*` also matches `/`, tried
    against the path with a `/` before it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: Path
    tag_prefix: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9._/+@-]*)?$")
    fetch_from: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")
    migrations: tuple[str, ...] = MIGRATIONS
    timeout_s: float = Field(default=10.0, gt=0, le=120)
