"""A service's health in memory."""

import dataclasses
from datetime import UTC, datetime

from bot.domain.evidence import Probe


@dataclasses.dataclass
class MemoryHealth:
    """`version` answers at `/version`, or nothing does when it is None; `errors` are endpoints' troubles."""

    version: str | None
    critical: tuple[str, ...] = ()
    errors: dict[str, str] = dataclasses.field(default_factory=dict)
    latency_ms: dict[str, float] = dataclasses.field(default_factory=dict)

    async def round(self) -> tuple[Probe, ...]:
        return tuple(self._probe(endpoint) for endpoint in ("/version", *self.critical))

    def _probe(self, endpoint: str) -> Probe:
        at = datetime.now(UTC)
        if self.version is None:
            return Probe(endpoint=endpoint, at=at, ok=False, error="connection refused")
        error = self.errors.get(endpoint, "")
        status = int(error.removeprefix("HTTP ")) if error.startswith("HTTP ") else 200
        if error and status == 200:
            return Probe(endpoint=endpoint, at=at, ok=False, error=error)
        latency = self.latency_ms.get(endpoint, 5.0)
        return Probe(
            endpoint=endpoint, at=at, ok=not error, status=status, latency_ms=latency,
            version=self.version, error=error,
        )  # fmt: skip
