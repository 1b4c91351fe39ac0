"""What went wrong with a request, in a few words: never an address, a body or a header."""

import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

Scalar = str | int | float | bool | None

UNREADABLE = "no JSON in the answer"

# OpenSSL's numbers (X509_V_ERR_…) for what is wrong with a certificate.
_CERTIFICATES = {
    9: "the certificate is not valid yet",
    10: "the certificate has expired",
    **dict.fromkeys((18, 19, 20, 21), "the certificate is of an unknown authority"),
    23: "the certificate was revoked",
    **dict.fromkeys((62, 64), "the certificate is for another name"),
}
_HANDSHAKES = {
    **dict.fromkeys(
        ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"), "no TLS is spoken there"
    ),
    **dict.fromkeys(
        ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE"),
        "no TLS version in common",
    ),
    **dict.fromkeys(
        ("NO_SHARED_CIPHER", "SSLV3_ALERT_HANDSHAKE_FAILURE", "NO_CIPHERS_AVAILABLE"),
        "no TLS cipher in common, or a client certificate is wanted",
    ),
    **dict.fromkeys(
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "PEER_DID_NOT_RETURN_A_CERTIFICATE"),
        "a client certificate is wanted",
    ),
    "TLSV1_UNRECOGNIZED_NAME": "no certificate there for this name",
}


def kind_of(error: BaseException) -> str:
    """Why there is no answer."""
    causes = list(_causes(error))
    for cause in causes:
        # What was only waited for is a timeout.
        if isinstance(cause, ssl.SSLError) and not isinstance(
            cause, ssl.SSLWantReadError | ssl.SSLWantWriteError
        ):
            return _tls(cause)
    kinds: tuple[tuple[type[BaseException], str], ...] = (
        (socket.gaierror, "name not found"),
        (ConnectionRefusedError, "connection refused"),
        (ConnectionResetError, "connection reset"),
        (httpx.TimeoutException, "timeout"),
        (TimeoutError, "timeout"),
        (httpx.RemoteProtocolError, "connection closed without an answer"),
        (httpx.TransportError, "connection failed"),
    )
    for kind, words in kinds:
        if any(isinstance(cause, kind) for cause in causes):
            return words
    return "no valid answer"


def of_status(status: int, url: str, location: str | None) -> str:
    """Nothing for a status from 200 to 299; of a redirect also whether it leads away."""
    if status < 300:
        return ""
    if status >= 400 or not location:
        return f"HTTP {status}"
    asked, goal = urlsplit(url), urlsplit(urljoin(url, location))
    if (asked.scheme, goal.scheme) == ("http", "https") and asked.hostname == goal.hostname:
        return f"HTTP {status}, a redirect to https"
    where = "path" if (asked.scheme, asked.netloc) == (goal.scheme, goal.netloc) else "address"
    return f"HTTP {status}, a redirect to another {where}"


def of_fields(body: bytes, expected: Mapping[str, Scalar]) -> str:
    """Which field of a JSON answer is not as it is expected to be; nothing where all are."""
    if not expected:
        return ""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return UNREADABLE
    for path, value in expected.items():
        there, has = _field(found, path)
        if not has:
            return f"no {path} in the answer"
        if not _same(there, value):
            return f"{path} is not {json.dumps(value, ensure_ascii=False)}"
    return ""


def of_certificate(ends: datetime | None, at: datetime, *, warn_days: int) -> str:
    """How long a certificate is still good, where that is no longer than `warn_days`."""
    if ends is None or ends - at >= timedelta(days=warn_days):
        return ""
    days = (ends - at) // timedelta(days=1)
    when = "today" if days <= 0 else "in 1 day" if days == 1 else f"in {days} days"
    return f"the certificate expires {when}"


def end_of_certificate(stream: Any) -> datetime | None:
    """Until when the certificate is good that was shown on this connection; None where there is none."""
    tls = stream.get_extra_info("ssl_object") if stream is not None else None
    shown = tls.getpeercert() if tls is not None else None
    if not shown or "notAfter" not in shown:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), UTC)


def _tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATES.get(error.verify_code, "the certificate is not valid")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "connection closed during the TLS handshake"
    return _HANDSHAKES.get(error.reason or "", "TLS failure")


def _field(found: Any, path: str) -> tuple[Any, bool]:
    """What stands at `checks.0.database`, and whether anything does."""
    for name in path.split("."):
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isascii() and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None, False
    return found, True


def _same(found: Any, expected: Scalar) -> bool:
    """As JSON has it: true is not 1, and 1 is 1.0."""
    if isinstance(found, bool) or isinstance(expected, bool):
        return found is expected
    return bool(found == expected) and not isinstance(found, dict | list)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                yield from _causes(inner)
        error = error.__cause__ or error.__context__
