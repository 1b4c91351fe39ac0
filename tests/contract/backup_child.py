"""A process of its own that takes a backup, to be killed while it does.

python -m tests.contract.backup_child KIND KEY < SETTINGS.json
"""

import asyncio
import json
import sys
from pathlib import Path

from bot.ports.backups import BackupProgress
from integrations.registry import BACKUPS


async def main(kind: str, key: str) -> None:
    entry = BACKUPS[kind]
    backups = entry.make(entry.settings_model().model_validate(json.load(sys.stdin)))
    async for item in backups.take(key):
        if isinstance(item, BackupProgress):
            told: dict[str, object] = {"progress": item.bytes}
        else:
            told = {"backup": item.id, "peak_kib": peak_kib()}
        print(json.dumps(told), flush=True)  # noqa: T201 - this is how the parent hears of it


def peak_kib() -> int:
    """The most memory that this process ever had. Not `ru_maxrss`: that begins with what the parent had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
