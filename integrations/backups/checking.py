"""Whether a backup still is what was written, and whether what comes out of it is what went in."""

import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from bot.domain.plan import Check, Level, Warn
from bot.domain.sizes import size
from bot.ports.backups import Backup, Proof
from bot.ports.errors import Refused
from integrations.backups.compare import NAMED
from integrations.backups.streams import CHUNK, Meter, Source, in_thread

GONE, CHANGED = "Its file is gone", "Its file has"
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


def file_check(backup: Backup, there: int | None) -> Check:
    """Whether its file is there with the bytes it had; `there` is how many it has, None where it is gone."""
    name = "file of the backup"
    if there is None:
        return Check(name=name, ok=False, detail=f"{GONE}: {backup.place}. Choose another backup")
    if there != backup.bytes:
        had = f"{there:,} bytes, not the {backup.bytes:,} that were written"
        return Check(name=name, ok=False, detail=f"{CHANGED} {had}: {backup.place}. Choose another backup")
    return Check(name=name, ok=True, detail=f"is there, with {size(there)}")


def with_its_file(backup: Backup, there: int | None) -> Backup:
    """`backup` as it is believed now: without its file whatever was proven before counts no more."""
    check = file_check(backup, there)
    if check.ok:
        return backup
    gone = warned(backup, Warn(level=Level.DANGER, text=f"{check.detail}."))
    return gone.model_copy(update={"proof": Proof.NONE, "proven_at": None})


def file_is_right(backup: Backup) -> bool:
    """Whether `with_its_file` had nothing to say."""
    return not any(warning.text.startswith((GONE, CHANGED)) for warning in backup.warnings)


def said_against(backup: Backup) -> tuple[Warn, ...]:
    """What its manifest says against it, for whoever is about to rely on it."""
    dangers = tuple(
        Warn(level=Level.DANGER, text=f"Of this backup itself: {warning.text}")
        for warning in backup.warnings
        if warning.level is Level.DANGER
    )
    if backup.proof is Proof.NONE and not dangers:
        return (Warn(level=Level.DANGER, text="This backup has never been proven."),)
    return dangers


def warned(backup: Backup, *warnings: Warn) -> Backup:
    return backup.model_copy(update={"warnings": (*backup.warnings, *warnings)})
