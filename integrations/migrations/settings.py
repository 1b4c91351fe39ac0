"""Which tool a service's migrations belong to, where they lie, and how its database is asked."""

import re
from datetime import timedelta
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from bot.catalog import Duration
from bot.domain.migrations import Tool

PATHS = (
    "*/migrations/*",
    "*/migration/*",
    "*/migrate/*",
    "*/versions/*.py",
    "*/changelog*",
    "*/V[0-9]*__*.sql",
    "*/R__*.sql",
)
_TABLE = re.compile(r"[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)?")
_SCHEMES = {"postgres": ("postgresql", "postgres"), "mysql": ("mysql", "mariadb")}


class MigrationsSettings(BaseModel):
    """Database migrations, read from the tags of the service's repository."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    tool: Tool | Literal["auto"] = Field(default="auto", examples=["alembic"])
    """The tool that runs them: alembic, django, rails, flyway, liquibase, golang-migrate, sql; or auto, by the files."""
    paths: tuple[str, ...] = Field(default=PATHS, examples=[["*/db/changes/*"]])
    """Where they lie. `*` also stands for slashes; paths are taken from `/`."""
    dialect: Literal["postgres", "mysql"] = Field(default="postgres", examples=["mysql"])
    """The database's SQL. MariaDB is mysql."""
    database_url: SecretStr | None = Field(default=None, examples=["${SHOP_DATABASE_URL}"])
    """The database whose own list of applied migrations is read, such as postgresql://reader:…@db.example.com/shop or mysql://…. Left out: every migration counts as applied."""
    table: str | None = Field(default=None, examples=["ops.schema_migrations"])
    """The table with that list, where it is not the tool's usual one."""
    timeout: Duration = Field(default=timedelta(seconds=5), examples=["5s"])
    """How long the database may take."""

    @field_validator("table")
    @classmethod
    def _is_name(cls, table: str | None) -> str | None:
        if table is not None and not _TABLE.fullmatch(table):
            raise ValueError("expected the name of a table, with its schema before a dot where it needs one")
        return table

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.database_url is None:
            return self
        try:
            scheme = urlsplit(self.database_url.get_secret_value()).scheme
        except ValueError:
            scheme = ""
        if scheme not in _SCHEMES[self.dialect]:
            raise ValueError(
                f"database_url: expected an address that begins with {_SCHEMES[self.dialect][0]}://, as `dialect` is {self.dialect}"
            )
        return self
