"""What the bot asks of the world. Each port is small, says its errors, and has a contract test suite.

Errors carry the reaction (`bot.ports.errors`):

    PortError
    ├── Unavailable      try again after `retry_after_s`; nothing was changed
    ├── Refused          stop and ask a human; `remedy` says what to fix
    │   ├── AuthFailed   … credentials or rights are missing
    │   └── Gone         … what it was to be done to does not exist any more
    ├── Conflict         someone else moved the world: plan again
    └── OutcomeUnknown   something may have changed: observe before anything is tried again
"""

from bot.ports.backups import Backup, BackupPlan, BackupProgress, Backups, Proof
from bot.ports.changes import ChangeSource
from bot.ports.charts import Charts
from bot.ports.chat import Chat
from bot.ports.engine import Engine
from bot.ports.errors import AuthFailed, Conflict, Gone, OutcomeUnknown, PortError, Refused, Unavailable
from bot.ports.health import HealthProbe
from bot.ports.memory import Memory, Shape
from bot.ports.migrations import Migrations, Sources
from bot.ports.target import (
    Available,
    Capabilities,
    Change,
    Inspection,
    Observation,
    Target,
    TargetPlan,
    polled,
)

__all__ = [
    "AuthFailed",
    "Available",
    "Backup",
    "BackupPlan",
    "BackupProgress",
    "Backups",
    "Capabilities",
    "Change",
    "ChangeSource",
    "Charts",
    "Chat",
    "Conflict",
    "Engine",
    "Gone",
    "HealthProbe",
    "Inspection",
    "Memory",
    "Migrations",
    "Observation",
    "OutcomeUnknown",
    "PortError",
    "Proof",
    "Refused",
    "Shape",
    "Sources",
    "Target",
    "TargetPlan",
    "Unavailable",
    "polled",
]
