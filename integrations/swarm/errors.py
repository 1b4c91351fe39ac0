"""What a Docker daemon answers, or does not answer, as errors of the port."""

import re
import ssl

import aiohttp
from aiodocker import DockerError

from bot.ports.errors import AuthFailed, Gone, OutcomeUnknown, PortError, Refused, Unavailable
from integrations.process import redact

RETRY_S = 1.0
_SSL = re.compile(r"^\[SSL[^\]]*\] (.*?)( \(_ssl\.c:\d+\))?$")
_LOST = 900  # aiodocker's own status for a connection that failed


class Stale(Exception):
    """The version index of an update was not the service's any more; nothing was changed."""


class Missing(Gone):
    """What was asked for does not exist."""


def is_lost(error: Exception) -> bool:
    """Whether one of the client's errors is about the way to the daemon, and not an answer of its own."""
    if isinstance(error, DockerError):
        return bool(error.status == _LOST)
    return isinstance(error, aiohttp.ClientError | OSError)


def translate(error: Exception, *, host: str, doing: str, writes: bool = False) -> Exception:
    """The port's error for one of the client's; a Stale for an update that came too late.

    `doing` is a phrase such as "read the service shop"; with `writes`, an answer that was lost after the
    request may have been sent is an OutcomeUnknown.
    """
    if isinstance(error, DockerError):
        if error.status == _LOST:
            # aiodocker raises its own while it handles aiohttp's, which knows how far the request came.
            cause = error.__cause__ or error.__context__
            return _lost(cause or error, host=host, doing=doing, writes=writes)
        return _answered(error.status, redact(error.message), host=host, doing=doing, writes=writes)
    return _lost(error, host=host, doing=doing, writes=writes)


def _lost(error: BaseException, *, host: str, doing: str, writes: bool) -> PortError:
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return _tls(error, host)
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, PermissionError):
            return AuthFailed(
                f"kaeru's user has no right to use {host}.",
                remedy="Add that user to the group of the socket (docker), which makes it root on that machine.",
            )
        return Unavailable(
            f"No Docker daemon answers on {host} ({_reason(error)}).",
            retry_after_s=RETRY_S,
            remedy="Start it, or correct host in kaeru.yml.",
        )
    said = "no answer in time" if isinstance(error, TimeoutError) else _reason(error)
    # A server that demands a certificate closes the connection after it seemed open.
    if "certificate" in said or "alert" in said:
        return _tls(error, host)
    if writes:
        return OutcomeUnknown(f"The answer of {host} to the request to {doing} was lost ({said}).")
    return Unavailable(f"The connection to {host} was lost while kaeru wanted to {doing} ({said}).")


def _tls(error: BaseException, host: str) -> AuthFailed:
    reason = _reason(error)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return AuthFailed(
            f"The certificate of {host} is not the one of a daemon that is trusted: {reason}.",
            remedy="Give the authority that signed it as tls.ca, and the name it was made for as host.",
        )
    if "alert" in reason:  # said by the other side
        return AuthFailed(
            f"{host} did not accept kaeru's certificate: {reason}.",
            remedy="Give a certificate that the daemon's authority signed as tls.cert and tls.key.",
        )
    return AuthFailed(
        f"{host} and kaeru do not agree on TLS: {reason}.",
        remedy="Check that the daemon runs with --tlsverify, and tls.ca, tls.cert and tls.key.",
    )


def _answered(status: int, said: str, *, host: str, doing: str, writes: bool) -> Exception:
    low, said = said.lower(), said.rstrip(".")
    if "out of sequence" in low:
        return Stale(said)
    if (known := _known(status, low, host=host, doing=doing, writes=writes)) is not None:
        return known
    if status == 404:
        return Missing(f"{host} cannot {doing}: {said}.")
    if status < 500 or "invalidargument" in low.replace(" ", "") or "failedprecondition" in low:
        return Refused(f"{host} declined to {doing}: {said}.")
    if writes:
        return OutcomeUnknown(f"{host} had trouble when it was to {doing}: {said}.")
    return Unavailable(f"{host} could not {doing}: {said}.", retry_after_s=RETRY_S)


def _known(status: int, low: str, *, host: str, doing: str, writes: bool) -> PortError | None:
    """What is wrong with the way to the service rather than with the request."""
    if "not a swarm manager" in low:
        return Refused(
            f"{host} is no manager of a Swarm, so it cannot {doing}.",
            remedy="Name a manager as host: `docker node ls` on one shows which nodes are.",
        )
    if "does not have a leader" in low or "no leader" in low or "lost leadership" in low:
        sentence = f"The Swarm of {host} has no leader at the moment: too few of its managers can be reached."
        return OutcomeUnknown(sentence) if writes and "lost" in low else Unavailable(sentence)
    if "http request to an https" in low:
        return AuthFailed(f"{host} wants TLS.", remedy="Give tls.ca, tls.cert and tls.key in kaeru.yml.")
    if status in (401, 403):
        return AuthFailed(
            f"{host} does not allow kaeru to {doing}: {low.rstrip('.')}.",
            remedy="Allow it in the daemon's authorization plugin or proxy.",
        )
    return None


def _reason(error: BaseException) -> str:
    """A short reason, without the addresses and keys that aiohttp puts around it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        inner: BaseException = error.certificate_error
        return str(getattr(inner, "verify_message", "") or inner).rstrip(".")
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    said = str(getattr(error, "strerror", None) or "") or str(error) or type(error).__name__
    if (found := _SSL.search(said)) is not None:
        return found[1].lower()
    return redact(said).rstrip(".")
