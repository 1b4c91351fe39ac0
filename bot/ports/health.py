"""A service seen from outside."""

from typing import Protocol, runtime_checkable

from bot.domain.evidence import Probe


class HealthProbe(Protocol):
    """Asks the service as a user would. Never raises for an ill service: that is what it is there to see."""

    async def round(self) -> tuple[Probe, ...]:
        """One cache-busted request to the version endpoint and to each critical endpoint, all at once.

        Returns one Probe per endpoint, the version endpoint first where one is configured. A timeout, a
        refused connection or a TLS failure is a Probe with `ok=False` and `error` set. `version` is what the
        answer itself said (body of the version endpoint, or the version header of any answer).
        """
        ...


@runtime_checkable
class Listening(Protocol):
    """A HealthProbe that can say what it heard, for whoever sets it up. It is shown and never kept."""

    def heard(self, endpoint: str) -> str:
        """The address that was asked last and how its answer began, redacted; empty where nothing was asked.

        `endpoint` is the name in the Probe.
        """
        ...
