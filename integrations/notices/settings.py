"""Whom to tell, by which way, and who to be there."""

import base64
import binascii
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from bot.catalog import Channel, Duration
from bot.catalog.people import People
from bot.catalog.telling import ToldSettings
from bot.ports.errors import Refused
from integrations.json_api import ApiSettings, BaseUrl

Mailbox = Annotated[
    str, Field(pattern=r"^[^@\s<>,;:\\\"()\[\]\x00-\x1f\x7f-\U0010ffff]+@[A-Za-z0-9][A-Za-z0-9.-]*$")
]
PageId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,60}$")]
_WHSEC = "whsec_"


def _is_target(value: SecretStr) -> SecretStr:
    scheme, separator, rest = value.get_secret_value().partition("://")
    host = rest.partition("/")[0]
    if scheme not in ("http", "https") or not separator or not host or any(c.isspace() for c in rest):
        raise ValueError("an address such as https://hooks.example.com/incidents")
    if "@" in host or "#" in rest:
        raise ValueError("an address without user, password and fragment")
    return value


def _is_signing_secret(value: SecretStr) -> SecretStr:
    try:
        key = signing_key(value.get_secret_value())
    except ValueError:
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError("a secret of Standard Webhooks: whsec_ and 24 to 64 bytes in Base64")
    return value


def signing_key(secret: str) -> bytes:
    """The bytes of a `whsec_…`. Raises ValueError."""
    try:
        return base64.b64decode(secret.strip().removeprefix(_WHSEC), validate=True)
    except binascii.Error as error:
        raise ValueError("not Base64") from error


Target = Annotated[SecretStr, AfterValidator(_is_target)]
SigningSecret = Annotated[SecretStr, AfterValidator(_is_signing_secret)]


def secret_in(file: Path, setting: str) -> str:
    """What a file of a secret holds, read at the moment it is needed. Raises Refused."""
    try:
        found = file.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            f"The secret in {file} cannot be read.",
            remedy=f"Correct {setting}, or let the user that runs kaeru read it.",
        ) from error
    if not found:
        raise Refused(f"{file} is empty.", remedy=f"Correct {setting}.")
    return found


class EmailSettings(ToldSettings):
    """E-mail, through a mail server."""

    to: tuple[Mailbox, ...] = Field(min_length=1, max_length=50, examples=[["support@example.com"]])
    """Who gets it. Customers do not see each other's addresses."""
    sender: Mailbox = Field(examples=["kaeru@example.com"])
    """Whom it is from."""
    reply_to: Mailbox | None = Field(default=None, examples=["incidents@example.com"])
    """Where answers go. Left out: to the sender."""
    host: str = Field(pattern=r"^[A-Za-z0-9\[][A-Za-z0-9.:\]_-]*$", examples=["smtp.example.com"])
    """The mail server."""
    port: int | None = Field(default=None, ge=1, le=65535, examples=[587])
    """Its port. Left out: 587 with STARTTLS, 465 with TLS, 25 with neither."""
    security: Literal["starttls", "tls", "none"] = Field(default="starttls", examples=["tls"])
    """STARTTLS, TLS from the first byte, or neither."""
    user: str | None = Field(default=None, min_length=1, examples=["kaeru"])
    """Who to be there. Left out: nobody in particular."""
    password: SecretStr | None = Field(default=None, min_length=1, examples=["${SMTP_PASSWORD}"])
    """The password of that user, from the environment."""
    password_file: Path | None = Field(default=None, examples=["/run/secrets/smtp"])
    """A file that holds nothing but the password, instead."""
    ca_file: Path | None = Field(default=None, examples=["ca.pem"])
    """A certificate authority of your own, in PEM."""
    timeout: Duration = Field(default=timedelta(seconds=20), gt=timedelta(0), examples=["20s"])
    """How long each answer of the server may take."""

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("password and password_file are the same thing: leave one of them out")
        if (self.user is None) != (self.password is None and self.password_file is None):
            raise ValueError("user goes together with password or password_file")
        if self.user is not None and self.security == "none":
            raise ValueError("a password is not sent without TLS: use security starttls or tls")
        return self

    def secret(self) -> str | None:
        """The password. Raises Refused where its file cannot be read."""
        if self.password_file is not None:
            return secret_in(self.password_file, "password_file")
        return None if self.password is None else self.password.get_secret_value()


