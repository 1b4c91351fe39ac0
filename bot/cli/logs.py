"""Logging: to standard error, as text for people or JSON for machines."""

import json
import logging
import sys
from datetime import UTC, datetime

from bot.settings import Settings

# Libraries that tell at INFO what nobody asked for.
_QUIET = (
    "apscheduler",
    "dbos",
    "httpx",
    "httpcore",
    "slack_bolt",
    "slack_sdk",
    "aiohttp.access",
    "asyncio",
    "asyncssh",
)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: at, level, logger, message, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def set_up_logging(settings: Settings) -> None:
    handler = logging.StreamHandler(sys.stderr)
    text = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else logging.Formatter(text))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
