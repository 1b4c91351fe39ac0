"""Helm: it has no controller, so nothing heals; but its own record says otherwise than the cluster after a rollback."""

from integrations.kubernetes.api import Json
from integrations.kubernetes.owner import Owner, annotations_of, labels_of
from integrations.kubernetes.owner_flux import HELM

RELEASE = "meta.helm.sh/release-name"
NAMESPACE = "meta.helm.sh/release-namespace"


def find(workload: Json) -> Owner | None:
    """The release of a workload; None where Flux runs Helm, because then Flux is the one to speak of."""
    name = annotations_of(workload).get(RELEASE)
    if not name or labels_of(workload).get(f"{HELM}/name"):
        return None
    namespace = annotations_of(workload).get(NAMESPACE) or workload["metadata"].get("namespace", "")
    return Owner(
        "Helm release",
        namespace,
        name,
        warning=f"Helm release {namespace}/{name} deployed this and is not told of the rollback: the next helm upgrade "
        "starts from Helm's own record. Roll that back as well (helm rollback), or deploy the fix with the next upgrade.",
    )
