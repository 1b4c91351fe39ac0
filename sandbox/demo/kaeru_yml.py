"""The demo's kaeru.yml."""

import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import indent
from typing import Any

import yaml

TEMPLATE = """\
# Written by the demo. Edit kaeru.example.yml for your own services.
workspace:
  stakeholders: incidents

people:
  alice: {{ slack: U0ALICE, name: Alice }}
  bob: {{ slack: U0BOB, name: Bob }}
  carol: {{ slack: U0CAROL, name: Carol }}
  dan: {{ slack: U0DAN, name: Dan }}

groups:
  oncall: [alice, bob, carol]

policies:
  critical: {{ quorum: 1, approvers: ["@oncall"], break_glass: true }}
  high: {{ quorum: 1, approvers: ["@oncall"] }}
  default: {{ quorum: 1, approvers: ["@oncall"] }}

services:
  shop:
    description: The tea shop
    responders: ["@oncall"]
    target:
{target}
    changes:
      kind: git
      repository: {root}/repo
    health:
      url: {url}
      version: {{ path: /version }}
      critical: [/products, /cart, /checkout]
      consecutive: 5
      interval: {interval}
      probe_every: {interval}
      thresholds: {{ latency_slack: 200ms }}
    watch: {watch}
    watch_interval: 1s
"""


RESTART = """\
#!{python}
# Tells the shop's supervisor to change to what `current` points at.
import runpy
import sys

sys.path.insert(0, {source!r})
sys.argv = ["supervisor", "restart", "--root", {root!r}]
runpy.run_module("sandbox.shop.supervisor", run_name="__main__", alter_sys=True)
"""


def symlink(root: Path, url: str) -> Mapping[str, Any]:
    """The target of a shop whose releases are folders in `root`. Writes the restart command that it names."""
    source = str(Path(__file__).resolve().parents[2])
    restart = root / "restart"
    restart.write_text(RESTART.format(python=sys.executable, source=source, root=str(root)), encoding="utf-8")
    restart.chmod(0o755)
    return {
        "kind": "symlink",
        "releases": f"{root}/releases",
        "link": f"{root}/current",
        "restart": [str(restart)],
        "version_url": f"{url}/version",
    }


def write(
    path: Path,
    *,
    root: Path,
    url: str,
    target: Mapping[str, Any] | None = None,
    interval: str = "500ms",
    watch: str = "15s",
) -> None:
    """Write the services file for a shop whose repository is in `root` and that answers at `url`.

    Without a `target` its releases are folders there, too.
    """
    lines = yaml.safe_dump(dict(target or symlink(root, url)), sort_keys=False).rstrip()
    text = TEMPLATE.format(root=root, url=url, target=indent(lines, " " * 6), interval=interval, watch=watch)
    path.write_text(text, encoding="utf-8")
