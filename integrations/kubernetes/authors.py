"""Who set what a workload runs, and what they said of it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from integrations.kubernetes.workload import Workload, moment
from integrations.process import redact

CAUSE_LENGTH = 120

# `kubectl set env … --record` writes down the values it was given.
_ASSIGNMENT = re.compile(r"\b([A-Za-z_][A-Za-z0-9_.-]*)=(\S+)")
_FLAG = re.compile(r"(--[A-Za-z-]+)=(\S+)")
_USER = re.compile(r"://[^/\s@]+@")  # a token may stand there without any password
_CONTROLLERS = ("kube-controller-manager",)


def author_of(workload: Workload) -> str:
    """The program that set the pod template last, by `managedFields` (`kubectl-set`, `helm`); empty where that is not told."""
    found = [
        (moment(entry.get("time")) or datetime.min.replace(tzinfo=UTC), str(entry.get("manager", "")))
        for entry in workload.raw["metadata"].get("managedFields") or ()
        if entry.get("manager") not in _CONTROLLERS and not entry.get("subresource") and sets_template(entry)
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else ""


def said_cause(cause: str) -> str:
    """A change-cause as it may be shown: one line, no secrets, no values of variables, not too long."""
    line = _FLAG.sub(r"\1=…", _USER.sub("://…@", " ".join(redact(cause).split())))
    if " set image " not in f" {line} ":
        line = _ASSIGNMENT.sub(r"\1=…", line)
    return line if len(line) <= CAUSE_LENGTH else f"{line[: CAUSE_LENGTH - 1]}…"


def sets_template(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of `managedFields` is about the pod template."""
    fields = entry.get("fieldsV1") or {}
    return "f:template" in (fields.get("f:spec") or {})
