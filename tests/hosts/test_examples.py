"""The examples in the docs, run by the real bot: loaded as they stand, planned, approved, and rolled back."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.domain import events as e
from bot.domain.run import backup_step
from sandbox.workspace.local import LocalWorkspace
from tests.contract.backup_worlds import PASSWORD, MariadbWorld, PostgresqlWorld, files
from tests.databases import Mariadb, mariadb
from tests.hosts.world import BAD, GOOD, NAMES, Site
from tests.postgres import Server, postgres
from tests.scenarios.examples import adapted, loaded, warned_about
from tests.scenarios.world import MANIFEST, World

__all__ = ["mariadb", "postgres"]


def of_three_hosts(hosts: Site) -> dict[str, str]:
    """What stands in the example, and what there is here instead."""
    there = {
        "deploy@{name}.internal": lambda name: hosts.servers[name].address,
        "http://{name}.internal:8080": lambda name: hosts.shops[name].url,
    }
    each = {text.format(name=name): here(name) for text, here in there.items() for name in NAMES}
    return {
        **each,
        "https://shop.example.com": hosts.shops["web1"].url,
        "/srv/kaeru/shop.git": str(hosts.shops["web1"].shop.repo),
        "/srv/shop/": f"{hosts.folder}/{{host}}/",
        "[sudo, -n, systemctl, restart, shop]": json.dumps(hosts.restart),
        '[curl, -fsS, -o, /dev/null, "http://127.0.0.1:8080/health"]': '[test, -e, "/"]',
        "soak: 5s": "soak: 100ms",
        "/etc/kaeru/known_hosts": str(hosts.known_hosts),
        "/etc/kaeru/id_ed25519": str(hosts.identity),
    }


def of_one_machine(hosts: Site) -> dict[str, str]:
    return {
        "https://shop.example.com": hosts.shops["web1"].url,
        "/srv/kaeru/shop.git": str(hosts.shops["web1"].shop.repo),
        "/srv/shop/": f"{hosts.folder}/web1/",
        "[sudo, -n, systemctl, restart, shop]": json.dumps(
            [part.replace("{host}", "web1") for part in hosts.restart]
        ),
        "http://127.0.0.1:8080": hosts.shops["web1"].url,
    }


FILES: dict[str, Callable[[Site], dict[str, str]]] = {
    "three-hosts": of_three_hosts,
    "single-vm": of_one_machine,
}
NO_BACKUP_YET = {"backup of orders": "there is none yet"}


@pytest.mark.parametrize("example", FILES)
def test_it_loads_as_it_stands(example: str) -> None:
    service = loaded(example)
    assert service.components[0].target.kind == {"three-hosts": "hosts", "single-vm": "symlink"}[example]
    assert service.health is not None
    (database,) = service.databases
    assert database.backup is not None
    assert database.backup.kind == {"three-hosts": "mariadb", "single-vm": "postgresql"}[example]


async def test_an_incident_on_three_hosts(started: Site, mariadb: Mariadb, tmp_path: Path) -> None:
    """From the command in Slack to the proof from outside, with every host seen on its way, after the backup."""
    hosts, database = started, MariadbWorld(mariadb, tmp_path / "backups")
    database.protect("backup_role")
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n", encoding="utf-8")
    account = {"user": "backup_role", "password_file": str(secret)}
    hosts.deploy(GOOD)
    adapted("three-hosts", of_three_hosts(hosts), tmp_path, database, account=account)
    async with LocalWorkspace(manifest=MANIFEST, rate_limits=False) as ws:
        world = World(ws, hosts.shops["web1"], tmp_path)
        try:
            await world.start()
            await world.known_good()
            assert await warned_about(world) == NO_BACKUP_YET
            hosts.deploy(BAD)
            room = await world.declare()
            await room.approve(to=GOOD)
            await room.sees(f"3 of 3 on {GOOD}")
            await room.status("verified", "mitigated")
            run = (await room.incident()).runs[0]
            assert "read to its end" in run.step(backup_step("orders")).detail
        finally:
            await world.stop()
    assert hosts.links() == hosts.serves() == [GOOD] * 3
    assert hosts.left_behind() == []
    assert len(files(database.folder)) == 2  # the data and its manifest


async def test_an_incident_on_one_machine(started: Site, postgres: Server, tmp_path: Path) -> None:
    """With the drill that is due as the bot starts, which gives way to the incident."""
    hosts, database = started, PostgresqlWorld(postgres, tmp_path / "backups")
    hosts.deploy(GOOD, NAMES[:1])
    adapted("single-vm", of_one_machine(hosts), tmp_path, database)
    async with LocalWorkspace(manifest=MANIFEST, rate_limits=False) as ws:
        world = World(ws, hosts.shops["web1"], tmp_path)
        try:
            await world.start()
            await world.known_good()
            # Unless the drill has taken one already.
            assert (await warned_about(world)).items() <= NO_BACKUP_YET.items()
            hosts.deploy(BAD, NAMES[:1])
            room = await world.declare()
            await room.approve(to=GOOD)
            await room.status("verified", "mitigated")
            assert not (await room.incident()).runs[0].has(backup_step("orders"))

            async def finished() -> list[e.BackupFinished]:
                return await room.events(e.BackupFinished)

            (taken,) = await world.until(finished, "the backup")
            assert (taken.backup.proof, taken.backup.warnings) == ("restored", ())
        finally:
            await world.stop()
    assert hosts.serves()[0] == GOOD
