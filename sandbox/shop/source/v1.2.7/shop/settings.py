"""What the shop is told when it starts."""

import argparse
import dataclasses
from pathlib import Path


class SettingsError(Exception):
    """The shop cannot start like this; the message says what to change."""


@dataclasses.dataclass(frozen=True)
class Settings:
    host: str
    port: int
    log: Path | None  # None: no log file
    listen_fd: int | None  # a listening socket owned by a supervisor, instead of `port`
    probe_fd: int | None  # a connection that is served before the first customer


def from_arguments(arguments: list[str]) -> Settings:
    parser = argparse.ArgumentParser(prog="shop", description="The tea shop.")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 in a container")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--listen-fd", type=int)
    parser.add_argument("--probe-fd", type=int)
    found = parser.parse_args(arguments)
    if not 0 <= found.port <= 65535:
        raise SettingsError(f"{found.port} is not a port; choose one from 0 to 65535.")
    return Settings(**vars(found))
