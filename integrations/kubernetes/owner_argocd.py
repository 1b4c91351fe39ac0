"""Argo CD: which Application looks after a workload, and its automated sync.

An Application is suspended by taking `spec.syncPolicy.automated` away; what it said is kept in kaeru's mark on the
Application, and put back exactly. Where something else sets the Application (an ApplicationSet, another Application),
that would be undone at once, so it is not done.
"""

from dataclasses import dataclass

from bot.domain.debts import Debt
from bot.ports.errors import AuthFailed, Conflict, Refused, Unavailable
from integrations.kubernetes import owner_application as application
from integrations.kubernetes.api import Api, Json, Missing
from integrations.kubernetes.owner import (
    Mark,
    Owner,
    Unseen,
    annotations_of,
    drop_mark,
    edited,
    labels_of,
    marked,
    put_mark,
    read_mark,
)
from integrations.kubernetes.owner_application import GROUP, KIND, VERSION
from integrations.kubernetes.settings import KubernetesSettings, is_name

PREFIX = "argocd"
TRACKING = "argocd.argoproj.io/tracking-id"
REFRESH = "argocd.argoproj.io/refresh"
GIT = "Revert the change in Git instead."
RIGHTS = "Apply integrations/kubernetes/rbac/gitops.yaml to let it."

_LEAVES_ALONE = ("create-only", "create-delete")
_IGNORED = ("/spec", "/spec/syncPolicy", "/spec/syncPolicy/automated")


@dataclass(frozen=True)
class Named:
    """An Application that an object names as its own; `sure` where nothing but Argo CD writes such a name."""

    namespace: str
    name: str
    sure: bool

    @property
    def where(self) -> str:
        return f"{self.namespace}/{self.name}"


