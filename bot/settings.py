"""The environment: where things are and which secrets open them. Never printed, never logged."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
LogFormat = Literal["text", "json"]


class SettingsInvalid(Exception):
    """A variable is missing or wrong. `str` is one sentence per variable; no value is ever in it."""

    def __init__(self, sentences: tuple[str, ...]) -> None:
        self.sentences = sentences
        super().__init__("\n".join(sentences))


def _must(expected: str) -> PydanticCustomError:
    return PydanticCustomError("expected", "{expected}", {"expected": expected})


def _postgres(url: SecretStr) -> SecretStr:
    written = url.get_secret_value()
    try:
        parts = urlsplit(written)
        fits = parts.scheme in ("postgresql", "postgres") and bool(parts.hostname or parts.query)
    except ValueError:
        fits = False
    if not fits:
        raise _must("an address such as postgresql://user:password@host:5432/kaeru")
    return url


def _api(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _must("an address such as https://slack.com/api/")
    return url.rstrip("/") + "/"


def _bot_token(token: SecretStr) -> SecretStr:
    return _token(token, "xoxb-", "the bot token", "OAuth & Permissions")


def _app_token(token: SecretStr) -> SecretStr:
    return _token(token, "xapp-", "the app-level token", "Basic Information, App-Level Tokens")


def _token(token: SecretStr, prefix: str, what: str, where: str) -> SecretStr:
    text = token.get_secret_value()
    if not text.startswith(prefix):
        swapped = text[:5] in ("xoxb-", "xapp-")
        other = "; the bot token and the app-level token are swapped" if swapped else ""
        raise _must(f"{what}, which begins with {prefix}{other}. It is in Slack's app settings under {where}")
    if any(c.isspace() for c in text):
        raise _must(f"{what} without spaces or line breaks in it. Copy it again from {where}")
    return token


def _listen(address: str) -> str:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise _must("an address to listen at such as 127.0.0.1:9095")
    return address


def _long_enough(token: SecretStr) -> SecretStr:
    if len(token.get_secret_value()) < 16 or any(c.isspace() for c in token.get_secret_value()):
        raise _must("at least 16 characters, without spaces, such as `openssl rand -hex 32` prints")
    return token


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def default_data() -> Path:
    """$XDG_DATA_HOME/kaeru: the same from wherever the bot is started, so that no incident is lost from sight."""
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share") / "kaeru"


class Settings(BaseSettings):
    """What kaeru takes from its environment."""

    model_config = SettingsConfigDict(
        env_prefix="KAERU_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    config: Path = Field(default=Path("kaeru.yml"), examples=["/etc/kaeru/kaeru.yml"])
    """The services file."""
    data: Path = Field(default_factory=default_data, examples=["/var/lib/kaeru"])
    """The folder for the database and documents. Default: $XDG_DATA_HOME/kaeru, or ~/.local/share/kaeru."""
    database_url: Annotated[SecretStr, AfterValidator(_postgres)] | None = Field(
        default=None, examples=["postgresql://kaeru:…@db.example.com/kaeru"]
    )
    """PostgreSQL for incidents and timelines. Default: SQLite in the data folder."""
    engine_database_url: Annotated[SecretStr, AfterValidator(_postgres)] | None = Field(
        default=None, examples=["postgresql://kaeru:…@db.example.com/kaeru_engine"]
    )
    """PostgreSQL for the workflow engine's own tables. Default: SQLite in the data folder."""
    slack_bot_token: Annotated[SecretStr, AfterValidator(_bot_token)] | None = Field(
        default=None, validation_alias="SLACK_BOT_TOKEN", examples=["xoxb-…"]
    )
    """The app's bot token: in Slack's app settings under OAuth & Permissions."""
    slack_app_token: Annotated[SecretStr, AfterValidator(_app_token)] | None = Field(
        default=None, validation_alias="SLACK_APP_TOKEN", examples=["xapp-…"]
    )
    """The app-level token with `connections:write`: under Basic Information, App-Level Tokens."""
    slack_api_url: Annotated[str, AfterValidator(_api)] = Field(
        default="https://slack.com/api/", examples=["http://127.0.0.1:8137/api/"]
    )
    """Where Slack's Web API is. Only the local workspace needs another one."""
    alerts_listen: Annotated[str, AfterValidator(_listen)] | None = Field(
        default=None, examples=["127.0.0.1:9095"]
    )
    """Where Alertmanager's notifications are taken, as HOST:PORT. Left out: nowhere. See docs/alerts.md."""
    alerts_token: Annotated[SecretStr, AfterValidator(_long_enough)] | None = Field(
        default=None, examples=["…"]
    )
    """The secret that whoever sends alerts has to give as a bearer token, 16 characters at least."""
    log_level: Annotated[LogLevel, BeforeValidator(_upper)] = Field(default="INFO", examples=["DEBUG"])
    """How much is logged: DEBUG, INFO, WARNING or ERROR."""
    log_format: Annotated[LogFormat, BeforeValidator(_lower)] = Field(default="text", examples=["json"])
    """`text` for people, `json` for machines."""

    @property
    def database(self) -> str:
        """The address of kaeru's own database."""
        return self._database(self.database_url, "kaeru.sqlite")

    @property
    def engine_database(self) -> str:
        """The engine's database: one of its own, so that neither's migrations see the other's tables."""
        return self._database(self.engine_database_url, "engine.sqlite")

    def _database(self, url: SecretStr | None, name: str) -> str:
        return url.get_secret_value() if url else f"sqlite:///{(self.data / name).absolute()}"

    @property
    def alerts(self) -> tuple[str, int, SecretStr] | None:
        """Where alerts are taken, and with which secret; None where they are not."""
        if self.alerts_listen is None or self.alerts_token is None:
            return None
        host, _, port = self.alerts_listen.rpartition(":")
        return host.strip("[]"), int(port), self.alerts_token

    def slack_tokens(self) -> tuple[SecretStr, SecretStr]:
        """The bot token and the app-level token. Raises SettingsInvalid where one is not set."""
        bot, app = self.slack_bot_token, self.slack_app_token
        if bot is None or app is None:
            unset = [n for n, t in (("SLACK_BOT_TOKEN", bot), ("SLACK_APP_TOKEN", app)) if t is None]
            raise SettingsInvalid(tuple(_missing(name) for name in unset))
        return bot, app


