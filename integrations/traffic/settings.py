"""What steers the traffic of a service: an nginx file, a HAProxy backend, or a program."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, model_validator

from bot.catalog import Duration
from integrations.fields import NAME, AbsolutePath, Part, Program, Servers, UrlPath, is_program

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_KNOWN = ("{share}", "{percent}", "{key}")


def _is_shift(value: tuple[str, ...]) -> tuple[str, ...]:
    value = is_program(value)
    found = [name for element in value[1:] for name in _PLACEHOLDER.findall(element)]
    for name in found:
        if name not in _KNOWN:
            raise ValueError(f"{name} is not known here: there are {', '.join(_KNOWN)}")
    if not {"{share}", "{percent}"} & set(found):
        raise ValueError("a command that gets neither {share} nor {percent} cannot know how much is wanted")
    return value


def _are_reachable(value: tuple[str, ...]) -> tuple[str, ...]:
    for server in value:
        if server.startswith("unix:"):
            raise ValueError(f"{server} has no host and port, so kaeru could not ask whether it is healthy")
    return value


ShiftProgram = Annotated[tuple[str, ...], AfterValidator(_is_shift)]
ReachableServers = Annotated[Servers, AfterValidator(_are_reachable)]


class NginxTrafficSettings(Part):
    """nginx on this machine: a file that splits traffic; kaeru writes it whole, and the site's configuration includes it."""

    file: AbsolutePath = Field(examples=["/etc/nginx/kaeru/shop-traffic.conf"])
    """The file with the split. Nobody else writes it."""
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", examples=["shop"])
    """Names what stands in the file: `proxy_pass http://$NAME_place`, and the log format `kaeru_NAME`."""
    servers: ReachableServers = Field(min_length=1, examples=[["127.0.0.1:8081", "127.0.0.1:8082"]])
    """The servers of the service."""
    otherwise: Servers = Field(default=(), examples=[["127.0.0.1:8090"]])
    """Where all other traffic goes. Left out: the place is called `NAME_maintenance`, for which the site answers 503."""
    split_by: str = Field(
        default="$remote_addr", pattern=r"^(?:\$[a-z_][a-z0-9_]*)+$", examples=["$request_id"]
    )
    """What the split is by. By address a user stays on one side; by `$request_id` every request is drawn anew."""
    health: UrlPath | None = Field(default="/health", examples=["/health"])
    """What a healthy server answers with less than 400, over plain HTTP. null: it is healthy if it can be connected to."""
    health_timeout: Duration = Field(default=timedelta(seconds=2), examples=["2s"])
    """How long a server may take for that answer."""
    access_log: AbsolutePath | None = Field(default=None, examples=["/var/log/nginx/kaeru-shop.log"])
    """The site's log in the format `kaeru_NAME`: what was served is counted there. Left out: it cannot be measured."""
    test: Program = Field(default=("nginx", "-t"), examples=[["sudo", "-n", "nginx", "-t"]])
    """Tests the whole configuration as it is on disk. Run before every reload."""
    reload: Program = Field(
        default=("nginx", "-s", "reload"), examples=[["sudo", "-n", "systemctl", "reload", "nginx"]]
    )
    """Makes nginx read its configuration again."""
    pid_file: AbsolutePath = Field(default=Path("/run/nginx.pid"), examples=["/run/nginx.pid"])
    """nginx's own pid file: by it is seen that the new workers have come, and that the old ones have ended."""
    timeout: Duration = Field(default=timedelta(seconds=30), examples=["30s"])
    """How long the test, and the reload, may take each."""
    settle: Duration = Field(default=timedelta(seconds=10), examples=["10s"])
    """How long new workers may take to come after a reload."""
    drain: Duration = Field(default=timedelta(seconds=10), examples=["10s"])
    """How long old workers are waited for. They are not cut off when it is over."""


class HaproxyTrafficSettings(Part):
    """HAProxy on this machine: the weights of one backend's servers, through the runtime API."""

    socket: AbsolutePath = Field(examples=["/run/haproxy/admin.sock"])
    """The `stats socket` of HAProxy, with `level admin`."""
    backend: str = Field(pattern=NAME, examples=["shop"])
    """The backend that has all these servers."""
    servers: tuple[Annotated[str, Field(pattern=NAME)], ...] = Field(
        min_length=1, examples=[["web1", "web2"]]
    )
    """The names of the service's servers in that backend."""
    otherwise: tuple[Annotated[str, Field(pattern=NAME)], ...] = Field(
        min_length=1, examples=[["maintenance"]]
    )
    """The names of the servers that all other traffic goes to, such as one that answers 503 with Retry-After."""
    state_file: AbsolutePath | None = Field(default=None, examples=["/var/lib/haproxy/kaeru/servers"])
    """HAProxy's `server-state-file`: kaeru writes it after a shift. Without it a restart of HAProxy goes back."""
    timeout: Duration = Field(default=timedelta(seconds=5), examples=["5s"])
    """How long one answer of the socket may take."""

    @model_validator(mode="after")
    def _are_apart(self) -> "HaproxyTrafficSettings":
        if shared := sorted(set(self.servers) & set(self.otherwise)):
            raise ValueError(f"{', '.join(shared)} cannot be a server of the service and of the rest")
        return self


class CommandTrafficSettings(Part):
    """Programs of yours that set the share and say how it is."""

    shift: ShiftProgram = Field(examples=[["/usr/local/bin/traffic-shop", "set", "{percent}"]])
    """Sets the share. `{share}` (0.25), `{percent}` (25) and `{key}` are put in, each inside its argument. No shell."""
    read: Program = Field(examples=[["/usr/local/bin/traffic-shop", "show"]])
    """Prints a JSON object with `share`, and if it can `ready`, `wanted`, `to_service`, `total`, `errors`, `service_errors`."""
    measures: bool = Field(default=False, examples=[True])
    """Whether `read` prints `to_service` and `total`: counts of requests that only ever grow."""
    stages: bool = Field(default=True, examples=[False])
    """Whether shares between 0 and 1 are possible."""
    environment: dict[str, SecretStr] = Field(default_factory=dict, examples=[{"LB_TOKEN": "${LB_TOKEN}"}])
    """Variables for both programs. Of kaeru's own they see PATH, HOME and the like, no secret."""
    state: AbsolutePath = Field(examples=["/var/lib/kaeru/traffic-shop"])
    """A folder of kaeru's own for this: a restarted bot finds a shift that is under way, and waits for it."""
    timeout: Duration = Field(default=timedelta(minutes=1), examples=["1m"])
    """How long `shift` may take; then it is ended with all it started, and `read` decides."""
    read_timeout: Duration = Field(default=timedelta(seconds=10), examples=["10s"])
    """How long `read` may take."""
    settle: Duration = Field(default=timedelta(seconds=10), examples=["10s"])
    """How long after `shift` has ended `read` may take to show the new share."""
