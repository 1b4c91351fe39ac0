"""A service of a real Swarm, and what others do to it past kaeru."""

import asyncio
import base64
import contextlib
import copy
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from bot.domain.base import Version
from bot.domain.evidence import Outcome
from bot.ports.target import Change, Inspection, Observation
from bot.workflows.applying import applied
from integrations.images import version_of
from integrations.swarm.access import Manager
from integrations.swarm.service import Json, image_of, ref_of
from integrations.swarm.settings import SwarmSettings
from integrations.swarm.target import SwarmTarget
from sandbox.clusters.engine import Engine, EngineError
from sandbox.clusters.images import load
from sandbox.clusters.shop_images import CRASHES, WEB, standard_images
from sandbox.clusters.swarm import SwarmCluster
from tests import clusters
from tests.fakes.memory import FakeMemory

GOOD, BAD, BAD2 = "v1.2.9", "v1.3.0", "v1.3.1"
LABEL = "kaeru-test"
NOT_FOUND = 404
PATIENCE_S = 120.0
OWN_PACE: Json = {
    "Parallelism": 0,
    "FailureAction": "pause",
    "Monitor": 300_000_000,
    "MaxFailureRatio": 0,
    "Order": "start-first",
}
"""How the services of most tests are deployed by others: quickly."""
DEFAULT_PACE: Json = {
    "Parallelism": 1,
    "FailureAction": "pause",
    "Monitor": 5_000_000_000,
    "MaxFailureRatio": 0,
    "Order": "stop-first",
}
"""What `docker service create` sets."""


class Service:
    """One service with a repository of images of its own, so that tests may run side by side."""

    def __init__(self, docker_host: str, repository: str = "") -> None:
        self.docker_host = docker_host
        self.engine = Engine(docker_host)
        self.name = f"kt-{secrets.token_hex(4)}"
        self.repository = repository or f"kaeru-test/{self.name}"
        self.memory = FakeMemory()
        self._tags: set[str] = set()
        self._others: list[tuple[str, str]] = []

    def target(self, **other: Any) -> SwarmTarget:
        settings = SwarmSettings(**{"service": self.name, "host": self.docker_host, **other})
        return SwarmTarget(settings, self.memory)

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        return await asyncio.to_thread(self.engine.ask, method, path, **more)

    # What runs

    async def create(
        self, version: str = BAD, *, replicas: int | None = 2, pace: Json = OWN_PACE, **template: Any
    ) -> None:
        """Create it and wait until it runs; `replicas` None makes it global. `template` goes into ContainerSpec."""
        await self.tag(version)
        mode: Json = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
        spec = {
            "Name": self.name,
            "Labels": {LABEL: "swarm", "team": "shop"},
            "Mode": mode,
            "UpdateConfig": pace,
            "TaskTemplate": {
                "ContainerSpec": {"Image": f"{self.repository}:{version}", **template},
                "RestartPolicy": {"Condition": "any", "Delay": 500_000_000},
            },
        }
        await self.ask("POST", "/services/create", body=spec)
        await self.settled()

    async def tag(self, version: str, *, of: str | None = None) -> None:
        """Let an image of our own be `version`; `of` another name's or version's content."""
        if self.repository == WEB:
            return  # shared by all nodes, never changed
        source = of or f"{WEB}:{version}"
        query = {"repo": self.repository, "tag": version}
        await self.ask("POST", f"/images/{source}/tag", query=query)
        self._tags.add(version)

    async def break_release(self, version: str) -> None:
        await self.tag(version, of=f"{WEB}:{CRASHES}")

    async def get(self) -> Json:
        found: Json = await self.ask("GET", f"/services/{self.name}")
        return found

    async def tasks(self) -> list[Json]:
        query = {"filters": json.dumps({"service": [self.name]})}
        found: list[Json] = await self.ask("GET", "/tasks", query=query)
        return found

    async def running(self) -> list[Version]:
        """The versions of the tasks that run and are to run."""
        return sorted(
            version_of(image_of(task["Spec"]))
            for task in await self.tasks()
            if task["DesiredState"] == "running" and task["Status"]["State"] == "running"
        )

    async def starts(self) -> int:
        """How many tasks there have been; the Swarm keeps five of each slot."""
        return len(await self.tasks())

    async def recorded(self, *versions: str) -> None:
        """Let kaeru remember `versions`, as if it had seen them run before; each in the present shape."""
        spec = (await self.get())["Spec"]
        for version in versions:
            await self.tag(version)
            spec["TaskTemplate"]["ContainerSpec"]["Image"] = f"{self.repository}:{version}"
            await self.memory.keep(ref_of(spec["TaskTemplate"]), version, json.dumps(spec))

    # What others do

    async def change(self, edit: Callable[[Json], object], **query: str) -> None:
        """An update as the docker command sends it: read, edit, write; again where somebody was quicker."""
        for _ in range(20):
            service = await self.get()
            spec = copy.deepcopy(service["Spec"])
            edit(spec)
            try:
                version = {"version": str(service["Version"]["Index"]), **query}
                await self.ask("POST", f"/services/{self.name}/update", query=version, body=spec)
            except EngineError as error:
                if "out of sequence" not in str(error):
                    raise
            else:
                return
        raise AssertionError(f"{self.name} could not be changed")

    async def set_image(self, version: str, **container: Any) -> None:
        """Begin a deploy of `version`, past kaeru."""

        def edit(spec: Json) -> None:
            spec["TaskTemplate"]["ContainerSpec"] |= {"Image": f"{self.repository}:{version}", **container}

        await self.change(edit)

    async def deploy(self, version: str, **container: Any) -> None:
        """The same, and wait until it runs."""
        await self.tag(version)
        await self.set_image(version, **container)
        await self.settled()

    async def scale(self, replicas: int) -> None:
        await self.change(lambda spec: spec.update(Mode={"Replicated": {"Replicas": replicas}}))
        await self.settled()

    async def settled(self) -> None:
        """Wait until every task runs what is set and nothing else is running."""

        async def whole() -> bool:
            service = await self.get()
            state = (service.get("UpdateStatus") or {}).get("State", "completed")
            template = service["Spec"]["TaskTemplate"]
            replicas = service["Spec"]["Mode"].get("Replicated", {}).get("Replicas")
            alive = [
                t for t in await self.tasks() if t["Status"]["State"] in ("running", "starting", "preparing")
            ]
            good = [
                t
                for t in alive
                if ref_of(t["Spec"]) == ref_of(template)
                and t["Status"]["State"] == t["DesiredState"] == "running"
            ]
            count = len({task.get("Slot") or task["NodeID"] for task in good})
            return (
                state.endswith("completed") and len(alive) == len(good) and count == (replicas or count or -1)
            )

        await eventually(whole, f"{self.name} runs what is set")

    async def secret(self, kind: str, name: str, content: str) -> Json:
        """Make a secret or a config, and return a reference to it for ContainerSpec."""
        body = {"Name": name, "Data": base64.b64encode(content.encode()).decode()}
        made = await self.ask("POST", f"/{kind}s/create", body=body)
        self._others.append((kind, made["ID"]))
        title = kind.title()
        file = {"Name": kind, "UID": "0", "GID": "0", "Mode": 0o444}
        return {f"{title}ID": made["ID"], f"{title}Name": name, "File": file}

    def forget(self, version: str) -> None:
        """The image was deleted by the test."""
        self._tags.discard(version)

    async def forget_secret(self, secret_id: str) -> None:
        """Delete a secret; the Swarm lets it go once no service names it."""
        await self.ask("DELETE", f"/secrets/{secret_id}")
        self._others = [other for other in self._others if other[1] != secret_id]

    async def deploy_spec(self, spec: Json) -> None:
        """Set another task template, and do not wait."""
        await self.change(lambda now: now.update(TaskTemplate=spec["TaskTemplate"]))

    async def remove(self) -> None:
        try:
            await self.ask("DELETE", f"/services/{self.name}")
        except EngineError as error:
            if error.status != NOT_FOUND:  # a test has deleted it, or never made it
                raise

        async def gone() -> bool:
            return not await self.tasks_left()

        await eventually(gone, f"{self.name} is gone")
        for kind, one in self._others:
            await self.ask("DELETE", f"/{kind}s/{one}")
        for tag in self._tags:
            await self.ask("DELETE", f"/images/{self.repository}:{tag}", query={"force": "1"})

    async def tasks_left(self) -> bool:
        """Whether containers of it are still there."""
        query = {"all": "1", "filters": json.dumps({"label": [f"com.docker.swarm.service.name={self.name}"]})}
        return bool(await self.ask("GET", "/containers/json", query=query))


