"""Which service of which Swarm, and how its manager is reached."""

from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.catalog import Duration

LOCAL = "unix:///var/run/docker.sock"


class TlsSettings(BaseModel):
    """What a daemon on TCP is proven with, and what kaeru proves itself with. PEM files."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    ca: Path = Field(examples=["/etc/kaeru/docker/ca.pem"])
    """The authority that signed the daemon's certificate."""
    cert: Path = Field(examples=["/etc/kaeru/docker/cert.pem"])
    """kaeru's own certificate."""
    key: Path = Field(examples=["/etc/kaeru/docker/key.pem"])
    """The key of that certificate, without a passphrase."""


class SwarmSettings(BaseModel):
    """A service of a Docker Swarm."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    service: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", examples=["shop_web"])
    """The service's name, as `docker service ls` shows it, or its id."""
    host: str | None = Field(default=None, examples=["ssh://deploy@manager-1.internal"])
    """A manager: `unix:///…`, `tcp://host:2376`, or `ssh://user@host`. Left out: `context`, else the local socket."""
    context: str | None = Field(default=None, min_length=1, examples=["production"])
    """The Docker context (`docker context ls`) that names the manager, instead of `host`."""
    tls: TlsSettings | None = None
    """For `tcp://`: the certificates. A context brings its own."""
    timeout: Duration = Field(default=timedelta(minutes=10), gt=timedelta(0), examples=["10m"])
    """How long a rollback of this service may take before it counts as failed."""
    order: Literal["start-first", "stop-first"] | None = Field(default=None, examples=["stop-first"])
    """Whether new tasks start before the old ones stop during a rollback. Left out: start-first where that is safe."""

    @model_validator(mode="after")
    def _one_way_in(self) -> "SwarmSettings":
        if self.host is not None and self.context is not None:
            raise ValueError("host and context both name the manager: leave one of them out")
        if self.host is not None:
            _check_host(self.host)
        if self.tls is not None and not (self.host or "").startswith("tcp://"):
            raise ValueError("tls goes with a host such as tcp://manager-1.internal:2376")
        return self


def _check_host(host: str) -> None:
    url = urlsplit(host)
    if url.scheme == "unix" and url.path.startswith("/") and not url.netloc:
        return
    try:
        port = url.port
    except ValueError as error:
        raise ValueError(f"the port in {host} is a number, such as 2376") from error
    if url.password is not None:
        raise ValueError("no password belongs into host: use a key that ssh finds by itself")
    plain = not url.path.strip("/") and not url.query and bool(url.hostname)
    if url.scheme == "tcp" and plain and port is not None and url.username is None:
        return
    # ssh takes what begins with a dash for an option.
    if url.scheme == "ssh" and plain and not (url.username or url.hostname or "").startswith("-"):
        return
    raise ValueError(f"{host} is none of unix:///path/docker.sock, tcp://host:2376, ssh://user@host")
