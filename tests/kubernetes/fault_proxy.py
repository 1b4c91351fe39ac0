"""Stands in front of a real API server and does to kaeru what networks and API servers do on bad days.

It speaks plain HTTP on 127.0.0.1 and passes everything on over TLS, with the account of the kubeconfig it was given;
what comes with an Authorization of its own keeps that.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from aiohttp import web

from integrations.kubernetes.access import Link
from integrations.kubernetes.credentials import Account, source


class Forward(Protocol):
    """Passes the request on, to another path of the server if one is given."""

    async def __call__(self, path_qs: str = "") -> web.StreamResponse: ...


Fault = Callable[[web.Request, Forward], Awaitable[web.StreamResponse]]
When = Callable[[web.Request], bool]

_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


@dataclass
class FaultProxy:
    """`seen` are the requests that arrived, as `PATCH /apis/…?dryRun=All`."""

    account: Account
    link: Link
    port: int = 0
    seen: list[str] = field(default_factory=list)
    _faults: list[tuple[When, Fault]] = field(default_factory=list)
    _rules: list[tuple[When, Fault]] = field(default_factory=list)
    _watches: set[asyncio.Transport] = field(default_factory=set)
    _runner: web.AppRunner | None = None
    _site: web.TCPSite | None = None

    def kubeconfig(self, where: Path, *, token: str = "", context: str = "through-the-proxy") -> Path:
        """A kubeconfig that leads here; without a token the proxy's own account is used."""
        user = {"user": {"token": token} if token else {}}
        config = {
            "current-context": context,
            "contexts": [{"name": context, "context": {"cluster": "proxy", "user": "caller"}}],
            "clusters": [{"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "caller", **user}],
        }
        path = where / "proxy.kubeconfig"
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    def next(self, when: When, fault: Fault, *, times: int = 1) -> None:
        """The next `times` requests for which `when` holds go through `fault`."""
        self._faults += [(when, fault)] * times

    def always(self, when: When, fault: Fault) -> None:
        """Every request for which `when` holds goes through `fault`, unless `next` has one for it."""
        self._rules.append((when, fault))

    def mend(self) -> None:
        """Everything goes through unharmed again."""
        self._faults.clear()
        self._rules.clear()

    async def die(self) -> None:
        """Refuse connections, and break off those that are open."""
        assert self._site is not None, "it is dead already"
        await self._site.stop()
        self._site = None
        self._break_off(lambda _transport: True)

    async def come_back(self) -> None:
        """Listen again, on the same port."""
        assert self._runner is not None
        assert self._site is None, "it is alive"
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    def cut_watches(self) -> int:
        """Break off the watches that are open; returns how many."""
        count = len(self._watches)
        self._break_off(self._watches.__contains__)
        return count

    def _break_off(self, chosen: Callable[[asyncio.Transport], bool]) -> None:
        assert self._runner is not None
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            transport = connection.transport
            if isinstance(transport, asyncio.Transport) and chosen(transport):
                transport.abort()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(f"{request.method} {request.path_qs}")
        body = await request.read()

        async def forward(path_qs: str = "") -> web.StreamResponse:
            return await self._forward(request, body, path_qs or request.path_qs)

        for entry in self._faults:
            if entry[0](request):
                self._faults.remove(entry)
                return await entry[1](request, forward)
        for when, fault in self._rules:
            if when(request):
                return await fault(request, forward)
        return await forward()

    async def _forward(self, request: web.Request, body: bytes, path_qs: str) -> web.StreamResponse:
        """The server's answer, not sent on yet; a watch is passed on as it comes."""
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        if self.account.authorization:
            headers.setdefault("Authorization", self.account.authorization)
        async with self.link.changing.request(
            request.method,
            f"{self.account.place.host}{path_qs}",
            headers=headers,
            data=body or None,
            timeout=aiohttp.ClientTimeout(total=60),
        ) as got:
            kept = {k: v for k, v in got.headers.items() if k.lower() not in _HOP}
            if not is_watch(request) or got.status != 200:
                return web.Response(status=got.status, headers=kept, body=await got.read())
            return await self._stream(request, got, web.StreamResponse(headers=kept))

    async def _stream(
        self, request: web.Request, got: aiohttp.ClientResponse, back: web.StreamResponse
    ) -> web.StreamResponse:
        transport = request.transport
        if not isinstance(transport, asyncio.Transport):  # whoever asked has hung up already
            return back
        await back.prepare(request)
        self._watches.add(transport)
        try:
            async for chunk in got.content.iter_any():
                await back.write(chunk)
            await back.write_eof()
        except ConnectionError:  # whoever watched has gone, or was cut off
            transport.abort()
        finally:
            self._watches.discard(transport)
        return back


@asynccontextmanager
async def fault_proxy(kubeconfig: Path) -> AsyncIterator[FaultProxy]:
    """A proxy in front of the cluster of `kubeconfig`."""
    account = await source(kubeconfig, None).read()
    link = Link(account.place)
    proxy = FaultProxy(account, link)
    application = web.Application(client_max_size=16 * 2**20)
    application.router.add_route("*", "/{path:.*}", proxy._handle)
    proxy._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await proxy._runner.setup()
    try:
        await proxy.come_back()
        yield proxy
    finally:
        await proxy._runner.cleanup()
        await link.close()


def is_watch(request: web.Request) -> bool:
    return request.query.get("watch") == "1"


def watching(part: str = "") -> When:
    """Watches whose path has `part` in it."""
    return lambda request: is_watch(request) and part in request.path


def asking(method: str, part: str = "") -> When:
    """Requests of `method` whose path has `part` in it; no watches and no dry runs."""
    return lambda request: (
        request.method == method
        and part in request.path
        and not is_watch(request)
        and "dryRun" not in request.query
    )


async def drop_answer(request: web.Request, forward: Forward) -> web.StreamResponse:
    """The server does what it is asked to, and nobody hears of it."""
    await forward()
    return _cut(request)


async def drop_request(request: web.Request, _forward: Forward) -> web.StreamResponse:
    """It never arrives, which its sender cannot know."""
    return _cut(request)


async def server_gone(_request: web.Request, _forward: Forward) -> web.StreamResponse:
    """The server has forgotten the resource version: 410."""
    return _status(410, "Expired", "too old resource version")


async def gone_inside(request: web.Request, _forward: Forward) -> web.StreamResponse:
    """The same, as it is told in a watch that has begun."""
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired"}
    line = json.dumps({"type": "ERROR", "object": status})
    return web.Response(text=f"{line}\n", content_type="application/json")


def below(path: str) -> When:
    """Requests of a path, or of what is below it."""
    return lambda request: request.path == path or request.path.startswith(f"{path}/")


def instead(known: str, called: str) -> Fault:
    """A group version that the server knows (`policy/v1beta1`), served under the name of another (`policy/v1`)."""

    async def fault(request: web.Request, forward: Forward) -> web.StreamResponse:
        path = request.path_qs.replace(f"/apis/{called}", f"/apis/{known}", 1)
        answer = await forward(path)
        assert isinstance(answer, web.Response)
        assert isinstance(answer.body, bytes)
        body = answer.body.replace(f'"{known}"'.encode(), f'"{called}"'.encode())
        return web.Response(status=answer.status, body=body, content_type="application/json")

    return fault


def altered(alter: Callable[[Any], None]) -> Fault:
    """What it answers, after `alter` has changed that."""

    async def fault(_request: web.Request, forward: Forward) -> web.StreamResponse:
        answer = await forward()
        assert isinstance(answer, web.Response)
        assert isinstance(answer.body, bytes)
        said = json.loads(answer.body)
        alter(said)
        return web.json_response(said, status=answer.status)

    return fault


def late(seconds: float) -> Fault:
    """The server takes its time; what is asked of it happens after that."""

    async def fault(_request: web.Request, forward: Forward) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await forward()

    return fault


def late_answer(seconds: float) -> Fault:
    """It happens at once, and the answer takes its time."""

    async def fault(_request: web.Request, forward: Forward) -> web.StreamResponse:
        answer = await forward()
        await asyncio.sleep(seconds)
        return answer

    return fault


def says(status: int, reason: str = "", message: str = "", *, headers: dict[str, str] | None = None) -> Fault:
    """It answers so itself, and does nothing."""

    async def fault(_request: web.Request, _forward: Forward) -> web.StreamResponse:
        return _status(status, reason, message, headers)

    return fault


def answers(said: object) -> Fault:
    """It answers this itself."""

    async def fault(_request: web.Request, _forward: Forward) -> web.StreamResponse:
        return web.json_response(said)

    return fault


def _status(
    status: int, reason: str, message: str, headers: dict[str, str] | None = None
) -> web.StreamResponse:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status}
    return web.json_response(body | {"reason": reason, "message": message}, status=status, headers=headers)


def _cut(request: web.Request) -> web.StreamResponse:
    assert isinstance(request.transport, asyncio.Transport)
    request.transport.abort()
    return web.Response()
