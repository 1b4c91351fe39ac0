"""Which repository and which folder in it, or which space of Confluence."""

import re
from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from bot.catalog import Duration
from integrations.fields import AbsolutePath
from integrations.json_api import ApiSettings, BaseUrl, Header

_SCP = re.compile(r"^[A-Za-z0-9][\w.-]*@[A-Za-z0-9][\w.-]*:[\w~./-]+$")


def _is_remote(value: str) -> str:
    url = urlsplit(value)
    plain = not any(c.isspace() or not c.isprintable() for c in value)
    if url.scheme in ("https", "http") and (url.username or url.password):
        raise ValueError("an address without user and password; these are `user` and `token`")
    if url.scheme == "ssh" and url.password:
        raise ValueError("an address without a password; SSH takes a key")
    if plain and (value.startswith("/") or _SCP.match(value)):
        return value
    if plain and url.scheme in ("https", "http", "ssh") and re.match(r"[A-Za-z0-9\[]", url.hostname or ""):
        return value
    raise ValueError(
        "expected a repository such as https://git.example.com/team/postmortems.git or git@HOST:PATH, "
        "or its absolute path such as /srv/git/x"
    )


Remote = Annotated[str, AfterValidator(_is_remote)]


class GitRepositorySettings(BaseModel):
    """A file for each postmortem, on a branch of a git repository."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    remote: Remote = Field(examples=["https://git.example.com/team/postmortems.git"])
    """Where it is pushed to: over HTTPS, SSH, or a path on this machine."""
    branch: str = Field(
        default="main",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(?:[./][A-Za-z0-9_-]+)*$",
        examples=["main"],
    )
    """The branch, which kaeru may push to."""
    folder: str = Field(
        default="postmortems",
        pattern=r"^(?:[A-Za-z0-9_][\w-]*(?:/[A-Za-z0-9_][\w-]*)*)?$",
        examples=["docs/postmortems"],
    )
    """The folder of the files; empty for the top."""
    token: SecretStr | None = Field(default=None, min_length=1, examples=["${POSTMORTEMS_TOKEN}"])
    """A token or password for HTTPS. Left out: what git on this machine would use."""
    user: Header = Field(default="x-access-token", examples=["kaeru"])
    """The user that goes with the token."""
    ssh_key: AbsolutePath | None = Field(default=None, examples=["/etc/kaeru/postmortems_key"])
    """The private key for SSH, without a passphrase. Left out: what ssh on this machine would use."""
    known_hosts: AbsolutePath | None = Field(default=None, examples=["/etc/kaeru/known_hosts"])
    """The file with the host's key. Left out: that of the user that runs kaeru."""
    author: str = Field(default="kaeru", pattern=r"^[^<>\x00-\x1f]{1,80}$", examples=["kaeru"])
    """Whose name the commits have."""
    email: str = Field(default="kaeru@localhost", pattern=r"^[^<>\s]{1,200}$", examples=["kaeru@example.com"])
    """The mail address of that author."""
    link: str = Field(
        default="",
        pattern=r"^(?:https?://[^\s{}]*\{path\}[^\s{}]*)?$",
        examples=["https://git.example.com/team/postmortems/blob/main/{path}"],
    )
    """Where a file can be read: an address with `{path}` in it."""
    timeout: Duration = Field(default=timedelta(seconds=60), gt=timedelta(0), examples=["60s"])
    """How long git may take for one thing, such as a push."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.token is not None and urlsplit(self.remote).scheme not in ("https", "http"):
            raise ValueError("a token goes with an address that begins with https://")
        return self


class ConfluenceSettings(ApiSettings):
    """A page for each postmortem, in a space of Confluence."""

    url: BaseUrl = Field(examples=["https://example.atlassian.net/wiki"])
    """The address of Confluence. On Cloud it ends with `/wiki`."""
    edition: Literal["cloud", "data center"] = Field(default="cloud", examples=["data center"])
    """Cloud, or a Data Center or Server of your own: their APIs differ."""
    space: str = Field(pattern=r"^~?[A-Za-z0-9_.:-]{1,255}$", examples=["OPS"])
    """The key of the space."""
    parent: str | None = Field(default=None, pattern=r"^\d{1,20}$", examples=["12345678"])
    """The id of the page below which the pages are made. Left out: at the top of the space."""
    user: Header | None = Field(default=None, examples=["kaeru@example.com"])
    """Who the token belongs to: needed with the API tokens of Cloud, left out with personal access tokens."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.edition == "cloud" and self.user is None and ".atlassian.net" in self.url:
            raise ValueError(
                "the API tokens of Confluence Cloud go with `user`, the mail address of their account"
            )
        return self
