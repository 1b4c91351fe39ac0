"""Which shape each pod of a workload has, by the ReplicaSet or ControllerRevision that it was made from."""

from collections.abc import Iterable, Mapping, Sequence

from integrations.kubernetes.api import Api
from integrations.kubernetes.pods import Pod
from integrations.kubernetes.template import shape_ref
from integrations.kubernetes.workload import Workload, controlled_by, history_path


class Shapes:
    """Remembers what it has learned; a revision never changes its template."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._uid = ""
        self._refs: dict[str, str] = {}
        self._foreign: set[str] = set()

    def know(self, workload: Workload, refs: Mapping[str, str]) -> None:
        """The shape refs of revisions, by their names, that somebody has read already."""
        if workload.uid != self._uid:
            self._uid, self._refs, self._foreign = workload.uid, {}, set()
        self._refs.update(refs)

    async def of(self, workload: Workload, pods: Sequence[Pod]) -> dict[str, str]:
        """Shape refs by the uids of those of `pods` that are the workload's own. One request where there are new ones."""
        self.know(workload, {})
        named = {pod.uid: name for pod in pods if (name := _revision_of(workload, pod))}
        if not (self._refs.keys() | self._foreign).issuperset(named.values()):
            await self._learn(workload)
            # Labels alone made these look like ours.
            self._foreign.update(set(named.values()) - self._refs.keys())
        return {uid: self._refs[name] for uid, name in named.items() if name in self._refs}

    async def _learn(self, workload: Workload) -> None:
        path = history_path(workload.kind, workload.namespace)
        listed = await self._api.list(path, labels=workload.selector)
        own = (one for one in listed["items"] if controlled_by(one, workload.uid))
        for revision in own:
            inside = revision if workload.kind == "deployment" else revision["data"]
            self._refs[revision["metadata"]["name"]] = shape_ref(inside["spec"]["template"])


def own(pods: Iterable[Pod], shapes: Mapping[str, str]) -> tuple[Pod, ...]:
    return tuple(pod for pod in pods if pod.uid in shapes)


def _revision_of(workload: Workload, pod: Pod) -> str:
    """The name of the object that a pod was made from; empty where it belongs to something else."""
    owner = pod.owner
    if workload.kind == "deployment":
        return str(owner.get("name", "")) if owner.get("kind") == "ReplicaSet" else ""
    if owner.get("uid") != workload.uid:
        return ""
    # A StatefulSet's pods bear the whole name of the revision, a DaemonSet's only its hash.
    return pod.revision if workload.kind == "statefulset" else f"{workload.name}-{pod.revision}"
