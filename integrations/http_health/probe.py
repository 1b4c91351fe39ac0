"""A service seen from outside, over HTTP."""

import asyncio

from bot.domain.evidence import Probe
from integrations.http_health.client import ProbeClient
from integrations.http_health.settings import HttpHealthSettings


class HttpHealthProbe:
    """The HealthProbe port. Call `aclose` when it is no longer needed."""

    def __init__(self, settings: HttpHealthSettings) -> None:
        self._settings = settings
        self._client = ProbeClient(timeout_s=settings.timeout_s, ca_file=settings.ca_file)

    async def round(self) -> tuple[Probe, ...]:
        settings = self._settings
        asks = [
            self._client.ask(
                settings.base_url + endpoint.path,
                endpoint=endpoint.path,
                method=endpoint.method,
                version_header=settings.version_header,
            )
            for endpoint in settings.critical
        ]
        if settings.version_path is not None:
            version = self._client.ask(
                settings.base_url + settings.version_path,
                endpoint=settings.version_path,
                version_header=settings.version_header,
                version_field=settings.version_field,
            )
            asks.insert(0, version)
        return tuple(await asyncio.gather(*asks))

    async def aclose(self) -> None:
        await self._client.aclose()
