"""Runs the credential plugin of a kubeconfig: an argv list, a deadline, and none of the bot's secrets."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.ports.errors import AuthFailed, Refused, Unavailable
from integrations.process import TimedOut, run

TIMEOUT_S = 30.0
_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
# How the clouds' own programs are told who they are; nothing of Slack's or of kaeru's is among them.
_HANDED_ON = ("AWS_", "AZURE_", "ARM_", "GOOGLE_", "CLOUDSDK_", "DIGITALOCEAN_", "OCI_")
_ALSO_HANDED_ON = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "KUBECONFIG",
)


@dataclass(frozen=True, repr=False)
class Credential:
    """What a plugin gave: a token, or a certificate with its key (PEM). `expires_at` is UTC, if it said so."""

    token: str
    certificate: str
    key: str
    expires_at: datetime | None


async def credential(plugin: Mapping[str, Any], directory: Path, context: str) -> Credential:
    """Ask the plugin. What it writes to stderr is told to nobody: it may hold secrets.

    Raises Refused where it cannot be run, AuthFailed where it declines, Unavailable where it takes too long.
    """
    command, version = str(plugin.get("command") or ""), str(plugin.get("apiVersion") or "")
    if not command or version not in _VERSIONS:
        raise Refused(
            f"The credential plugin of context {context} cannot be used: it speaks {version or 'no version'}.",
            remedy=f"Set its apiVersion to {_VERSIONS[0]}, as its own manual says.",
        )
    argv = [str(directory / command) if "/" in command else command, *map(str, plugin.get("args") or ())]
    request = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    try:
        done = await run(
            argv,
            timeout_s=TIMEOUT_S,
            environment=_environment(plugin) | {"KUBERNETES_EXEC_INFO": json.dumps(request)},
        )
    except TimedOut as error:
        raise Unavailable(
            f"The credential plugin {command} of context {context} did not end within {TIMEOUT_S:g} s.",
            retry_after_s=5.0,
        ) from error
    if done.code != 0:
        raise AuthFailed(
            f"The credential plugin {command} of context {context} ended with {done.code}.",
            remedy="Log in as it wants, or run it by hand as the bot's user to read what it says.",
        )
    return _parsed(done.stdout, command, context)


def _environment(plugin: Mapping[str, Any]) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_HANDED_ON) or name in _ALSO_HANDED_ON
    }
    return kept | {str(item["name"]): str(item["value"]) for item in plugin.get("env") or ()}


def _parsed(stdout: bytes, command: str, context: str) -> Credential:
    broken = Refused(
        f"The credential plugin {command} of context {context} gave no credential that can be read.",
        remedy="Run it by hand as the bot's user, with KUBERNETES_EXEC_INFO set.",
    )
    try:
        status = json.loads(stdout)["status"]
        token, certificate, key = (
            str(status.get(name) or "") for name in ("token", "clientCertificateData", "clientKeyData")
        )
        until = status.get("expirationTimestamp")
        expires_at = datetime.fromisoformat(until).astimezone(UTC) if until else None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise broken from None  # the parser's error quotes the credential
    if not token and not (certificate and key):
        raise broken
    return Credential(token=token, certificate=certificate, key=key, expires_at=expires_at)
