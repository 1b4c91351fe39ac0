"""kaeru's own manifests applied to a test's namespace, and a token of the account that they are bound to."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from integrations.kubernetes.api import Api
from integrations.kubernetes.errors import RBAC
from sandbox.clusters.namespaces import Namespace, kubectl

Json = dict[str, Any]
FOLDER = Path(__file__).parents[2] / RBAC
TOKEN_S = 3600


def documents(name: str) -> list[Json]:
    """The objects in a file of the repository's."""
    return [d for d in yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")) if d]


def rules(*roles: str) -> list[Json]:
    """What the manifests of these roles allow."""
    return [rule for role in roles for rule in documents(f"{role}.yaml")[0]["rules"]]


@dataclass(frozen=True)
class Granted:
    """The account with its roles. `kubeconfig` has a token of it, as the API server issues them to pods."""

    space: Namespace
    kubeconfig: Path
    token: str

    async def allow(self, api: Api, role: str, allowed: Sequence[Json]) -> None:
        """Let a role have these rules; `api` belongs to whoever runs the cluster."""
        path = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{_here(f'kaeru-{role}', self.space)}"
        await api.merge(path, {"rules": list(allowed)})


@asynccontextmanager
async def granted(space: Namespace, where: Path, *roles: str) -> AsyncIterator[Granted]:
    """The manifests as they are but for names and namespaces: the cluster is not ours alone."""
    (account,) = (d for d in documents("account.yaml") if d["kind"] == "ServiceAccount")
    account["metadata"]["namespace"] = space.name
    made, bindings = [], [account]
    for role in roles:
        (cluster_role,) = documents(f"{role}.yaml")
        cluster_role["metadata"]["name"] = _here(cluster_role["metadata"]["name"], space)
        made.append(cluster_role)
        (binding,) = documents(f"bind-{role}.yaml")
        binding["roleRef"]["name"] = _here(binding["roleRef"]["name"], space)
        for subject in binding["subjects"]:
            subject["namespace"] = space.name
        bindings.append(binding)
    try:
        await asyncio.to_thread(space.apply, *made, *bindings)
        token = await asyncio.to_thread(token_of, space, account["metadata"]["name"])
        yield Granted(space, await asyncio.to_thread(_kubeconfig, space, token, where), token)
    finally:
        names = [f"clusterrole/{one['metadata']['name']}" for one in made]
        await asyncio.to_thread(
            kubectl, space.cluster.kubeconfig, "delete", "--ignore-not-found", "--wait=false", *names
        )


def token_of(space: Namespace, account: str, seconds: int = TOKEN_S) -> str:
    """A token of the TokenRequest API."""
    path = f"/api/v1/namespaces/{space.name}/serviceaccounts/{account}/token"
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": seconds},
    }
    answer = space.kubectl("create", "--raw", path, "--filename", "-", text=json.dumps(request))
    return str(json.loads(answer)["status"]["token"])


def config_of(space: Namespace) -> Json:
    """The cluster's kubeconfig, with its certificates in it."""
    view = ("config", "view", "--raw", "--minify", "--flatten", "--output", "json")
    found: Json = json.loads(kubectl(space.cluster.kubeconfig, *view))
    return found


def _kubeconfig(space: Namespace, token: str, where: Path) -> Path:
    config = config_of(space)
    config["users"] = [{"name": "kaeru", "user": {"token": token}}]
    config["contexts"][0]["context"] |= {"user": "kaeru", "namespace": space.name}
    path = where / "kaeru.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def _here(name: str, space: Namespace) -> str:
    return f"{name}-{space.name}"
