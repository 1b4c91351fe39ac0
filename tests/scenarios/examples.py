"""The examples of docs/examples, with the addresses, paths, programs and people of a test; nothing else is changed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.contract.backup_worlds import MariadbWorld, PostgresqlWorld
from tests.contract.shop import PROJECT
from tests.scenarios.services import laid_over

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
    database: PostgresqlWorld | MariadbWorld,
    **account: str,
) -> Path:
    """Write the example to kaeru.yml in `folder`. `there` says what stands in it and what there is here instead.

    Its database is `database`, reached as the `account` says (`user`, `password_file`).
    """
    text = (EXAMPLES / f"{example}.yml").read_text(encoding="utf-8")
    for example_s, ours in {**PEOPLE, **there}.items():
        assert example_s in text, example_s
        text = text.replace(example_s, ours)
    whole = yaml.safe_load(text)
    (described,) = whole["services"]["shop"]["databases"].values()
    here = {**database.settings(), **account}
    assert described["backup"]["kind"] == database.kind
    assert here.keys() <= described["backup"].keys()
    described["backup"].update(here)
    path = folder / "kaeru.yml"
    path.write_text(yaml.safe_dump(laid_over(whole, QUICK)), encoding="utf-8")
    return path
