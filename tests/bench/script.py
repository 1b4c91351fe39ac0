"""The same rollback by a bare script: what a person would have prepared, and nothing else."""

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

PATHS = ("/version", "/products", "/cart", "/checkout")


async def roll_back(
    root: Path, version: str, *, restart: Sequence[str], url: str, rounds: int, interval_s: float
) -> float:
    """Move the link, restart, wait for `version`, and see `rounds` good rounds in a row. Returns seconds."""
    began = time.monotonic()
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=5, trust_env=False) as client:
        await asyncio.to_thread(_switch, root / "current", root / "releases" / version)
        process = await asyncio.create_subprocess_exec(
            *restart, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
        )
        if await process.wait() != 0:
            raise RuntimeError(f"the restart command ended with {process.returncode}")
        while not await _well(client, version, PATHS[:1]):  # noqa: ASYNC110 - a script can only look
            await asyncio.sleep(0.1)
        streak = 0
        while True:
            streak = streak + 1 if await _well(client, version, PATHS) else 0
            if streak >= rounds:
                return time.monotonic() - began
            await asyncio.sleep(interval_s)


async def _well(client: httpx.AsyncClient, version: str, paths: Sequence[str]) -> bool:
    async def one(path: str) -> bool:
        try:
            answer = await client.get(path)
        except httpx.HTTPError:
            return False
        return answer.status_code < 300 and answer.headers.get("X-Version") == version

    return all(await asyncio.gather(*(one(path) for path in paths)))


def _switch(link: Path, release: Path) -> None:
    fresh = link.with_name(f".{link.name}.script")
    fresh.symlink_to(release)
    fresh.replace(link)
    folder = os.open(link.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
