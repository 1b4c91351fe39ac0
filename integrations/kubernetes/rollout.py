"""How far a rollout has come, from what the API says of a workload and its pods. Pure.

Kubernetes calls a rollout complete while old pods still terminate, keeps the verdict on the last rollout until
the next one makes progress, and never calls one failed whose image does not exist. So it is decided here.
"""

from dataclasses import dataclass
from enum import Enum

from bot.domain.base import Version
from bot.domain.evidence import Outcome
from bot.domain.releases import spoken
from integrations.kubernetes.authors import FIELD_MANAGER, author_of
from integrations.kubernetes.patch import is_by
from integrations.kubernetes.pods import Pod, Trouble, said
from integrations.kubernetes.scene import Scene, complete, fits, timed_out
from integrations.kubernetes.workload import Workload

ASLEEP_S = 10.0
"""How long a controller may take to see what is set before it is worth a word; mostly it is a moment."""
BLOCKED_S = 20.0
"""How long no pod may be allowed to be made, with nothing else moving, before that counts as final."""
STUCK_S = 60.0
"""How long a StatefulSet may wait for an old pod that does not become ready."""


class State(Enum):
    """TAKEN_AWAY: somebody else has set it to something else, or deleted it. NOT_BEGUN: it is as it was when this was planned."""

    DONE = "done"
    UNDER_WAY = "under way"
    NOT_BEGUN = "not begun"
    TAKEN_AWAY = "taken away"
    FAILED = "failed"


@dataclass(frozen=True)
class Verdict:
    """`detail` is one sentence. `culprit` is the pod, and what is wrong with it, that a failure is about.

    `blameless` says of a failure that the version is not what failed.
    """

    state: State
    detail: str
    running: Version | None
    culprit: tuple[Pod, Trouble] | None = None
    blameless: bool = False

    @property
    def outcome(self) -> Outcome:
        return {State.DONE: Outcome.SUCCEEDED, State.UNDER_WAY: Outcome.UNKNOWN}.get(
            self.state, Outcome.FAILED
        )


def judge(scene: Scene) -> Verdict:
    """What `scene` means for the change to its goal."""
    workload, goal, running = scene.workload, scene.goal, scene.running
    if workload is None:
        text = f"{goal.title} does not exist any more: somebody has deleted it."
        return Verdict(State.TAKEN_AWAY, text, None)
    if scene.uid and workload.uid != scene.uid:
        text = f"{goal.title} was deleted and made anew meanwhile; this one is not what was to be changed."
        return Verdict(State.TAKEN_AWAY, text, running)
    if not goal.is_met_by(workload.shape_ref):
        return _elsewhere(workload, scene)
    if complete(workload) and not _leftovers(workload, scene):
        return _ended(workload, scene)
    culprit = None if workload.paused else _culprit(workload, scene)
    why = _sentence(*culprit, workload, scene) if culprit else _obstacle(workload, scene)
    if why:
        is_blameless = not is_to_blame(scene, culprit, at_deadline=timed_out(workload))
        return Verdict(State.FAILED, f"{why} ({scene.counts}).", running, culprit, is_blameless)
    return Verdict(State.UNDER_WAY, f"{scene.counts}{scene.troubles}{_asleep(workload, scene)}.", running)


def is_to_blame(
    scene: Scene, culprit: tuple[Pod, Trouble] | None = None, *, at_deadline: bool = False
) -> bool:
    """Whether a failure shows anything of the version itself: a pod of it that was given a place and does not serve.

    No room, no node, a pause, an old pod that all the rest waits for, or a registry that does not answer does not.
    `at_deadline` is whether its pods had the whole time to get ready: one that still runs without being so counts then.
    """
    if culprit is not None:
        pod, trouble = culprit
        return pod in scene.new and not trouble.elsewhere
    workload = scene.workload
    held = workload is not None and (workload.paused or _is_by_hand(workload))
    if at_deadline and not held:
        return any(pod.fails for pod in scene.new)
    return any(pod.trouble is not None and not pod.trouble.elsewhere for pod in scene.new)


def _is_by_hand(workload: Workload) -> bool:
    return workload.kind != "deployment" and workload.strategy_type == "OnDelete"


