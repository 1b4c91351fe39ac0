"""A manager of a Swarm: what kaeru asks of it, and how it is reached (socket, TCP with TLS, SSH, Docker contexts)."""

import asyncio
import json
import ssl
from collections.abc import Collection
from pathlib import Path
from typing import Any

import aiohttp
from aiodocker import Docker, DockerError

from bot.ports.errors import AuthFailed, OutcomeUnknown, Refused, Unavailable
from integrations.swarm.contexts import Endpoint, endpoint_of
from integrations.swarm.errors import Missing, is_lost, translate
from integrations.swarm.handshake import refusal
from integrations.swarm.service import Json
from integrations.swarm.settings import LOCAL, SwarmSettings
from integrations.swarm.tunnel import Tunnel, command

ANSWER_S = 20.0
CONNECT_S = 10.0


class Manager:
    """One service, seen from one manager. Every method raises Unavailable, Refused or AuthFailed.

    Connects when it is first asked. Call `aclose` when it is no longer needed.
    """

    def __init__(self, settings: SwarmSettings) -> None:
        self.service_name = settings.service
        self._settings = settings
        self._docker: Docker | None = None
        self._tunnel: Tunnel | None = None
        self._guard: tuple[str, ssl.SSLContext] | None = None
        self._opening = asyncio.Lock()

    @property
    def host(self) -> str:
        """How people call the manager."""
        if self._settings.context:
            return f"the Docker context {self._settings.context}"
        return self._settings.host or LOCAL

    async def aclose(self) -> None:
        if self._docker is not None:
            await self._docker.close()
            self._docker = None
        if self._tunnel is not None:
            await self._tunnel.aclose()
            self._tunnel = None

    async def service(self) -> Json:
        """The service as the daemon describes it. Raises Missing where there is none."""
        name = self.service_name
        try:
            found: Json = await self._ask(f"services/{name}", f"read the service {name}")
        except Missing as error:
            raise Missing(
                f"There is no service {name} on {self.host}.",
                remedy="Correct service in kaeru.yml; `docker service ls` on a manager shows the names.",
            ) from error
        return found

    async def tasks(self, service_id: str = "", *, desired: str = "") -> list[Json]:
        """The tasks of a service, those of the past that the Swarm still knows included; of all services without an id."""
        filters: dict[str, list[str]] = {}
        if service_id:
            filters["service"] = [service_id]
        if desired:
            filters["desired-state"] = [desired]
        return await self._list("tasks", "read the tasks", filters)

    async def nodes(self) -> list[Json]:
        return await self._list("nodes", "read the nodes", {})

    async def info(self) -> Json:
        """What the daemon says of its part in the Swarm."""
        found: Json = await self._ask("info", "describe itself")
        swarm: Json = found.get("Swarm") or {}
        return swarm

    async def existing(self, kind: str, ids: Collection[str]) -> set[str]:
        """Which of the secrets, configs or networks (`kind` in the singular) with these ids still exist."""
        if not ids:
            return set()
        found = await self._list(f"{kind}s", f"look for {kind}s", {"id": sorted(ids)})
        # The filter takes the beginning of an id too.
        there: set[str] = set()
        for one in found:
            there |= {str(one.get("ID") or one.get("Id"))}
        missing = set(ids) - there
        if kind == "network" and missing:  # may be referred to by name
            named = await self._list("networks", "look for networks", {"name": sorted(missing)})
            there |= {str(one["Name"]) for one in named} & missing
        return there & set(ids)

    async def update(self, service_id: str, index: int, spec: Json) -> None:
        """Set the whole spec, provided the service's version still is `index`.

        Raises Stale where it is not, OutcomeUnknown where the answer was lost.
        """
        await self._ask(
            f"services/{service_id}/update",
            f"update the service {self.service_name}",
            method="POST",
            params={"version": index},
            data=spec,
            writes=True,
        )

    async def _list(self, path: str, doing: str, filters: dict[str, list[str]]) -> list[Json]:
        params = {"filters": json.dumps(filters)} if filters else None
        found: list[Json] | None = await self._ask(path, doing, params=params)
        return found or []

    async def _ask(self, path: str, doing: str, *, writes: bool = False, **request: Any) -> Any:
        docker = await self._connected()
        began = asyncio.get_running_loop().time()
        try:
            # The public methods send no whole spec, and lose what tells a stale index from other errors.
            answer = await docker._query_json(path, **{"method": "GET", **request})  # noqa: SLF001 - see above
        except (DockerError, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            if is_lost(error) and (said := self._complaint(began)):
                raise _ssh_failed(self.host, said, doing, writes=writes) from error
            if not is_lost(error):
                self._answered()
            elif not writes and (alert := await self._turned_away()) is not None:
                raise translate(alert, host=self.host, doing=doing) from error
            raise translate(error, host=self.host, doing=doing, writes=writes) from error
        self._answered()
        return answer

    def _complaint(self, since: float) -> str:
        """What ssh said when it failed after `since`; what it said before explains nothing that happens now."""
        if self._tunnel is None or self._tunnel.complained_at < since:
            return ""
        return self._tunnel.complaint.rstrip(".")

    async def _turned_away(self) -> ssl.SSLError | None:
        """What the daemon has against kaeru's certificate, if that is why it closes connections."""
        return None if self._guard is None else await refusal(*self._guard)

    def _answered(self) -> None:
        if self._tunnel is not None:
            self._tunnel.complaint = ""

    async def _connected(self) -> Docker:
        async with self._opening:
            if self._docker is None:
                self._docker = await self._open()
            return self._docker

    async def _open(self) -> Docker:
        endpoint = await asyncio.to_thread(self._endpoint)
        timeout = aiohttp.ClientTimeout(total=ANSWER_S, sock_connect=CONNECT_S)
        if endpoint.host.startswith("ssh://"):
            if self._tunnel is None:
                self._tunnel = Tunnel(command(endpoint.host))
            await self._tunnel.open()
            return Docker(url=f"unix://{self._tunnel.path}", timeout=timeout)
        if endpoint.host.startswith("unix://"):
            return Docker(url=endpoint.host, timeout=timeout)
        if endpoint.host.startswith("tcp://"):
            if not endpoint.has_tls:
                return Docker(url=endpoint.host.replace("tcp", "http", 1), timeout=timeout)
            context = await asyncio.to_thread(_tls, endpoint)
            self._guard = endpoint.host, context
            return Docker(url=endpoint.host.replace("tcp", "https", 1), ssl_context=context, timeout=timeout)
        raise Refused(
            f"{self.host} leads to {endpoint.host}, which kaeru has no way to.",
            remedy="Use unix:///path/docker.sock, tcp://host:2376 or ssh://user@host.",
        )

    def _endpoint(self) -> Endpoint:
        settings = self._settings
        if settings.context:
            return endpoint_of(settings.context)
        if settings.tls is None:
            return Endpoint(host=settings.host or LOCAL)
        return Endpoint(host=settings.host or LOCAL, **settings.tls.model_dump())


def _tls(endpoint: Endpoint) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    if not endpoint.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if endpoint.ca is not None:
        _load(endpoint.ca, lambda: context.load_verify_locations(cafile=endpoint.ca))
    if endpoint.cert is not None:
        cert, key = endpoint.cert, endpoint.key
        # Without a password function a key with a passphrase would be asked for on the terminal.
        _load(cert, lambda: context.load_cert_chain(cert, key, password=lambda: b""))
    return context


def _load(path: Path, load: Any) -> None:
    try:
        load()
    except ssl.SSLError as error:
        reason = (error.reason or "no PEM file").replace("_", " ").lower()
        raise AuthFailed(
            f"{path} (or its key) cannot be used for TLS: {reason}.",
            remedy="Give PEM files without a passphrase.",
        ) from error
    except OSError as error:
        raise AuthFailed(
            f"{path} (or its key) cannot be read: {error.strerror}.", remedy="Correct tls in kaeru.yml."
        ) from error


def _ssh_failed(host: str, said: str, doing: str, *, writes: bool) -> Exception:
    """`said` is the last line of ssh, or of docker on the other side."""
    low = said.lower()
    if "permission denied" in low and "docker" in low:
        return AuthFailed(
            f"The user on {host} has no right to use Docker there: {said}.",
            remedy="Add it to the group docker, which makes it root on that machine.",
        )
    if "permission denied" in low or "host key" in low or "no matching" in low:
        return AuthFailed(
            f"SSH to {host} failed: {said}.",
            remedy="As kaeru's user, `ssh` to it must work without a question: key, known_hosts, user name.",
        )
    if "command not found" in low or "not found" in low:
        return Refused(f"There is no docker command on {host}: {said}.", remedy="Install it there.")
    if writes and not any(word in low for word in ("refused", "resolve", "no route", "timed out")):
        return OutcomeUnknown(f"The connection to {host} was lost while kaeru wanted to {doing}: {said}.")
    return Unavailable(f"SSH to {host} failed: {said}.")
