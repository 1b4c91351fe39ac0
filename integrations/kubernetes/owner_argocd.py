"""Argo CD: which Application looks after a workload, and its automated sync.

An Application is suspended by taking `spec.syncPolicy.automated` away; what it said is kept in kaeru's mark on the
Application, and put back exactly. Where something else sets the Application (an ApplicationSet, another Application),
that would be undone at once, so it is not done.
"""

from bot.domain.debts import Debt
from bot.ports.errors import AuthFailed, Conflict, Refused, Unavailable
from integrations.kubernetes import owner_application as application
from integrations.kubernetes.api import Api, Json, Missing
from integrations.kubernetes.owner import (
    GIT,
    RIGHTS,
    Mark,
    Owner,
    Unseen,
    drop_mark,
    edited,
    marked,
    put_mark,
    read_mark,
)
from integrations.kubernetes.owner_application import GROUP, KIND, Applications, Named
from integrations.kubernetes.owner_parent import Parents
from integrations.kubernetes.settings import KubernetesSettings

PREFIX = "argocd"
REFRESH = "argocd.argoproj.io/refresh"


class ArgoCd:
    """Raises Unavailable, AuthFailed, Refused throughout, as `Api` does."""

    def __init__(self, api: Api, settings: KubernetesSettings) -> None:
        self._api = api
        self._settings = settings
        self._applications = Applications(api, settings)
        self._parents = Parents(api, self._applications)

    async def find(self, workload: Json) -> Owner | None:
        named = self._applications.named(workload)
        if named is None:
            return None
        try:
            app = await self._applications.of(named, workload)
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
        named = self._applications.named(workload)
        if named is None:
            return None
        unseen = Unseen(f"{PREFIX}:{named.where}")
        try:
            if not await self._applications.are_served():
                return unseen
            app = await self._applications.of(named, workload)
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

    async def _judged(self, named: Named, app: Json) -> Owner:
        where, automated = named.where, application.automated(app)
        if automated is None:
            return self._manual(named, app)
        heals = automated.get("selfHeal") is True
        why = await self._parents.undone_by(app)
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
