"""Which tool a service's migrations belong to, where they lie, and how its database is asked."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from bot.catalog import Duration
from bot.domain.migrations import Tool
from integrations.process import redact

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
PLACEHOLDER = re.compile(r"\{(to|from|steps|older|newer|app)\}")
_KNOWN = "{to}, {from}, {steps}, {older}, {newer} and {app}"
_SECRET = 4  # characters; what is shorter is in every line
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
    """How long the database may take to answer."""
    down: tuple[str, ...] = Field(default=(), examples=[["alembic", "downgrade", "{to}"]])
    """The program that runs migrations backwards, with its arguments; no shell. Left out: kaeru offers no down migration.
    `{to}` is what the tool calls the older version's last migration, `{from}` the last one that is undone, `{steps}` how many
    are; `{older}` and `{newer}` are the versions. Of Django, `{app}` is the app and the others are names within it."""
    down_folder: Path | None = Field(default=None, examples=["/srv/shop/current"])
    """The folder that it runs in. It needs the newer version's migrations; `{newer}` may stand for that version."""
    down_state: Path | None = Field(default=None, examples=["/var/lib/kaeru/down-shop"])
    """A folder of kaeru's own for it: what it prints is kept there, and found again by a restarted bot."""
    down_timeout: Duration = Field(default=timedelta(minutes=10), gt=timedelta(0), examples=["10m"])
    """How long it may take; then it is ended with all that it has started."""
    down_environment: dict[str, SecretStr] = Field(
        default_factory=dict, examples=[{"DATABASE_URL": "${SHOP_OWNER_URL}"}]
    )
    """Variables for it, the only place for its secrets. Of kaeru's own it sees PATH, HOME and the like."""

    @field_validator("down")
    @classmethod
    def _is_program(cls, down: tuple[str, ...]) -> tuple[str, ...]:
        if not down:
            return down
        if not down[0]:
            raise ValueError("the first element is the program, such as alembic")
        used = {name for element in down for name in PLACEHOLDER.findall(element)}
        for element in down:
            if any(brace in PLACEHOLDER.sub("", element) for brace in "{}"):
                raise ValueError(f"{element} has a placeholder that is not known here: there are {_KNOWN}")
            if redact(element) != element:
                raise ValueError("it holds what looks like a password; give it by `down_environment`")
        if not used & {"to", "steps", "older"}:
            raise ValueError("it needs {to}, {steps} or {older}, or it would not know how far to go")
        return down

    @field_validator("table")
    @classmethod
    def _is_name(cls, table: str | None) -> str | None:
        if table is not None and not _TABLE.fullmatch(table):
            raise ValueError("expected the name of a table, with its schema before a dot where it needs one")
        return table

    @model_validator(mode="after")
    def _can_go_down(self) -> Self:
        if not self.down:
            return self
        lacking = [
            name for name in ("down_folder", "down_state", "database_url") if getattr(self, name) is None
        ]
        if lacking:
            raise ValueError(f"down needs {' and '.join(lacking)} as well")
        for path in (self.down_folder, self.down_state):
            if path is not None and not path.is_absolute():
                raise ValueError(f"{path} has to be an absolute path, such as /srv/shop/current")
        if self.tool is Tool.SQL:
            raise ValueError(
                "down: plain SQL files leave no list in the database, so nobody could see it done"
            )
        return self

    @property
    def environment(self) -> dict[str, str]:
        """The variables of `down` in plain text."""
        return {name: value.get_secret_value() for name, value in self.down_environment.items()}

    @property
    def unsayable(self) -> dict[str, str]:
        """What nobody is told of what `down` prints, under names that say so."""
        values = [*self.environment.values()]
        passwords = [_password(value) for value in values]
        long = [value for value in (*values, *passwords) if len(value) >= _SECRET]
        return {f"secret {number}": value for number, value in enumerate(sorted(long, key=len, reverse=True))}

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


def _password(value: str) -> str:
    """The password within an address; empty where there is none."""
    try:
        return unquote(urlsplit(value).password or "")
    except ValueError:
        return ""
