"""The whole path on PostgreSQL: kaeru's own database and the engine's."""

from typing import TYPE_CHECKING

from tests.scenarios.conftest import NewWorld
from tests.scenarios.test_path import LINKS, whole_story

if TYPE_CHECKING:
    from tests.postgres import Server

pytest_plugins = ("tests.postgres",)


async def test_the_whole_path_on_postgresql(postgres: "Server", new_world: NewWorld) -> None:
    databases = {
        "database_url": postgres.url(postgres.create_database()),
        "engine_database_url": postgres.url(postgres.create_database()),
    }
    world = await new_world(databases=databases, changes={"services": {"shop": {"links": LINKS}}})
    await whole_story(world)
    assert not (world.folder / "data" / "kaeru.sqlite").exists()
    assert not (world.folder / "data" / "engine.sqlite").exists()
