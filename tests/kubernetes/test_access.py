"""Every way to be somebody to a real cluster: a credential plugin, a pod's own account, several contexts at once."""

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bot.ports.errors import AuthFailed, Unavailable
from integrations.kubernetes import credentials
from integrations.kubernetes.api import Api
from integrations.kubernetes.settings import KubernetesSettings
from integrations.kubernetes.target import KubernetesTarget
from sandbox.clusters.kubernetes import KubernetesCluster
from sandbox.clusters.namespaces import Namespace
from tests.fakes.memory import FakeMemory
from tests.kubernetes.fault_proxy import fault_proxy
from tests.kubernetes.granted import Granted, config_of, granted, token_of
from tests.kubernetes.hands import fresh_namespace
from tests.kubernetes.steps import change_to
from tests.kubernetes.world import Json, Shop, api_of, until

pytestmark = pytest.mark.kubernetes

# What a cloud's own program does: it asks for a token that lasts for some minutes, and prints it.
PLUGIN = """
import json, os, subprocess, sys
told, kubeconfig, namespace, note = sys.argv[1:]
asked = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
path = f"/api/v1/namespaces/{namespace}/serviceaccounts/kaeru/token"
request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
argv = ["kubectl", "--kubeconfig", kubeconfig, "create", "--raw", path, "--filename", "-"]
done = subprocess.run(argv, input=json.dumps(request).encode(), stdout=subprocess.PIPE, check=True)
status = json.loads(done.stdout)["status"]
given = {"token": status["token"], "expirationTimestamp": status["expirationTimestamp"]}
print(json.dumps({"apiVersion": asked["apiVersion"], "kind": "ExecCredential", "status": given}))
with open(told, "a") as file:
    file.write(json.dumps([note, asked["kind"], "SLACK_BOT_TOKEN" in os.environ]) + "\\n")
"""
NOTE = "a b; touch $(HOME)/no & `exit 3`"


@pytest.fixture
async def account(shop: Shop, tmp_path: Path) -> AsyncIterator[Granted]:
    async with granted(shop.space, tmp_path, "inspect") as made:
        yield made


@pytest.fixture
async def deployed(shop: Shop) -> Shop:
    """v1.3.0 without a pod."""
    shop.replicas = 0
    await shop.recorded("v1.2.9", "v1.3.0")
    return shop


@pytest.fixture
def another_authority(tmp_path: Path) -> str:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    argv = [
        "openssl",
        "req",
        "-x509",
        *key,
        "-keyout",
        "other.key",
        "-out",
        "other.crt",
        "-subj",
        "/CN=other",
    ]
    subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True)
    return (tmp_path / "other.crt").read_text(encoding="ascii")


async def test_a_plugin_gives_a_token_and_a_new_one_when_that_is_not_accepted(
    deployed: Shop, account: Granted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "not for plugins")
    told, script = tmp_path / "told", tmp_path / "plugin.py"
    script.write_text(PLUGIN, encoding="utf-8")
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": sys.executable,
        "args": [str(script), str(told), str(deployed.space.cluster.kubeconfig), deployed.space.name, NOTE],
    }
    config = _linked(account.space, {"exec": plugin})
    settings = deployed.settings(kubeconfig=_written(config, tmp_path / "exec.kubeconfig"))

    def runs() -> list[list[object]]:
        return [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]

    async with (
        aclosing(KubernetesTarget(settings, FakeMemory())) as target,
        aclosing(Api(settings)) as api,
    ):
        assert (await target.inspect()).current == "v1.3.0"
        assert runs() == [[NOTE, "ExecCredential", False]]  # once for all requests, and through no shell

        # Another account of that name: the server does not accept the old one's token any more.
        await deployed.kubectl("delete", "serviceaccount", "kaeru")
        await deployed.kubectl("create", "serviceaccount", "kaeru")

        async def again() -> bool:
            """The server remembers for some seconds that a token was good."""
            assert (await api.get(settings.path))["metadata"]["name"] == "web"
            return len(runs()) == 2

        await until(again, "asked for another token")


async def test_a_plugin_that_gives_a_token_of_nobody_is_told_by_context(
    deployed: Shop, account: Granted, tmp_path: Path
) -> None:
    status = {"apiVersion": "client.authentication.k8s.io/v1", "status": {"token": "of-nobody"}}
    script = f"print({json.dumps(json.dumps(status))})"
    plugin = {"apiVersion": status["apiVersion"], "command": sys.executable, "args": ["-c", script]}
    config = _linked(account.space, {"exec": plugin})
    settings = deployed.settings(kubeconfig=_written(config, tmp_path / "exec.kubeconfig"))
    async with aclosing(Api(settings)) as api:
        with pytest.raises(AuthFailed, match="does not accept the credentials of context kaeru-here") as said:
            await api.get(settings.path)
    assert "of-nobody" not in said.value.advice


