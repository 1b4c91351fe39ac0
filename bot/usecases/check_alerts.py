"""What `kaeru check` says of the place where alerts are taken: it is tried, and no alert is sent."""

import asyncio
from collections.abc import Sequence

from bot.catalog import Catalog
from bot.domain.severity import Severity
from bot.usecases.check_report import Row, State, row_of

_PATIENCE_S = 5.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared with, never listened at
_OURS = b"KAERU_ALERTS_TOKEN"
_REMEDY = "Stop what listens there, or choose another KAERU_ALERTS_LISTEN."


async def look_at_alerts(catalog: Catalog, place: tuple[str, int]) -> Sequence[Row]:
    """One row: whether kaeru can listen at `place` (host and port) or does already, and how alerts are read."""
    host, port = place
    where = f"{host}:{port}"
    rules = catalog.workspace.alerts
    mapped = ", ".join(f"{label} is {Severity(to).label}" for label, to in rules.severities.items())
    read = (
        f"the label {rules.service_label!r} names {' or '.join(catalog.services)}; "
        f"by {rules.severity_label!r}, {mapped or 'nothing says how bad it is'}"
    )
    try:
        server = await asyncio.start_server(lambda _, writer: writer.close(), host, port)
    except OSError as error:
        if await _is_kaeru(host, port):
            return [row_of("kaeru", "alerts", State.OK, f"kaeru listens at {where} already; {read}")]
        seen = f"{where} cannot be listened at: {error.strerror or error}"
        return [row_of("kaeru", "alerts", State.FAIL, seen, _REMEDY)]
    server.close()
    await server.wait_closed()
    return [row_of("kaeru", "alerts", State.OK, f"{where} is free; {read}")]


async def _is_kaeru(host: str, port: int) -> bool:
    """Whether a running kaeru holds it. The token is given to nobody: it asks for it, and says what it is called."""
    question = (
        f"POST /alerts HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    try:
        async with asyncio.timeout(_PATIENCE_S):
            reader, writer = await asyncio.open_connection(_EVERYWHERE.get(host, host), port)
            try:
                writer.write(question.encode("ascii"))
                await writer.drain()
                answer = await reader.read(8192)
                while answer and _OURS not in answer and (more := await reader.read(8192)):
                    answer = answer[-len(_OURS) :] + more
            finally:
                writer.close()
    except OSError:
        # Includes TimeoutError: whatever it is, it does not answer as kaeru does.
        return False
    return _OURS in answer
