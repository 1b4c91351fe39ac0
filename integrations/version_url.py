"""The address where a running process says its version, as people write it in kaeru.yml."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator


def checked(value: str, *, example: str = "http://127.0.0.1:8080/version") -> str:
    """`value` as it is. Raises ValueError, with `example` in its sentence, where it is no plain http address."""
    url = urlsplit(value)
    if url.scheme not in ("http", "https") or not url.hostname or url.username:
        raise ValueError(f"version_url is an http address without a user, such as {example}")
    return value


VersionUrl = Annotated[str, AfterValidator(checked)]
