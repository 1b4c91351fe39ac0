"""One bounded request to an API server, and what became of it when it did not come to a good end."""

import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace

import aiohttp

from bot.ports.errors import PortError, Unavailable
from integrations.kubernetes import errors
from integrations.kubernetes.access import Access, Link, Sent
from integrations.kubernetes.credentials import Account
from integrations.kubernetes.errors import Answer, Doing

_TROUBLES = (aiohttp.ClientError, TimeoutError, OSError, ssl.SSLError)


@dataclass(frozen=True)
class Bounds:
    """Seconds: for connecting, for the server to say anything, and for the whole answer (None: as it comes)."""

    connect_s: float
    read_s: float
    whole_s: float | None = None

    @property
    def timeout(self) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(
            total=self.whole_s, connect=self.connect_s, sock_connect=self.connect_s, sock_read=self.read_s
        )


@dataclass(frozen=True)
class Request:
    """`path` and what it is for are in `doing`."""

    method: str
    doing: Doing
    bounds: Bounds
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"


@asynccontextmanager
async def opened(access: Access, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
    """A successful answer, to be read inside. Raises what `errors` says, also where reading it breaks off.

    Where the credentials are not accepted they are read again once: a request that was answered with 401 has
    changed nothing.
    """
    sent = Sent()
    for last in (False, True):
        async with access.link() as (link, account):
            doing = replace(request.doing, context=account.place.context)
            try:
                async with _send(link, account, request, sent) as got:
                    if got.status != 401 or last:
                        if not 200 <= got.status < 300:
                            raise errors.answered(await _answer(got), doing)
                        yield got
                        return
                    await got.read()  # so that the connection can be kept
            except _TROUBLES as error:
                raise _trouble(error, link, doing, sent=sent.maybe) from error
        await access.renew(account)


def _send(
    link: Link, account: Account, request: Request, sent: Sent
) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
    headers = {"Accept": "application/json", "User-Agent": "kaeru"}
    if account.authorization:
        headers["Authorization"] = account.authorization
    if request.body is not None:
        headers["Content-Type"] = request.content_type
    session = link.changing if request.doing.changes else link.reading
    return session.request(
        request.method,
        f"{account.place.host}{request.doing.path}",
        params=request.query,
        data=request.body,
        headers=headers,
        timeout=request.bounds.timeout,
        proxy=account.place.proxy,
        server_hostname=account.place.server_name,
        allow_redirects=False,  # the token is for this server alone
        trace_request_ctx=sent,
    )


async def _answer(got: aiohttp.ClientResponse) -> Answer:
    try:
        retry_after = float(got.headers.get("Retry-After", ""))
    except ValueError:  # none, or a date, which nobody sends here
        return Answer(got.status, await got.read())
    return Answer(got.status, await got.read(), retry_after_s=min(max(retry_after, 0.0), 60.0))


def _trouble(error: Exception, link: Link, doing: Doing, *, sent: bool) -> PortError:
    """What a request that broke off means: one that may have left and changes something leaves us in doubt."""
    address = link.place.address
    why = _why(error)
    if doing.changes and sent:
        return errors.lost(doing, f"{address} {why}")
    return Unavailable(f"The API server at {address} {why}.", retry_after_s=1.0, remedy=_remedy(error))


def _why(error: Exception) -> str:  # noqa: PLR0911 - one answer for each kind of trouble
    """After "the API server at …". Never the exception's own text: it may hold a proxy's password."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "") or "it is not trusted"
            return f"shows a certificate that does not hold: {reason}"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "cannot be spoken to over TLS"
        case aiohttp.ClientHttpProxyError() | aiohttp.ClientProxyConnectionError():
            return "cannot be reached through the proxy"
        case aiohttp.ClientConnectorDNSError():
            return "has a name that cannot be looked up"
        case aiohttp.ConnectionTimeoutError():
            return "cannot be reached in time"
        case aiohttp.ClientConnectorError():
            code = error.os_error.errno
            return f"cannot be reached: {os.strerror(code).lower() if code else 'no connection'}"
        case TimeoutError():
            return "did not answer in time"
    return "broke off the connection"


def _remedy(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return (
            "Correct the certificate-authority of the kubeconfig; if nothing else helps, its server's name."
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "Correct the server of the kubeconfig, or the machine's DNS."
    return ""
