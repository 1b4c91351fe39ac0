"""Which hosts have the releases, how they are reached, and in which order they change."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from bot.catalog import Duration
from integrations.hosts.address import LOCAL, Address, as_address
from integrations.version_url import checked

PLACEHOLDERS = ("{host}", "{version}")
_BRACES = re.compile(r"\{[^{}]*\}")


def _is_address(value: str) -> str:
    as_address(value)
    return value


def _is_absolute(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError(f"{value} has to be an absolute path on the hosts, such as /srv/shop/current")
    return _only(value, "{host}")


def _only(value: str, *known: str) -> str:
    for found in _BRACES.findall(value):
        if found not in known:
            raise ValueError(f"{found} is not known here; known is {' and '.join(known)}")
    return value


def _is_plain(value: str) -> str:
    checked(_only(value, "{host}").replace("{host}", "web1"), example="http://{host}:8080/version")
    return value


SshAddress = Annotated[str, AfterValidator(_is_address)]
RemotePath = Annotated[str, AfterValidator(_is_absolute)]
VersionUrl = Annotated[str, AfterValidator(_is_plain)]
Argument = Annotated[str, AfterValidator(lambda value: _only(value, *PLACEHOLDERS))]


class HostSettings(BaseModel):
    """One host, where more is to be said than its address."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = Field(
        examples=["web1"]
    )
    """What people call it, and what `{host}` stands for."""
    address: SshAddress = Field(examples=["deploy@10.0.0.5:22"])
    """Where it is: `user@host:port`, of which the host alone is enough; `local` is this machine, without SSH."""
    version_url: VersionUrl | None = Field(default=None, examples=["http://10.0.0.5:8080/version"])
    """Its own `version_url`."""

    @property
    def where(self) -> Address:
        return as_address(self.address)


class HostsSettings(BaseModel):
    """Releases in folders on one or many hosts, each with a symbolic link to the one that runs."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    hosts: tuple[SshAddress | HostSettings, ...] = Field(
        min_length=1, examples=[["deploy@web1.internal", "deploy@web2.internal:2222", "local"]]
    )
    """The hosts in the order in which they change: `user@host:port`, or a name with an address. `local` is this machine."""
    releases: RemotePath = Field(examples=["/srv/shop/releases"])
    """The folder on each host that holds one folder per version. `{host}` stands for the host's name."""
    link: RemotePath = Field(examples=["/srv/shop/current"])
    """The symbolic link on each host that names the version to run. `{host}` stands for the host's name."""
    restart: tuple[Argument, ...] = Field(
        default=(), examples=[["sudo", "-n", "systemctl", "restart", "shop"]]
    )
    """The program, with its arguments, that is run on a host once its link has moved; `{host}` and `{version}` may stand in it."""
    restart_timeout: Duration = Field(default=timedelta(seconds=30), examples=["30s"])
    """How long that may take on one host; then its process group is killed, and the outcome is looked for."""
    version_url: VersionUrl | None = Field(default=None, examples=["http://{host}:8080/version"])
    """Where the process on a host says its version, as JSON; asked from here, without SSH. Without it, nobody sees what really runs."""
    version_field: str = Field(default="version", min_length=1, examples=["version"])
    """The field of that answer."""
    version_timeout: Duration = Field(default=timedelta(seconds=2), examples=["2s"])
    """How long that answer may take."""
    check: tuple[Argument, ...] = Field(
        default=(), examples=[["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8080/health"]]
    )
    """A program that is run on a host that has changed, and ends with 0 when the host is well; before that, no further host changes."""
    check_timeout: Duration = Field(default=timedelta(seconds=5), examples=["5s"])
    """How long one such run may take."""
    settle: Duration = Field(default=timedelta(seconds=10), examples=["10s"])
    """How long after its restart a host may take until the new version answers and `check` ends with 0."""
    soak: Duration | None = Field(default=None, examples=["15s"])
    """How long a batch has to stay well before the next one begins. Left out: the next one begins at once."""
    batch: (
        Annotated[int, Field(ge=1)] | Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]?%$|^100%$")]
    ) = Field(default=1, examples=["25%"])
    """How many hosts change at the same time: a number, or a share of all of them (rounded down, at least one)."""
    on_failure: Literal["stop", "put_back"] = Field(default="stop", examples=["put_back"])
    """What becomes of the hosts that have changed when one fails: they stay (`stop`), or go back, the last one first (`put_back`)."""
    allow_down: int = Field(default=0, ge=0, examples=[1])
    """How many hosts may be down while the others are taken back. They are left out, and said."""
    reconnect: Duration = Field(default=timedelta(seconds=30), examples=["30s"])
    """How long a host that is lost in the middle of its change is waited for, to see what became of it."""
    known_hosts: Path | None = Field(default=None, examples=["/etc/kaeru/known_hosts"])
    """The keys that the hosts must have. Left out: ~/.ssh/known_hosts. A host that is not in it is not talked to."""
    identity: Path | None = Field(default=None, examples=["/etc/kaeru/id_ed25519"])
    """The private key to log in with, without a passphrase. Left out: the keys of the SSH agent."""
    agent: Path | None = Field(default=None, examples=["/run/user/1000/ssh-agent.sock"])
    """The socket of the SSH agent. Left out: SSH_AUTH_SOCK says."""
    connect_timeout: Duration = Field(default=timedelta(seconds=5), examples=["5s"])
    """How long a connection may take until it can be used, and each question over it."""
    jump: SshAddress | None = Field(default=None, examples=["deploy@bastion.example.com"])
    """A host that all connections lead through. Its key has to be known as well."""

    @property
    def listed(self) -> tuple[HostSettings, ...]:
        """Every host with its name and its address."""
        return tuple(
            HostSettings(name=as_address(host).host, address=host) if isinstance(host, str) else host
            for host in self.hosts
        )

    @property
    def at_once(self) -> int:
        """How many hosts change at the same time."""
        if isinstance(self.batch, int):
            return self.batch
        return max(1, len(self.hosts) * int(self.batch.removesuffix("%")) // 100)

    @model_validator(mode="after")
    def _are_different(self) -> "HostsSettings":
        names: set[str] = set()
        places: set[tuple[str, int, str]] = set()
        for host in self.listed:
            if host.name in names:
                raise ValueError(f"hosts: {host.name} is there twice; give each a name of its own")
            where = host.where
            place = (where.host, where.port, self.link.replace("{host}", host.name))
            if place in places:
                raise ValueError(f"hosts: {host.name} is a host that is already there, with the same link")
            names.add(host.name)
            places.add(place)
        if self.jump == LOCAL:
            raise ValueError("jump: local is this machine; name another host")
        if self.allow_down >= len(self.hosts):
            raise ValueError("allow_down: at least one host has to be up")
        return self
