"""One incident, from the alert to the archived channel: each of the twelve steps of the written procedure, on real components.

What an engineer did by hand, step by step, is looked at twice: as people in the channel see it, and on what it was done to.
Its timeline is docs/examples/whole-procedure.md; `KAERU_UPDATE_DOCS=1` writes that anew.
"""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.domain import events as e
from bot.domain.run import OFF, PROVE, RAMP, WATCH, StepState, backup_step, cache_step
from bot.workflows import ascent
from integrations.kubernetes.workload import REVISION
from sandbox.clusters.shop_images import WEB
from sandbox.shop.releases import Shop
from sandbox.workspace import forms
from sandbox.workspace.local import LocalWorkspace
from sandbox.workspace.model import Json
from tests import alertmanager, prometheus
from tests.clusters import the_kubernetes
from tests.contract.aws_world import Cloud, own_keys, started
from tests.contract.backup_worlds import files
from tests.contract.shop import PROJECT, copied
from tests.contract.traffic_load import Load
from tests.contract.traffic_proxies import HaproxyDoor
from tests.databases import Mariadb, mariadb
from tests.kubernetes.steps import images
from tests.postgres import Server, postgres
from tests.scenarios import procedure, procedure_page, services
from tests.scenarios.bystanders import Bystanders, standing_by
from tests.scenarios.procedure import Place
from tests.scenarios.procedure_people import (
    PATIENCE_S,
    TOKEN,
    it_is_assessed,
    it_is_reported,
    it_is_verified,
    the_alert_begins_it,
    the_channel_is_archived,
)
from tests.scenarios.schemas import SHOPS_QUERY
from tests.scenarios.test_evidence import bad_is_measured
from tests.scenarios.world import BAD, GOOD, MANIFEST, Room, World
from tests.swarm.world import the_swarm

if TYPE_CHECKING:
    from tests.scenarios.conftest import Variant

__all__ = ["mariadb", "own_keys", "postgres"]

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.swarm,
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("own_keys"),
]

COMPONENTS = ("api", "worker", "web", "pictures", "search")


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    yield from started()


@pytest.fixture
async def place(
    shops: Callable[["Variant"], Shop],
    tmp_path: Path,
    postgres: Server,
    mariadb: Mariadb,
    cloud: Cloud,
) -> AsyncIterator[Place]:
    alertmanager.need()
    prometheus.need()
    shop = copied(shops(((), ())), tmp_path / "shop")
    async with procedure.built(
        tmp_path,
        shop,
        kubernetes=the_kubernetes(),
        swarm=the_swarm(),
        postgres=postgres,
        mariadb=mariadb,
        cloud=cloud,
    ) as found:
        yield found


@pytest.fixture
async def around(tmp_path: Path) -> AsyncIterator[Bystanders]:
    folder = tmp_path / "around"
    folder.mkdir()
    async with standing_by(folder) as found:
        yield found
    assert found.problems == []


