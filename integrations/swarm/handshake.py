"""Whether a daemon lets kaeru's certificate in: with TLS 1.3 that is said after the connection is made."""

import asyncio
import ssl
from urllib.parse import urlsplit

LISTEN_S = 3.0


async def refusal(url: str, context: ssl.SSLContext) -> ssl.SSLError | None:
    """The alert with which the daemon at `url` (`tcp://host:2376`) turns kaeru away; None where it does not.

    A daemon that was already sent a request closes the connection over it, and its alert is lost with that. So
    nothing is sent here, only listened: one that accepts the certificate waits for a request.
    """
    place = urlsplit(url)
    try:
        async with asyncio.timeout(LISTEN_S):
            reader, writer = await asyncio.open_connection(place.hostname, place.port, ssl=context)
            try:
                await reader.read(1)
            finally:
                writer.transport.abort()
    except ssl.SSLError as error:
        # Not what this side has against the daemon's certificate.
        return error if "ALERT" in (error.reason or "") else None
    except (OSError, TimeoutError):
        return None
    return None
