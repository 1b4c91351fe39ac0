"""What a workload is: a Deployment, StatefulSet or DaemonSet, and what the API calls that."""

from enum import StrEnum


class Kind(StrEnum):
    DEPLOYMENT = "deployment"
    STATEFULSET = "statefulset"
    DAEMONSET = "daemonset"

    @property
    def resource(self) -> str:
        """The plural of the API's paths: `deployments`."""
        return f"{self.value}s"

    @property
    def title(self) -> str:  # type: ignore[override]  # an enum member has no use for str.title
        """The `kind` of the API's objects: `Deployment`."""
        return _TITLES[self]

    def path(self, namespace: str, name: str) -> str:
        """The absolute path of one of them in the API."""
        return f"/apis/apps/v1/namespaces/{namespace}/{self.resource}/{name}"


_TITLES = {
    Kind.DEPLOYMENT: "Deployment",
    Kind.STATEFULSET: "StatefulSet",
    Kind.DAEMONSET: "DaemonSet",
}