@pytest.fixture
async def world(
    place: Place, around: Bystanders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """kaeru, for all of it."""
    monkeypatch.setattr(ascent, "SHORTEST", timedelta(seconds=1.5))
    monkeypatch.setenv("KAERU_ALERTS_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("KAERU_ALERTS_TOKEN", TOKEN)
    text = services.whole_file({"shop": {**place.service, **around.service}}, around.changes)
    (tmp_path / "kaeru.yml").write_text(text, encoding="utf-8")
    async with LocalWorkspace(manifest=MANIFEST, rate_limits=False) as ws:
        found = World(ws, place.web, tmp_path)
        try:
            await found.start()
            yield found
        finally:
            await found.stop()


async def test_the_whole_written_procedure(place: Place, around: Bystanders, world: World) -> None:
    async with place.alive():
        await known_good(world)
        await place.deploy(BAD)
        await bad_is_measured(world, place.prometheus)
        room = await the_alert_begins_it(world, around)
        await it_is_assessed(room, around)
        await what_runs_and_what_it_goes_back_to(room, place)
        await the_databases_are_backed_up(room, place)
        async with place.street.users() as users, weighed(place.door) as seen:
            await room.approve(by=world.carol, to=GOOD)
            await room.status("mitigated", "verified", timeout_s=PATIENCE_S)
            await kubernetes_went_back(room, place)
            await the_swarm_went_back(room, place)
            await the_classic_deploys_went_back(room, place)
            await caches_have_forgotten(room, place)
            await health_was_proven(room)
            await room.status("verified", timeout_s=PATIENCE_S)
        await users_came_back_in_stages(room, users, seen)
        await it_is_verified(room, around)
        await it_is_reported(room, around)
        await the_channel_is_archived(room)
    text = procedure_page.page(await asyncio.to_thread(exported, world, room), hidden(place))
    if os.environ.get("KAERU_UPDATE_DOCS") == "1":
        procedure_page.PAGE.write_text(text, encoding="utf-8")
    kept = procedure_page.shape(procedure_page.PAGE.read_text(encoding="utf-8"))
    assert procedure_page.shape(text) == kept, (
        "write docs/examples/whole-procedure.md anew: KAERU_UPDATE_DOCS=1"
    )


async def known_good(world: World) -> None:
    """Until kaeru has seen v1.2.9 serve well, and has kept its shape of what is in the clusters."""

    async def seen() -> bool:
        await world.running.survey.sweep()
        ledger = await world.read(lambda uow: uow.releases.all("shop"))
        shapes = [await world.read(lambda uow, n=name: uow.shapes.all("shop", n)) for name in COMPONENTS[:2]]  # type: ignore[misc] # binds the loop's value
        kept = all(any(s.version == GOOD and s.good_at for s in known) for known in shapes)
        return kept and GOOD in ledger and ledger[GOOD].last_good_at is not None

    await world.until(seen, f"kaeru to see {GOOD} serve well", timeout_s=PATIENCE_S)


async def what_runs_and_what_it_goes_back_to(room: Room, place: Place) -> None:
    """3. The version of each part, by its own word, and the target, by its history and by git. The second person approves."""
    card = await room.card(to=GOOD)
    text = forms.text_of(card)
    for name in COMPONENTS:
        assert f"*{name}*   `{BAD}` → `{GOOD}`" in text, name
    assert f"Why `{GOOD}`: the last version that was seen serving well." in text
    assert "*What is taken away*: 8 commits, 11 files" in text
    assert "First api and worker at once; then pictures and web at once; then search." in text
    assert "3 of 3 metrics and logs can be read" in text
    assert "40 orders/min" in text
    assert "`app.log` is worse now" in text
    assert "You chose what is done to the database" in await room.refuses(room.world.bob, card, "Approve")
    assert await place.runs() == {name: {BAD} for name in COMPONENTS}
    assert place.schema.applied() == ["0002"]


async def the_databases_are_backed_up(room: Room, place: Place) -> None:
    """4. PostgreSQL and MariaDB, each read to its end; the rollback waits for the one that is changed."""
    text = forms.text_of(await room.card(to=GOOD))
    assert "orders is backed up at once; the rollback waits for it, because its data is changed." in text
    assert "carts is backed up at once; the rollback does not wait for it" in text
    for database, folder in place.backups.items():
        shown = forms.text_of(await room.sees(f"*Backup of `{database}`*"))
        assert "read to its end" in shown
        assert len(files(folder)) == 2  # the data and its manifest


async def done(room: Room, step_id: str) -> str:
    """What is said of a step of the run that went well, on the checklist too."""
    (run,) = (await room.incident()).runs
    step = run.step(step_id)
    assert step.state is StepState.SUCCEEDED, step

    def ticked(message: Json) -> bool:
        text = forms.text_of(message)
        return f":white_check_mark:  {step.title}" in text and step.detail[:40] in text

    await room.sees(ticked)
    return step.detail


async def kubernetes_went_back(room: Room, place: Place) -> None:
    """5. To an explicit revision, waited for until all pods are those."""
    assert "2 of 2 ready, all of them v1.2.9" in await done(room, "apply:api")
    assert await images(place.api.web) == {f"{WEB}:{GOOD}"}
    assert (await place.api.web.workload())["metadata"]["annotations"][REVISION] == "3"
    assert (await place.runs())["api"] == {GOOD}


async def the_swarm_went_back(room: Room, place: Place) -> None:
    """6. To an explicit image, waited for until all tasks run it."""
    assert "2 of 2 running v1.2.9" in await done(room, "apply:worker")
    assert await place.worker.running() == [GOOD] * 2
    spec = (await place.worker.get())["Spec"]["TaskTemplate"]["ContainerSpec"]
    assert spec["Image"] == f"{place.worker.repository}:{GOOD}"


async def the_classic_deploys_went_back(room: Room, place: Place) -> None:
    """7. The link and a restart, the other colour, the script; and the schema before all of them."""
    assert "v1.2.9 is what answers" in await done(room, "apply:web")
    assert place.web.shop.current_version() == GOOD
    assert "green (v1.2.9) serves" in await done(room, "apply:pictures")
    assert place.colours.stands() == "green"
    assert "v1.2.9 is what answers" in await done(room, "apply:search")
    assert place.search.links() == [GOOD] * 2
    assert await place.runs() == {name: {GOOD} for name in COMPONENTS}
    assert "ended with 0" in await done(room, "migrate:orders")
    assert (place.schema.applied(), place.schema.query(SHOPS_QUERY)) == (["0001"], ["ann"])
    (run,) = (await room.incident()).runs
    ids = [step.id for step in run.steps]
    assert ids[:3] == [backup_step("orders"), OFF, "migrate:orders"]
    assert {*ids[3:5]} == {"apply:api", "apply:worker"}
    assert {*ids[5:7]} == {"apply:web", "apply:pictures"}
    assert ids[7:] == ["apply:search", PROVE, cache_step("cdn"), RAMP, WATCH]


async def caches_have_forgotten(room: Room, place: Place) -> None:
    """8. One invalidation, waited for; the balancer is HAProxy here, see step 10."""
    assert "COMPLETED" in (await done(room, cache_step("cdn"))).upper()
    (run,) = (await room.incident()).runs
    assert place.cdn.references() == [f"{run.id}/{cache_step('cdn')}"]


async def health_was_proven(room: Room) -> None:
    """9. The version, the critical endpoints and how fast they answer, of everything that answers itself."""
    assert re.match(
        r"v1.2.9 answered well \d+ times in a row, compared with \d+ probes", await done(room, PROVE)
    )
    (mitigated,) = await room.events(e.IncidentMitigated)
    asked = {
        f"{place}{path}" for place in ("", "api ", "worker ") for path in ("/version", "/health", "/products")
    }
    assert {finding.endpoint for finding in mitigated.findings} == asked
    for finding in mitigated.findings:
        assert finding.stats.p95_ms is not None
        assert finding.stats.p95_ms <= finding.limit_p95_ms


@contextlib.asynccontextmanager
async def weighed(door: HaproxyDoor) -> AsyncIterator[list[float]]:
    """The shares that HAProxy's own weights send to the shop, one after the other, until the end of this."""
    seen: list[float] = []

    async def look() -> None:
        while True:
            lines = await asyncio.to_thread(door.ask, "show servers state shop")
            servers = [line.split() for line in lines.splitlines() if " shop " in line]
            weights = {server[3]: int(server[7]) for server in servers}
            share = round(1 - weights["other"] / sum(weights.values()), 2)
            if seen[-1:] != [share]:
                seen.append(share)
            await asyncio.sleep(0.05)

    looking = asyncio.create_task(look())
    try:
        yield seen
    finally:
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking


async def users_came_back_in_stages(room: Room, users: Load, seen: list[float]) -> None:
    """10. Off the maintenance page, 10, 25, 50, 100 %, each by what was served; the log and the metrics are watched."""
    assert seen == [1.0, 0.0, 0.1, 0.25, 0.5, 1.0]
    shifts = await room.events(e.TrafficShifted)
    assert [shift.share for shift in shifts] == seen[1:]
    assert all("requests were served" in shift.sentence for shift in shifts[2:])
    # All that anybody saw besides the shop was the maintenance page.
    assert set(users.failed) == {"HTTP 503"}
    assert users.done - len(users.failed) > 300
    assert "4 more of metrics and logs pass" in await done(room, WATCH)


def exported(world: World, room: Room) -> str:
    """What `kaeru timeline export` writes."""
    argv = [sys.executable, "-m", "bot", "timeline", "export", room.id]
    settings = world.settings()
    environment = {**os.environ, "KAERU_CONFIG": str(settings.config), "KAERU_DATA": str(settings.data)}
    run = subprocess.run(
        argv, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def hidden(place: Place) -> dict[str, str]:
    """What of this machine is called otherwise in the documents."""
    return {
        re.escape(str(place.folder)): "/srv",
        r"(postgresql|mysql)-tmp-kaeru-[a-z0-9-]+-test-\d+-[0-9a-f]+": r"\1",
        r"127\.0\.0\.1:\d+": "127.0.0.1:8080",
        re.escape(place.worker.name): "shop-worker",
        re.escape(place.api.space.name): "shop",
        "PagerDuty 127.0.0.1": "PagerDuty",
        "127.0.0.1/example": "github.example.com/example",
    }
