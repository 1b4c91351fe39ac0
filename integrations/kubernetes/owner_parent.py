"""What sets an Application of Argo CD: an ApplicationSet, or another Application. It would undo a suspension at once."""

from bot.ports.errors import AuthFailed
from integrations.kubernetes.api import Api, Json, Missing
from integrations.kubernetes.owner import RIGHTS
from integrations.kubernetes.owner_application import GROUP, KIND, VERSION, Applications, automated

_LEAVES_ALONE = ("create-only", "create-delete")
_IGNORED = ("/spec", "/spec/syncPolicy", "/spec/syncPolicy/automated")


class Parents:
    """Of the Applications of one cluster. Raises Unavailable and Refused; without rights it is a sentence."""

    def __init__(self, api: Api, applications: Applications) -> None:
        self._api = api
        self._applications = applications

    async def undone_by(self, app: Json) -> str:
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
        parent = self._applications.named(app)
        itself = (app["metadata"].get("namespace"), app["metadata"]["name"])
        if parent is None or (parent.namespace, parent.name) == itself:
            return ""
        try:
            above = await self._applications.of(parent, app)
        except AuthFailed as error:
            return f"whether {KIND} {parent.where} would set it anew is not known. {error} {RIGHTS}"
        if above is None or automated(above) is None:
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
