"""The Charts port: one short-lived child process per picture.

matplotlib takes some 100 MB and a second of pure computation, neither of which the bot's own process has
to spare while an incident runs. So nothing here imports it.
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

from bot.ports.charts import ChartData, StatsData
from bot.ports.errors import Unavailable
from integrations.process import INHERITED, LAST_LINE, redact

PNG = b"\x89PNG\r\n\x1a\n"
TRY_AGAIN_S = 30.0


class MatplotlibCharts:
    """`zone` is an IANA name for the axis; `cache` a writable folder where matplotlib keeps its font list.

    Pictures are drawn one after the other, each within `timeout_s` seconds.
    """

    def __init__(self, *, zone: str = "UTC", cache: Path | None = None, timeout_s: float = 30.0) -> None:
        self._zone = zone
        self._cache = cache
        self._timeout_s = timeout_s
        self._one_at_a_time = asyncio.Lock()

    async def incident(self, data: ChartData) -> bytes:
        """A PNG of 1600 × 900 pixels. Raises Unavailable where it cannot be drawn now."""
        return await self._picture("incident", data)

    async def stats(self, data: StatsData) -> bytes:
        """The same for numbers over all incidents."""
        return await self._picture("stats", data)

    async def _picture(self, kind: str, data: ChartData | StatsData) -> bytes:
        async with self._one_at_a_time:
            code, picture, said = await self._draw(kind, data.model_dump_json().encode())
        if code != 0 or not picture.startswith(PNG):
            raise Unavailable(
                f"The picture could not be drawn: {said or f'the drawing process ended with {code}'}.",
                retry_after_s=TRY_AGAIN_S,
                remedy="Everything it shows is in the postmortem's tables too.",
            )
        return picture

    async def _draw(self, kind: str, request: bytes) -> tuple[int, bytes, str]:
        environment = {name: value for name, value in os.environ.items() if name in INHERITED}
        environment["OPENBLAS_NUM_THREADS"] = "1"  # one for each core otherwise, with nothing to do
        if self._cache is not None:
            environment["MPLCONFIGDIR"] = str(self._cache)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "integrations.charts.draw",
                self._zone,
                kind,
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise Unavailable(
                f"No process for drawing could be started: {error.strerror}.", retry_after_s=TRY_AGAIN_S
            ) from error
        try:
            async with asyncio.timeout(self._timeout_s):
                picture, stderr = await process.communicate(request)
        except TimeoutError as error:
            raise Unavailable(
                f"The picture was not drawn within {self._timeout_s:g} s.",
                retry_after_s=TRY_AGAIN_S,
                remedy="Everything it shows is in the postmortem's tables too.",
            ) from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):  # it ended just now
                    process.kill()
                await process.wait()
        return process.returncode or 0, picture, _last_line(stderr)


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return redact(lines[-1].strip())[:LAST_LINE].rstrip(".") if lines else ""
