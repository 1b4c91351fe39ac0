"""One bot per database, and nobody else reads its files."""

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.settings import SettingsInvalid, load_settings
from bot.store import AnotherBot, StoreUnavailable
from bot.store.alone import Alone, bot_holds
from bot.workflows.engine import hold_alone

if TYPE_CHECKING:
    from tests.postgres import Server

pytest_plugins = ("tests.postgres",)


async def test_the_second_bot_on_a_postgresql_database_is_refused(postgres: "Server") -> None:
    database = postgres.create_database()
    first = await Alone.take(postgres.url(database))
    assert first is not None
    assert await bot_holds(postgres.url(database))
    assert not await bot_holds(postgres.url(postgres.create_database()))
    with pytest.raises(AnotherBot, match=r"^Another kaeru uses this database\. Stop it first"):
        await Alone.take(postgres.url(database))
    other = await Alone.take(postgres.url(postgres.create_database()))
    assert other is not None
    await other.release()
    await first.release()
    assert not await bot_holds(postgres.url(database))
    again = await Alone.take(postgres.url(database))
    assert again is not None
    await again.release()


async def test_a_lost_connection_is_noticed_and_the_lock_taken_again(postgres: "Server") -> None:
    database = postgres.create_database()
    first = await Alone.take(postgres.url(database))
    assert first is not None
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"  # noqa: S608 - a name of the test's own
    postgres.run(cut)
    await first.hold()
    with pytest.raises(AnotherBot):
        await Alone.take(postgres.url(database))
    postgres.run(cut)
    second = await Alone.take(postgres.url(database))
    assert second is not None
    with pytest.raises(AnotherBot):
        await first.hold()
    await second.release()
    await first.hold()
    await first.release()


async def test_a_database_that_does_not_answer_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="does not answer"):
        await Alone.take(f"postgresql://nobody@/nothing?host={tmp_path}")


async def test_sqlite_needs_none(tmp_path: Path) -> None:
    assert await Alone.take(f"sqlite:///{tmp_path}/kaeru.sqlite") is None


@pytest.mark.parametrize(
    ("given", "lacking"),
    [
        ("KAERU_DATABASE_URL", "KAERU_ENGINE_DATABASE_URL"),
        ("KAERU_ENGINE_DATABASE_URL", "KAERU_DATABASE_URL"),
    ],
)
def test_half_a_pair_of_databases_is_refused(
    given: str, lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(given, "postgresql://kaeru:swordfish@127.0.0.1/kaeru")
    monkeypatch.delenv(lacking, raising=False)
    with pytest.raises(SettingsInvalid, match=f"^{lacking} is not set, but {given} is") as caught:
        load_settings()
    assert "swordfish" not in str(caught.value)


def test_the_engines_files_are_private_also_where_they_were_not(tmp_path: Path) -> None:
    database, beside = tmp_path / "engine.sqlite", tmp_path / "engine.sqlite.lock"
    for file in (database, beside):
        file.touch()
        file.chmod(0o644)
    lock = hold_alone(f"sqlite:///{database}")
    assert lock is not None
    lock.close()
    assert {stat.S_IMODE(file.stat().st_mode) for file in (database, beside)} == {0o600}
