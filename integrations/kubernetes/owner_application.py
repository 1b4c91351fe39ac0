"""Applications of Argo CD: which one an object belongs to, and what it says. Changes nothing."""

from dataclasses import dataclass

from integrations.kubernetes.api import Api, Json, Missing
from integrations.kubernetes.owner import Mark, annotations_of, labels_of, name_of
from integrations.kubernetes.settings import KubernetesSettings, is_name

TRACKING = "argocd.argoproj.io/tracking-id"
KIND = "Argo CD Application"
GROUP = "argoproj.io"
VERSION = "v1alpha1"  # the only one there has ever been


@dataclass(frozen=True)
class Named:
    """An Application that an object names as its own; `sure` where nothing but Argo CD writes such a name."""

    namespace: str
    name: str
    sure: bool

    @property
    def where(self) -> str:
        return f"{self.namespace}/{self.name}"


class Applications:
    """Those of one cluster. Raises Unavailable, AuthFailed, Refused, as `Api` does."""

    def __init__(self, api: Api, settings: KubernetesSettings) -> None:
        self._api = api
        self._settings = settings

    def named(self, owned: Json) -> Named | None:
        """Which one `owned`, a raw object, says that it belongs to."""
        tracked = annotations_of(owned).get(TRACKING, "")
        name, _, what = tracked.partition(":")
        metadata = owned["metadata"]
        # Annotations are copied around; Argo CD, too, believes only one that means the object it is on.
        group = str(owned.get("apiVersion", "")).rpartition("/")[0]
        if name and what == f"{group}/{owned.get('kind')}:{metadata.get('namespace')}/{metadata['name']}":
            return self._split(name, sure=True)
        labelled = labels_of(owned).get(self._settings.argocd_label, "")
        return self._split(labelled, sure=False) if labelled else None

    def _split(self, text: str, *, sure: bool) -> Named | None:
        """Applications outside of Argo CD's own namespace are named `NAMESPACE_NAME`. None for what can be no name."""
        namespace, found, name = text.partition("_")
        if not found:
            namespace, name = self._settings.argocd_namespace, text
        return Named(namespace, name, sure=sure) if is_name(namespace) and is_name(name) else None

    async def of(self, named: Named, owned: Json) -> Json | None:
        """The Application, if it is here and, where only a label says so, really has `owned` among its resources."""
        if not await self.are_served():
            return None
        try:
            app = await self._api.get(path_of(named.namespace, named.name))
        except Missing:
            return None
        return app if named.sure or lists(app, owned) else None

    async def are_served(self) -> bool:
        return "applications" in await self._api.resources(f"{GROUP}/{VERSION}")


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
