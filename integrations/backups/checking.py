"""Whether a backup still is what was written, and whether what comes out of it is what went in."""

import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from bot.domain.plan import Warn
from bot.domain.sizes import size
from bot.ports.backups import Backup
from bot.ports.errors import Refused
from integrations.backups.compare import NAMED
from integrations.backups.streams import CHUNK, Meter, Source, in_thread

REMEDY = "Do not rely on it; take a new one."


class Broken(Refused):
    """The backup itself is bad, whoever looks at it and whenever."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, remedy=REMEDY)


class Checked:
    """A source that is hashed while somebody reads it."""

    def __init__(self, source: Source, meter: Meter) -> None:
        self._source, self._meter = source, meter
        self._digest, self._bytes = hashlib.sha256(), 0

    def read(self, count: int, /) -> bytes:
        chunk = self._source.read(count)
        self._digest.update(chunk)
        self._bytes += len(chunk)
        self._meter.bytes = self._bytes
        return chunk

    @asynccontextmanager
    async def judged(self, backup: Backup) -> AsyncGenerator[None, None]:
        """Around what reads it: where other bytes came than were written, that explains whatever it ran into."""
        try:
            yield
        except Refused:
            await in_thread(self._drain)
            self.judge(backup)
            raise
        await in_thread(self._drain)
        self.judge(backup)

    def _drain(self) -> None:
        """Read what its reader left."""
        while self.read(CHUNK):
            pass

    def close(self) -> None:
        self._source.close()

    def judge(self, backup: Backup) -> None:
        """Raises Broken where what was read is not what was written."""
        if self._bytes < backup.bytes:
            raise Broken(
                f"The backup {backup.id} is truncated: {size(self._bytes)} are left of {size(backup.bytes)}."
            )
        if self._bytes != backup.bytes or self._digest.hexdigest() != backup.sha256:
            raise Broken(f"The backup {backup.id} is not what was written: its checksum is another one.")


def compare_rows(backup: Backup, rows: Mapping[str, int]) -> None:
    """Raises Broken where a table or its rows did not come back. What was not counted is not compared."""
    # There may be more: a replica cannot read unlogged tables, and they come back empty.
    if backup.tables is not None and len(rows) < backup.tables:
        raise Broken(f"The restored backup {backup.id} has {len(rows)} tables, not {backup.tables}.")
    expected = backup.rows or {}
    wrong = [
        f"{table} ({rows.get(table, 0):,}, not {count:,})"
        for table, count in sorted(expected.items())
        if rows.get(table) != count
    ]
    if wrong:
        more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise Broken(
            f"The restored backup {backup.id} has other rows than the database had: {', '.join(wrong[:NAMED])}{more}."
        )


def warned(backup: Backup, *warnings: Warn) -> Backup:
    return backup.model_copy(update={"warnings": (*backup.warnings, *warnings)})
