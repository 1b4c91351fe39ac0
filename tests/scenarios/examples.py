"""The examples of docs/examples, with the addresses, paths, programs and people of a test; nothing else is changed."""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from bot.catalog import Service, load_catalog
from bot.usecases.check_report import State
from bot.usecases.check_service import look_at_service
from integrations.registry import kinds
from tests.contract.backup_worlds import MariadbWorld, PostgresqlWorld
from tests.contract.shop import PROJECT
from tests.scenarios.services import laid_over
from tests.scenarios.world import World

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
PEOPLE = {"U0123ABCD": "U0ALICE", "U0123ABCE": "U0BOB"}


def adapted(
    example: str,
    there: Mapping[str, str],
    folder: Path,
    database: PostgresqlWorld | MariadbWorld | None = None,
    *,
    account: Mapping[str, str] | None = None,
    quick: Mapping[str, Any] = QUICK,
) -> Path:
    """Write the example to kaeru.yml in `folder`. `there` says what stands in it and what there is here instead.

    Its database is `database`, reached as the `account` says (`user`, `password_file`). `quick` is laid over it: times
    that are too long for a test, and where an emulator answers.
    """
    text = (EXAMPLES / f"{example}.yml").read_text(encoding="utf-8")
    for example_s, ours in {**PEOPLE, **there}.items():
        assert example_s in text, example_s
        text = text.replace(example_s, ours)
    whole = yaml.safe_load(text)
    described = whole["services"]["shop"].get("databases", {})
    assert bool(described) == (database is not None)
    if database is not None:
        (one,) = described.values()
        here = {**database.settings(), **(account or {})}
        assert one["backup"]["kind"] == database.kind
        assert here.keys() <= one["backup"].keys()
        one["backup"].update(here)
    path = folder / "kaeru.yml"
    path.write_text(yaml.safe_dump(laid_over(whole, quick)), encoding="utf-8")
    return path


def loaded(example: str) -> Service:
    """The example's shop, as it stands in the docs. It has to fit the schema that its first line leads editors to."""
    path = EXAMPLES / f"{example}.yml"
    text = path.read_text(encoding="utf-8")
    leads_to = text.partition("\n")[0].removeprefix("# yaml-language-server: $schema=")
    schema = json.loads((EXAMPLES / leads_to).read_text(encoding="utf-8"))
    mistakes = jsonschema.Draft202012Validator(schema).iter_errors(yaml.safe_load(text))
    assert [error.message for error in mistakes] == []
    return load_catalog(path, kinds(), environ={}).service("shop")


async def warned_about(world: World) -> dict[str, str]:
    """What `kaeru check` would not call ok in the shop of a running world: what it saw, by what it is about."""
    catalog = load_catalog(world.settings().config, kinds())
    rows = await look_at_service(
        catalog.service("shop"),
        catalog,
        make_hands=lambda service: world.fleet.hands(service.name),
        template=lambda _: None,  # there is none of the shop's own
        shared=defaultdict(list),
    )
    return {row.name: row.seen for row in rows if row.state is not State.OK}
