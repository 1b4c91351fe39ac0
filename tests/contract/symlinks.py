"""The symlink target on the demo shop."""

from typing import Any

from integrations.symlink import SymlinkSettings, SymlinkTarget
from tests.contract.shop import PROJECT, SUPERVISOR, RunningShop


def symlink_settings(shop: RunningShop, **other: Any) -> SymlinkSettings:
    """Restarts through the supervisor and asks /version, unless told otherwise."""
    usual = {
        "releases": shop.shop.releases,
        "link": shop.shop.current,
        "restart": (*SUPERVISOR, "restart", "--root", str(shop.root)),
        "environment": {"PYTHONPATH": str(PROJECT)},
        "version_url": f"{shop.url}/version",
    }
    return SymlinkSettings(**{**usual, **other})


def symlink_target(shop: RunningShop, **other: Any) -> SymlinkTarget:
    return SymlinkTarget(symlink_settings(shop, **other))