class WebhookSettings(ToldSettings):
    """A webhook, signed as Standard Webhooks says."""

    url: Target = Field(examples=["https://hooks.example.com/incidents"])
    """Where to. Its path is never shown to anybody."""
    secret: SigningSecret | None = Field(default=None, examples=["${WEBHOOK_SECRET}"])
    """What it is signed with: `whsec_` and 24 to 64 random bytes in Base64."""
    secret_file: Path | None = Field(default=None, examples=["/run/secrets/webhook"])
    """A file that holds nothing but that secret, instead."""
    recognises_ids: bool = Field(default=False, examples=[True])
    """Whether the receiver takes the same `webhook-id` only once, so that after a lost answer it is sent again."""
    ca_file: Path | None = Field(default=None, examples=["ca.pem"])
    """A certificate authority of your own, in PEM."""
    timeout: Duration = Field(default=timedelta(seconds=20), gt=timedelta(0), examples=["20s"])
    """How long a whole answer may take."""

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError("either secret or secret_file")
        return self

    def key(self) -> bytes:
        """What to sign with. Raises Refused where the file does not hold a secret."""
        if self.secret_file is None:
            return signing_key(self.secret.get_secret_value() if self.secret else "")
        try:
            found = _is_signing_secret(SecretStr(secret_in(self.secret_file, "secret_file")))
        except ValueError as error:
            raise Refused(
                f"{self.secret_file} holds no signing secret.", remedy=f"It needs {error}."
            ) from error
        return signing_key(found.get_secret_value())


class StatuspageSettings(ToldSettings):
    """A status page: Atlassian Statuspage, or what speaks its API."""

    token: SecretStr | None = Field(default=None, min_length=1, examples=["${STATUSPAGE_KEY}"])
    """An API key of the page, from the environment."""
    token_file: Path | None = Field(default=None, examples=["/run/secrets/statuspage"])
    """A file that holds nothing but that key, instead."""
    page: PageId = Field(examples=["kctbh9vrtdwd"])
    """The id of the page."""
    url: BaseUrl = Field(
        default="https://api.statuspage.io/v1", examples=["https://status.example.com/api/v1"]
    )
    """The address of the API, its version included."""
    components: tuple[PageId, ...] = Field(default=(), max_length=50, examples=[["8kbf7d35c070"]])
    """The ids of the components that have the service's problems. Their status follows the incident."""
    tells_subscribers: bool = Field(default=True, examples=[False])
    """Whether the page tells its subscribers of each update."""
    ca_file: Path | None = Field(default=None, examples=["ca.pem"])
    """A certificate authority of your own, in PEM."""
    timeout: Duration = Field(default=timedelta(seconds=20), gt=timedelta(0), examples=["20s"])
    """How long a whole answer may take."""

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if (self.token is None) == (self.token_file is None):
            raise ValueError("either token or token_file")
        return self

    def access(self) -> ApiSettings:
        """Raises Refused where the key's file cannot be read."""
        token = self.token
        if self.token_file is not None or token is None:
            token = SecretStr(secret_in(self.token_file or Path(), "token_file"))
        return ApiSettings(token=token, ca_file=self.ca_file, timeout=self.timeout)


class SlackSettings(ToldSettings):
    """Channels and people in Slack, told by the bot itself."""

    channels: tuple[Channel, ...] = Field(default=(), max_length=20, examples=[["support"]])
    """Names or ids of channels that kaeru may post in."""
    people: People = Field(default=(), max_length=20, examples=[["alice", "@management"]])
    """Who gets a direct message."""

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not self.channels and not self.people:
            raise ValueError("channels, people, or both")
        return self
