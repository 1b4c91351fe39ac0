"""One component's way back, as the workflow goes it: apply, then follow until the end is seen."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bot.domain.base import Version
from bot.ports import Change, Observation, Target
from bot.workflows.applying import applied, put_back
from integrations.kubernetes.workload import REVISION
from tests.kubernetes.world import Json, Shop, until

KEY = "INC-1/run-1/apply:web"
BACK = "INC-1/run-1/revert:web"


@dataclass(frozen=True)
class Walk:
    """`seen` is what was told on the way, `end` the last word."""

    seen: tuple[Observation, ...]
    end: Observation

    @property
    def details(self) -> list[str]:
        return [one.detail for one in self.seen]


async def released(
    shop: Shop, *versions: Version, wait: bool = True, first: Mapping[str, str] | None = None
) -> None:
    """Deploy one after the other; only the last one is waited for until it runs, the others are history at once.

    `first` is the environment of the first one alone.
    """
    async with shop.without_pods():
        for count, version in enumerate(versions, start=1):
            env: Mapping[str, str | None] = dict(first or {}) if count == 1 else dict.fromkeys(first or {})
            await shop.deploy(version, wait=False, env=env)
            await until(lambda count=count: _has_revisions(shop, count), f"{version} in the history")  # type: ignore[misc]  # binds the loop's value
    if wait:
        await shop.rolled_out()


async def _has_revisions(shop: Shop, count: int) -> bool:
    kind = "replicasets" if shop.kind == "deployment" else "controllerrevisions"
    found = await shop.listed(kind, labels=f"app={shop.name}")
    return sum("revision" in one or REVISION in annotations(one) for one in found) >= count


async def change_to(target: Target, version: Version, *, payload: str = "") -> Change:
    """The change that a plan made now would carry out."""
    seen = await target.inspect()
    offered = next(a for a in seen.available if a.version == version)
    return Change(
        component="web",
        from_version=seen.current,
        to_version=version,
        fingerprint=seen.fingerprint,
        from_ref=seen.current_ref,
        to_ref=offered.ref,
        payload=payload,
    )


async def walk(
    target: Target,
    change: Change,
    *,
    key: str = KEY,
    meanwhile: Callable[[Observation], Awaitable[None]] | None = None,
) -> Walk:
    """`meanwhile` is called with each look on the way."""
    seen: list[Observation] = []

    async def tell(one: Observation) -> None:
        seen.append(one)
        if meanwhile is not None:
            await meanwhile(one)

    end = await applied(target, change, key=key, tell=tell)
    return Walk(tuple(seen), end)


async def walk_back(target: Target, change: Change) -> Walk:
    seen: list[Observation] = []

    async def tell(one: Observation) -> None:
        seen.append(one)

    end = await put_back(target, change, key=BACK, tell=tell)
    return Walk(tuple(seen), end)


async def images(shop: Shop) -> set[str]:
    """Of all pods in which something runs or is about to, also of those that are about to end."""
    return {pod["spec"]["containers"][0]["image"] for pod in await shop.pods() if not _has_stopped(pod)}


def _has_stopped(pod: Json) -> bool:
    states = [c["state"] for c in pod["status"].get("containerStatuses") or ()]
    return "deletionTimestamp" in pod["metadata"] and bool(states) and all("running" not in s for s in states)


async def generation(shop: Shop) -> int:
    """It grows with every change of the spec, whoever makes it."""
    return int((await shop.workload())["metadata"]["generation"])


def annotations(workload: Json) -> Json:
    found: Json = workload["metadata"].get("annotations") or {}
    return found


class Once:
    """Does something once, when it is called for the first time."""

    def __init__(self, deed: Callable[[], Awaitable[None]]) -> None:
        self._deed = deed
        self.done = False

    async def __call__(self, _seen: Observation) -> None:
        if not self.done:
            self.done = True
            await self._deed()
