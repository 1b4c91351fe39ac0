"""git, as a program, in a repository that lives for one push and is thrown away."""

import base64
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from bot.ports.errors import AuthFailed, Gone, OutcomeUnknown, Refused, Unavailable
from integrations.papers.settings import GitRepositorySettings
from integrations.process import TimedOut, run

PASSED_ON = ("SSH_AUTH_SOCK", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE")
_CONFIGURATION = (
    "core.hooksPath=/dev/null",
    "color.ui=false",
    "gc.auto=0",
    "core.autocrlf=false",
    "http.followRedirects=false",
)
_NOT_LET_IN = (
    "authentication failed",
    "permission denied",
    "could not read username",
    "could not read password",
    "terminal prompts disabled",
    "error: 401",
    "error: 403",
    "access denied",
    "host key verification failed",
    "too many authentication failures",
    "invalid username or",
)
_AWAY = (
    "could not resolve",
    "connection refused",
    "connection timed out",
    "failed to connect",
    "couldn't connect",
    "network is unreachable",
    "no route to host",
    "operation timed out",
    "error: 429",
    "connection closed by",
)
_CUT = (
    "connection reset",
    "early eof",
    "hung up unexpectedly",
    "unexpected disconnect",
    "broken pipe",
    "error: 5",
    "empty reply",
    "rpc failed",
    "closed by remote",
)
_NOT_THERE = (
    "not appear to be a git repository",
    "repository not found",
    "error: 404",
    "does not exist",
    "not found",
)


@dataclass(frozen=True)
class Printed:
    """How git ended. `said` is all of its last words, in small letters only where they are compared."""

    code: int
    out: str
    said: tuple[str, ...]


class Git:
    """Runs git in `folder`. No secret is ever an argument, or in what is told."""

    def __init__(self, settings: GitRepositorySettings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder

    async def text(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """What git prints, for what only concerns this machine. Raises Refused, Unavailable."""
        done = await self.run(*arguments, environment=environment)
        if done.code != 0:
            raise Refused(
                f"git {arguments[0]} failed: {gist(done.said)}.",
                remedy="Check git on this machine and the room in its folder for temporary files.",
            )
        return done.out

    async def from_remote(self, *arguments: str) -> str:
        """The same for what reads the remote. Raises AuthFailed, Gone, Unavailable, Refused."""
        done = await self.run(*arguments)
        if done.code != 0:
            self.failed(f"git {arguments[0]}", done.said, writes=False)
        return done.out

    async def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Printed:
        """Raises Unavailable after the timeout; OutcomeUnknown where that was a push."""
        settings = [part for line in _CONFIGURATION for part in ("-c", line)]
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        seconds = self._settings.timeout.total_seconds()
        try:
            done = await run(
                ["git", "--no-pager", *settings, *arguments],
                timeout_s=seconds,
                cwd=self._folder,
                environment=passed_on | self._environment() | dict(environment or {}),
            )
        except TimedOut as error:
            sentence = f"git {arguments[0]} took longer than {seconds:g} s."
            if arguments[0] == "push":
                raise OutcomeUnknown(sentence) from error
            raise Unavailable(sentence, retry_after_s=5.0) from error
        said = tuple(self._without_secrets(line) for line in done.said)
        return Printed(done.code, done.stdout.decode(errors="replace"), said)

    def failed(self, what: str, said: tuple[str, ...], *, writes: bool) -> NoReturn:
        """Raise what git's last words mean."""
        words, told = " ".join(said).lower(), gist(said)
        where = self._settings.remote
        if any(sign in words for sign in _NOT_LET_IN):
            raise AuthFailed(
                f"{where} does not let kaeru in: {told}.",
                remedy="Check `token`, or `ssh_key` and `known_hosts`, and that they may push there.",
            )
        if any(sign in words for sign in _AWAY):
            raise Unavailable(f"{where} cannot be reached: {told}.", retry_after_s=10.0)
        if any(sign in words for sign in _CUT):
            if writes:
                raise OutcomeUnknown(f"The connection to {where} broke off: {told}.")
            raise Unavailable(f"The connection to {where} broke off: {told}.", retry_after_s=10.0)
        if any(sign in words for sign in _NOT_THERE):
            raise Gone(
                f"There is no repository {where}: {told}.",
                remedy="Correct `remote`, or give kaeru the right to see it.",
            )
        if writes:
            raise OutcomeUnknown(f"{what} to {where} failed: {told}.")
        raise Refused(f"{what} of {where} failed: {told}.", remedy="Try the same with git by hand.")

    def _environment(self) -> dict[str, str]:
        own = self._settings
        environment = {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "file:ssh:https:http",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": str(self._folder.parent),
            "GIT_SSH_COMMAND": _ssh(own),
            "GIT_SSH_VARIANT": "ssh",
            "LC_ALL": "C",
            "GIT_AUTHOR_NAME": own.author,
            "GIT_AUTHOR_EMAIL": own.email,
            "GIT_COMMITTER_NAME": own.author,
            "GIT_COMMITTER_EMAIL": own.email,
        }
        if own.token is not None:
            # Settings from the environment are seen by git alone; an argument is seen by everybody here.
            url = urlsplit(own.remote)
            environment |= {
                "GIT_CONFIG_COUNT": "2",
                "GIT_CONFIG_KEY_0": f"http.{url.scheme}://{url.netloc}/.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: Basic {self._basic()}",
                "GIT_CONFIG_KEY_1": "credential.helper",
                "GIT_CONFIG_VALUE_1": "",
            }
        return environment

    def _basic(self) -> str:
        own = self._settings
        secret = "" if own.token is None else own.token.get_secret_value()
        return base64.b64encode(f"{own.user}:{secret}".encode()).decode()

    def _without_secrets(self, text: str) -> str:
        token = self._settings.token
        if token is None:
            return text
        return text.replace(token.get_secret_value(), "[redacted]").replace(self._basic(), "[redacted]")


def _ssh(own: GitRepositorySettings) -> str:
    """The program for SSH. git hands this to a shell by itself, so every word is quoted for it."""
    words = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15"]
    if own.ssh_key is not None:
        words += ["-i", str(own.ssh_key), "-o", "IdentitiesOnly=yes"]
    if own.known_hosts is not None:
        words += ["-o", f"UserKnownHostsFile={own.known_hosts}", "-o", "StrictHostKeyChecking=yes"]
    return shlex.join(words)


def gist(said: tuple[str, ...]) -> str:
    """The line that says what went wrong; around it git gives advice, and ssh says more than git."""
    known = (*_NOT_LET_IN, *_AWAY, *_CUT)
    told = [line for line in said if any(sign in line.lower() for sign in known)]
    for sign in ("remote: error: ", "remote: ", "fatal: ", "error: "):
        told += [line for line in said if line.lower().startswith(sign)]
    return (told or said[-1:] or ("no reason given",))[0].rstrip(". ")
