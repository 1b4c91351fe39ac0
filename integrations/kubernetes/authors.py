"""Who set what a workload runs, and what they said of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from integrations.kubernetes.template import Json
from integrations.kubernetes.workload import Workload, moment
from integrations.process import redact

CAUSE_LENGTH = 120

# `kubectl set env … --record` writes down the values it was given.
_ASSIGNMENT = re.compile(r"\b([A-Za-z_][A-Za-z0-9_.-]*)=(\S+)")
_FLAG = re.compile(r"(--[A-Za-z-]+)=(\S+)")
_USER = re.compile(r"://[^/\s@]+@")  # a token may stand there without any password
_CONTROLLERS = ("kube-controller-manager",)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
FIELD_MANAGER = "kaeru"
"""Under this name kaeru itself writes."""

_KNOWN = {
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
    "helm": "Helm",
    "kubectl-client-side-apply": "kubectl apply",
    "kubectl": "kubectl apply",
    "kubectl-edit": "kubectl edit",
    "kubectl-set": "kubectl set",
    "kubectl-patch": "kubectl patch",
    "kubectl-rollout": "kubectl rollout",
    FIELD_MANAGER: "kaeru",
}


@dataclass(frozen=True)
class Writer:
    """An entry of `managedFields`: the program, how it wrote (`Update`, `Apply`), and when, by the API server's clock."""

    manager: str
    operation: str
    at: datetime | None


def last_writer(workload: Json) -> Writer | None:
    """Who set the pod template of `workload`, a raw object, last; None where `managedFields` do not tell.

    Their times are of whole seconds; of two in one second it is not kaeru.
    """
    return next(iter(_last_writers(workload)), None)


def _last_writers(workload: Json) -> list[Writer]:
    """Who may have been the last one: several where they wrote in one second. kaeru only where it was alone."""
    found = [
        Writer(str(entry.get("manager") or ""), str(entry.get("operation") or ""), _at(entry))
        for entry in workload["metadata"].get("managedFields") or ()
        if not entry.get("subresource")
        and entry.get("manager") not in _CONTROLLERS
        and "f:template" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    ]
    newest = max((one.at or _LONG_AGO for one in found), default=_LONG_AGO)
    last = [one for one in found if (one.at or _LONG_AGO) == newest]
    return [one for one in last if one.manager != FIELD_MANAGER] or last


def author_of(workload: Workload) -> str:
    """The program that set the pod template last (`kubectl-set`, `helm`); empty where that is not told.

    `kubectl-patch or kubectl-rollout` where both did so in one second.
    """
    return " or ".join(sorted({one.manager for one in _last_writers(workload.raw)}))


def who_changed(workload: Json) -> str:
    """Who set what `workload` runs last, as a sentence without an end: `Argo CD (argocd-controller, Update) at 10:02:03 UTC`.

    Empty where that is not told; both, joined by `or`, where two did so in one second.
    """
    last = _last_writers(workload)
    if not last:
        return ""
    who = " or ".join(dict.fromkeys(_called(one) for one in last))
    return f"{who} at {last[0].at.astimezone(UTC):%H:%M:%S} UTC" if last[0].at else who


def _called(writer: Writer) -> str:
    manager = writer.manager or "somebody"
    if manager not in _KNOWN:
        return f"{manager} ({writer.operation})"
    return f"{_KNOWN[manager]} ({', '.join(filter(None, (manager, writer.operation)))})"


def said_cause(cause: str) -> str:
    """A change-cause as it may be shown: one line, no secrets, no values of variables, not too long."""
    line = _FLAG.sub(r"\1=…", _USER.sub("://…@", " ".join(redact(cause).split())))
    if " set image " not in f" {line} ":
        line = _ASSIGNMENT.sub(r"\1=…", line)
    return line if len(line) <= CAUSE_LENGTH else f"{line[: CAUSE_LENGTH - 1]}…"


def _at(entry: Mapping[str, Any]) -> datetime | None:
    try:
        return moment(entry.get("time"))
    except ValueError:
        return None
