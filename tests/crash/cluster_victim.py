"""The bot of `victim.py`, whose service is in a cluster, and which passes more places.

| place | is |
|---|---|
| `written` | the API server or the Swarm has taken the change, and nobody here has heard of it |
| `applied:COMPONENT` | the adapter knows it, and nothing remembers that yet |
| `followed:COMPONENT` | the last word on the change is there, and nothing remembers that yet |
"""

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from bot.domain.evidence import Outcome
from bot.ports import Change, Observation
from integrations.kubernetes.api import Api
from integrations.kubernetes.target import KubernetesTarget
from integrations.swarm.access import Manager
from integrations.swarm.target import SwarmTarget
from tests.crash import victim
from tests.crash.victim import Reaper


def main(environment: Mapping[str, str], log: Path) -> None:
    """As `victim.main`."""
    reaper = Reaper(Path(environment["KAERU_CRASH_NOTES"]), frozenset(environment["KAERU_CRASH_AT"].split()))
    os.environ.update(environment)
    _watch_writes(reaper)
    _watch(KubernetesTarget, reaper)
    _watch(SwarmTarget, reaper)
    victim.main(environment, log)


def _watch_writes(reaper: Reaper) -> None:
    patch, update = Api.patch, Manager.update

    async def patched(self: Api, path: str, operations: Any, **more: Any) -> Any:
        answer = await patch(self, path, operations, **more)
        if not more.get("dry_run"):
            reaper.passing("written")
        return answer

    async def updated(self: Manager, service_id: str, index: int, spec: Any) -> None:
        await update(self, service_id, index, spec)
        reaper.passing("written")

    Api.patch = patched  # type: ignore[method-assign]  # notices, and goes on
    Manager.update = updated  # type: ignore[method-assign]  # notices, and goes on


def _watch(kind: type[KubernetesTarget | SwarmTarget], reaper: Reaper) -> None:
    apply, follow = kind.apply, kind.follow

    async def applied(self: Any, change: Change, key: str) -> Observation:
        seen: Observation = await apply(self, change, key)
        reaper.passing(f"applied:{change.component}")
        return seen

    async def followed(self: Any, change: Change, key: str) -> AsyncGenerator[Observation, None]:
        async with aclosing(follow(self, change, key)) as looks:
            async for seen in looks:
                if seen.outcome is not Outcome.UNKNOWN:
                    reaper.passing(f"followed:{change.component}")
                yield seen

    kind.apply = applied  # type: ignore[method-assign]  # notices, and goes on
    kind.follow = followed  # type: ignore[method-assign]  # notices, and goes on