@pytest.fixture
def in_pod(account: Granted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the kubelet puts into a pod: the folder, and where the API server is."""
    cluster = config_of(account.space)["clusters"][0]["cluster"]
    server, folder = urlsplit(cluster["server"]), tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text(account.token, encoding="ascii")
    (folder / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    monkeypatch.setattr(credentials, "IN_POD", folder)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", str(server.hostname))
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing-is-there"))
    return folder


async def test_in_a_pod_its_own_account_is_used_and_its_token_is_read_again(
    deployed: Shop, in_pod: Path
) -> None:
    settings = KubernetesSettings(namespace=deployed.space.name, name="web")
    async with (
        aclosing(KubernetesTarget(settings, FakeMemory())) as target,
        aclosing(Api(settings)) as api,
    ):
        seen = await target.inspect()
        assert seen.current == "v1.3.0"
        assert target.identity == f"kubernetes:in-cluster/{deployed.space.name}/deployment/web"
        may_not = f"The service account kaeru of namespace {deployed.space.name} may not get secrets"
        with pytest.raises(AuthFailed, match=may_not):
            await api.get(f"/api/v1/namespaces/{deployed.space.name}/secrets/any")

        await deployed.kubectl("delete", "serviceaccount", "kaeru")

        async def refused() -> AuthFailed | None:
            try:
                await api.get(settings.path)
            except AuthFailed as error:
                return error
            return None

        said = await until(refused, "refused: a token of an account that is gone")
        assert "of this pod's service account" in str(said)
        await deployed.kubectl("create", "serviceaccount", "kaeru")
        token = await token_of(deployed.hands, deployed.space, "kaeru")
        (in_pod / "token").write_text(token, encoding="ascii")
        assert (await target.inspect()).fingerprint == seen.fingerprint


async def test_in_a_pod_only_the_clusters_own_authority_is_believed(
    deployed: Shop, in_pod: Path, another_authority: str
) -> None:
    (in_pod / "ca.crt").write_text(another_authority, encoding="ascii")
    settings = KubernetesSettings(namespace=deployed.space.name, name="web")
    async with aclosing(Api(settings)) as api:
        with pytest.raises(Unavailable, match="certificate"):
            await api.get(settings.path)


async def test_two_contexts_of_one_file_at_once_are_each_seen_at_their_own_door(
    cluster: KubernetesCluster, shop: Shop, tmp_path: Path
) -> None:
    """The accounts may see nothing of each other's namespace; so nothing can have gone through the wrong door."""
    async with (
        fresh_namespace(cluster) as other_space,
        aclosing(api_of(other_space)) as ruling,
        fault_proxy(cluster.kubeconfig) as proxy,
        granted(shop.space, tmp_path, "inspect", "rollback") as east,
        granted(other_space, tmp_path, "inspect", "rollback") as west,
    ):
        other = Shop(other_space, ruling)
        for one in (shop, other):
            one.replicas = 0
            await one.recorded("v1.2.9", "v1.3.0")
        config = config_of(shop.space)
        door = {"server": f"http://127.0.0.1:{proxy.port}"}
        config["clusters"] = [
            {"name": "east", "cluster": config["clusters"][0]["cluster"]},
            {"name": "west", "cluster": door},
        ]
        config["users"] = [
            {"name": name, "user": {"token": one.token}} for name, one in (("east", east), ("west", west))
        ]
        config["contexts"] = [
            {"name": name, "context": {"cluster": name, "user": name}} for name in ("east", "west")
        ]
        config["current-context"] = "west"
        file = _written(config, tmp_path / "both.kubeconfig")
        async with (
            aclosing(KubernetesTarget(shop.settings(kubeconfig=file, context="east"), FakeMemory())) as here,
            aclosing(
                KubernetesTarget(other.settings(kubeconfig=file, context="west"), FakeMemory())
            ) as there,
        ):
            assert here.identity != there.identity
            changes = await asyncio.gather(change_to(here, "v1.2.9"), change_to(there, "v1.2.9"))
            await asyncio.gather(
                here.apply(changes[0], "INC-1/apply:web"), there.apply(changes[1], "INC-1/apply:web")
            )
            for one in (shop, other):
                image = (await one.workload())["spec"]["template"]["spec"]["containers"][0]["image"]
                assert image.endswith(":v1.2.9")
            asked = [line for line in proxy.seen if "/namespaces/" in line]
            assert asked
            assert all(f"/namespaces/{other_space.name}/" in line for line in asked)
            assert sum(line.startswith("PATCH") for line in asked) == 1
            # One door is shut; the other one has nothing to do with it.
            await proxy.die()
            assert (await here.inspect()).current == "v1.2.9"
            with pytest.raises(Unavailable):
                await there.inspect()


def _linked(space: Namespace, user: Json) -> Json:
    """The cluster's kubeconfig with this user in it, in the context `kaeru-here`."""
    config = config_of(space)
    config["users"] = [{"name": "kaeru", "user": user}]
    cluster = config["clusters"][0]["name"]
    config["contexts"] = [{"name": "kaeru-here", "context": {"cluster": cluster, "user": "kaeru"}}]
    config["current-context"] = "kaeru-here"
    return config


def _written(config: Json, path: Path) -> Path:
    path.touch(mode=0o600)
    path.write_text(json.dumps(config), encoding="utf-8")
    return path
