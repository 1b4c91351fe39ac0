"""Flux: which Kustomization or HelmRelease looks after a workload, and how it is suspended.

Both are suspended by `spec.suspend`. A parent Kustomization undoes that only where its own manifest of them says
something about `suspend`, which is seen in `managedFields`; then it is not done.
"""

import logging
from dataclasses import dataclass

from bot.domain.debts import Debt
from bot.ports.errors import AuthFailed, Conflict, Refused
from integrations.kubernetes.api import Api, Json, Missing
from integrations.kubernetes.owner import (
    GIT,
    RIGHTS,
    Mark,
    Owner,
    Unseen,
    annotations_of,
    drop_mark,
    edited,
    hash_of,
    labels_of,
    marked,
    put_mark,
    read_mark,
)
from integrations.kubernetes.settings import KubernetesSettings

_log = logging.getLogger(__name__)

KUSTOMIZE = "kustomize.toolkit.fluxcd.io"
HELM = "helm.toolkit.fluxcd.io"
SOURCE = "source.toolkit.fluxcd.io"


@dataclass(frozen=True)
class Sort:
    """One of the two kinds of Flux's objects that deploy workloads."""

    kind: str
    prefix: str
    group: str
    plural: str


KUSTOMIZATION = Sort("Kustomization", "flux-kustomization", KUSTOMIZE, "kustomizations")
HELM_RELEASE = Sort("HelmRelease", "flux-helmrelease", HELM, "helmreleases")
SORTS = (KUSTOMIZATION, HELM_RELEASE)


