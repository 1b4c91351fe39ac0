"""Users of a service on this machine, and how they fare."""

import asyncio
import time

import httpx

LONGEST_S = 120.0


class Load:
    """`rps` requests a second, each over a connection of its own, until told to stop, or for `LONGEST_S`."""

    def __init__(self, url: str, *, rps: float = 60.0) -> None:
        self.url = url
        self.rps = rps
        self.done = 0
        self.failed: list[str] = []
        self.stopped = asyncio.Event()

    async def run(self) -> None:
        until = time.monotonic() + LONGEST_S
        limits = httpx.Limits(max_keepalive_connections=0)
        async with (
            httpx.AsyncClient(timeout=10, trust_env=False, limits=limits) as client,
            asyncio.TaskGroup() as group,
        ):
            while not self.stopped.is_set() and time.monotonic() < until:
                group.create_task(self._visit(client))
                await asyncio.sleep(1 / self.rps)

    async def more_than(self, count: int) -> None:
        async with asyncio.timeout(LONGEST_S):
            while self.done < count:  # noqa: ASYNC110 - a poll, as in every test
                await asyncio.sleep(0.02)

    async def _visit(self, client: httpx.AsyncClient) -> None:
        try:
            answer = await client.get(f"{self.url}/version")
        except httpx.HTTPError as error:
            self.failed.append(repr(error))
            return
        self.done += 1
        if answer.status_code != 200:
            self.failed.append(f"HTTP {answer.status_code}")
