"""What the pods of a workload wrote, their containers' previous runs included."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.ports.errors import AuthFailed, PortError, Refused, Unavailable
from integrations.kubernetes import access
from integrations.kubernetes.api import Api
from integrations.kubernetes.credentials import Source as Credentials
from integrations.kubernetes.errors import Doing, Missing
from integrations.kubernetes.requests import Bounds, Request, opened
from integrations.kubernetes.workload import Workload, moment, pods_path
from integrations.logs.parts import text_of
from integrations.logs.reader import Again, LogReader, Raw, Span
from integrations.logs.settings import KubernetesLogSettings

AT_ONCE = 4
"""Containers that are read at the same time."""
SECOND = timedelta(seconds=1)
"""What the API leaves out of its times."""
_CHUNK = 256 * 1024
_LONGEST = 1024 * 1024


@dataclass(frozen=True)
class _Run:
    """One run of a container."""

    pod: str
    container: str
    previous: bool = False

    @property
    def source(self) -> str:
        return f"{self.pod}/{self.container}"

    @property
    def what(self) -> str:
        return f"{self.source}{' (its run before)' if self.previous else ''}"


class PodLogs:
    """Asks the API server for the log of each container, one by one: which pods there are is looked up each time."""

    def __init__(self, settings: KubernetesLogSettings) -> None:
        self._settings = settings
        self._cluster = settings.cluster
        self._api = Api(self._cluster)
        self._held: tuple[Credentials, access.Access] | None = None

    @property
    def identity(self) -> str:
        one = f", container {self._settings.container}" if self._settings.container else ""
        return f"the log of {self._cluster.who}{one}"

    async def past(self, span: Span) -> AsyncGenerator[list[Raw], None]:
        workload = Workload(self._cluster.kind, await self._api.get(self._cluster.path))
        listed = await self._api.list(pods_path(self._settings.namespace), labels=workload.selector)
        pods: list[dict[str, Any]] = listed["items"]
        self._say_what_is_gone(span, pods)
        runs = [run for pod in pods for run in self._runs(pod, span)]
        failed: list[PortError] = []
        for begin in range(0, len(runs), AT_ONCE):
            some = runs[begin : begin + AT_ONCE]
            for run, found in zip(
                some, await asyncio.gather(*(self._tried(run, span) for run in some)), strict=True
            ):
                if isinstance(found, PortError):
                    failed.append(found)
                    span.missing(f"The log of {run.what} could not be read: {found}")
                elif found:
                    yield found
        if failed and len(failed) == len(runs):
            raise failed[0]

    def tail(self, since: datetime) -> Again:
        return Again(self, since)

    async def aclose(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            await access.release(*held)
        await self._api.aclose()

    def _say_what_is_gone(self, span: Span, pods: list[dict[str, Any]]) -> None:
        made = [at for pod in pods if (at := moment(pod["metadata"].get("creationTimestamp"))) is not None]
        if not made:
            span.missing(f"{self._cluster.who} has no pods.")
        elif min(made) > span.since:
            stamp = min(made).isoformat(timespec="seconds").replace("+00:00", "Z")
            span.missing(
                f"{self._cluster.who} has no pod older than {stamp}: what earlier ones wrote is gone with them."
            )

    def _runs(self, pod: dict[str, Any], span: Span) -> Iterator[_Run]:
        """The runs that may have written something in that time."""
        name = str(pod["metadata"]["name"])
        for status in (pod.get("status") or {}).get("containerStatuses") or ():
            container = str(status["name"])
            if self._settings.container not in (None, container):
                continue
            ended = (status.get("lastState") or {}).get("terminated") or {}
            before = moment(ended.get("finishedAt"))
            restarts = int(status.get("restartCount") or 0)
            begin = span.begin(f"{name}/{container}")
            if restarts and before is not None and before + SECOND > begin:
                yield _Run(name, container, previous=True)
                began = moment(ended.get("startedAt"))
                if restarts > 1 and began is not None and began > span.since:
                    span.missing(
                        f"{name}/{container} was started {restarts + 1} times; only its last two runs are kept."
                    )
            if "waiting" not in (status.get("state") or {}):
                yield _Run(name, container)

    async def _tried(self, run: _Run, span: Span) -> list[Raw] | PortError:
        """Its lines, or why they could not be read; what nobody may read is raised."""
        try:
            return [raw async for raw in self._lines(run, span)]
        except AuthFailed:
            raise
        except Missing:
            return []  # the pod, or its run before, is gone meanwhile
        except (Refused, Unavailable) as error:
            return error

    async def _lines(self, run: _Run, span: Span) -> AsyncGenerator[Raw, None]:
        begin, limit = span.begin(run.source), self._settings.max_read
        size = 0
        async with aclosing(self._asked(run, begin, limit)) as lines:
            async for line in lines:
                size += len(line) + 1
                stamp, _, text = line.partition(b" ")
                at = _moment(stamp)
                if at is not None and begin <= at < span.until:
                    yield Raw(at, text_of(text), run.source)
        if size >= limit:
            span.missing(f"{run.what} wrote more than {limit} bytes in that time; its end was not read.")

    async def _asked(self, run: _Run, since: datetime, limit: int) -> AsyncGenerator[bytes, None]:
        path = f"{pods_path(self._settings.namespace)}/{run.pod}/log"
        query = {
            "container": run.container,
            "timestamps": "true",
            # Whole seconds are all that the API takes.
            "sinceTime": since.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z",
            "limitBytes": str(limit),
        }
        if run.previous:
            query["previous"] = "true"
        if self._held is None:
            self._held = access.acquire(self._cluster)
        read_s = self._settings.read_timeout.total_seconds()
        bounds = Bounds(self._settings.connect_timeout.total_seconds(), read_s, whole_s=6 * read_s)
        async with opened(self._held[1], Request("GET", Doing("get", path), bounds, query)) as got:
            rest = b""
            async for chunk in got.content.iter_chunked(_CHUNK):
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    yield line
                if len(rest) > _LONGEST:
                    yield rest
                    rest = b""
            if rest:
                yield rest


def _moment(stamp: bytes) -> datetime | None:
    """The time before a line, in UTC; None where the answer was cut within it."""
    try:
        at = moment(stamp.decode("ascii"))
    except ValueError:
        return None
    return None if at is None or at.tzinfo is None else at.astimezone(UTC)


def make(settings: KubernetesLogSettings) -> LogReader:
    return LogReader(PodLogs(settings), settings)
