"""Argo CD's and Flux's objects on the real API server, written as their users and their controllers write them."""

from typing import Any

from integrations.kubernetes.owners import Owner, Owners
from sandbox.clusters.namespaces import Namespace
from tests.kubernetes.world import Shop

Json = dict[str, Any]

AUTOMATED = {"prune": True, "selfHeal": True, "allowEmpty": False}


PATHS = {
    "applications": "argoproj.io/v1alpha1",
    "applicationsets": "argoproj.io/v1alpha1",
    "kustomizations": "kustomize.toolkit.fluxcd.io/v1",
    "helmreleases": "helm.toolkit.fluxcd.io/v2",
    "gitrepositories": "source.toolkit.fluxcd.io/v1",
}


class Gitops:
    """What deploys `shop`, all of it in the shop's own namespace. Resources are called by their plural."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.space: Namespace = shop.space

    async def application(self, name: str = "shop", *, automated: Json | None, **metadata: Any) -> None:
        """An Application as Argo CD has it, with the workload among its resources."""
        policy: Json = {"syncOptions": ["CreateNamespace=true"]}
        if automated is not None:
            policy["automated"] = automated
        await self.apply(
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Application",
                "metadata": {"name": name, **metadata},
                "spec": {
                    "project": "default",
                    "source": {
                        "repoURL": "https://git.example/shop",
                        "path": "deploy",
                        "targetRevision": "main",
                    },
                    "destination": {"server": "https://kubernetes.default.svc", "namespace": self.space.name},
                    "syncPolicy": policy,
                },
            }
        )
        await self.compared("Synced", name=name)

    async def application_set(self, name: str = "shop", **spec: Any) -> None:
        template = {
            "metadata": {"name": "shop"},
            "spec": {"project": "default", "destination": {"namespace": self.space.name}},
        }
        await self.apply(
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "ApplicationSet",
                "metadata": {"name": name},
                "spec": {"generators": [], "template": template, **spec},
            }
        )

    async def compared(self, status: str, *, name: str = "shop", at: str = "2000-01-01T00:00:00Z") -> None:
        """What Argo CD's controller writes when it has compared Git with the cluster."""
        resource = {
            "group": "apps",
            "version": "v1",
            "kind": "Deployment",
            "namespace": self.space.name,
            "name": self.shop.name,
            "status": status,
        }
        await self.merge(
            "applications",
            name,
            {"status": {"reconciledAt": at, "sync": {"status": status}, "resources": [resource]}},
        )

    async def kustomization(self, name: str = "apps", **spec: Any) -> None:
        """A Kustomization that has applied its source's revision `main@sha1:bad`."""
        await self.apply(
            {
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
                "kind": "Kustomization",
                "metadata": {"name": name},
                "spec": {
                    "interval": "10m",
                    "path": "./deploy",
                    "prune": True,
                    "sourceRef": {"kind": "GitRepository", "name": "shop"},
                    **spec,
                },
            }
        )
        await self.status("kustomizations", name, {"lastAppliedRevision": "main@sha1:bad"})

    async def source(self, revision: str) -> None:
        await self.apply(
            {
                "apiVersion": "source.toolkit.fluxcd.io/v1",
                "kind": "GitRepository",
                "metadata": {"name": "shop"},
                "spec": {"interval": "1m", "url": "https://git.example/shop"},
            }
        )
        artifact = {
            "digest": "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
            "lastUpdateTime": "2000-01-01T00:00:00Z",
            "path": "gitrepository/shop/shop.tar.gz",
            "revision": revision,
            "url": "https://source.example/shop.tar.gz",
        }
        await self.status("gitrepositories", "shop", {"artifact": artifact})

    async def helm_release(self, name: str = "web", **spec: Any) -> None:
        await self.apply(
            {
                "apiVersion": "helm.toolkit.fluxcd.io/v2",
                "kind": "HelmRelease",
                "metadata": {"name": name},
                "spec": {
                    "interval": "10m",
                    "chart": {
                        "spec": {
                            "chart": "web",
                            "version": "1.3.0",
                            "sourceRef": {"kind": "HelmRepository", "name": "charts"},
                        }
                    },
                    **spec,
                },
            }
        )

    async def apply(self, *objects: Json, manager: str = "kubectl") -> None:
        """Server-side, as a controller that owns only the fields it names."""
        await self.shop.hands.apply(*objects, namespace=self.space.name, by=manager)

    def path(self, resource: str, name: str) -> str:
        return f"/apis/{PATHS[resource]}/namespaces/{self.space.name}/{resource}/{name}"

    async def get(self, resource: str, name: str) -> Json:
        return await self.shop.api.get(self.path(resource, name))

    async def merge(self, resource: str, name: str, change: Json) -> None:
        """What somebody or a controller writes into one of them."""
        await self.shop.api.merge(self.path(resource, name), change)

    async def status(self, resource: str, name: str, status: Json) -> None:
        """Write the status subresource, as controllers do."""
        await self.shop.api.merge(f"{self.path(resource, name)}/status", {"status": status})

    async def labelled(self, *, labels: Json | None = None, annotations: Json | None = None) -> Json:
        """Put the owner's marks on the workload and return it as it is then."""
        change: Json = {"metadata": {"labels": labels or {}, "annotations": annotations or {}}}
        await self.shop.patch(change)
        return await self.shop.workload()

    async def labelled_by_flux(self, group: str, name: str) -> Json:
        """The workload, as one that Flux's object `name` in its own namespace deploys."""
        return await self.labelled(labels={f"{group}/name": name, f"{group}/namespace": self.space.name})

    @property
    def tracking_id(self) -> str:
        return f"shop:apps/Deployment:{self.space.name}/{self.shop.name}"


async def the_one(owners: Owners, workload: Json) -> Owner:
    """The only one who owns it."""
    found = await owners.find(workload)
    assert len(found) == 1, found
    return found[0]
