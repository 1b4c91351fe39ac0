"""How bad it is, and what follows from that."""

from enum import StrEnum


class Severity(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def label(self) -> str:
        return self.value.capitalize()

    @property
    def meaning(self) -> str:
        """Half a sentence that lets a tired person choose."""
        return _MEANING[self]

    @property
    def rolls_back(self) -> bool:
        """Critical and High roll back at once; for Medium and Low a forward fix is recommended."""
        return self in (Severity.CRITICAL, Severity.HIGH)


_MEANING = {
    Severity.CRITICAL: "data loss, a breach, or a full outage",
    Severity.HIGH: "many users cannot do something important",
    Severity.MEDIUM: "some users are hindered, there is a way around",
    Severity.LOW: "a blemish, nobody is stopped",
}
