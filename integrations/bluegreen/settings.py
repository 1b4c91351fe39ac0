"""Where the two colours answer, where users come in, and what switches between them."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from bot.catalog import Duration
from integrations.fields import NAME, AbsolutePath, Part, Program, Servers, UrlPath, is_program

Colour = Literal["blue", "green"]
COLOURS: tuple[Colour, Colour] = ("blue", "green")

_DIRECTIVE = re.compile(r"^[a-z_]+(?: [\w=.:$-]+)*$")
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")


def other(colour: Colour) -> Colour:
    """The colour that is not this one."""
    return "green" if colour == "blue" else "blue"


def _is_plain(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError(f"{value} is not an address such as http://127.0.0.1:8081")
    if url.username or url.query or url.fragment:
        raise ValueError("an address here has no user, query or fragment: it is shown to people")
    return value.rstrip("/")


def _is_switch(value: tuple[str, ...]) -> tuple[str, ...]:
    value = is_program(value)
    for element in value:
        for found in _PLACEHOLDER.findall(element):
            if found not in ("{colour}", "{version}"):
                raise ValueError(f"{found} is not known here: there are {{colour}} and {{version}}")
    if not any("{colour}" in element or "{version}" in element for element in value[1:]):
        raise ValueError("a command that gets neither {colour} nor {version} cannot know where to switch to")
    return value


def _are_directives(value: tuple[str, ...]) -> tuple[str, ...]:
    for directive in value:
        if not _DIRECTIVE.match(directive):
            raise ValueError(f"{directive} is not one directive without its semicolon, such as keepalive 16")
    return value


Url = Annotated[str, AfterValidator(_is_plain)]
SwitchProgram = Annotated[tuple[str, ...], AfterValidator(_is_switch)]
Directives = Annotated[tuple[str, ...], AfterValidator(_are_directives)]


class ColourSettings(Part):
    """One of the two places that the service runs in."""

    url: Url = Field(examples=["http://127.0.0.1:8081"])
    """Where this colour answers by itself, past the proxy."""
    servers: Servers = Field(default=(), examples=[["127.0.0.1:8081"]])
    """For nginx: the servers of this colour. Left out: the host and port of `url`."""

    @property
    def upstream(self) -> tuple[str, ...]:
        """What nginx is to pass requests on to."""
        return self.servers or (_host_and_port(self.url),)


class NginxSettings(Part):
    """A file that holds one upstream and nothing else; kaeru writes it whole. The site's configuration includes it."""

    file: AbsolutePath = Field(examples=["/etc/nginx/kaeru/shop.conf"])
    """The file with the upstream. Nobody else writes it."""
    upstream: str = Field(pattern=NAME, examples=["shop"])
    """The upstream's name, as in `proxy_pass http://shop;`."""
    directives: Directives = Field(default=(), examples=[["keepalive 16"]])
    """Further lines of the upstream, without their semicolons."""
    test: Program = Field(default=("nginx", "-t"), examples=[["sudo", "-n", "nginx", "-t"]])
    """Tests the whole configuration as it is on disk. Run before every reload."""
    reload: Program = Field(
        default=("nginx", "-s", "reload"), examples=[["sudo", "-n", "systemctl", "reload", "nginx"]]
    )
    """Makes nginx read its configuration again."""
    pid_file: AbsolutePath = Field(default=Path("/run/nginx.pid"), examples=["/run/nginx.pid"])
    """nginx's own pid file: old workers that still have open connections are counted by it."""
    timeout: Duration = Field(default=timedelta(seconds=30), examples=["30s"])
    """How long the test, and the reload, may take each."""


class HaproxySettings(Part):
    """A backend with one server per colour, switched through the runtime API."""

    socket: AbsolutePath = Field(examples=["/run/haproxy/admin.sock"])
    """The `stats socket` of HAProxy, with `level admin`."""
    backend: str = Field(pattern=NAME, examples=["shop"])
    """The backend that has both servers."""
    blue: str = Field(default="blue", pattern=NAME, examples=["blue"])
    """The name of blue's server in that backend."""
    green: str = Field(default="green", pattern=NAME, examples=["green"])
    """The name of green's server in that backend."""
    state_file: AbsolutePath | None = Field(default=None, examples=["/var/lib/haproxy/server-state"])
    """HAProxy's `server-state-file`: kaeru writes it after a switch. Without it a restart of HAProxy goes back."""
    timeout: Duration = Field(default=timedelta(seconds=5), examples=["5s"])
    """How long one answer of the socket may take."""


