"""Users by `sandbox.shop.load`, a process of its own, and the share of their requests that failed, as it saw them."""

import asyncio
import contextlib
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.contract.shop import PROJECT

LONGEST_S = 240
SECOND = timedelta(seconds=1)
WELL = 0.01
"""The share of failed requests with which users are well: machines that are busy with other tests lose a few."""
NOT_SENT = "no answer to earlier requests"
"""What the load says of requests that it keeps back while a hundred are under way, as they are where a machine has no
time for it. Nobody has made them; those that are under way fail if they are not answered within ten seconds."""
ENOUGH = 0.9
"""Of the requests that the load begins in a second; the others end in another one."""


@dataclass(frozen=True)
class Seen:
    """Of the requests that ended in some time: how many, and the errors by kind (`500 /checkout`)."""

    requests: int
    failed: int
    errors: Counter[str]

    @property
    def share(self) -> float:
        return self.failed / self.requests if self.requests else 0.0

    def but(self, *statuses: str) -> float:
        """The share that failed in another way than by these."""
        others = sum(count for kind, count in self.errors.items() if kind.partition(" ")[0] not in statuses)
        return others / self.requests if self.requests else 0.0


class Users:
    """`url` is where they come in."""

    def __init__(self, url: str, report: Path, rps: float) -> None:
        self.url, self.rps = url, rps
        self._report = report

    def saw(self, since: datetime, until: datetime) -> Seen:
        """In those seconds of the load's that lie between the two as a whole."""
        requests, errors = 0, Counter[str]()
        text = self._report.read_text(encoding="utf-8") if self._report.exists() else ""
        for line in text[: text.rfind("\n") + 1].splitlines():
            second = json.loads(line)
            ended = datetime.fromisoformat(second["at"])
            if since <= ended - SECOND and ended <= until:
                kinds = Counter(second["errors"])
                kinds.pop(NOT_SENT, None)
                requests += second["ok"] + kinds.total()
                errors.update(kinds)
        return Seen(requests, errors.total(), errors)

    async def came(self, seconds: float, since: datetime) -> None:
        """Until the load has told of so many seconds since then."""
        wanted = seconds * self.rps * ENOUGH
        async with asyncio.timeout(LONGEST_S):
            while self.saw(since, datetime.now(UTC)).requests < wanted:  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.2)

    @contextlib.asynccontextmanager
    async def coming(self) -> AsyncIterator["Users"]:
        """They come until the end of this, at the longest for `LONGEST_S`."""
        argv = [sys.executable, "-m", "sandbox.shop.load", "--url", self.url, "--rps", f"{self.rps:g}"]
        argv += ["--seconds", str(LONGEST_S), "--report", str(self._report)]
        process = await asyncio.create_subprocess_exec(*argv, cwd=PROJECT)
        try:
            yield self
        finally:
            process.send_signal(signal.SIGINT)
            code = await asyncio.wait_for(process.wait(), 30)
        assert code == 0, code
