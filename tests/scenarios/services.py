"""The kaeru.yml of the scenarios: everything short, so that a story takes seconds."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.contract.shop import PROJECT, SUPERVISOR, RunningShop

Yaml = dict[str, Any]


def services_file(shop: RunningShop, changes: Mapping[str, Any], second: Mapping[str, Any] | None) -> str:
    """The file's text; `changes` are laid over it, mapping by mapping. None takes a setting away.

    `second` is the target of another component, which is taken back after the shop itself.
    """
    shop_service: Yaml = {
        "description": "The tea shop",
        "responders": ["@oncall"],
        "target": {
            "kind": "symlink",
            "releases": str(shop.shop.releases),
            "link": str(shop.shop.current),
            "restart": [sys.executable, *SUPERVISOR[1:], "restart", "--root", str(shop.root)],
            "environment": {"PYTHONPATH": str(PROJECT)},
            "version_url": f"{shop.url}/version",
        },
        "changes": {"kind": "git", "repository": str(shop.shop.repo)},
        "health": {
            "url": shop.url,
            "version": {"path": "/version"},
            "critical": ["/products", "/cart", "/checkout"],
            "consecutive": 3,
            "interval": "150ms",
            "probe_every": "300ms",
            # Three probes of one customer in a row may be lucky with v1.3.0; its slowness is always there.
            "thresholds": {"latency_slack": "250ms"},
        },
        "watch": "1s",
        "watch_interval": "150ms",
    }
    if second is not None:
        first = {"target": shop_service.pop("target"), "tier": 0}
        shop_service["components"] = {"shop": first, "pictures": {"target": dict(second), "tier": 1}}
    return whole_file({"shop": shop_service}, changes)


def whole_file(described: Mapping[str, Any], changes: Mapping[str, Any]) -> str:
    """The text of a kaeru.yml with these services and the people who look after them."""
    whole: Yaml = {
        "workspace": {"stakeholders": "incidents"},
        "people": {
            name: {"slack": f"U0{name.upper()}", "name": name.title()}
            for name in ("alice", "bob", "carol", "dan")
        },
        "groups": {"oncall": ["alice", "bob", "carol"]},
        "policies": {
            "default": {"quorum": 1, "approvers": ["@oncall"]},
            "critical": {"break_glass": True},
        },
        "services": dict(described),
    }
    return yaml.safe_dump(laid_over(whole, changes), sort_keys=False)


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> Yaml:
    merged = dict(below)
    for name, value in above.items():
        known = merged.get(name)
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(known, Mapping):
            merged[name] = laid_over(known, value)
        else:
            merged[name] = value
    return merged


def write(
    path: Path, shop: RunningShop, changes: Mapping[str, Any], second: Mapping[str, Any] | None = None
) -> None:
    path.write_text(services_file(shop, changes, second), encoding="utf-8")