class CommandSettings(Part):
    """A program of yours that switches."""

    command: SwitchProgram = Field(examples=[["/usr/local/bin/switch-shop", "{colour}"]])
    """The program with its arguments; `{colour}` and `{version}` are put in, each inside its argument. No shell."""
    current: tuple[str, ...] = Field(default=(), examples=[["/usr/local/bin/switch-shop", "--show"]])
    """A program that prints `blue` or `green`: what is switched on now. Left out: only what answers tells."""
    environment: dict[str, SecretStr] = Field(default_factory=dict, examples=[{"LB_TOKEN": "${LB_TOKEN}"}])
    """Variables for these programs. Of kaeru's own they see PATH, HOME and the like, no secret."""
    state: AbsolutePath = Field(examples=["/var/lib/kaeru/switch-shop"])
    """A folder of kaeru's own for this command: a restarted bot finds a switch that is under way, and waits for it."""
    timeout: Duration = Field(default=timedelta(minutes=1), examples=["1m"])
    """How long the command may take; then it is killed with all it started, and what answers is looked at."""


class SwitchSettings(Part):
    """What switches: exactly one of the three."""

    nginx: NginxSettings | None = Field(default=None, examples=[{"file": "/etc/nginx/kaeru/shop.conf"}])
    """nginx on this machine."""
    haproxy: HaproxySettings | None = Field(default=None, examples=[{"backend": "shop"}])
    """HAProxy on this machine."""
    command: CommandSettings | None = Field(default=None, examples=[{"command": ["switch-shop", "{colour}"]}])
    """A program of yours."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "SwitchSettings":
        given = [name for name in ("nginx", "haproxy", "command") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"exactly one of nginx, haproxy and command is needed under switch, not {found}")
        return self


class BlueGreenSettings(Part):
    """Two places that the service runs in, of which one serves at a time."""

    blue: ColourSettings = Field(examples=[{"url": "http://127.0.0.1:8081"}])
    """The one place."""
    green: ColourSettings = Field(examples=[{"url": "http://127.0.0.1:8082"}])
    """The other place."""
    live_url: Url = Field(examples=["https://shop.example.com"])
    """Where users come in, through the proxy: what really serves is observed here."""
    switch: SwitchSettings = Field(examples=[{"nginx": {"file": "/etc/nginx/kaeru/shop.conf"}}])
    """What switches: `nginx`, `haproxy`, or a `command`."""
    version_path: UrlPath = Field(default="/version", examples=["/version"])
    """Where each colour says its version, as JSON."""
    version_field: str = Field(default="version", min_length=1, examples=["version"])
    """The field of that answer."""
    colour_header: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]+$", examples=["X-Colour"])
    """A header of answers through the proxy that says `blue` or `green`, where there is one."""
    health: tuple[UrlPath, ...] = Field(default=("/health",), examples=[["/health", "/checkout"]])
    """What has to answer well on the other colour before it gets traffic. Asked with GET."""
    consecutive: int = Field(default=5, ge=1, le=100, examples=[5])
    """How many answers in a row prove the other colour's health, and then the switch."""
    interval: Duration = Field(default=timedelta(milliseconds=200), examples=["200ms"])
    """How long to wait between two of these."""
    answer_timeout: Duration = Field(default=timedelta(seconds=2), examples=["2s"])
    """How long one answer may take."""
    ca_file: Path | None = Field(default=None, examples=["/etc/ssl/certs/our-ca.pem"])
    """A certificate authority of your own, for addresses with https."""
    settle: Duration = Field(default=timedelta(seconds=10), examples=["10s"])
    """How long after the switch the new colour may take to be all that answers."""
    drain: Duration = Field(default=timedelta(seconds=30), examples=["30s"])
    """How long open connections of the old colour are waited for. They are not cut by kaeru when it is over."""

    def of(self, colour: Colour) -> ColourSettings:
        return self.blue if colour == "blue" else self.green

    @model_validator(mode="after")
    def _are_two(self) -> "BlueGreenSettings":
        if self.blue.url == self.green.url:
            raise ValueError("blue and green answer at the same url: they have to be two places")
        if self.switch.nginx is not None and set(self.blue.upstream) & set(self.green.upstream):
            raise ValueError("blue and green share a server: then nobody can tell which of them serves")
        return self


def _host_and_port(url: str) -> str:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