class Flux:
    """One of the two kinds. Raises Unavailable, AuthFailed, Refused throughout, as `Api` does."""

    def __init__(self, api: Api, settings: KubernetesSettings, sort: Sort) -> None:
        self._api = api
        self._settings = settings
        self._sort = sort

    @property
    def kind(self) -> str:
        return f"Flux {self._sort.kind}"

    async def find(self, workload: Json) -> Owner | None:
        named = _named(workload, self._sort.group)
        if named is None:
            return None
        namespace, name = named
        try:
            seen = await self.read(namespace, name)
        except AuthFailed as error:
            text = f"{error} So it cannot tell whether Flux will undo this rollback. {RIGHTS}"
            return Owner(self.kind, namespace, name, warning=text)
        if seen is None:
            return Owner(
                self.kind,
                namespace,
                name,
                warning=f"{self.kind} {namespace}/{name} deploys this, but it is not in this cluster, so kaeru cannot "
                "suspend it: it will undo this rollback. Suspend it by hand, or revert in Git.",
            )
        return await self._judged(workload, seen, namespace, name)

    async def suspend(self, namespace: str, name: str, workload: str, key: str) -> None:
        """Nothing where it is suspended already. Raises Conflict, OutcomeUnknown."""

        def operations(seen: Json) -> list[Json]:
            before = read_mark(seen)
            if _suspended(seen):
                if before is None or workload in before.workloads:
                    return []
                return put_mark(seen, marked(before, workload, key))
            wants = hash_of(seen.get("spec") or {}, without="suspend")
            mark = marked(None, workload, key, revision=_revision(seen), spec=wants)
            return [*put_mark(seen, mark), {"op": "add", "path": "/spec/suspend", "value": True}]

        await edited(self._api, await self._path(namespace, name), operations)

    async def confirm(self, namespace: str, name: str) -> None:
        """Raises Conflict where it is not suspended."""
        if not _suspended(await self._api.get(await self._path(namespace, name))):
            raise Conflict(
                f"{self.kind} {namespace}/{name} is not suspended any more: somebody or something resumed it.",
                remedy="Find out who, and approve a fresh plan.",
            )

    async def debt(self, workload: Json, component: str) -> Debt | Unseen | None:
        """What kaeru has suspended of it. Unseen where kaeru may not look (any more), or there is nothing to look at."""
        named = _named(workload, self._sort.group)
        if named is None:
            return None
        unseen = Unseen(f"{self._sort.prefix}:{'/'.join(named)}")
        try:
            if not await self._api.versions(self._sort.group):
                return unseen
            return await self.owed(*named, component)
        except AuthFailed:
            return unseen

    async def owed(self, namespace: str, name: str, component: str) -> Debt | None:
        """The same of the object itself, whatever has become of the workload."""
        seen = await self.read(namespace, name)
        if seen is None or read_mark(seen) is None or not _suspended(seen):
            return None
        return Debt(
            id=f"{self._sort.prefix}:{namespace}/{name}",
            component=component,
            text=f"{self.kind} {namespace}/{name} is suspended: what is merged is not deployed.",
            until="Give it back once Git says what runs: revert the bad change there.",
        )

    async def repay(self, namespace: str, name: str) -> None:
        """Resume it. Raises Refused where it is known that this would undo the rollback at once."""
        path = await self._path(namespace, name)
        try:
            seen = await self._api.get(path)
        except Missing:
            return  # nothing is left that could be resumed
        mark = read_mark(seen)
        if mark is None:
            return
        if _suspended(seen):
            await self._would_stay(seen, mark, namespace, name)

        def operations(now: Json) -> list[Json]:
            if read_mark(now) is None:
                return []
            resumed: list[Json] = [{"op": "remove", "path": "/spec/suspend"}] if _suspended(now) else []
            return resumed + drop_mark()

        await edited(self._api, path, operations)

    async def _judged(self, workload: Json, seen: Json, namespace: str, name: str) -> Owner:
        where, token = f"{namespace}/{name}", f"{self._sort.prefix}:{namespace}/{name}"
        if _suspended(seen):
            if read_mark(seen) is None:
                text = f"{self.kind} {where} deploys this and somebody has suspended it; kaeru leaves that as it is."
                return Owner(self.kind, namespace, name, warning=text)
            action = f"Keep {self.kind} {where} suspended; kaeru has done so before"
            return Owner(self.kind, namespace, name, token=token, action=action)
        heals = self._heals(workload, seen)
        why = await self._undone_by(seen)
        if not why and not self._settings.suspend_gitops:
            why = "suspending it is switched off (suspend_gitops)."
        if not why and not await self._api.allowed(
            "patch", self._sort.group, self._sort.plural, namespace=namespace, name=name
        ):
            why = f"kaeru may not patch {self._sort.plural} in namespace {namespace}. {RIGHTS}"
        if why:
            when = "within minutes" if heals else "with its next change"
            undone = f"{self.kind} {where} would undo this rollback {when}, and kaeru cannot suspend it: {why} {GIT}"
            return Owner(
                self.kind,
                namespace,
                name,
                heals=heals,
                refusal=undone if heals else "",
                warning="" if heals else undone,
            )
        action = f"Suspend {self.kind} {where}; it stays suspended until it is given back"
        warning = await self._blind(seen, namespace)
        return Owner(self.kind, namespace, name, heals=heals, token=token, action=action, warning=warning)

    async def _blind(self, seen: Json, namespace: str) -> str:
        """What kaeru will not see when it gives it back, as a sentence."""
        if self._sort is not KUSTOMIZATION:
            return ""
        try:
            await self._source_revision((seen.get("spec") or {}).get("sourceRef") or {}, namespace)
        except AuthFailed as error:
            return f"{error} So it will be given back without knowing whether Git has moved on. {RIGHTS}"
        return ""

    def _heals(self, workload: Json, seen: Json) -> bool:
        if self._sort is HELM_RELEASE:
            return ((seen.get("spec") or {}).get("driftDetection") or {}).get("mode") == "enabled"
        said = annotations_of(workload)
        return said.get(f"{KUSTOMIZE}/reconcile") != "disabled" and said.get(f"{KUSTOMIZE}/ssa") not in (
            "IfNotPresent",
            "Ignore",
        )

    async def _undone_by(self, seen: Json) -> str:
        """Who would undo the suspension, as a sentence: Flux applies only the fields that the manifest in Git has."""
        parent, metadata = _named(seen, KUSTOMIZE), seen["metadata"]
        # flux-system applies itself, but not while it is suspended.
        if parent is None or (
            self._sort is KUSTOMIZATION and parent == (metadata.get("namespace"), metadata["name"])
        ):
            return ""
        fields = metadata.get("managedFields")
        if fields and not any(_sets_suspend(entry) for entry in fields):
            return ""
        try:
            above = await Flux(self._api, self._settings, KUSTOMIZATION).read(*parent)
        except AuthFailed as error:
            return f"whether Flux Kustomization {'/'.join(parent)} would set it anew is not known. {error} {RIGHTS}"
        if above is not None and _suspended(above):
            return ""
        return f"its manifest in Git says `suspend`, and Flux Kustomization {'/'.join(parent)} applies that."

    async def _would_stay(self, seen: Json, mark: Mark, namespace: str, name: str) -> None:
        spec = seen.get("spec") or {}
        if hash_of(spec, without="suspend") != mark.spec:
            return  # it wants something else by now
        if self._sort is HELM_RELEASE:
            if not self._heals({"metadata": {}}, seen):
                return  # it upgrades only when something changes
            wants = "It still says the same as when it was suspended"
        else:
            try:
                now = await self._source_revision(spec.get("sourceRef") or {}, namespace)
            except AuthFailed as error:  # the plan has said so
                _log.warning(
                    "%s %s/%s is resumed without knowing whether Git has moved on: %s",
                    self.kind,
                    namespace,
                    name,
                    error,
                )
                return
            if not mark.revision or now != mark.revision:
                return
            wants = f"Its source still is at {mark.revision}, as when it was suspended"
        raise Refused(
            f"{wants}: resumed, {self.kind} {namespace}/{name} would undo the rollback at once.",
            remedy="Revert the change in Git first and let Flux fetch it; or resume it by hand with the flux command.",
        )

    async def _source_revision(self, reference: Json, namespace: str) -> str:
        """What the source has fetched last; empty where that cannot be seen."""
        served = await self._api.versions(SOURCE)
        for version in served:
            for plural, entry in (await self._api.resources(f"{SOURCE}/{version}")).items():
                if entry.get("kind") == reference.get("kind") and "/" not in plural:
                    where = reference.get("namespace") or namespace
                    path = f"/apis/{SOURCE}/{version}/namespaces/{where}/{plural}/{reference.get('name')}"
                    try:
                        status = (await self._api.get(path)).get("status") or {}
                    except Missing:
                        return ""
                    return str((status.get("artifact") or {}).get("revision") or "")
        return ""

    async def read(self, namespace: str, name: str) -> Json | None:
        """The object; None where it is not in this cluster."""
        if not await self._api.versions(self._sort.group):
            return None
        try:
            return await self._api.get(await self._path(namespace, name))
        except Missing:
            return None

    async def _path(self, namespace: str, name: str) -> str:
        served = await self._api.versions(self._sort.group)
        if not served:
            raise Missing(f"This cluster does not serve {self.kind}s any more ({self._sort.group}).")
        return f"/apis/{self._sort.group}/{served[0]}/namespaces/{namespace}/{self._sort.plural}/{name}"


def _named(owned: Json, group: str) -> tuple[str, str] | None:
    labels = labels_of(owned)
    name, namespace = labels.get(f"{group}/name"), labels.get(f"{group}/namespace")
    if not name or not namespace:
        return None
    return namespace, name


def _suspended(seen: Json) -> bool:
    return (seen.get("spec") or {}).get("suspend") is True


def _revision(seen: Json) -> str:
    status = seen.get("status") or {}
    return str(status.get("lastAppliedRevision") or status.get("lastAttemptedRevision") or "")


def _sets_suspend(entry: Json) -> bool:
    spec = (entry.get("fieldsV1") or {}).get("f:spec") or {}
    return entry.get("operation") == "Apply" and "f:suspend" in spec
