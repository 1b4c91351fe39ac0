"""The shop's releases as container images, made here from its release folders."""

from collections.abc import Sequence
from pathlib import Path

from sandbox.clusters.images import Content, Image, build_image
from sandbox.clusters.python_image import python_image
from sandbox.demo.places import GOOD
from sandbox.shop.releases.builder import build
from sandbox.shop.releases.history import RELEASES

REPOSITORY = "kaeru-demo/shop"
PORT = 8080

_HOME = "/srv/shop"


def name(version: str) -> str:
    """`kaeru-demo/shop:v1.2.9`."""
    return f"{REPOSITORY}:{version}"


def made(root: Path) -> Sequence[Image]:
    """One image per release of the shop in `root`, which is built first. Raises BuildError, ClusterError."""
    shop = build(root, current=GOOD)
    base = python_image()
    return [_image(shop.releases / version, base) for version in RELEASES]


def _image(release: Path, base: Image) -> Image:
    files: dict[str, Content] = {
        f"{_HOME}/{path.relative_to(release)}": path
        for path in sorted(release.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }
    # The shop itself is the container's first process: it gets the SIGTERM, and finishes what it has begun.
    command = ["/usr/bin/python3", "-m", "shop", "--host", "0.0.0.0", "--port", str(PORT)]  # noqa: S104 - a container's own network
    command += ["--log", "/dev/stdout"]
    return build_image(name(release.name), files, entrypoint=command, base=base, workdir=_HOME, port=PORT)
