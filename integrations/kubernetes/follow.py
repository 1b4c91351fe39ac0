"""Follows a rollout by watching the workload and its pods, so that its end is noticed at once."""

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from integrations.kubernetes.api import Api
from integrations.kubernetes.authors import who_changed
from integrations.kubernetes.errors import Missing
from integrations.kubernetes.evidence import explained, refusal, silent_registry
from integrations.kubernetes.feed import Feed
from integrations.kubernetes.patch import is_widened
from integrations.kubernetes.pods import pods_of
from integrations.kubernetes.rollout import State, Verdict, is_to_blame, judge
from integrations.kubernetes.scene import Goal, Scene
from integrations.kubernetes.settings import KubernetesSettings
from integrations.kubernetes.shapes import Shapes, own
from integrations.kubernetes.stopwatch import Stopwatch
from integrations.kubernetes.template import Json
from integrations.kubernetes.workload import Workload, pods_path

TICK_S = 1.0
"""What depends on how long something lasts is looked at again that often."""
AT_LEAST_S = 5.0
LOST_S = 10.0
"""How long a patch whose answer was lost may still be on its way inside the API server."""
EVENTS_AFTER_S = 5.0
EVENTS_EVERY_S = 10.0


class Follower:
    """Follows one change. `until` is when the loop's clock says that its time is over."""

    def __init__(
        self, api: Api, settings: KubernetesSettings, shapes: Shapes, goal: Goal, *, until: float = 0.0
    ) -> None:
        self._api = api
        self._settings = settings
        self._shapes = shapes
        self._goal = goal
        self._until = until
        self._clock = asyncio.get_running_loop().time
        self._watch = Stopwatch(self._clock)
        self._ending = Stopwatch(self._clock)
        self._uid = ""
        self._ours_seen = False
        self._blocked = ""
        self._events_at = 0.0
        self._widened: Workload | None = None

    @property
    def widened(self) -> Workload | None:
        """The workload, where there is a strategy to give back, by what was seen last."""
        return self._widened

    async def look(self) -> tuple[Scene, Verdict]:
        """One look, without waiting for anything. Raises as the API does."""
        found = await self._read()
        if found is None:
            return await self._seen(None, {})
        listed = await self._api.list(pods_path(self._settings.namespace), labels=self._of(found).selector)
        return await self._seen(found, {one["metadata"]["uid"]: one for one in listed["items"]})

    async def verdicts(self) -> AsyncGenerator[Verdict, None]:
        """Whenever something is new, and every `AT_LEAST_S`; the last one is final: a failed one where the time is over."""
        found = await self._read()
        if found is None:
            _, verdict = await self._seen(None, {})
            yield verdict
            return
        changed = asyncio.Event()
        collection, _, name = self._settings.path.rpartition("/")
        workloads = Feed(self._api, collection, changed.set, fields=f"metadata.name={name}")
        workloads.begin(found)
        pods = Feed(
            self._api, pods_path(self._settings.namespace), changed.set, labels=self._of(found).selector
        )
        tasks = [asyncio.create_task(feed.run()) for feed in (workloads, pods)]
        for task in tasks:
            task.add_done_callback(lambda _task: changed.set())
        try:
            async with aclosing(self._merged(workloads, pods, changed, tasks)) as merged:
                async for verdict in merged:
                    yield verdict
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _merged(
        self, workloads: Feed, pods: Feed, changed: asyncio.Event, tasks: list[asyncio.Task[None]]
    ) -> AsyncGenerator[Verdict, None]:
        told, next_at, began = "", 0.0, self._clock()
        while True:
            changed.clear()
            for task in tasks:
                if task.done():
                    task.result()
            if pods.objects is not None:
                found = next(iter((workloads.objects or {}).values()), None)
                scene, verdict = await self._seen(found, pods.objects)
                if verdict.state is State.NOT_BEGUN and self._clock() < began + LOST_S:
                    verdict = dataclasses.replace(verdict, state=State.UNDER_WAY)
                if verdict.state is not State.UNDER_WAY:
                    yield await self._final(scene, verdict)
                    return
                now = self._clock()
                if now >= self._until:
                    yield await self._given_up(scene, verdict)
                    return
                if verdict.detail != told or now >= next_at:
                    told, next_at = verdict.detail, now + AT_LEAST_S
                    yield verdict
            try:
                async with asyncio.timeout(TICK_S):
                    await changed.wait()
            except TimeoutError:
                continue

    async def _read(self) -> Json | None:
        try:
            return await self._api.get(self._settings.path)
        except Missing:
            return None

    def _of(self, found: Json) -> Workload:
        return Workload(self._settings.kind.value, found, self._settings.container)

    async def _seen(self, found: Json | None, pods: Mapping[str, Json]) -> tuple[Scene, Verdict]:
        if found is None:
            scene = Scene(self._goal, None, (), {})
            return scene, judge(scene)
        workload = self._of(found)
        everything = pods_of(pods.values())
        shapes = await self._shapes.of(workload, everything)
        mine = own(everything, shapes)
        self._uid = self._uid or workload.uid
        self._widened = workload if is_widened(found) else None
        ours = self._goal.is_met_by(workload.shape_ref)
        self._ours_seen = self._ours_seen or ours
        still_s = self._watch.still(
            (workload.generation, workload.counts, tuple((p.uid, p.ready, p.terminating) for p in mine))
        )
        ill_s = self._watch.lasting(pod.uid for pod in mine if pod.trouble is not None)
        scene = Scene(
            self._goal,
            workload,
            mine,
            shapes,
            uid=self._uid,
            ours_seen=self._ours_seen,
            ill_s=ill_s,
            still_s=still_s,
            blocked=await self._why_blocked(workload, still_s),
            ending_s=self._ending.lasting(pod.uid for pod in mine if pod.terminating),
            changed_by="" if ours else who_changed(workload.raw),
        )
        return scene, judge(scene)

    async def _why_blocked(self, workload: Workload, still_s: float) -> str:
        """Why the controller can make no pods. A Deployment says so itself, the others only in events."""
        if workload.kind == "deployment":
            failure = workload.conditions.get("ReplicaFailure") or {}
            return str(failure.get("message", "")) if failure.get("status") == "True" else ""
        if still_s < EVENTS_AFTER_S:
            self._blocked = ""
            return ""
        if self._clock() >= self._events_at:
            self._events_at = self._clock() + EVENTS_EVERY_S
            self._blocked = await refusal(self._api, workload)
        return self._blocked

    async def _final(self, scene: Scene, verdict: Verdict) -> Verdict:
        if verdict.state is not State.FAILED:
            return verdict
        if silent := await silent_registry(self._api, scene, verdict):
            verdict = dataclasses.replace(verdict, detail=f"{verdict.detail} {silent}", blameless=True)
        return dataclasses.replace(verdict, detail=await explained(self._api, scene, verdict))

    async def _given_up(self, scene: Scene, verdict: Verdict) -> Verdict:
        """It counts as failed, and where it stands is said. Not for old pods alone that have longer to end than this."""
        without = judge(dataclasses.replace(scene, patient=False))
        if without.state is State.DONE:
            return without
        limit = self._settings.timeout.total_seconds()
        said = f"{self._goal.title} did not come to its end within {limit:g} s: {verdict.detail}"
        blameless = not is_to_blame(scene, at_deadline=True)
        return await self._final(
            scene, dataclasses.replace(verdict, state=State.FAILED, detail=said, blameless=blameless)
        )