class ArgoCd:
    """Raises Unavailable, AuthFailed, Refused throughout, as `Api` does."""

    def __init__(self, api: Api, settings: KubernetesSettings) -> None:
        self._api = api
        self._settings = settings

    async def find(self, workload: Json) -> Owner | None:
        named = self._named(workload)
        if named is None:
            return None
        try:
            app = await self._application(named, workload)
        except AuthFailed as error:
            text = f"{error} So it cannot tell whether Argo CD will undo this rollback. {RIGHTS}"
            return Owner(KIND, named.namespace, named.name, warning=text)
        if app is not None:
            return await self._judged(named, app)
        if not named.sure:
            return None
        return Owner(
            KIND,
            named.namespace,
            named.name,
            warning=f"Argo CD Application {named.name} deploys this, but it is not in namespace {named.namespace} of "
            "this cluster, so kaeru cannot suspend its sync. Where it heals itself it will undo this rollback "
            "within seconds: switch its automated sync off by hand, or revert in Git.",
        )

    async def suspend(self, namespace: str, name: str, workload: str, key: str) -> None:
        """Nothing where it is suspended already. Raises Conflict, OutcomeUnknown."""

        def operations(app: Json) -> list[Json]:
            before, automated = read_mark(app), application.automated(app)
            if automated is None:
                if before is None or workload in before.workloads:
                    return []
                return put_mark(app, marked(before, workload, key))
            # A mark beside an automated sync is left over: somebody else has switched it on again.
            reconciled = application.reconciled_at(app.get("status") or {})
            mark = marked(None, workload, key, saved=automated, reconciled=reconciled)
            return [*put_mark(app, mark), {"op": "remove", "path": "/spec/syncPolicy/automated"}]

        await edited(self._api, application.path_of(namespace, name), operations)

    async def confirm(self, namespace: str, name: str) -> None:
        """Raises Conflict where its automated sync is on."""
        if application.automated(await self._api.get(application.path_of(namespace, name))) is not None:
            raise Conflict(
                f"{KIND} {namespace}/{name} syncs by itself again: somebody or something switched that on.",
                remedy="Find out who, and approve a fresh plan.",
            )

    async def debt(self, workload: Json, component: str) -> Debt | Unseen | None:
        """What kaeru has suspended of it. Unseen where kaeru may not look (any more), or there is nothing to look at."""
        named = self._named(workload)
        if named is None:
            return None
        unseen = Unseen(f"{PREFIX}:{named.where}")
        try:
            if not await self._is_served():
                return unseen
            app = await self._application(named, workload)
        except AuthFailed:
            return unseen
        return _debt(app, named.where, component)

    async def owed(self, namespace: str, name: str, component: str) -> Debt | None:
        """The same of the Application itself, whatever has become of the workload."""
        try:
            app = await self._api.get(application.path_of(namespace, name))
        except Missing:
            return None
        return _debt(app, f"{namespace}/{name}", component)

    async def repay(self, namespace: str, name: str) -> None:
        """Put back the automated sync as it was. Raises Refused where it would undo the rollback at once."""
        path = application.path_of(namespace, name)
        try:
            app = await self._api.get(path)
        except Missing:
            return  # nothing is left that could sync
        mark = read_mark(app)
        if mark is None:
            return
        if application.automated(app) is None:
            await self._would_stay(app, mark, path)

        def operations(now: Json) -> list[Json]:
            mark = read_mark(now)
            if mark is None:
                return []
            if application.automated(now) is not None or mark.saved is None:
                return drop_mark()
            policy = (now.get("spec") or {}).get("syncPolicy")
            made: list[Json] = []
            if policy is None:
                made.append({"op": "add", "path": "/spec/syncPolicy", "value": {}})
            made.append({"op": "add", "path": "/spec/syncPolicy/automated", "value": mark.saved})
            return made + drop_mark()

        await edited(self._api, path, operations)

    def _named(self, workload: Json) -> Named | None:
        tracked = annotations_of(workload).get(TRACKING, "")
        name, _, what = tracked.partition(":")
        metadata = workload["metadata"]
        # Annotations are copied around; Argo CD, too, believes only one that means the object it is on.
        group = str(workload.get("apiVersion", "")).rpartition("/")[0]
        if name and what == f"{group}/{workload.get('kind')}:{metadata.get('namespace')}/{metadata['name']}":
            return self._split(name, sure=True)
        labelled = labels_of(workload).get(self._settings.argocd_label, "")
        return self._split(labelled, sure=False) if labelled else None

    def _split(self, text: str, *, sure: bool) -> Named | None:
        """Applications outside of Argo CD's own namespace are named `NAMESPACE_NAME`. None for what can be no name."""
        namespace, found, name = text.partition("_")
        if not found:
            namespace, name = self._settings.argocd_namespace, text
        return Named(namespace, name, sure=sure) if is_name(namespace) and is_name(name) else None

    async def _application(self, named: Named, owned: Json) -> Json | None:
        """The Application, if it is here and, where only a label says so, really has `owned` among its resources."""
        if not await self._is_served():
            return None
        try:
            app = await self._api.get(application.path_of(named.namespace, named.name))
        except Missing:
            return None
        return app if named.sure or application.lists(app, owned) else None

    async def _is_served(self) -> bool:
        return "applications" in await self._api.resources(f"{GROUP}/{VERSION}")

    async def _judged(self, named: Named, app: Json) -> Owner:
        where, automated = named.where, application.automated(app)
        if automated is None:
            return self._manual(named, app)
        heals = automated.get("selfHeal") is True
        why = await self._undone_by(app)
        if not why and not self._settings.suspend_gitops:
            why = f"{KIND} {where} syncs by itself, and suspending that is switched off (suspend_gitops)."
        if not why and not await self._api.allowed(
            "patch", GROUP, "applications", namespace=named.namespace, name=named.name
        ):
            why = f"kaeru may not patch applications in namespace {named.namespace}. {RIGHTS}"
        if why:
            when = "within seconds" if heals else "with the next commit"
            undone = (
                f"{KIND} {where} would undo this rollback {when}, and kaeru cannot suspend it: {why} {GIT}"
            )
            return Owner(
                KIND,
                named.namespace,
                named.name,
                heals=heals,
                refusal=undone if heals else "",
                warning="" if heals else undone,
            )
        until = "it stays off until it is given back"
        return Owner(
            KIND,
            named.namespace,
            named.name,
            heals=heals,
            token=f"{PREFIX}:{where}",
            action=f"Suspend the automated sync of {KIND} {where}; {until}",
            warning=application.syncing(app, where),
        )

    def _manual(self, named: Named, app: Json) -> Owner:
        where = named.where
        if read_mark(app) is None:
            text = (
                f"{KIND} {where} deploys this: its next sync brings back what Git says. Revert there as well."
            )
            return Owner(KIND, named.namespace, named.name, warning=text)
        return Owner(
            KIND,
            named.namespace,
            named.name,
            token=f"{PREFIX}:{where}",
            action=f"Keep the automated sync of {KIND} {where} suspended; kaeru has done so before",
            warning=application.syncing(app, where),
        )

    async def _undone_by(self, app: Json) -> str:
        """Who would undo the suspension of `app`, as a sentence."""
        for reference in app["metadata"].get("ownerReferences") or ():
            if reference.get("kind") != "ApplicationSet":
                continue
            by = f"the ApplicationSet {reference.get('name')}"
            try:
                if not await self._lets_be(app, reference):
                    return f"{by} sets it."
            except AuthFailed as error:
                return f"whether {by} would set it anew is not known. {error} {RIGHTS}"
        parent = self._named(app)
        itself = (app["metadata"].get("namespace"), app["metadata"]["name"])
        if parent is None or (parent.namespace, parent.name) == itself:
            return ""
        try:
            above = await self._application(parent, app)
        except AuthFailed as error:
            return f"whether {KIND} {parent.where} would set it anew is not known. {error} {RIGHTS}"
        if above is None or application.automated(above) is None:
            return ""
        return f"{KIND} {parent.where} sets it and syncs by itself."

    async def _lets_be(self, app: Json, reference: Json) -> bool:
        """Whether an ApplicationSet leaves the sync policy of its Applications alone."""
        namespace = app["metadata"].get("namespace")
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/applicationsets/{reference.get('name')}"
        try:
            spec = (await self._api.get(path)).get("spec") or {}
        except Missing:
            return True  # an orphan: nobody is left who would set it
        if (spec.get("syncPolicy") or {}).get("applicationsSync") in _LEAVES_ALONE:
            return True
        for rule in spec.get("ignoreApplicationDifferences") or ():
            if rule.get("name") in (None, "", app["metadata"]["name"]) and any(
                pointer in _IGNORED for pointer in rule.get("jsonPointers") or ()
            ):
                return True
        return False

    async def _would_stay(self, app: Json, mark: Mark, path: str) -> None:
        """Raises Refused where Git still wants something else than runs, Unavailable where that is not known yet."""
        where = f"{app['metadata'].get('namespace')}/{app['metadata']['name']}"
        status = app.get("status") or {}
        if not application.is_fresh(status, mark):
            note: Json = {"metadata": {"annotations": {REFRESH: "normal"}}}
            await self._api.merge(path, note)
            raise Unavailable(
                f"Argo CD has not compared {where} with Git since it was suspended; it was asked to.",
                retry_after_s=5.0,
                remedy="Try again in a few seconds.",
            )
        differs = [
            f"{r.get('kind')} {r.get('namespace')}/{r.get('name')}"
            for r in status.get("resources") or ()
            if r.get("status") == "OutOfSync"
        ]
        ours = sorted(set(differs) & set(mark.workloads))
        if ours:
            raise Refused(
                f"Git still wants something else than runs for {', '.join(ours)}: with its sync back on, {KIND} "
                f"{where} would undo the rollback at once.",
                remedy="Revert the change in Git first; or, if Git is right by now, sync it by hand in Argo CD. "
                "Then give it back.",
            )


def _debt(app: Json | None, where: str, component: str) -> Debt | None:
    if app is None or read_mark(app) is None or application.automated(app) is not None:
        return None
    return Debt(
        id=f"{PREFIX}:{where}",
        component=component,
        text=f"The automated sync of {KIND} {where} is off: what is merged is not deployed.",
        until="Give it back once Git says what runs: revert the bad change there.",
    )
