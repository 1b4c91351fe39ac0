"""A service seen from outside, over HTTP."""

import asyncio
from collections.abc import Awaitable, Iterator

from bot.domain.evidence import Probe
from integrations.http_health.client import ProbeClient
from integrations.http_health.settings import HttpHealthSettings


class HttpHealthProbe:
    """The HealthProbe port. Call `aclose` when it is no longer needed.

    The endpoints of a vantage have its name before their path: `web1 /checkout`.
    """

    def __init__(self, settings: HttpHealthSettings) -> None:
        self._settings = settings
        self._client = ProbeClient(
            timeout_s=settings.timeout_s, ca_file=settings.ca_file, warn_days=settings.warn_days
        )

    async def round(self) -> tuple[Probe, ...]:
        asks = [*self._asks(self._settings.base_url)]
        for vantage in self._settings.vantages:
            asks += self._asks(vantage.url, before=f"{vantage.name} ", host=vantage.host)
        return tuple(await asyncio.gather(*asks))

    def heard(self, endpoint: str) -> str:
        """The address that was asked last for `endpoint` and how its answer began, redacted; empty where none was."""
        return self._client.heard(endpoint)

    async def aclose(self) -> None:
        await self._client.aclose()

    def _asks(self, url: str, *, before: str = "", host: str | None = None) -> Iterator[Awaitable[Probe]]:
        """The version endpoint first, where there is one."""
        settings = self._settings
        if settings.version_path is not None:
            yield self._client.ask(
                url + settings.version_path,
                endpoint=before + settings.version_path,
                version_header=settings.version_header,
                version_field=settings.version_field,
                host=host,
            )
        for endpoint in settings.critical:
            yield self._client.ask(
                url + endpoint.path,
                endpoint=before + endpoint.path,
                method=endpoint.method,
                version_header=settings.version_header,
                expect=endpoint.expect,
                host=host,
            )
