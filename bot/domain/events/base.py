"""What every event has."""

from datetime import datetime

from bot.domain.base import BOT, UserId, Value


class Happened(Value):
    """What every event has."""

    at: datetime
    by: UserId = BOT
