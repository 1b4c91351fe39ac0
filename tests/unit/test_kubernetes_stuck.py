"""Pods are deleted only once the controller has seen the spec that they are to be made from."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.ports.errors import Unavailable
from integrations.kubernetes import stuck
from integrations.kubernetes.api import Api
from integrations.kubernetes.looking import workload_of
from integrations.kubernetes.payload import StuckPod
from integrations.kubernetes.settings import KubernetesSettings
from tests.unit.api_servers import kubeconfig, served

Json = dict[str, Any]
POD = StuckPod(name="db-0", uid="u-0")


class Server:
    """Has one StatefulSet, whose controller has seen the spec as it is after `looks` looks at it."""

    def __init__(self) -> None:
        self.port = 0
        self.looks = 0
        self.deleted: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "DELETE":
            self.deleted.append(request.path)
            return web.json_response({"kind": "Status", "status": "Success"})
        self.looks -= 1
        container = {"name": "db", "image": "registry.example/shop/db:v1.2.9"}
        return web.json_response(
            {
                "kind": "StatefulSet",
                "metadata": {"name": "db", "namespace": "shop", "uid": "u-1", "generation": 2},
                "spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}},
                "status": {"observedGeneration": 1 if self.looks >= 0 else 2},
            }
        )


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    serving = Server()
    async with served(serving.answer) as serving.port:
        yield serving


async def _deleted(server: Server, where: Path) -> None:
    file = kubeconfig(where, server.port)
    settings = KubernetesSettings.model_validate(
        {"kubeconfig": file, "namespace": "shop", "name": "db", "workload": "statefulset"}
    )
    async with aclosing(Api(settings)) as api:
        await stuck.deleted(api, settings, await workload_of(api, settings), [POD])


async def test_what_the_controller_has_not_seen_is_waited_for(server: Server, tmp_path: Path) -> None:
    server.looks = 3
    await _deleted(server, tmp_path)
    assert server.deleted == ["/api/v1/namespaces/shop/pods/db-0"]


async def test_nothing_is_deleted_while_the_controller_sleeps(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stuck, "SEEN_WITHIN_S", 0.3)
    server.looks = 10**6
    with pytest.raises(Unavailable, match="has not seen yet what StatefulSet shop/db is set to"):
        await _deleted(server, tmp_path)
    assert server.deleted == []
