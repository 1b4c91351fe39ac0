"""The examples in the docs, run by the real bot: loaded as they stand, planned, approved, and rolled back."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.catalog import load_catalog
from bot.domain.evidence import Outcome
from bot.workflows.applying import applied
from integrations.fleet import hands_of, let_go
from integrations.registry import kinds
from sandbox.workspace.local import LocalWorkspace
from tests.contract.shop import PROJECT
from tests.contract.worlds import change
from tests.hosts.world import BAD, GOOD, NAMES, Site
from tests.scenarios.services import laid_over
from tests.scenarios.world import MANIFEST, World

pytestmark = pytest.mark.xdist_group("hosts-examples")

EXAMPLES = PROJECT / "docs" / "examples"
QUICK: Mapping[str, Any] = {
    "services": {
        "shop": {
            "health": {
                "consecutive": 3,
                "interval": "150ms",
                "probe_every": "150ms",
                "thresholds": {"latency_slack": "10s", "max_p95": "20s"},
            },
            "watch": "1s",
            "watch_interval": "150ms",
        }
    }
}


def of_three_hosts(hosts: Site) -> dict[str, str]:
    """What stands in the example, and what there is here instead."""
    there = {
        "deploy@{name}.internal": lambda name: hosts.servers[name].address,
        "http://{name}.internal:8080": lambda name: hosts.shops[name].url,
    }
    each = {text.format(name=name): here(name) for text, here in there.items() for name in NAMES}
    return {
        **each,
        "/srv/shop/": f"{hosts.folder}/{{host}}/",
        "[sudo, -n, systemctl, restart, shop]": json.dumps(hosts.restart),
        '[curl, -fsS, -o, /dev/null, "http://127.0.0.1:8080/health"]': '[test, -e, "/"]',
        "soak: 5s": "soak: 100ms",
        "/etc/kaeru/known_hosts": str(hosts.known_hosts),
        "/etc/kaeru/id_ed25519": str(hosts.identity),
    }


def of_one_machine(hosts: Site) -> dict[str, str]:
    return {
        "/srv/shop/": f"{hosts.folder}/web1/",
        "[sudo, -n, systemctl, restart, shop]": json.dumps(
            [part.replace("{host}", "web1") for part in hosts.restart]
        ),
        "http://127.0.0.1:8080": hosts.shops["web1"].url,
    }


FILES = {"three-hosts": of_three_hosts, "single-vm": of_one_machine}


def here(example: str, hosts: Site, folder: Path) -> Path:
    """The example with the addresses, the paths, the programs and the people of this test; nothing else is changed."""
    text = (EXAMPLES / f"{example}.yml").read_text(encoding="utf-8")
    places = {
        "U0123ABCD": "U0ALICE",
        "U0123ABCE": "U0BOB",
        "https://shop.example.com": hosts.shops["web1"].url,
        **FILES[example](hosts),
    }
    for there, ours in places.items():
        assert there in text, there
        text = text.replace(there, ours)
    path = folder / "kaeru.yml"
    path.write_text(yaml.safe_dump(laid_over(yaml.safe_load(text), QUICK)), encoding="utf-8")
    return path


@pytest.mark.parametrize("example", FILES)
def test_it_loads_as_it_stands(example: str) -> None:
    service = load_catalog(EXAMPLES / f"{example}.yml", kinds(), environ={}).service("shop")
    assert service.components[0].target.kind == {"three-hosts": "hosts", "single-vm": "symlink"}[example]
    assert service.health is not None


@pytest.mark.parametrize("example", FILES)
async def test_it_is_planned_and_rolled_back(example: str, hosts: Site, tmp_path: Path) -> None:
    service = load_catalog(here(example, hosts, tmp_path), kinds(), environ={}).service("shop")
    hands = hands_of(service)
    try:
        target = hands.targets["shop"]
        planned = change(await target.inspect(), GOOD)
        plan = await target.plan(planned)
        assert [check.detail for check in plan.checks if not check.ok] == []
        done = await applied(target, planned, key="INC-1/apply")
        assert (done.outcome, done.running) == (Outcome.SUCCEEDED, GOOD)
    finally:
        await let_go(hands)
    changed = NAMES if example == "three-hosts" else NAMES[:1]
    assert hosts.serves() == [GOOD if name in changed else BAD for name in NAMES]


async def test_an_incident_on_three_hosts(started: Site, tmp_path: Path) -> None:
    """From the command in Slack to the proof from outside, with every host seen on its way."""
    hosts = started
    hosts.deploy(GOOD)
    here("three-hosts", hosts, tmp_path)
    async with LocalWorkspace(manifest=MANIFEST, rate_limits=False) as ws:
        world = World(ws, hosts.shops["web1"], tmp_path)
        try:
            await world.start()
            await world.known_good()
            hosts.deploy(BAD)
            room = await world.declare()
            await room.approve(to=GOOD)
            await room.sees(f"3 of 3 on {GOOD}")
            await room.status("verified", "mitigated")
        finally:
            await world.stop()
    assert hosts.links() == hosts.serves() == [GOOD] * 3
    assert hosts.left_behind() == []
