"""A process of its own that takes a backup, or restores the newest one, to be killed while it does.

python -m tests.contract.backup_child KIND KEY [INTO] < SETTINGS.json
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

from bot.ports.backups import Backup, BackupProgress, Backups, Restored
from integrations.registry import BACKUPS


async def main(kind: str, key: str, into: str | None = None) -> None:
    entry = BACKUPS[kind]
    backups = cast("Backups", entry.make(entry.settings_model().model_validate(json.load(sys.stdin))))
    doing: AsyncGenerator[BackupProgress | Backup | Restored, None]
    if into is None:
        doing = backups.take(key)
    else:
        doing = backups.restore(await backups.plan_restore((await backups.list())[0], into), key)
    async for item in doing:
        if isinstance(item, BackupProgress):
            told: dict[str, object] = {"phase": item.phase, "progress": item.bytes}
        else:
            told = {"done": True, "peak_kib": peak_kib()}
        print(json.dumps(told), flush=True)  # noqa: T201 - this is how the parent hears of it


def peak_kib() -> int:
    """The most memory that this process ever had. Not `ru_maxrss`: that begins with what the parent had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
