"""What a rollback of a workload would do, found out without changing anything: all that can be asked at once is."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from bot.domain.plan import Check, Level, Warn
from bot.ports import Memory
from bot.ports.target import Change, TargetPlan
from integrations.kubernetes import checking
from integrations.kubernetes.api import Api
from integrations.kubernetes.configs import Configs, compared
from integrations.kubernetes.diff import diff_lines
from integrations.kubernetes.history import Revision
from integrations.kubernetes.looking import Look, look, workload_of
from integrations.kubernetes.owner import Owner
from integrations.kubernetes.owners import Owners
from integrations.kubernetes.pace import Pace, expected_s, pace_of
from integrations.kubernetes.patch import can_surge
from integrations.kubernetes.payload import Payload, StuckPod
from integrations.kubernetes.quantity import share
from integrations.kubernetes.quotas import CHECK as QUOTA
from integrations.kubernetes.quotas import refused_pods, room_for, surge_check
from integrations.kubernetes.settings import KubernetesSettings
from integrations.kubernetes.surroundings import Surroundings, about, surroundings_of
from integrations.kubernetes.template import Json, images_of, shape_ref


async def plan(
    api: Api,
    settings: KubernetesSettings,
    memory: Memory,
    owners: Owners,
    change: Change,
    *,
    configs: Configs | None = None,
) -> TargetPlan:
    """Raises Unavailable, Refused, AuthFailed where not even looking is possible."""
    reader = configs or Configs(api, settings.namespace)
    (seen, owned), around, rights, dumb = await asyncio.gather(
        _look(api, settings, memory, owners, reader),
        surroundings_of(api, settings.namespace),
        checking.rights(api, settings, checking.to_roll_back(settings)),
        checking.explaining(api, settings),
    )
    workload, found = seen.workload, seen.history.find(change.to_version, change.to_ref)
    checks = [checking.there(seen, change, found), checking.unchanged(seen, change)]
    checks += [checking.running_freely(workload), rights, *checking.undoing(owned)]
    if found is None:
        action = f"Put {workload.title} back to {change.to_version} (now {seen.current})"
        return TargetPlan(actions=(action,), warnings=(), checks=tuple(checks), expected_s=0.0)
    surge, slower = surge_of(settings, seen, found, around)
    pace = pace_of(workload, surge=surge)
    stuck = stuck_pods(seen, found)
    tried, held, deleting = await asyncio.gather(
        _tried(api, settings, seen, found, change, surge=surge),
        reader.read(found.template),
        _may_delete(api, settings, stuck),
    )
    lines, config_warnings = compared(found.template, found.kept.configs, held, change.to_version)
    warnings = [*about(workload, around), *slower, *tried.warnings, *config_warnings, *dumb]
    warnings += same_image(seen, found)
    warnings += [Warn(level=Level.WARNING, text=owner.warning) for owner in owned if owner.warning]
    warnings += refused_pods(found.template, around.quotas, around.limit_ranges, change.to_version)
    checks += [*tried.checks, _quota(around, found, pace), *deleting]
    suspend = tuple(owner.token for owner in owned if owner.token)
    takes_s = expected_s(workload, [pod.raw for pod in seen.pods if pod.ready], pace)
    warnings += too_slow(takes_s, settings.timeout.total_seconds())
    return TargetPlan(
        actions=tuple(_actions(seen, found, change, owned=owned, surge=surge, stuck=stuck)),
        warnings=tuple(dict.fromkeys(warnings)),
        checks=tuple(checks),
        expected_s=takes_s,
        diff=(*tried.lines, *lines),
        payload=Payload(suspend=suspend, surge=surge, delete_pods=stuck, accepts=tried.shape).text,
    )


@dataclass(frozen=True)
class Tried:
    """What the API server made of the change. `shape` is that of its template, where that is not the one asked for."""

    checks: tuple[Check, ...] = ()
    lines: tuple[str, ...] = ()
    warnings: tuple[Warn, ...] = ()
    shape: str = ""


def surge_of(
    settings: KubernetesSettings, seen: Look, found: Revision, around: Surroundings
) -> tuple[str | None, list[Warn]]:
    """The maxSurge that is worth setting and that the quotas have room for, and why there is none where one is wished."""
    workload = seen.workload
    if settings.surge is None or not can_surge(workload.raw):
        return None, []
    wanted = share(settings.surge, workload.replicas, up=True)
    if wanted <= pace_of(workload).surge:
        return None, []
    if not around.quotas_known:
        text = f"No surge of {settings.surge}, as nobody knows whether the quotas have room for it."
        return None, [Warn(level=Level.INFO, text=text)]
    room = room_for(found.template, around.quotas, around.limit_ranges)
    if room.pods is not None and room.pods < wanted:
        text = f"No surge of {settings.surge} ({wanted} more pods for a time): {room.why}."
        return None, [Warn(level=Level.INFO, text=text)]
    return settings.surge, []


def too_slow(takes_s: float, timeout_s: float) -> list[Warn]:
    """A warning where it may be called a failure, and put back, while it is still getting on."""
    if takes_s < timeout_s:
        return []
    text = (
        f"This may take about {takes_s:.0f} s, and counts as failed after {timeout_s:.0f} s: raise `timeout` in "
        "kaeru.yml, or let it go faster with `surge`."
    )
    return [Warn(level=Level.WARNING, text=text)]


def same_image(seen: Look, found: Revision) -> list[Warn]:
    """A warning where the image to return to was met as the very one that runs now: a tag is only a name."""
    image, now = found.image, seen.history.current
    digest = found.kept.digests.get(image)
    if digest is None or image == now.image or digest != seen.digests.get(now.image):
        return []
    short = digest.rpartition(":")[2][:12]
    text = f"{image} is the same image as {now.image} ({short}): going back changes nothing of it."
    return [Warn(level=Level.DANGER, text=text)]


def stuck_pods(seen: Look, found: Revision) -> tuple[StuckPod, ...]:
    """Pods that a StatefulSet would wait for before it replaces any, though they are of what it is to leave.

    It makes and replaces its pods one after the other, and waits for each to be ready: also for one that never will
    be (kubernetes/kubernetes#67250). With the policy `Parallel` it does not.
    """
    workload = seen.workload
    ordered = workload.spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
    if workload.kind != "statefulset" or not ordered or workload.strategy_type != "RollingUpdate":
        return ()
    return tuple(
        StuckPod(name=pod.name, uid=pod.uid)
        for pod in seen.pods
        if not pod.ready and not pod.terminating and seen.shapes.get(pod.uid) != found.ref
    )


async def _look(
    api: Api, settings: KubernetesSettings, memory: Memory, owners: Owners, configs: Configs
) -> tuple[Look, tuple[Owner, ...]]:
    workload = await workload_of(api, settings)
    (seen, _), owned = await asyncio.gather(look(api, workload, memory, configs), owners.find(workload.raw))
    return seen, owned


async def _tried(
    api: Api,
    settings: KubernetesSettings,
    seen: Look,
    found: Revision,
    change: Change,
    *,
    surge: str | None,
) -> Tried:
    """The dry run, and what the cluster itself would make of it."""
    workload = seen.workload
    if found.ref == seen.history.current_ref:
        return Tried()
    check, template = await checking.dry_run(api, settings, workload, found, change, surge=surge)
    if template is None:
        return Tried(checks=(check,), lines=diff_lines(workload.template, found.template))
    warnings: tuple[Warn, ...] = ()
    if altered := diff_lines(found.template, template, limit=3):
        text = f"The cluster's admission changes what kaeru writes: {'; '.join(altered)}."
        warnings = (Warn(level=Level.WARNING, text=text),)
    made = shape_ref(template)
    if made == seen.history.current_ref or _images(template) != _images(found.template):
        detail = f"the cluster's admission makes something else of {change.to_version} than was asked for"
        check = check.model_copy(update={"ok": False, "detail": detail})
    return Tried(
        checks=(check,),
        lines=diff_lines(workload.template, template),
        warnings=warnings,
        shape=made if check.ok and made != found.ref else "",
    )


def _images(template: Json) -> dict[str, str]:
    """By container; a registry may be rewritten on the way."""
    return {name: image.rpartition("/")[2] for name, image in images_of(template).items()}


async def _may_delete(api: Api, settings: KubernetesSettings, stuck: tuple[StuckPod, ...]) -> list[Check]:
    if not stuck:
        return []
    return [await checking.rights(api, settings, [("delete", "", "pods", "")], name="rights to delete pods")]


def _quota(around: Surroundings, found: Revision, pace: Pace) -> Check:
    if not around.quotas_known:
        return Check(name=QUOTA, ok=True, detail="the quotas could not be read", required=False)
    return surge_check(room_for(found.template, around.quotas, around.limit_ranges), pace)


def _actions(
    seen: Look,
    found: Revision,
    change: Change,
    *,
    owned: tuple[Owner, ...],
    surge: str | None,
    stuck: tuple[StuckPod, ...],
) -> Iterator[str]:
    title, version = seen.workload.title, change.to_version
    for owner in owned:
        if owner.token:
            yield owner.action
    if found.ref == seen.history.current_ref:
        yield f"Write nothing: {title} is set to {version} already"
    else:
        which = f"revision {found.number}" if found.object_names else "kaeru's own record"
        yield f"Put {title} back to {version} (now {seen.current}), with the pod template of {which}"
    if surge is not None:
        yield f"Start {version} with a maxSurge of {surge}, and give its own strategy back afterwards"
    for pod in stuck:
        yield f"Delete pod {pod.name}, which is not ready and would hold up {version}"
