"""Pods that a StatefulSet waits for in vain: it stays stuck after its template is right again, until they are deleted.

See kubernetes/kubernetes#67250. Only what was approved is deleted, by uid, so that a pod that has come in its place
meanwhile stays.
"""

import asyncio
import logging
from collections.abc import Iterable

from bot.ports.errors import Conflict, Unavailable
from integrations.kubernetes.api import Api
from integrations.kubernetes.looking import workload_of
from integrations.kubernetes.payload import StuckPod
from integrations.kubernetes.scene import Scene
from integrations.kubernetes.settings import KubernetesSettings
from integrations.kubernetes.workload import Workload, pods_path

_log = logging.getLogger(__name__)

SEEN_WITHIN_S = 5.0
LOOK_S = 0.1


async def deleted(
    api: Api, settings: KubernetesSettings, workload: Workload, pods: Iterable[StuckPod]
) -> None:
    """Delete `pods`, once the controller has seen the spec as it is: earlier it would make them as they were.

    Raises Unavailable, and deletes nothing, where it has not seen it within `SEEN_WITHIN_S`.
    """
    pods = tuple(pods)
    if not pods:
        return
    loop = asyncio.get_running_loop()
    until = loop.time() + SEEN_WITHIN_S
    while workload.observed_generation < workload.generation:
        if loop.time() >= until:
            raise Unavailable(
                f"The controller has not seen yet what {workload.title} is set to, so no pod of it was deleted.",
                remedy="See whether the cluster's kube-controller-manager runs.",
            )
        await asyncio.sleep(LOOK_S)
        workload = await workload_of(api, settings)
    for pod in pods:
        try:
            await api.delete(f"{pods_path(settings.namespace)}/{pod.name}", uid=pod.uid)
        except Conflict:
            _log.info("%s is another pod by now and stays", pod.name)


def not_ready(scene: Scene) -> tuple[StuckPod, ...]:
    """The pods that are left of what a StatefulSet was set to before and that it would wait for."""
    if scene.workload is None or scene.workload.kind != "statefulset":
        return ()
    return tuple(
        StuckPod(name=pod.name, uid=pod.uid) for pod in scene.old if not pod.ready and not pod.terminating
    )
