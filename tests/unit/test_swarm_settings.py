"""How a manager is named in kaeru.yml, and what errors of daemons become."""

import aiohttp
import pytest
from aiodocker import DockerError
from pydantic import ValidationError

from bot.ports import AuthFailed, OutcomeUnknown, Refused, Unavailable
from integrations.swarm.errors import Missing, Stale, translate
from integrations.swarm.settings import SwarmSettings
from integrations.swarm.tunnel import command


@pytest.mark.parametrize(
    "host",
    ["unix:///run/docker.sock", "tcp://10.0.0.1:2376", "ssh://manager", "ssh://deploy@manager.internal:2222"],
)
def test_hosts_that_are_understood(host: str) -> None:
    assert SwarmSettings(service="web", host=host).host == host


@pytest.mark.parametrize(
    "host",
    [
        "/run/docker.sock",
        "unix://run/docker.sock",
        "tcp://10.0.0.1",
        "tcp://10.0.0.1:x",
        "http://10.0.0.1:2375",
        "ssh://",
        "ssh://-oProxyCommand=x",
        "ssh://-x@manager",
        "ssh://deploy:hunter2@manager",
        "ssh://manager/path",
    ],
)
def test_others_are_not(host: str) -> None:
    with pytest.raises(ValidationError):
        SwarmSettings(service="web", host=host)


def test_one_way_in() -> None:
    with pytest.raises(ValidationError, match="leave one of them out"):
        SwarmSettings(service="web", host="ssh://manager", context="production")
    with pytest.raises(ValidationError, match="tls goes with"):
        SwarmSettings.model_validate(
            {"service": "web", "tls": {"ca": "/ca.pem", "cert": "/cert.pem", "key": "/key.pem"}}
        )


def test_ssh_is_an_argv_without_a_shell_of_ours() -> None:
    assert command("ssh://deploy@manager.internal:2222")[-10:] == (
        "-T", "-l", "deploy", "-p", "2222", "--", "manager.internal", "docker", "system", "dial-stdio",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "said", "writes", "kind"),
    [
        (500, "rpc error: code = Unknown desc = update out of sequence", True, Stale),
        (404, "service web not found", False, Missing),
        (503, 'This node is not a swarm manager. Use "docker swarm init"', False, Refused),
        (500, "rpc error: code = Unknown desc = The swarm does not have a leader.", True, Unavailable),
        (500, "rpc error: code = Unknown desc = raft: lost leadership", True, OutcomeUnknown),
        (400, "rpc error: code = InvalidArgument desc = secret not found: x", True, Refused),
        (403, "authorization denied by plugin", False, AuthFailed),
        (400, "Client sent an HTTP request to an HTTPS server.", False, AuthFailed),
        (500, "rpc error: code = DeadlineExceeded", True, OutcomeUnknown),
        (500, "rpc error: code = DeadlineExceeded", False, Unavailable),
    ],
)
def test_answers_become_what_to_do_next(status: int, said: str, writes: bool, kind: type[Exception]) -> None:
    error = translate(DockerError(status, said), host="the host", doing="update web", writes=writes)
    assert type(error) is kind


@pytest.mark.parametrize(("writes", "kind"), [(True, OutcomeUnknown), (False, Unavailable)])
def test_a_lost_connection_is_unknown_only_after_a_write(writes: bool, kind: type[Exception]) -> None:
    lost = DockerError(900, "Cannot connect")
    lost.__context__ = aiohttp.ServerDisconnectedError()
    assert type(translate(lost, host="the host", doing="update web", writes=writes)) is kind
    assert type(translate(TimeoutError(), host="the host", doing="update web", writes=writes)) is kind
