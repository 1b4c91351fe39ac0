"""Where the demo's shop runs: as processes, in a Kubernetes, or in a Docker Swarm. One module per place."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

GOOD, BAD = "v1.2.9", "v1.3.0"

PROCESSES = "processes"
NAMES = (PROCESSES, "kubernetes", "swarm")


class Place(Protocol):
    """Runs the shop, and lets an engineer deploy there. Used once: start, deploy as often as wanted, stop."""

    @property
    def url(self) -> str:
        """Where customers reach the shop, on 127.0.0.1; empty before `start`."""

    @property
    def where(self) -> str:
        """A sentence for people: where it runs, and how to look at it."""

    @property
    def farewell(self) -> str:
        """A sentence on what goes on running after `stop`; empty where nothing does."""

    def target(self) -> Mapping[str, Any]:
        """What kaeru.yml says of it under `target`, once it runs."""

    async def start(self) -> None:
        """Let the good release serve; return once it does. Raises StartError, BuildError, ClusterError."""

    async def deploy(self, version: str) -> None:
        """What an engineer does on a bad day; return once it is rolled out. Raises StartError."""

    def dead(self) -> Sequence[str]:
        """The names of parts that have ended although they should run."""

    async def stop(self) -> None:
        """End it and remove it, also where `start` did not get far. Says on stderr what could not be removed."""


def ready(name: str, root: Path) -> Place:
    """The place of that name, with everything there that takes long: a cluster that runs, images in it.

    `root` is the shop's folder. Blocks, and prints what it waits for. Raises ClusterError, BuildError.
    """
    # What a place needs is imported when it is asked for.
    return cast("Place", importlib.import_module(f"sandbox.demo.places.{name}").ready(root))
