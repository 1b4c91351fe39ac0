"""Which of a service's servers are healthy, asked of each by itself: nginx does not tell."""

import asyncio
from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx


class Servers:
    """Servers as nginx is given them: a host, perhaps a port, perhaps parameters. Call `aclose` at the end."""

    def __init__(self, servers: Sequence[str], *, health: str | None, timeout_s: float) -> None:
        self._addresses = [server.split()[0] for server in servers]
        self._health = health
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(timeout=timeout_s, trust_env=False)

    @property
    def count(self) -> int:
        return len(self._addresses)

    async def ready(self) -> int:
        """How many of them are healthy now."""
        return sum(await asyncio.gather(*(self._is_ready(address) for address in self._addresses)))

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _is_ready(self, address: str) -> bool:
        try:
            async with asyncio.timeout(self._timeout_s):
                if self._health is None:
                    return await _connects(address)
                answer = await self._client.get(f"http://{address}{self._health}")
        except (httpx.HTTPError, OSError, TimeoutError):
            return False  # whatever it was, users would get the same
        return answer.status_code < 400


async def _connects(address: str) -> bool:
    parts = urlsplit(f"//{address}")
    _, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    writer.close()
    return True
