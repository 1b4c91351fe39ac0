"""Container images: what people call them. The same for every target that runs images."""

import re

from bot.domain.base import Version, as_version

_NO_VERSION = re.compile(r"[^A-Za-z0-9._-]")


def version_of(image: str) -> Version:
    """What people call an image: its tag; `sha256-` and 12 hex digits where it has a digest alone; else `latest`."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if tag:
        # A tag may begin with an underscore, a version may not.
        return as_version(_NO_VERSION.sub("-", tag).lstrip("_.-")[:128] or "latest")
    algorithm, _, hexadecimal = digest.partition(":")
    if hexadecimal:
        return as_version(f"{_NO_VERSION.sub('-', algorithm)}-{_NO_VERSION.sub('-', hexadecimal)[:12]}")
    return "latest"