def _elsewhere(workload: Workload, scene: Scene) -> Verdict:
    """It is not set to what this change leads to."""
    goal, who = scene.goal, scene.changed_by or "somebody"
    written = is_by(workload.raw, goal.key)
    if goal.comes_from(workload.shape_ref):
        if not scene.ours_seen and not written:
            text = f"{goal.title} still is set to {goal.from_version}: nothing was changed."
            return Verdict(State.NOT_BEGUN, text, scene.running)
        text = f"{goal.title} was put back to {goal.from_version} by {who}."
    elif written and author_of(workload) == FIELD_MANAGER:
        text = (
            f"{goal.title} was set to {goal.version} by kaeru, and the cluster's admission has made another template "
            f"of it than was asked for, with version {workload.version}. See which webhook does that "
            "(kubectl get mutatingwebhookconfigurations), and plan anew."
        )
    else:
        same = spoken(workload.version) == spoken(goal.version)
        what = f"another template of {workload.version} than was asked for" if same else workload.version
        text = (
            f"{goal.title} was set to {what}, {'' if same else f'not to {goal.version}, '}by {who}. "
            "kaeru leaves that as it is: agree with them on what is to run, and plan anew if that is not it."
        )
    return Verdict(State.TAKEN_AWAY, text, scene.running)


def _asleep(workload: Workload, scene: Scene) -> str:
    """What is worth knowing where nobody carries out what is set, as the end of a sentence; mostly empty."""
    if workload.observed_generation >= workload.generation or scene.still_s < ASLEEP_S:
        return ""
    return (
        f"; the cluster's controller has not seen for {scene.still_s:.0f} s that {scene.goal.title} is set to "
        f"{scene.goal.version}, so no pod was replaced: see whether kube-controller-manager runs. It stays set, and "
        "takes effect as soon as that does"
    )


def _ended(workload: Workload, scene: Scene) -> Verdict:
    if workload.partition:
        text = (
            f"{scene.goal.title} keeps its pods below ordinal {workload.partition} as they are (partition): "
            f"{scene.counts}."
        )
        return Verdict(State.FAILED, text, scene.running, blameless=True)
    # What the workload counts as available may be a moment ahead of what was seen of its pods.
    serves = scene.goal.version if workload.counts.desired else None
    return Verdict(State.DONE, f"{scene.ready}, all of them {scene.goal.version}{scene.endings}.", serves)


def _leftovers(workload: Workload, scene: Scene) -> bool:
    """Whether the pods themselves still show what the controller's counts leave out.

    An old one that is not even about to end is one of which nobody has told us yet: the watch of pods may be behind
    that of the workload. Below a partition they stay.
    """
    given_up = {pod.uid for pod in scene.given_up}
    if any(pod.terminating or not workload.partition for pod in scene.old if pod.uid not in given_up):
        return True
    return len(scene.new) < workload.counts.updated or not all(
        fits(pod, workload.template) for pod in scene.new
    )


def _culprit(workload: Workload, scene: Scene) -> tuple[Pod, Trouble] | None:
    """A pod that will not get to run by itself, and that all the rest waits for."""
    waited_for = scene.new + (scene.old if _in_order(workload) else ())
    for pod in waited_for:
        trouble = None if pod.terminating else pod.trouble
        if trouble is not None and scene.ill_s.get(pod.uid, -1.0) >= trouble.patience_s:
            return pod, trouble
    return None


def _obstacle(workload: Workload, scene: Scene) -> str:
    """What keeps the rollout from going on, where it is no container's fault; empty where it may go on."""
    goal = scene.goal
    if workload.paused:
        return f"{goal.title} is set to {goal.version} but paused: resume it to let it go on"
    if _is_by_hand(workload):
        return (
            f"{goal.title} is set to {goal.version}, but its update strategy is OnDelete: its other pods stay as "
            "they are until somebody deletes them"
        )
    if timed_out(workload):
        seconds = workload.spec.get("progressDeadlineSeconds", 600)
        return f"{goal.title} made no progress for {seconds} s{scene.troubles}"
    if scene.blocked and scene.still_s >= BLOCKED_S:
        return f"No new pods can be made: {said(scene.blocked).rstrip('.')}"
    if _in_order(workload) and scene.still_s >= STUCK_S:
        waiting = (pod for pod in scene.old if not pod.ready and not pod.terminating)
        return next((_stuck(pod, workload) for pod in waiting), "")
    return ""


def _sentence(pod: Pod, trouble: Trouble, workload: Workload, scene: Scene) -> str:
    if pod in scene.new:
        return trouble.sentence
    return f"{_stuck(pod, workload)}; {trouble.sentence}"


def _stuck(pod: Pod, workload: Workload) -> str:
    return (
        f"{pod.name} still has the old template and does not become ready, and a StatefulSet waits for it for "
        f"ever: delete it with `kubectl -n {workload.namespace} delete pod {pod.name}`"
    )


def _in_order(workload: Workload) -> bool:
    """Whether one pod that is not ready keeps all others from being replaced."""
    return workload.kind == "statefulset" and workload.spec.get("podManagementPolicy") != "Parallel"
