"""An open connection to one cluster, shared by all who talk to it; the last one to leave closes it.

The sessions are our own and not the official client's, because every request has to be bounded, watches have to
be streamed, and a change must never go out over a kept connection that may be dead already: then nobody would
know whether it arrived.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.client_proto import ResponseHandler

from integrations.kubernetes.credentials import Account, Place, Source, source
from integrations.kubernetes.settings import KubernetesSettings

LINE_BYTES = 2**21  # an object of etcd's largest size in one line
LEAVE_S = 1.0  # for the server to say goodbye to a connection


class _Connector(aiohttp.TCPConnector):
    """Closes all that it has opened: aiohttp forgets a connection while it still takes leave of the server over TLS."""

    def __init__(self, *, tls: ssl.SSLContext, keep: bool) -> None:
        super().__init__(ssl=tls, limit=0, force_close=not keep)
        self._leaving: dict[asyncio.Future[None], asyncio.Transport] = {}

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the base class has it so
    ) -> ResponseHandler:
        made = await super()._create_connection(req, traces, timeout)
        if (closed := made.closed) is not None and made.transport is not None:
            self._leaving[closed] = made.transport
            closed.add_done_callback(self._left)
        return made

    def _left(self, closed: "asyncio.Future[None]") -> None:
        self._leaving.pop(closed, None)
        # A server that still talks while a watch is hung up is nothing to tell; the future wants it looked at.
        _ = closed.cancelled() or closed.exception()

    async def close(self, *, abort_ssl: bool = False) -> None:
        await super().close(abort_ssl=abort_ssl)
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=LEAVE_S)
        for transport in self._leaving.values():
            transport.abort()
        if self._leaving:
            await asyncio.wait(self._leaving)


class Link:
    """The sessions to one place: `reading` keeps its connections, `changing` opens one for each request."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._tls = place.tls.context()
        self.reading = self._session(keep=True)
        self.changing = self._session(keep=False)
        self.uses = 0
        self.retired = False

    def _session(self, *, keep: bool) -> aiohttp.ClientSession:
        traced = aiohttp.TraceConfig()
        traced.on_connection_create_end.append(_connected)
        traced.on_connection_reuseconn.append(_connected)
        return aiohttp.ClientSession(
            connector=_Connector(tls=self._tls, keep=keep),
            trace_configs=[traced],
            read_bufsize=LINE_BYTES,
            trust_env=False,  # it would take a password for the server from ~/.netrc
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self.reading.close()
        await self.changing.close()


class Sent:
    """Told by the session whether a request may have left: before it has a connection it has not."""

    def __init__(self) -> None:
        self.maybe = False


async def _connected(_session: aiohttp.ClientSession, context: object, _params: object) -> None:
    sent = getattr(context, "trace_request_ctx", None)
    if isinstance(sent, Sent):
        sent.maybe = True


class Access:
    """One context of one kubeconfig, or the pod's own account. Renews what expires."""

    def __init__(self, read_from: Source) -> None:
        self._source = read_from
        self._lock = asyncio.Lock()
        self._account: Account | None = None
        self._link: Link | None = None
        self.holders = 0

    @asynccontextmanager
    async def link(self) -> AsyncIterator[tuple[Link, Account]]:
        """Sessions and an account that is still good. Raises Refused, AuthFailed, Unavailable."""
        account, link = self._account, self._link
        if account is None or link is None or _is_due(account):
            async with self._lock:
                account, link = self._account, self._link
                if account is None or link is None or _is_due(account):
                    account, link = await self._read()
        link.uses += 1
        try:
            yield link, account
        finally:
            link.uses -= 1
            if link.retired and link.uses == 0:
                await link.close()

    async def renew(self, stale: Account) -> None:
        """The server did not accept `stale`: read again, unless somebody else has done so meanwhile."""
        async with self._lock:
            if self._account is stale:
                await self._read()

    async def _read(self) -> tuple[Account, Link]:
        account = await self._source.read()
        link = self._link
        if link is None or link.place != account.place:
            await self._retire()
            link = Link(account.place)
        self._account, self._link = account, link
        return account, link

    async def _retire(self) -> None:
        """Whoever is in the middle of a request ends it first."""
        link, self._link = self._link, None
        if link is not None:
            link.retired = True
            if link.uses == 0:
                await link.close()

    async def close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Source, Access]] = WeakKeyDictionary()
"""Targets are made one by one and know nothing of each other; a plugin is not to be run once for each."""


def acquire(settings: KubernetesSettings) -> tuple[Source, Access]:
    """The connection that `settings` mean, in the running event loop. `release` it."""
    accesses = _shared.setdefault(asyncio.get_running_loop(), {})
    read_from = source(settings.kubeconfig, settings.context)
    access = accesses.setdefault(read_from, Access(read_from))
    access.holders += 1
    return read_from, access


async def release(read_from: Source, access: Access) -> None:
    access.holders -= 1
    if access.holders == 0:
        _shared.get(asyncio.get_running_loop(), {}).pop(read_from, None)
        await access.close()


def _is_due(account: Account) -> bool:
    return account.renew_at is not None and datetime.now(UTC) >= account.renew_at
