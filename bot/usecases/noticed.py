"""What is noticed while the parts of a plan are put together."""

from dataclasses import dataclass, field

from bot.domain.plan import Check, Level, Warn


@dataclass
class Noticed:
    """Filled by whoever looks; both go into the plan in the order in which they came."""

    warnings: list[Warn] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    def warn(self, text: str, level: Level = Level.WARNING) -> None:
        """One more sentence for the plan card."""
        self.warnings.append(Warn(level=level, text=text))
