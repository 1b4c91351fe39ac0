"""The `Backups` port over any kind of database and any destination: what comes in which order, and what is believed."""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from bot.domain.plan import Level, Warn
from bot.domain.restores import RestorePlan
from bot.domain.sizes import size
from bot.ports.backups import Backup, BackupPlan, BackupProgress, Phase, Proof, Restored
from bot.ports.errors import Conflict, OutcomeUnknown, PortError, Refused, Unavailable
from integrations.backups.beforehand import looked_at
from integrations.backups.checking import (
    Broken,
    Checked,
    compare_rows,
    file_check,
    file_is_right,
    said_against,
    warned,
    with_its_file,
)
from integrations.backups.compare import against
from integrations.backups.destination import Destination
from integrations.backups.engine import Dumped, Engine
from integrations.backups.manifest import dumps, loads, name_of
from integrations.backups.settings import BackupSettings
from integrations.backups.streams import Meter, Sink, in_thread, watched

_log = logging.getLogger(__name__)


class Keeping:
    """The backups of one database. Made by `integrations.backups.make`."""

    def __init__(self, settings: BackupSettings, engine: Engine, destination: Destination) -> None:
        self._settings, self._engine, self._destination = settings, engine, destination
        self._told: set[str] = set()

    @property
    def identity(self) -> str:
        return self._engine.identity

    @property
    def database(self) -> str:
        return self._settings.database

    async def plan(self) -> BackupPlan:
        return await looked_at(self._engine, self._destination, self._last)

    def take(self, key: str) -> AsyncGenerator[BackupProgress | Backup, None]:
        meter = Meter()
        return watched(self._take(key, meter), meter.look)

    async def find(self, key: str) -> Backup | None:
        return next(iter(await self._seen([name_of(key)])), None)

    async def list(self) -> tuple[Backup, ...]:
        return await self._seen()

    async def elsewhere(self) -> tuple[str, ...]:
        return tuple(await in_thread(self._destination.neighbours))

    async def _seen(self, names: Sequence[str] | None = None) -> tuple[Backup, ...]:
        """Those that have a manifest, newest first, each as far as its file still is what the manifest says."""

        def all_of_them() -> tuple[Backup, ...]:
            found = [self._load(name) for name in (self._destination.names() if names is None else names)]
            there = [backup for backup in found if backup is not None]
            sizes = self._destination.sizes() if there else {}
            seen = (with_its_file(backup, sizes.get(backup.id)) for backup in there)
            return tuple(sorted(seen, key=lambda b: b.at, reverse=True))

        return await in_thread(all_of_them)

    def verify(self, backup: Backup, proof: Proof) -> AsyncGenerator[BackupProgress | Backup, None]:
        meter = Meter()
        return watched(self._verify(backup, proof, meter), meter.look)

    async def plan_restore(self, backup: Backup, into: str) -> RestorePlan:
        plan = await self._engine.plan_restore(backup, into)
        sizes = await in_thread(self._destination.sizes)
        return RestorePlan(
            backup=backup.id,
            into=into,
            replaces=plan.exists,
            actions=plan.actions,
            fingerprint=plan.fingerprint,
            lost_since=backup.at if plan.exists else None,
            warnings=said_against(backup) + plan.warnings,
            checks=(file_check(backup, sizes.get(backup.id)), *plan.checks),
            expected_s=backup.seconds,
            at_once=self._engine.atomic,
        )

    def restore(self, plan: RestorePlan, key: str) -> AsyncGenerator[BackupProgress | Restored, None]:
        meter = Meter()
        return watched(self._restore(plan, key, meter), meter.look)

    async def prune(self) -> tuple[str, ...]:
        backups = await self.list()
        proven = next((b.id for b in backups if b.proof is not Proof.NONE), None)
        oldest = datetime.now(UTC) - self._settings.keep_for
        old = [b.id for b in backups[self._settings.keep :] if b.at < oldest and b.id != proven]

        def remove() -> tuple[str, ...]:
            for name in old:
                self._destination.remove(name)
            return (*old, *self._destination.sweep())

        removed = await in_thread(remove)
        for name in removed:
            await self._drop_scratch_of(name)
        return removed

    async def _drop_scratch_of(self, name: str) -> None:
        """What a run that was killed while it proved has left: a copy of the whole database."""
        scratch = self._scratch_name(name)
        try:
            await self._engine.drop_scratch(scratch)
        except PortError as error:
            _log.warning(
                "The scratch database %s may still be there, look and drop it by hand: %s", scratch, error
            )

    def _scratch_name(self, backup_id: str) -> str:
        return f"kaeru_scratch_{hashlib.sha256(f'{self.identity} {backup_id}'.encode()).hexdigest()[:10]}"

    async def aclose(self) -> None:
        """Nothing is kept open between calls."""

    async def _take(self, key: str, meter: Meter) -> Backup:
        found = await self.find(key)
        if found is not None and file_is_right(found):
            return found
        earlier = await self.list()
        meter.expected_bytes = earlier[0].bytes if earlier else None
        await self._ask_for_room(meter.expected_bytes)
        name = name_of(key)
        sink = await in_thread(lambda: self._destination.create(name, meter.expected_bytes))
        try:
            async with asyncio.timeout(self._settings.timeout.total_seconds()):
                backup = await self._write(sink, key, meter)
                try:
                    backup = await self._proven(backup, self._settings.verify, meter)
                except Broken:
                    await in_thread(lambda: self._destination.remove(name))
                    raise
                except (
                    PortError
                ) as error:  # says nothing of the backup, which is whole as far as anybody knows
                    text = f"The backup could not be proven. {error.advice}"
                    backup = warned(backup, Warn(level=Level.DANGER, text=text))
            ratios = {"min_ratio": self._settings.min_ratio, "max_slowdown": self._settings.max_slowdown}
            backup = warned(backup, *against(backup, earlier, **ratios))
            await in_thread(lambda: self._destination.write_manifest(name, dumps(backup)))
        except TimeoutError as error:
            limit = self._settings.timeout
            raise Unavailable(
                f"The backup did not come to its end within {limit}.", remedy="Raise timeout."
            ) from error
        finally:
            await in_thread(sink.abort)
        return backup

    async def _write(self, sink: Sink, key: str, meter: Meter) -> Backup:
        digest = hashlib.sha256()
        meter.phase = Phase.PREPARING
        began = time.monotonic()

        def write(chunk: memoryview) -> None:
            digest.update(chunk)
            sink.write(chunk)
            meter.bytes += len(chunk)

        dumped: Dumped = await self._engine.dump(write, meter, count=self._settings.verify is Proof.RESTORED)
        if meter.bytes == 0:
            raise Refused(
                "The dump is empty: not one byte came of it.", remedy="Run the dump by hand to see why."
            )
        await in_thread(sink.close)
        name = name_of(key)
        return Backup(
            id=name,
            key=key,
            database=self.identity,
            at=dumped.at,
            bytes=meter.bytes,
            sha256=digest.hexdigest(),
            seconds=round(time.monotonic() - began, 3),
            tool=dumped.tool,
            server=dumped.server,
            tables=dumped.tables,
            rows=dumped.rows,
            warnings=dumped.warnings,
            place=self._destination.place(name),
        )

    async def _verify(self, backup: Backup, proof: Proof, meter: Meter) -> Backup:
        # What else the manifest says by now stays.
        before = await in_thread(lambda: self._load(backup.id)) or backup
        try:
            proven = await self._proven(before, proof, meter)
        except Broken as error:
            bad = before.model_copy(update={"proof": Proof.NONE, "proven_at": datetime.now(UTC)})
            bad = warned(bad, Warn(level=Level.DANGER, text=str(error)))
            await in_thread(lambda: self._destination.write_manifest(bad.id, dumps(bad)))
            raise
        await in_thread(lambda: self._destination.write_manifest(proven.id, dumps(proven)))
        return proven

    async def _proven(self, backup: Backup, proof: Proof, meter: Meter) -> Backup:
        if proof is Proof.NONE:
            return backup
        meter.phase = Phase.READING if proof is Proof.READ else Phase.RESTORING
        meter.bytes, meter.expected_bytes = 0, backup.bytes
        async with self._source(backup, meter) as source, source.judged(backup):
            if proof is Proof.READ:
                await self._engine.read(source, backup)
            else:
                async with self._engine.scratch(source, self._scratch_name(backup.id)) as rows:
                    compare_rows(backup, rows)
        # A restore proves more than a read; one that was restored before stays so.
        best = Proof.RESTORED if Proof.RESTORED in (proof, backup.proof) else proof
        return backup.model_copy(update={"proof": best, "proven_at": datetime.now(UTC)})

    async def _restore(self, plan: RestorePlan, key: str, meter: Meter) -> Restored:
        mark, into = hashlib.sha256(key.encode()).hexdigest()[:10], plan.into
        began = time.monotonic()
        backup = await in_thread(lambda: self._load(plan.backup))
        if backup is None:
            raise Refused(f"There is no backup {plan.backup} any more.", remedy="Choose another one.")
        keeps_one = plan.replaces and not self._engine.atomic
        try:
            await self._bring(backup, plan, key, mark, meter)
        except PortError as error:
            if not self._engine.atomic:
                await self._say_if_begun(plan, key, mark, error)
            raise
        safety = await self.find(f"{key}:before") if keeps_one else None
        return Restored(
            backup=backup.id,
            into=into,
            rows=await self._engine.rows(into),
            seconds=round(time.monotonic() - began, 3),
            previous=await self._engine.previous(into, mark),
            previous_backup=None if safety is None else safety.id,
        )

    async def _bring(self, backup: Backup, plan: RestorePlan, key: str, mark: str, meter: Meter) -> None:
        into = plan.into
        if not await self._engine.restored(into, mark):
            begun = await self._engine.begun(into, mark)
            if not begun:
                await self._refuse_other_world(backup, plan)
            await self._prove_beside(backup, into, mark, meter)
            if not begun:
                # The proof takes its time, and the world goes on meanwhile: what is replaced is what is there now.
                await self._refuse_other_world(backup, plan)
                if plan.replaces and not self._engine.atomic:
                    await self._take_anew(f"{key}:before", meter)
            await self._switch(backup, into, mark, meter)

    async def _say_if_begun(self, plan: RestorePlan, key: str, mark: str, error: PortError) -> None:
        """Raises OutcomeUnknown where `error` came after the replacing was begun, or may have come after that."""
        safety: Backup | None = None
        with suppress(PortError):  # then it is not named
            safety = await self.find(f"{key}:before") if plan.replaces else None
        try:
            begun = await self._engine.begun(plan.into, mark)
        except PortError:
            begun = safety is not None  # it is taken just before
        if not begun:
            return
        kept = f"What was there before is kept as backup {safety.id}. " if safety else ""
        raise OutcomeUnknown(
            f"{plan.into} may not be whole: replacing it was begun and not finished. {error}",
            retry_after_s=error.retry_after_s if isinstance(error, Unavailable) else None,
            remedy=f"{kept}Bring a backup back before anybody relies on {plan.into}. {error.remedy}".strip(),
        ) from error

    async def _refuse_other_world(self, backup: Backup, plan: RestorePlan) -> None:
        now = await self._engine.plan_restore(backup, plan.into)
        if now.fingerprint != plan.fingerprint:
            raise Conflict(f"{plan.into} is not what it was when this was planned; nothing was changed.")
        if refused := [check.detail for check in now.checks if check.required and not check.ok]:
            raise Refused(f"The restore cannot be done: {'; '.join(refused)}.")

    async def _take_anew(self, key: str, meter: Meter) -> None:
        """A backup of this key from now; one that an earlier try has taken is older than what is there."""
        if (older := await self.find(key)) is not None:
            await in_thread(lambda: self._destination.remove(older.id))
        meter.bytes, meter.detail = 0, ""
        await self._take(key, meter)

    async def _prove_beside(self, backup: Backup, into: str, mark: str, meter: Meter) -> None:
        """Restore it beside what is there, and count its rows. Raises where it is not what was backed up."""
        meter.phase, meter.expected_bytes = Phase.RESTORING, backup.bytes
        try:
            async with (
                asyncio.timeout(self._settings.timeout.total_seconds()),
                self._source(backup, meter) as source,
                source.judged(backup),
            ):
                compare_rows(backup, await self._engine.restore(source, into, mark, meter))
        except BaseException as error:
            await self._engine.discard(into, mark)
            if isinstance(error, TimeoutError):
                limit = self._settings.timeout
                raise Unavailable(f"The restore did not come to its end within {limit}.") from error
            raise

    async def _switch(self, backup: Backup, into: str, mark: str, meter: Meter) -> None:
        meter.phase, meter.detail = Phase.SWITCHING, ""
        async with self._source(backup, meter) as source:
            await self._engine.switch(into, mark, source)

    @asynccontextmanager
    async def _source(self, backup: Backup, meter: Meter) -> AsyncGenerator[Checked, None]:
        source = await in_thread(lambda: Checked(self._destination.open(backup.id), meter))
        try:
            yield source
        finally:
            source.close()

    async def _last(self) -> Backup | None:
        return next(iter(await self.list()), None)

    async def _ask_for_room(self, expected: int | None) -> None:
        free = await in_thread(self._destination.free_bytes)
        if free is not None and expected is not None and free < expected:
            raise Refused(
                f"There is no room for the backup: {size(free)} are free, the last one has {size(expected)}.",
                remedy="Make room there, or keep fewer backups.",
            )

    def _load(self, name: str) -> Backup | None:
        text = self._destination.read_manifest(name)
        place = self._destination.place(name)
        found = None if text is None else loads(text, name=name, place=place)
        if text is not None and found is None and place not in self._told:
            self._told.add(place)
            _log.warning(
                "the manifest of %s is not one that this kaeru wrote or can read, so it counts as no backup and is left alone; "
                "move both files away if nobody needs them",
                place,
            )
        return found
