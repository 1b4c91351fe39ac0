"""What every client of an HTTP API has in common: whom it trusts, what is an address, and what its failures mean.

Who to be there and what a status means stay with the adapter.
"""

import json
import math
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx

from bot.ports.errors import OutcomeUnknown, PortError, Refused, Unavailable

BUSY = (408, 425, 429)
"""Statuses that ask to wait, and by which nothing was changed."""
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""Failures before anything was sent."""
UNREACHED = (httpx.HTTPError, httpx.InvalidURL, TimeoutError)
"""Everything that asking raises where there is no answer; `unreached` says what it means."""
_WORDS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((ConnectionRefusedError,), "the connection was refused"),
    ((socket.gaierror,), "there is no host of this name"),
    ((TimeoutError, httpx.TimeoutException), "it took too long"),
    ((ssl.SSLEOFError, ssl.SSLZeroReturnError), "the connection was lost"),
    ((ssl.SSLError,), "TLS could not be agreed on"),
    (
        (
            ConnectionError,
            EOFError,
            smtplib.SMTPServerDisconnected,
            httpx.ReadError,
            httpx.WriteError,
            httpx.CloseError,
        ),
        "the connection was lost",
    ),
    ((httpx.RemoteProtocolError,), "what came back was no answer of HTTP"),
)
"""The most telling first: a failure often has another one as its cause."""
_PAUSE_S = 5.0
_PORTS = range(1, 2**16)
_LONGEST_LABEL = 63


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Whom to trust over HTTP: `ca_file`, or everybody the system trusts. Raises Refused where the file is none.

    To make one takes long, so all that trust the same share it; a renewed file is read again.
    """
    try:
        written = None if ca_file is None else ca_file.stat().st_mtime_ns
    except OSError as error:
        raise _no_authority(ca_file) from error
    return _shared(ca_file, written)


def own_trust(ca_file: Path | None) -> ssl.SSLContext:
    """The same for other protocols, shared with nobody: httpx writes HTTP's name (ALPN) into the one it is given."""
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:
        raise _no_authority(ca_file) from error


@lru_cache(maxsize=32)
def _shared(ca_file: Path | None, _written: int | None) -> ssl.SSLContext:
    return own_trust(ca_file)


def _no_authority(ca_file: Path | None) -> Refused:
    return Refused(
        f"{ca_file} is no certificate authority in PEM that can be read.", remedy="Correct ca_file."
    )


def client(trusted: ssl.SSLContext, timeout_s: float, *, auth: httpx.Auth | None = None) -> httpx.AsyncClient:
    """A client that goes where it is sent and nowhere else: no redirects, no proxies of the environment."""
    return httpx.AsyncClient(
        verify=trusted, auth=auth, timeout=timeout_s, follow_redirects=False, trust_env=False
    )


def address(url: str) -> httpx.URL:
    """The address, for a request. Raises httpx.InvalidURL, also for what httpx only stumbles over on its way."""
    try:
        made = httpx.URL(url)
        host = made.raw_host if made.host else b""  # it is decoded only when it is asked for
    except UnicodeError as error:
        raise httpx.InvalidURL("the name of the host is none") from error
    labels = host.rstrip(b".").split(b".")
    if any(not 0 < len(label) <= _LONGEST_LABEL for label in labels):
        raise httpx.InvalidURL("the name of the host is none")
    if made.port is not None and made.port not in _PORTS:
        raise httpx.InvalidURL("the port is none")
    return made


def unreached(error: BaseException, name: str, timeout_s: float, *, writes: bool) -> PortError:
    """What it means that there is no answer of `name`, such as "The status page" or "GitHub".

    `writes` says whether something there would have been changed: then the outcome is unknown once it was sent.
    """
    reasons = list(causes(error))
    inside = f"the {name[4:]}" if name.startswith("The ") else name
    if any(isinstance(reason, ssl.SSLCertVerificationError) for reason in reasons):
        return Refused(
            f"The certificate of {inside} does not hold.",
            remedy="Give the authority that signed it as ca_file, or renew the certificate.",
        )
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return Refused(f"The address of {inside} is none.", remedy="Correct it in kaeru.yml.")
    subject = f"{name[:1].upper()}{name[1:]}"
    unknown = writes and not any(isinstance(reason, UNSENT) for reason in reasons)
    if any(isinstance(reason, httpx.TimeoutException | TimeoutError) for reason in reasons):
        sentence = f"{subject} did not answer within {timeout_s:g} s."
    elif unknown:
        sentence = f"{subject} did not answer: {in_words(error)}."
    else:
        sentence = f"{subject} cannot be reached: {in_words(error)}."
    return OutcomeUnknown(sentence) if unknown else Unavailable(sentence, retry_after_s=_PAUSE_S)


def in_words(error: BaseException) -> str:
    """What went wrong with a connection, over HTTP or not, as half a sentence: `the connection was refused`."""
    chain = list(causes(error))
    for kinds, words in _WORDS:
        if any(isinstance(one, kinds) for one in chain):
            return words
    said = next((one.strerror for one in chain if isinstance(one, OSError) and one.strerror), "")
    return f"{said[:1].lower()}{said[1:]}" if said else "the connection failed"


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it, the nearest first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def pause(headers: httpx.Headers, at_least: float, at_most: float) -> float:
    """Seconds that the server asks for, by Retry-After or where a limit is used up; 5 where it does not say."""
    until = headers.get("x-ratelimit-reset") if headers.get("x-ratelimit-remaining") == "0" else None
    try:
        asked = float(headers.get("retry-after") or (float(until) - time.time() if until else _PAUSE_S))
    except ValueError:
        asked = _PAUSE_S
    return min(max(_PAUSE_S if math.isnan(asked) else asked, at_least), at_most)


def parsed(body: bytes) -> Any:
    """The JSON of an answer, None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
