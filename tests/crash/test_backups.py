"""A backup is taken once, and nothing of it is left half done, wherever the bot is killed meanwhile."""

import contextlib
from pathlib import Path

from sandbox.shop.releases import Shop
from tests.contract.backup_worlds import PostgresqlWorld, files, programs
from tests.crash.scene import BAD, scene
from tests.crash.story import Story
from tests.crash.truth import at_rest, happened, timeline_of, workflows
from tests.postgres import Server, postgres

__all__ = ["postgres"]

PLACES = ("started:backup.v1", "commit:backup_finished")


async def test_killed_while_it_is_taken(built: Shop, postgres: Server, tmp_path: Path) -> None:
    database = PostgresqlWorld(postgres, tmp_path / "backups")
    backup = {"kind": "postgresql", **database.settings(lock_wait="60s")}
    databases = {"orders": {"backup": backup, "wait_for_backup": "never"}}
    with contextlib.ExitStack() as held:
        held.enter_context(database.locked("orders"))
        async with scene(tmp_path, built, serving=BAD, die_at=PLACES, databases=databases) as stage:
            story = Story(stage)
            await story.ask()

            def dumping() -> bool:
                return stage.bot.listening and bool(programs("pg_dump", of=stage.bot.pid))

            # Twice in the middle of the dump, which waits for the lock.
            for kills in (1, 2):
                await stage.until(dumping, "a dump that waits for a lock")
                assert [name for name in files(database.folder) if name.endswith(".json")] == []
                deaths = stage.bot.deaths
                stage.bot.kill()
                await stage.until(
                    lambda before=deaths: stage.bot.deaths > before,  # type: ignore[misc]  # binds the loop's value
                    f"the bot to be killed {kills} times",
                )
            await stage.until(dumping, "the dump of the third bot")
            held.close()
            await stage.until(lambda: stage.bot.missed(PLACES) == [], "all places to be passed")
            await at_rest(stage)
            await stage.bot.stop()
            assert stage.bot.deaths == len(PLACES) + 2
            incident, entries = await timeline_of(stage, story.channel)
    counted = happened(entries)
    assert (counted["backup_begun"], counted["backup_finished"]) == (1, 1)
    (record,) = incident.backups
    assert record.taken is not None
    assert {state for name, state in workflows(stage) if name.startswith("backup:")} == {"SUCCESS"}
    (backup_there,) = await database.backups().list()
    assert (backup_there.id, backup_there.sha256) == (record.taken.id, record.taken.sha256)
    assert len(files(database.folder)) == 2  # the data and its manifest