def the_swarm() -> SwarmCluster:
    """The shared one, with our images."""
    cluster = clusters.the_swarm()
    load(cluster.docker_host, standard_images())  # one that is given has none of ours yet
    return cluster


@contextlib.asynccontextmanager
async def service_on(docker_host: str, *, repository: str = "") -> AsyncIterator[Service]:
    """A service to be created; removed at the end with all that belongs to it.

    Where there are several nodes, `repository` is one that all have.
    """
    service = Service(docker_host, repository)
    try:
        yield service
    finally:
        await service.remove()


async def eventually(
    condition: Callable[[], Awaitable[bool]], what: str, within_s: float = PATIENCE_S
) -> None:
    """Poll until `condition` holds."""
    deadline = time.monotonic() + within_s
    while not await condition():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        await asyncio.sleep(0.05)


def change(seen: Inspection, to_version: Version, **other: Any) -> Change:
    """A change as the arming makes it, refs included."""
    refs = {available.version: available.ref for available in seen.available}
    return Change(
        component="shop",
        from_version=seen.current,
        to_version=to_version,
        fingerprint=seen.fingerprint,
        from_ref=seen.current_ref,
        to_ref=refs.get(to_version, ""),
        **other,
    )


async def rolled_back(target: SwarmTarget, to_version: Version, key: str = "INC-1/apply") -> Observation:
    """Inspect, plan, apply, and follow to the end, as kaeru does."""
    planned = change(await target.inspect(), to_version)
    plan = await target.plan(planned)
    assert [check for check in plan.checks if not check.ok] == []
    return await applied(target, planned.model_copy(update={"payload": plan.payload}), key=key)


async def asked(host: str | None = None, *, service: str = "none", **other: Any) -> None:
    """Ask a manager for a service, and let go of it."""
    manager = Manager(SwarmSettings(service=service, host=host, **other))
    try:
        await manager.service()
    finally:
        await manager.aclose()


async def deployed(service: Service, target: SwarmTarget, *versions: str, replicas: int | None = 2) -> None:
    """Create the first of `versions`, deploy the others as others do, with kaeru watching. `replicas` None: global."""
    await service.create(versions[0], replicas=replicas)
    await target.inspect()
    await remembered(service, target, *versions[1:])


async def remembered(service: Service, target: SwarmTarget, *versions: str) -> None:
    """Deploy one version after the other, as others do, with kaeru watching."""
    for version in versions:
        await service.deploy(version)
        await target.inspect()


def succeeded(seen: Observation, version: Version) -> None:
    assert (seen.outcome, seen.running) == (Outcome.SUCCEEDED, version), seen
