"""Accounts with narrow rights in a test's namespace: kaeru's own, by its manifests, and any other."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from integrations.kubernetes.api import Api
from integrations.kubernetes.errors import RBAC
from sandbox.clusters.namespaces import Namespace, kubectl
from tests.kubernetes.hands import Hands, hands_on

Json = dict[str, Any]
FOLDER = Path(__file__).parents[2] / RBAC
TOKEN_S = 3600
RBAC_API = "/apis/rbac.authorization.k8s.io/v1"


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
        name = _here(f"kaeru-{role}", self.space)
        await api.merge(f"{RBAC_API}/clusterroles/{name}", {"rules": list(allowed)})


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
    async with hands_on(space.cluster) as hands:
        try:
            await hands.create(*made, *bindings, namespace=space.name)
            name = account["metadata"]["name"]
            token = await token_of(hands, space, name)
            yield Granted(space, _kubeconfig(space, name, token, where), token)
        finally:
            for one in made:
                await hands.delete(f"{RBAC_API}/clusterroles/{one['metadata']['name']}")


async def account_of(space: Namespace, name: str, allowed: Sequence[Json], where: Path) -> Path:
    """A kubeconfig of a new account that may do no more than these rules say, in its namespace alone."""
    ours = {"metadata": {"name": name}}
    rbac = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": name, "namespace": space.name}
    role = {"apiGroup": rbac, "kind": "Role", "name": name}
    async with hands_on(space.cluster) as hands:
        await hands.create(
            {"apiVersion": "v1", "kind": "ServiceAccount", **ours},
            {"apiVersion": f"{rbac}/v1", "kind": "Role", "rules": list(allowed), **ours},
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "RoleBinding",
                "roleRef": role,
                "subjects": [subject],
                **ours,
            },
            namespace=space.name,
        )
        return _kubeconfig(space, name, await token_of(hands, space, name), where)


async def token_of(hands: Hands, space: Namespace, account: str, seconds: int = TOKEN_S) -> str:
    """A token of the TokenRequest API."""
    path = f"/api/v1/namespaces/{space.name}/serviceaccounts/{account}/token"
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": seconds},
    }
    return str((await hands.post(path, request))["status"]["token"])


def config_of(space: Namespace) -> Json:
    """The cluster's kubeconfig, with its certificates in it."""
    found: Json = json.loads(_viewed(space.cluster.kubeconfig, space.cluster.kubeconfig.stat().st_mtime_ns))
    return found


@lru_cache(maxsize=2)
def _viewed(kubeconfig: Path, _written_at: int) -> str:
    return kubectl(kubeconfig, *("config", "view", "--raw", "--minify", "--flatten", "--output", "json"))


def _kubeconfig(space: Namespace, account: str, token: str, where: Path) -> Path:
    config = config_of(space)
    config["users"] = [{"name": account, "user": {"token": token}}]
    config["contexts"][0]["context"] |= {"user": account, "namespace": space.name}
    path = where / f"{account}.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def _here(name: str, space: Namespace) -> str:
    return f"{name}-{space.name}"
