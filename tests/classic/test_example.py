"""The example in the docs, on a real nginx: loaded, planned, rolled back, and put back."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.catalog import load_catalog
from bot.domain.evidence import Outcome
from bot.workflows.applying import applied, put_back
from integrations.fleet import hands_of, let_go
from integrations.registry import kinds
from sandbox.shop.releases import build
from tests.classic.colours import Colours, two_shops
from tests.classic.proxies import Nginx, nginx
from tests.contract.shop import PROJECT
from tests.contract.worlds import change

EXAMPLE = PROJECT / "docs" / "examples" / "bluegreen-nginx.yml"


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Colours]:
    built = build(tmp_path_factory.mktemp("built"), current="v1.3.0")
    with two_shops(built, tmp_path_factory.mktemp("colours")) as found:
        yield found


@pytest.fixture(scope="module")
def server(colours: Colours, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with nginx(tmp_path_factory.mktemp("nginx"), colours.ports) as found:
        yield found


@pytest.fixture
def config(colours: Colours, server: Nginx, tmp_path: Path) -> Path:
    """The example, with the addresses, the paths and the programs of this test."""
    own = server.switch["nginx"]
    there = {
        "http://127.0.0.1:8081": colours.shops["blue"].url,
        "http://127.0.0.1:8082": colours.shops["green"].url,
        "http://127.0.0.1:8080": server.url,
        "/etc/nginx/kaeru/shop.conf": own["file"],
        "[sudo, -n, nginx, -t]": json.dumps(own["test"]),
        "[sudo, -n, systemctl, reload, nginx]": json.dumps(own["reload"]),
        "/run/nginx.pid": own["pid_file"],
    }
    text = EXAMPLE.read_text(encoding="utf-8")
    for example, here in there.items():
        assert example in text
        text = text.replace(example, here)
    path = tmp_path / "kaeru.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_it_loads_as_it_stands() -> None:
    service = load_catalog(EXAMPLE, kinds(), environ={}).service("shop")
    assert service.components[0].target.kind == "bluegreen"


async def test_it_is_planned_rolled_back_and_put_back(config: Path, server: Nginx) -> None:
    hands = hands_of(load_catalog(config, kinds(), environ={}).service("shop"))
    (target,) = hands.targets.values()
    assert hands.health is not None
    try:
        seen = await target.inspect()
        assert (seen.current, seen.running, seen.warnings) == ("v1.3.0", "v1.3.0", ())
        planned = change(seen, "v1.2.9")
        plan = await target.plan(planned)
        assert [check.name for check in plan.checks if not check.ok] == []
        assert plan.actions[1] == (
            f"Let upstream shop in {server.file} be green (127.0.0.1:{server.ports['green']}, v1.2.9)"
        )
        done = await applied(target, planned, key="INC-1/apply")
        assert (done.outcome, done.running) == (Outcome.SUCCEEDED, "v1.2.9")
        probes = await hands.health.round()
        assert {probe.version for probe in probes} == {"v1.2.9"}
        assert all(probe.ok for probe in probes)
        back = await put_back(target, planned, key="INC-1/revert")
        assert (back.outcome, back.running) == (Outcome.SUCCEEDED, "v1.3.0")
    finally:
        await let_go(hands)