_WHERE = {
    "SLACK_BOT_TOKEN": "the bot token (xoxb-…) from Slack's app settings, OAuth & Permissions",
    "SLACK_APP_TOKEN": "the app-level token (xapp-…) from Slack's app settings, Basic Information",
}


def _missing(name: str) -> str:
    return (
        f"{name} is not set. It is {_WHERE[name]}; docs/configuration.md says how to make one. "
        f"To try kaeru without Slack: kaeru demo."
    )


def variable_of(field: str) -> str:
    """The environment variable of a field of Settings."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"KAERU_{field.upper()}"


def _wrong(details: ErrorDetails) -> str:
    name = str(details["loc"][0])
    variable = variable_of(name) if name in Settings.model_fields else name
    expected = str(details.get("ctx", {}).get("expected") or details["msg"])
    if details["type"] == "literal_error":
        expected = expected.replace("'", "")
    return f"{variable} is not right: expected {expected}. See docs/configuration.md."


def load_settings() -> Settings:
    """Read the process's environment. Raises SettingsInvalid with a sentence for every wrong variable."""
    try:
        settings = Settings()
    except ValidationError as error:
        sentences = tuple(_wrong(details) for details in error.errors(include_input=False, include_url=False))
        raise SettingsInvalid(sentences) from None  # the cause would show what was typed
    pair = {
        "KAERU_DATABASE_URL": settings.database_url,
        "KAERU_ENGINE_DATABASE_URL": settings.engine_database_url,
    }
    lacking = [name for name, url in pair.items() if url is None]
    if len(lacking) == 1:
        raise SettingsInvalid((_half_of(lacking[0], next(name for name in pair if name not in lacking)),))
    listens, token = settings.alerts_listen is not None, settings.alerts_token is not None
    if listens != token:
        pair_of_alerts = ("KAERU_ALERTS_TOKEN", "KAERU_ALERTS_LISTEN")
        missing, there = pair_of_alerts if listens else pair_of_alerts[::-1]
        sentence = f"{missing} is not set, but {there} is. Set both, or neither. See docs/alerts.md."
        raise SettingsInvalid((sentence,))
    return settings


def _half_of(lacking: str, given: str) -> str:
    return (
        f"{lacking} is not set, but {given} is. Set both, or neither: incidents and their workflows belong together. "
        "See docs/configuration.md."
    )


def strangers(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Sentences about variables that begin with KAERU_ and that nothing reads: typing mistakes, mostly."""
    known = [variable_of(field) for field in Settings.model_fields]
    found = []
    for name in sorted(environ):
        if name.startswith("KAERU_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else " docs/configuration.md lists those that are."
            found.append(f"{name} is not a setting.{hint}")
    return tuple(found)
