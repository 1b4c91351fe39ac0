"""What explains a failure: the last words of a container, and what the cluster says of the pod. Read-only."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from bot.ports.errors import AuthFailed, PortError, Unavailable
from integrations.kubernetes.api import Api
from integrations.kubernetes.pods import SAID, Pod, Trouble, is_registry_down, said
from integrations.kubernetes.rollout import Verdict
from integrations.kubernetes.scene import Scene, changed_at
from integrations.kubernetes.template import Json
from integrations.kubernetes.workload import Workload, moment, pods_path

_log = logging.getLogger(__name__)

LINES = 20
QUOTED = 3
"""Lines of a log: the last one may be no more than the end of a longer complaint."""
# What the state of the container says better, and what is so on every pod of a cluster.
_NOISE = ("BackOff", "Failed", "MissingClusterDNS", "DNSConfigForming")


async def explained(api: Api, scene: Scene, verdict: Verdict) -> str:
    """The verdict's sentence, and what explains it. Where that cannot be read the sentence has to do."""
    workload = scene.workload
    if workload is None:
        return verdict.detail
    parts = [verdict.detail]
    waiting = (pod for pod in scene.new if not pod.ready)
    pod, trouble = verdict.culprit or (next(waiting, None), None)
    if pod is not None:
        if trouble is not None and trouble.crashed:
            parts.append(await _last_words(api, workload.namespace, pod, trouble))
        parts.append(await _complaint(api, workload.namespace, pod, verdict))
    elif workload.kind != "deployment":
        parts.append(await _unmade(api, workload, verdict))
    return " ".join(filter(None, parts))


async def refusal(api: Api, workload: Workload) -> str:
    """Why the controller could not make a pod since the template was set; empty where it could, or nobody may ask.

    That nobody may ask is said by `explained`, when there is something to explain.
    """
    try:
        found = await _warnings(api, workload.namespace, workload.uid)
    except AuthFailed as error:
        _log.info("the events of %s cannot be read: %s", workload.title, error)
        return ""
    return _refused(workload, found)


async def silent_registry(api: Api, scene: Scene, verdict: Verdict) -> str:
    """A sentence where the culprit's image cannot be had because its registry does not answer; empty otherwise.

    Between two attempts the kubelet says no more than that it waits: what came of the last one is in the events alone.
    """
    pod, trouble = verdict.culprit or (None, None)
    if (
        pod is None
        or trouble is None
        or scene.workload is None
        or not trouble.unpulled
        or pod not in scene.new
    ):
        return ""
    if not trouble.elsewhere:
        try:
            found = await _warnings(api, scene.workload.namespace, pod.uid)
        except PortError as error:
            _log.info("why the image of %s cannot be had cannot be read: %s", pod.name, error)
            return ""
        told = [str(e.get("message", "")) for e in found if "pull image" in str(e.get("message", ""))]
        if not told or not is_registry_down(told[-1]):
            return ""
    return "Its registry does not answer, which says nothing of the image."


def _refused(workload: Workload, found: Sequence[Json]) -> str:
    written = changed_at(workload)
    since = [e for e in found if e.get("reason") == "FailedCreate" and (not written or _at(e) >= written)]
    return str(since[-1].get("message", "")) if since else ""


async def _warnings(api: Api, namespace: str, uid: str) -> list[Json]:
    """The cluster's warnings about one object, the latest last."""
    listed = await api.list(
        f"/api/v1/namespaces/{namespace}/events", fields=f"involvedObject.uid={uid},type=Warning"
    )
    return sorted(listed["items"], key=_at)


def _at(event: Json) -> datetime:
    """When it happened last; the field for that differs with who wrote it."""
    series = (event.get("series") or {}).get("lastObservedTime")
    written = event["metadata"].get("creationTimestamp")
    at = moment(series or event.get("lastTimestamp") or event.get("eventTime") or written)
    return at or datetime.min.replace(tzinfo=UTC)


async def _unmade(api: Api, workload: Workload, verdict: Verdict) -> str:
    """Why there are no pods to look at, unless the verdict says that; a Deployment tells it without being asked."""
    try:
        why = _refused(workload, await _warnings(api, workload.namespace, workload.uid))
    except PortError as error:
        return f"Whether the cluster refuses its pods cannot be read: {error}"
    return f"The cluster says: {said(why).rstrip('.')}." if why and said(why) not in verdict.detail else ""


async def _last_words(api: Api, namespace: str, pod: Pod, trouble: Trouble) -> str:
    try:
        text = await _log_of_the_end(api, namespace, pod, trouble.container)
    except (AuthFailed, Unavailable) as error:
        return f"Its log cannot be read: {error}"
    except PortError as error:  # it has not written any, or is gone
        _log.info("the log of %s cannot be read: %s", pod.name, error)
        return ""
    lines = [line for line in text.splitlines() if line.strip()]
    return f"Its log ends with: {quoted(lines)}" if lines else "It wrote no log."


def quoted(lines: Sequence[str]) -> str:
    """The last `QUOTED` of `lines` on one line, fewer where they are long; of the very last one as much as may be shown."""
    told = [said(line) for line in lines[-QUOTED:]]
    while len(text := " ⏎ ".join(told)) > SAID and len(told) > 1:
        told = told[1:]
    return text


async def _log_of_the_end(api: Api, namespace: str, pod: Pod, container: str) -> str:
    """Of the run that ended: it may have been started again since, or while this asks, and knows nothing of it then."""
    if not await _runs(api, namespace, pod, container):
        text = await api.logs(namespace, pod.name, container, lines=LINES)
        if text.strip() and not await _runs(api, namespace, pod, container):
            return text
    return await api.logs(namespace, pod.name, container, previous=True, lines=LINES)


async def _runs(api: Api, namespace: str, pod: Pod, container: str) -> bool:
    found = await api.list(pods_path(namespace), fields=f"metadata.name={pod.name}")
    return any(Pod(one).runs(container) for one in found["items"])


async def _complaint(api: Api, namespace: str, pod: Pod, verdict: Verdict) -> str:
    """What the cluster says of a pod, unless the verdict says that."""
    try:
        found = [e for e in await _warnings(api, namespace, pod.uid) if e.get("reason") not in _NOISE]
    except PortError as error:
        return f"What the cluster says of {pod.name} cannot be read: {error}"
    message = said(str(found[-1].get("message", ""))).rstrip(".") if found else ""
    return f"The cluster says of {pod.name}: {message}." if message and message not in verdict.detail else ""
