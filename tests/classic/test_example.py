"""The example in the docs, on a real nginx: loaded as it stands, planned, approved, and rolled back by the real bot."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.domain.run import backup_step
from sandbox.shop.releases import build
from sandbox.workspace.local import LocalWorkspace
from tests.classic.colours import Colours, two_shops
from tests.classic.proxies import Nginx, nginx
from tests.contract.backup_worlds import PostgresqlWorld, files
from tests.postgres import Server, postgres
from tests.scenarios.examples import adapted, loaded, warned_about
from tests.scenarios.world import GOOD, MANIFEST, World

__all__ = ["postgres"]


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Colours]:
    built = build(tmp_path_factory.mktemp("built"), current="v1.3.0")
    with two_shops(built, tmp_path_factory.mktemp("colours")) as found:
        yield found


@pytest.fixture(scope="module")
def server(colours: Colours, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with nginx(tmp_path_factory.mktemp("nginx"), colours.ports) as found:
        yield found


def here(colours: Colours, server: Nginx) -> dict[str, str]:
    """What stands in the example, and what there is here instead."""
    own = server.switch["nginx"]
    return {
        "http://127.0.0.1:8081": colours.shops["blue"].url,
        "http://127.0.0.1:8082": colours.shops["green"].url,
        "http://127.0.0.1:8080": server.url,
        "/srv/kaeru/shop.git": str(colours.shops["blue"].shop.repo),
        "/etc/nginx/kaeru/shop.conf": own["file"],
        "[sudo, -n, nginx, -t]": json.dumps(own["test"]),
        "[sudo, -n, systemctl, reload, nginx]": json.dumps(own["reload"]),
        "/run/nginx.pid": own["pid_file"],
    }


def test_it_loads_as_it_stands() -> None:
    service = loaded("bluegreen-nginx")
    assert service.components[0].target.kind == "bluegreen"
    (database,) = service.databases
    assert database.wait_for_backup == "always"


def test_the_one_with_migrations_loads_as_it_stands() -> None:
    service = loaded("script-alembic")
    assert service.components[0].target.kind == "script"
    (database,) = service.databases
    assert database.backup is not None
    assert database.migrations is not None
    assert getattr(database.migrations.settings, "down", ())[-1] == "{to}"


async def test_it_is_planned_and_rolled_back_after_the_backup(
    colours: Colours, server: Nginx, postgres: Server, tmp_path: Path
) -> None:
    database = PostgresqlWorld(postgres, tmp_path / "backups")
    adapted("bluegreen-nginx", here(colours, server), tmp_path, database)
    await asyncio.to_thread(server.turn, "green")
    async with LocalWorkspace(manifest=MANIFEST, rate_limits=False) as ws:
        world = World(ws, colours.shops["blue"], tmp_path)
        try:
            await world.start()
            await world.known_good()
            seen = await warned_about(world)
            assert seen.pop("backup of orders") == "there is none yet"
            assert "blue (v1.3.0) is not well" in seen.pop(
                "shop: blue runs v1.3.0 and is well"
            )  # as it should be
            assert seen == {}
            await asyncio.to_thread(server.turn, "blue")  # v1.3.0, which is bad
            room = await world.declare()
            card = await room.approve(to=GOOD)
            assert f"be green (127.0.0.1:{server.ports['green']}, {GOOD})" in str(card)
            await room.status("verified", "mitigated")
            run = (await room.incident()).runs[0]
            assert [step.id for step in run.steps][:2] == [backup_step("orders"), "apply:shop"]
            assert "read to its end" in run.step(backup_step("orders")).detail
        finally:
            await world.stop()
    assert server.stands() == "green"
    assert len(files(database.folder)) == 2  # the data and its manifest
