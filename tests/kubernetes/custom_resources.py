"""Argo CD's and Flux's kinds, served by the cluster for as long as tests need them."""

import asyncio
import hashlib
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import yaml

from bot.ports.errors import Conflict
from integrations.kubernetes.errors import Missing
from sandbox.clusters.kubernetes import LABEL, KubernetesCluster
from sandbox.clusters.places import locked
from tests.kubernetes.hands import Hands, hands_on

Json = dict[str, Any]

CRDS = Path(__file__).parent / "crds"
API = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CONTENT = "kaeru-test/content"
"""An annotation on each: what it was made of, as a hash."""
PATIENCE_S = 60.0
POLL_S = 0.1


def definitions() -> list[Json]:
    """Those that the tests need, just as they are written."""
    return [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(CRDS.glob("*.yaml"))]


def shared_folder() -> Path:
    """Known to all processes of this run of the tests, and to no others."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(os.getpid())
    return Path(gettempdir()) / f"kaeru-custom-resources-{run}"


@asynccontextmanager
async def custom_resources(
    cluster: KubernetesCluster, wanted: Sequence[Json] | None = None, *, together: Path | None = None
) -> AsyncIterator[None]:
    """Let the cluster serve `wanted` (all `definitions`), until the last who shares the folder `together` is through.

    A cluster that is given for tests is left as it was: what it serves already is used as it is, and what was made
    is removed. In a cluster of our own they stay, because other runs may be using them.
    """
    folder = together or shared_folder()
    wanted = definitions() if wanted is None else wanted
    async with hands_on(cluster) as hands:
        with _alone(folder):
            user = _entered(folder)
            for one in wanted:
                if await _made(hands, one, given=cluster.given):
                    (folder / "made" / one["metadata"]["name"]).touch()
        for one in wanted:
            await _until_served(hands, one["metadata"]["name"])
    try:
        yield
    finally:
        with _alone(folder):
            user.unlink()
            if not _users(folder):
                if cluster.given:
                    async with hands_on(cluster) as hands:
                        await _removed(hands, [made.name for made in (folder / "made").iterdir()])
                shutil.rmtree(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    # One for all runs, so that none is left behind by each.
    lock = folder.parent / f"kaeru-custom-resources-of-{os.getuid()}.lock"
    with locked(lock, patience_s=PATIENCE_S, doing="defining custom resources"):
        yield


def _entered(folder: Path) -> Path:
    """This process' entry among the users; a process may enter more than once."""
    for inside in ("users", "made"):
        (folder / inside).mkdir(parents=True, exist_ok=True)
    user = folder / "users" / f"{os.getpid()}.{time.monotonic_ns()}"
    user.touch()
    return user


def _users(folder: Path) -> list[Path]:
    """Those whose process still lives; one that was killed takes no leave."""
    return [
        user for user in (folder / "users").iterdir() if Path("/proc", user.name.partition(".")[0]).exists()
    ]


async def _made(hands: Hands, wanted: Json, *, given: bool) -> bool:
    """Whether it was made just now. What is there is changed only in a cluster of our own, and only where it differs."""
    content = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16]
    metadata = {**wanted["metadata"], "labels": {LABEL: "true"}, "annotations": {CONTENT: content}}
    path = f"{API}/{metadata['name']}"
    try:
        found = await hands.api.get(path)
    except Missing:
        try:
            await hands.post(API, {**wanted, "metadata": metadata})
        except Conflict:  # another run was quicker
            return False
        return True
    if given or (found["metadata"].get("annotations") or {}).get(CONTENT) == content:
        return False
    spec = {"versions": wanted["spec"]["versions"]}
    await hands.merge(path, {"metadata": {k: metadata[k] for k in ("labels", "annotations")}, "spec": spec})
    return True


async def _until_served(hands: Hands, name: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        status = (await hands.api.get(f"{API}/{name}")).get("status") or {}
        said = {c["type"]: c["status"] for c in status.get("conditions") or ()}
        if said.get("Established") == "True":
            return
        assert time.monotonic() < deadline, f"{name} is not served after {PATIENCE_S:.0f} s: {said}"
        await asyncio.sleep(POLL_S)


async def _removed(hands: Hands, names: Sequence[str]) -> None:
    """Delete them with all objects of their kinds, and wait until they are gone: somebody may define them anew."""
    for name in names:
        await hands.delete(f"{API}/{name}")
    deadline = time.monotonic() + PATIENCE_S
    for name in names:
        while await _is_there(hands, name):
            assert time.monotonic() < deadline, f"{name} is not gone after {PATIENCE_S:.0f} s"
            await asyncio.sleep(POLL_S)


async def _is_there(hands: Hands, name: str) -> bool:
    try:
        await hands.api.get(f"{API}/{name}")
    except Missing:
        return False
    return True
