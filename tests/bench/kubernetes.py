"""A rollback of Deployments on a real cluster: kaeru beside kubectl, and what it asks of the API server."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path

from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.namespaces import Namespace, namespace
from sandbox.clusters.services import service_url
from sandbox.clusters.shop_images import WEB
from sandbox.workspace.model import Json
from tests.bench.clusters import ILL, PATIENCE_S, WELL, Clusters, Crew, Rounds, Side, crew, opened, service
from tests.bench.result import Result, at_most
from tests.kubernetes.fault_proxy import FaultProxy, fault_proxy
from tests.kubernetes.world import Shop, api_of, until

READY_AFTER_S = 2
FIVE = 5

_OWN = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
"""What every Deployment has that says nothing of it."""
_AT_ONCE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "100%"}}


@dataclass(frozen=True)
class Size:
    """`more`: also five of them at once, and the requests. At most `rounds`, and none begun after `budget_s`."""

    replicas: int
    rounds: int
    budget_s: float
    more: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        more = ("k8s_five_over_one", "k8s_api_calls") if self.more else ()
        return (f"k8s_over_kubectl_{self.replicas}", f"k8s_surge_over_kubectl_{self.replicas}", *more)


SIZES = (Size(3, 4, 180.0, more=True), Size(10, 4, 100.0), Size(30, 3, 120.0))


@dataclass
class Member(Shop):
    """A Deployment of the service `group`."""

    group: str = "web"

    def manifest(self, image: str, env: Mapping[str, str | None], **pod: object) -> Json:
        made: Json = super().manifest(image, env, **pod)
        made["spec"]["template"]["metadata"]["labels"]["group"] = self.group
        return made

    async def begin(self) -> None:
        """Its first version is the good one."""
        await self.deploy(WELL, env={"READY_AFTER": str(READY_AFTER_S)})

    async def spoil(self) -> None:
        """Deploy the bad version, quickly, and leave the strategy as everybody has it."""
        container = {"name": "web", "image": f"{WEB}:{ILL}"}
        await self.patch({"spec": {"strategy": _AT_ONCE, "template": {"spec": {"containers": [container]}}}})
        await until(self._is_spoilt, f"spoilt: {self.name}", patience_s=PATIENCE_S)
        await self.patch({"spec": {"strategy": _OWN}})

    async def _is_spoilt(self) -> bool:
        """Whether nothing else runs any more. Pods that have ended may be listed for half a minute more."""
        workload, pods = await self.workload(), await self.pods()
        status = workload["status"]
        states = [c["state"] for pod in pods for c in pod["status"].get("containerStatuses", ())]
        return (
            status.get("observedGeneration", 0) >= workload["metadata"]["generation"]
            and status.get("updatedReplicas") == status.get("readyReplicas") == self.replicas
            and len(states) == len(pods)
            and sum("running" in state for state in states) == self.replicas
        )

    def target(self, **more: object) -> Json:
        """What kaeru.yml says of it."""
        place = {
            "namespace": self.space.name,
            "name": self.name,
            "kubeconfig": str(self.space.cluster.kubeconfig),
        }
        return {"kind": "kubernetes", **place, **more}

    async def undone(self) -> float:
        """What people do without kaeru: seconds until kubectl says that it is done."""
        began = time.monotonic()
        await self.kubectl("rollout", "undo", f"deployment/{self.name}")
        await self.kubectl("rollout", "status", f"deployment/{self.name}", timeout_s=PATIENCE_S)
        return time.monotonic() - began


class Site:
    """A namespace with Deployments and the doors to them, gone afterwards."""

    def __init__(self, cluster: KubernetesCluster, stack: AsyncExitStack) -> None:
        self._cluster = cluster
        self._stack = stack

    async def open(self) -> None:
        self.space: Namespace = self._stack.enter_context(namespace(self._cluster, "kaeru-bench"))
        self._api = await self._stack.enter_async_context(aclosing(api_of(self.space)))

    async def group(self, name: str, *, replicas: int, count: int = 1) -> tuple[list[Member], str]:
        """`count` Deployments that run the good version, and where they answer as one service."""
        members = [
            Member(
                self.space,
                self._api,
                name=f"{name}-{n}" if count > 1 else name,
                replicas=replicas,
                group=name,
            )
            for n in range(count)
        ]
        await asyncio.gather(*(member.begin() for member in members))
        door = {"selector": {"group": name}, "ports": [{"port": 80, "targetPort": 8080}]}
        await members[0].create(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": door}
        )
        url = await opened(self._stack, service_url(self._cluster, self.space.name, name, 80))
        return members, url


async def measure(clusters: Clusters, size: Size, data: Path) -> list[Result]:
    replicas = size.replicas
    cluster = clusters.kubernetes()
    async with AsyncExitStack() as stack:
        site = Site(cluster, stack)
        await site.open()
        (one,), url = await site.group("one", replicas=replicas)
        listed = [
            service("plain", {"one": one.target()}, url),
            service("surge", {"one": one.target(surge="100%")}, url),
        ]
        five: list[Member] = []
        if size.more:
            five, five_url = await site.group("five", replicas=replicas, count=FIVE)
            listed.append(service("five", {member.name: member.target() for member in five}, five_url))
            proxy = await stack.enter_async_context(fault_proxy(cluster.kubeconfig))
            counted = one.target() | {"kubeconfig": str(proxy.kubeconfig(data))}
            listed.append(service("counted", {"one": counted}, url))
        team = await stack.enter_async_context(crew(data / "world", listed))
        await one.spoil()
        # The first rollback warms up.
        calls: list[str] = []
        if size.more:
            calls = await _calls(team, proxy)
        else:
            await team.rolled_back("plain")
        rounds = await Rounds(_sides(team, one, five), most=size.rounds, budget_s=size.budget_s).run()
    found = _compared(rounds, replicas)
    return [*found, _five(rounds, replicas), _told(calls)] if size.more else found


def _sides(team: Crew, one: Member, five: Sequence[Member]) -> list[Side]:
    async def spoil_five() -> None:
        await asyncio.gather(*(member.spoil() for member in five))

    sides = [
        Side("kubectl", one.undone, one.spoil),
        Side("kaeru", lambda: team.rolled_back("plain"), one.spoil),
        Side("surge", lambda: team.rolled_back("surge"), one.spoil),
    ]
    return [*sides, Side("five", lambda: team.rolled_back("five"), spoil_five)] if five else sides


async def _calls(team: Crew, proxy: FaultProxy) -> list[str]:
    """The requests from the approval to `mitigated`."""
    moments: list[int] = []

    def note() -> None:
        moments.append(len(proxy.seen))

    await team.rolled_back("counted", approved=note, mitigated=note)
    return proxy.seen[moments[0] : moments[1]]


def _compared(rounds: Rounds, replicas: int) -> list[Result]:
    by_hand = f"÷ kubectl rollout undo && kubectl rollout status {rounds.told('kubectl')}"
    what = f"{replicas} replicas, ready after {READY_AFTER_S} s; last approval to mitigated (proven from outside)"
    plain, surge = f"k8s_over_kubectl_{replicas}", f"k8s_surge_over_kubectl_{replicas}"
    return [
        Result(
            plain,
            rounds.ratio("kaeru", "kubectl"),
            "×",
            at_most(1.05),
            f"{what} {rounds.told('kaeru')} {by_hand}",
        ),
        Result(
            surge,
            rounds.ratio("surge", "kubectl"),
            "×",
            at_most(0.6),
            f"the same with surge: 100% {rounds.told('surge')} {by_hand}",
        ),
    ]


def _five(rounds: Rounds, replicas: int) -> Result:
    note = f"{FIVE} Deployments of {replicas} replicas as one service {rounds.told('five')} ÷ one {rounds.told('kaeru')}"
    return Result("k8s_five_over_one", rounds.ratio("five", "kaeru"), "×", at_most(1.3), note)


def _told(calls: Sequence[str]) -> Result:
    verbs = [call.partition(" ")[0] if "watch=1" not in call else "watch" for call in calls]
    kinds = ", ".join(f"{verbs.count(verb)} {verb}" for verb in dict.fromkeys(verbs))
    note = f"requests to the API server from the last approval to mitigated, 3 replicas: {kinds}"
    return Result("k8s_api_calls", len(calls), "calls", at_most(40), note)
