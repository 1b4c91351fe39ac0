"""A list that is kept up to date, behind a server on 127.0.0.1 with which watching does not work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from integrations.kubernetes.api import Api
from integrations.kubernetes.feed import PAUSE_S, Feed
from integrations.kubernetes.settings import KubernetesSettings
from tests.unit.api_servers import kubeconfig, served

Json = dict[str, Any]
PODS = "/api/v1/namespaces/shop/pods"
FOR_S = 4 * PAUSE_S

EXPIRED: Json = {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired"}


class Server:
    """Lists one pod. Its watches end at once: with nothing, or as `expired`, with 410."""

    def __init__(self) -> None:
        self.port = 0
        self.expired = False
        self.lists = 0
        self.watches = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            self.lists += 1
            pod = {"metadata": {"uid": "u-1", "name": "web-1", "resourceVersion": str(self.lists)}}
            return web.json_response({"metadata": {"resourceVersion": str(self.lists)}, "items": [pod]})
        self.watches += 1
        return web.json_response(EXPIRED, status=410) if self.expired else web.Response(body=b"")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    serving = Server()
    async with served(serving.answer) as serving.port:
        yield serving


async def _fed(server: Server, where: Path) -> Feed:
    """A feed that has run for `FOR_S`."""
    file = kubeconfig(where, server.port)
    async with aclosing(Api(KubernetesSettings(kubeconfig=file, namespace="shop", name="web"))) as api:
        listed = asyncio.Event()
        feed = Feed(api, PODS, listed.set)
        running = asyncio.create_task(feed.run())
        try:
            async with asyncio.timeout(30):
                await listed.wait()
            await asyncio.wait({running}, timeout=FOR_S)
            assert not running.done()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    return feed


@pytest.mark.parametrize("expired", [False, True])
async def test_watches_that_end_at_once_are_not_asked_for_without_a_pause(
    server: Server, tmp_path: Path, *, expired: bool
) -> None:
    server.expired = expired
    feed = await _fed(server, tmp_path)
    assert feed.objects is not None
    assert list(feed.objects) == ["u-1"]
    assert 2 <= server.watches <= FOR_S / PAUSE_S + 2
    if expired:
        assert (
            0 <= server.lists - server.watches <= 1
        )  # each time anew; the last one may not have got any further
    else:
        assert server.lists == 1
