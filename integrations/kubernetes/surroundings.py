"""What a workload lives among: autoscalers, disruption budgets, quotas, limit ranges. Whatever a cluster lacks is a sentence."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.domain.plan import Level, Warn
from bot.ports.errors import AuthFailed
from integrations.kubernetes.errors import Missing
from integrations.kubernetes.kind import Kind
from integrations.kubernetes.template import Json
from integrations.kubernetes.workload import Workload

if TYPE_CHECKING:  # the client takes its time to import, and nothing here needs it
    from integrations.kubernetes.api import Api

AUTOSCALING = ("autoscaling/v2", "autoscaling/v2beta2", "autoscaling/v1")
POLICY = ("policy/v1", "policy/v1beta1")
METRICS = "metrics.k8s.io"
LONG_GRACE_S = 60
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True)
class Surroundings:
    """What was found in the namespace, and sentences for what could not be.

    `quotas_known` is False where quotas could not be read: then nobody knows whether there is room. `metrics` is
    False where nobody measures how much pods use.
    """

    autoscalers: tuple[Json, ...] = ()
    budgets: tuple[Json, ...] = ()
    quotas: tuple[Json, ...] = ()
    limit_ranges: tuple[Json, ...] = ()
    quotas_known: bool = True
    metrics: bool = True
    notes: tuple[Warn, ...] = ()


async def surroundings_of(api: "Api", namespace: str) -> Surroundings:
    """All of them at once. Raises Unavailable, and AuthFailed where nothing at all may be read."""
    autoscalers, budgets, quotas, limits = await asyncio.gather(
        _listed(api, AUTOSCALING, "horizontalpodautoscalers", namespace),
        _listed(api, POLICY, "poddisruptionbudgets", namespace),
        _listed(api, ("v1",), "resourcequotas", namespace),
        _listed(api, ("v1",), "limitranges", namespace),
    )
    metrics = isinstance(autoscalers, str) or not autoscalers or await _served(api, METRICS)
    failed = [found for found in (autoscalers, budgets, quotas, limits) if isinstance(found, str)]
    return Surroundings(
        autoscalers=() if isinstance(autoscalers, str) else autoscalers,
        budgets=() if isinstance(budgets, str) else budgets,
        quotas=() if isinstance(quotas, str) else quotas,
        limit_ranges=() if isinstance(limits, str) else limits,
        quotas_known=not isinstance(quotas, str),
        metrics=metrics,
        notes=tuple(Warn(level=Level.INFO, text=text) for text in failed),
    )


async def _listed(
    api: "Api", group_versions: Sequence[str], plural: str, namespace: str
) -> tuple[Json, ...] | str:
    """The objects, by the first of these API versions that is served; a sentence where they cannot be had."""
    for group_version in group_versions:
        base = "api" if group_version == "v1" else "apis"
        try:
            if plural not in await api.resources(group_version):
                continue
            listed = await api.list(f"/{base}/{group_version}/namespaces/{namespace}/{plural}")
        except AuthFailed as error:
            return f"Whether {plural} matter here is not known. {error.advice}"
        except Missing:
            continue
        # In a list nobody says it of each, and it may decide what a field means.
        return tuple({**one, "apiVersion": group_version} for one in listed["items"])
    return f"This cluster serves no {plural}, so none was looked for."


async def _served(api: "Api", group: str) -> bool:
    """Whether the cluster serves the group; taken for granted where nobody may know.

    Asked of the API server itself: what is behind a group of somebody else's may be down, and hold up no plan.
    """
    try:
        return bool(await api.versions(group))
    except AuthFailed:
        return True


def about(workload: Workload, found: Surroundings) -> tuple[Warn, ...]:
    """What of it somebody should know who rolls `workload` back."""
    notes = list(found.notes)
    for hpa in found.autoscalers:
        if _scales(hpa, workload):
            notes.append(_autoscaler(hpa))
            if not found.metrics and _by_use(hpa):
                notes.append(_blind(hpa))
    labels = (workload.template.get("metadata") or {}).get("labels") or {}
    notes += [_budget(budget) for budget in found.budgets if _protects(budget, labels)]
    return (*notes, *_how_it_replaces(workload), *_how_pods_end(workload), *_applied(workload))


def _scales(hpa: Json, workload: Workload) -> bool:
    scaled = (hpa.get("spec") or {}).get("scaleTargetRef") or {}
    return scaled.get("kind") == Kind(workload.kind).title and scaled.get("name") == workload.name


def _autoscaler(hpa: Json) -> Warn:
    spec = hpa.get("spec") or {}
    least, most = spec.get("minReplicas", 1), spec.get("maxReplicas")
    text = (
        f"The HorizontalPodAutoscaler {hpa['metadata']['name']} keeps it between {least} and {most} pods; "
        "how many there are is left to it."
    )
    return Warn(level=Level.INFO, text=text)


def _by_use(hpa: Json) -> bool:
    """Whether it goes by what pods use of CPU or memory. Without a word on it, autoscaling/v1 means CPU."""
    spec = hpa.get("spec") or {}
    if "metrics" in spec:
        return any(one.get("type") in ("Resource", "ContainerResource") for one in spec["metrics"] or ())
    others = (hpa["metadata"].get("annotations") or {}).get("autoscaling.alpha.kubernetes.io/metrics")
    return others is None or "targetCPUUtilizationPercentage" in spec


def _blind(hpa: Json) -> Warn:
    text = (
        f"This cluster serves no metrics ({METRICS}): the HorizontalPodAutoscaler {hpa['metadata']['name']} "
        "cannot scale by load."
    )
    return Warn(level=Level.WARNING, text=text)


def _protects(budget: Json, labels: Mapping[str, str]) -> bool:
    """Whether it is about pods of these labels. An empty selector means all of them since policy/v1, before none."""
    selector = (budget.get("spec") or {}).get("selector")
    return selects(selector, labels, empty=budget.get("apiVersion") == POLICY[0])


def _budget(budget: Json) -> Warn:
    spec, status = budget.get("spec") or {}, budget.get("status") or {}
    wants = (
        f"at least {spec['minAvailable']} available"
        if "minAvailable" in spec
        else f"at most {spec.get('maxUnavailable')} unavailable"
    )
    now = status.get("disruptionsAllowed")
    spare = "" if now is None else f" (now {status.get('currentHealthy', 0)} are healthy)"
    text = (
        f"The PodDisruptionBudget {budget['metadata']['name']} wants {wants}{spare}; "
        "it holds up drains of nodes, not a rollout."
    )
    return Warn(level=Level.INFO, text=text)


def _how_it_replaces(workload: Workload) -> list[Warn]:
    """Strategies under which the new template alone does not replace the pods."""
    if workload.strategy_type == "OnDelete":
        text = (
            f"{workload.title} replaces its pods only when somebody deletes them (updateStrategy OnDelete): "
            "delete them after the rollback, or set RollingUpdate first."
        )
        return [Warn(level=Level.DANGER, text=text)]
    if workload.strategy_type == "Recreate":
        text = f"{workload.title} stops all its pods before it starts new ones (strategy Recreate): users meet nobody meanwhile."
        return [Warn(level=Level.WARNING, text=text)]
    if workload.kind == "statefulset" and workload.partition:
        below = f"{workload.name}-{workload.partition}"
        text = (
            f"{workload.title} has the partition {workload.partition}: only pods from {below} on are replaced, "
            "the others keep what they run."
        )
        return [Warn(level=Level.WARNING, text=text)]
    return []


def _how_pods_end(workload: Workload) -> list[Warn]:
    """A rollback waits for the old pods, so it is worth knowing where they may take minutes."""
    grace_s = (workload.template.get("spec") or {}).get("terminationGracePeriodSeconds")
    if not isinstance(grace_s, int) or grace_s <= LONG_GRACE_S:
        return []
    text = (
        f"Pods of {workload.title} may take {grace_s} s to end (terminationGracePeriodSeconds): the rollback waits "
        "for the old ones, for no longer than its timeout. They get no new connections meanwhile."
    )
    return [Warn(level=Level.INFO, text=text)]


def _applied(workload: Workload) -> list[Warn]:
    if LAST_APPLIED not in workload.annotations:
        return []
    text = (
        f"{workload.title} is managed with `kubectl apply`: the next apply brings back what the manifests say, and "
        "may leave fields behind that only one of the two versions has (kubernetes/kubectl#1302). "
        "Put the manifests back as well."
    )
    return [Warn(level=Level.WARNING, text=text)]


def selects(selector: Mapping[str, object] | None, labels: Mapping[str, str], *, empty: bool) -> bool:
    """Whether a `LabelSelector` selects these labels; `empty` is what one says that is there and names nothing."""
    if selector is None:
        return False
    if not (selector.get("matchLabels") or selector.get("matchExpressions")):
        return empty
    wanted = selector.get("matchLabels") or {}
    if not isinstance(wanted, Mapping) or any(labels.get(key) != value for key, value in wanted.items()):
        return False
    expressions = selector.get("matchExpressions") or ()
    return isinstance(expressions, Sequence) and all(_fits(one, labels) for one in expressions)


def _fits(expression: Mapping[str, object], labels: Mapping[str, str]) -> bool:
    key, values = str(expression["key"]), expression.get("values") or ()
    among = isinstance(values, Sequence) and labels.get(key) in values
    match expression["operator"]:
        case "In":
            return among
        case "NotIn":
            return not among
        case "Exists":
            return key in labels
        case _:
            return key not in labels
