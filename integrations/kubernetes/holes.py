"""What a workload's history lacks, in words."""

from collections.abc import Iterable, Sequence

from bot.domain.plan import Level, Warn
from integrations.kubernetes.template import Json
from integrations.kubernetes.workload import Workload

EARLIER_NUMBERS = "deployment.kubernetes.io/revision-history"
DEFAULT_LIMIT = 10


def holes(
    workload: Workload, objects: Sequence[Json], numbers: Iterable[int], *, in_cluster: int, remembered: int
) -> tuple[Warn, ...]:
    """Warnings for what cannot be returned to.

    `objects` are the workload's own ReplicaSets or ControllerRevisions, `numbers` their revision numbers;
    `in_cluster` counts the shapes they hold, `remembered` those that kaeru alone remembers.
    """
    limit = workload.spec.get("revisionHistoryLimit", DEFAULT_LIMIT)
    others = f"kaeru's own record has {_shapes(remembered)} to return to" if remembered else ""
    if limit == 0:
        text = f"{workload.title} keeps no history (revisionHistoryLimit is 0): "
        text += others or "there is nothing to return to but another image, set by hand"
        return (Warn(level=Level.INFO if remembered else Level.WARNING, text=f"{text}."),)
    if in_cluster <= 1:
        text = f"{workload.title} has no earlier revision in the cluster: "
        text += others or "there is nothing to return to but another image, set by hand"
        return (Warn(level=Level.INFO if remembered else Level.WARNING, text=f"{text}."),)
    gone = _gone(workload, objects, set(numbers))
    if not gone:
        return ()
    which = f"revision {_ranges(gone)} is" if len(gone) == 1 else f"revisions {_ranges(gone)} are"
    text = f"Of {workload.title}, {which} gone from the cluster's history (revisionHistoryLimit is {limit})"
    return (Warn(level=Level.INFO, text=f"{text}; {others}." if others else f"{text}."),)


def _gone(workload: Workload, objects: Sequence[Json], numbers: set[int]) -> list[int]:
    """Numbers that were given once and that nothing accounts for.

    A ReplicaSet that is used again gets a new number and notes its earlier ones. ControllerRevisions do not,
    so a gap between theirs means nothing.
    """
    if workload.kind != "deployment" or not numbers:
        return []
    for found in objects:
        earlier = (found["metadata"].get("annotations") or {}).get(EARLIER_NUMBERS, "")
        numbers |= {int(number) for number in earlier.split(",") if number.strip().isdigit()}
    return [number for number in range(1, max(numbers)) if number not in numbers]


def _shapes(count: int) -> str:
    return "one version" if count == 1 else f"{count} versions"


def _ranges(numbers: Sequence[int]) -> str:
    """`1-4, 6` from 1, 2, 3, 4, 6."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
