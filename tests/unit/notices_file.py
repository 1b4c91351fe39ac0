"""A kaeru.yml that is about nothing but notices."""

from pathlib import Path
from typing import Any

import yaml


def written(tmp_path: Path, notices: dict[str, Any], workspace: dict[str, Any] | None = None) -> Path:
    """A kaeru.yml with these notices of the shop."""
    target = {
        "kind": "symlink",
        "releases": str(tmp_path),
        "link": str(tmp_path / "current"),
        "restart": ["true"],
    }
    whole = {
        "workspace": workspace or {},
        "people": {"dan": {"slack": "U0123ABCD"}},
        "groups": {"oncall": ["dan"]},
        "services": {"shop": {"target": target, "notices": notices}},
    }
    path = tmp_path / "kaeru.yml"
    path.write_text(yaml.safe_dump(whole), encoding="utf-8")
    return path
