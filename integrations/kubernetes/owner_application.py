"""Reads an Application of Argo CD. Changes nothing."""

from integrations.kubernetes.api import Json
from integrations.kubernetes.owner import Mark, name_of

KIND = "Argo CD Application"
GROUP = "argoproj.io"
VERSION = "v1alpha1"  # the only one there has ever been


def automated(app: Json) -> Json | None:
    """What `automated` says where the automated sync is on."""
    said = ((app.get("spec") or {}).get("syncPolicy") or {}).get("automated")
    return said if isinstance(said, dict) and said.get("enabled") is not False else None


def lists(app: Json, owned: Json) -> bool:
    """Whether `owned` is among the resources that Argo CD has found for it."""
    wanted = name_of(owned)
    return any(
        f"{r.get('kind')} {r.get('namespace')}/{r.get('name')}" == wanted
        for r in (app.get("status") or {}).get("resources") or ()
    )


def syncing(app: Json, where: str) -> str:
    """A sentence where a sync is under way, else nothing."""
    state = (app.get("status") or {}).get("operationState") or {}
    if state.get("phase") != "Running":
        return ""
    return f"{KIND} {where} is in the middle of a sync, which may still apply what Git says."


def is_fresh(status: Json, mark: Mark) -> bool:
    """Whether Argo CD has compared it with Git since `mark` was left. Told by its own clock alone."""
    return reconciled_at(status) not in ("", mark.reconciled)


def reconciled_at(status: Json) -> str:
    """When Argo CD compared it with Git last, as it writes it; empty where it never has."""
    return str(status.get("reconciledAt") or "")


def path_of(namespace: str, name: str) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/applications/{name}"
