"""A process of its own that takes a backup, to be killed while it does.

python -m tests.contract.backup_child KIND KEY < SETTINGS.json
"""

import asyncio
import json
import sys

from bot.ports.backups import BackupProgress
from integrations.registry import BACKUPS


async def main(kind: str, key: str) -> None:
    entry = BACKUPS[kind]
    backups = entry.make(entry.settings_model().model_validate(json.load(sys.stdin)))
    async for item in backups.take(key):
        told = {"progress": item.bytes} if isinstance(item, BackupProgress) else {"backup": item.id}
        print(json.dumps(told), flush=True)  # noqa: T201 - this is how the parent hears of it


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
