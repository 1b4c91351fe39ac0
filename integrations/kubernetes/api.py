"""Raw requests to one cluster: JSON in, JSON out, because typed models drop what other versions of the API have.

Every request is bounded. Nothing is tried again here but what was answered with 401 or, in a list, with 410.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from bot.ports.errors import AuthFailed, Refused, Unavailable
from integrations.kubernetes import access as accesses
from integrations.kubernetes import errors
from integrations.kubernetes.authors import FIELD_MANAGER
from integrations.kubernetes.credentials import Source
from integrations.kubernetes.errors import Answer, Doing, Expired, Missing
from integrations.kubernetes.requests import Bounds, Request, opened
from integrations.kubernetes.settings import KubernetesSettings
from integrations.process import redact

Json = dict[str, Any]

PAGE = 500
WATCH_S = 8  # the server ends a watch after that; with the read timeout nobody waits longer than about 10 s
LOG_BYTES = 64 * 1024
DISCOVERY_S = 300.0
LISTS_AGAIN = 2
LINE_LIMIT = 16 * 2**20

_PATH = re.compile(r"(?:/[A-Za-z0-9._:-]+)+")
_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"
_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Api:
    """Talks to the cluster that `settings` name. Call `aclose` when it is no longer needed.

    Paths are absolute API paths, such as `/apis/apps/v1/namespaces/shop/deployments/web`. All methods raise
    Unavailable (nothing was changed), AuthFailed (a right or a credential is missing, named) and Refused.
    `calls` counts the requests made.
    """

    def __init__(self, settings: KubernetesSettings) -> None:
        self._settings = settings
        self._held: tuple[Source, accesses.Access] | None = None
        self._discovered: dict[str, tuple[float, Mapping[str, Json]]] = {}
        self.calls = 0

    async def get(self, path: str, **query: str) -> Json:
        """One object. Raises Missing where there is none."""
        return await self._json("GET", Doing("get", path), query=query)

    async def list(self, path: str, *, labels: str = "", fields: str = "") -> Json:
        """All objects, page by page: `items`, and the resource version to watch from in `metadata`."""
        for _ in range(LISTS_AGAIN):
            try:
                return await self._pages(path, labels, fields, limit=PAGE)
            except Expired:  # it changed so much meanwhile that the next page is of another time
                continue
        return await self._pages(path, labels, fields, limit=0)

    async def patch(self, path: str, operations: Sequence[Json], *, dry_run: bool = False) -> Json:
        """A JSON patch. Raises Conflict on 409 and where a `test` fails, OutcomeUnknown where the answer is lost."""
        return await self._write("PATCH", "patch", path, [*operations], _JSON_PATCH, dry_run=dry_run)

    async def merge(self, path: str, body: Json, *, dry_run: bool = False) -> Json:
        """A JSON merge patch; raises as `patch` does."""
        return await self._write("PATCH", "patch", path, body, _MERGE_PATCH, dry_run=dry_run)

    async def delete(self, path: str, *, uid: str | None = None) -> None:
        """Delete it; nothing where it is gone. Raises Conflict where another one has that name, not `uid`."""
        options: Json = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            await self._write("DELETE", "delete", path, options, "application/json", dry_run=False)
        except Missing:
            return

    async def watch(
        self, path: str, *, resource_version: str, labels: str = "", fields: str = ""
    ) -> AsyncGenerator[tuple[str, Json], None]:
        """(ADDED|MODIFIED|DELETED|BOOKMARK, object), until the server ends it after `WATCH_S`.

        Raises Expired where `resource_version` is too old, Unavailable when the connection dies.
        """
        query = {
            "watch": "1",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_S),
        } | _selectors(labels, fields)
        doing = Doing("watch", path)
        settings = self._settings
        read_s = max(settings.read_timeout.total_seconds(), 2.0)
        bounds = Bounds(settings.connect_timeout.total_seconds(), min(read_s, WATCH_S + 2.0))
        async with self._opened(Request("GET", doing, bounds, query)) as got:
            async for line in _lines(got):
                event = _parsed(line, doing)
                found = event.get("object") or {}
                if event.get("type") == "ERROR":
                    code = int(found.get("code") or 500)
                    raise errors.answered(Answer(code, json.dumps(found).encode()), doing)
                yield str(event.get("type", "")), found

    async def logs(
        self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int = 20
    ) -> str:
        """The last lines that a container wrote, without what looks like a secret; empty where it wrote none."""
        query = {"container": container, "tailLines": str(lines), "limitBytes": str(LOG_BYTES)}
        if previous:
            query["previous"] = "true"
        doing = Doing("get", f"/api/v1/namespaces/{namespace}/pods/{pod}/log")
        async with self._opened(Request("GET", doing, self._bounds(), query)) as got:
            text = (await got.read()).decode(errors="replace")
        return "\n".join(redact(line) for line in text.splitlines())

    async def resources(self, group_version: str) -> Mapping[str, Json]:
        """What is served of `autoscaling/v2` or `v1`, by plural name; empty where it is not served. Remembered."""
        base = "/apis" if "/" in group_version else "/api"
        return await self._discover(f"{base}/{group_version}", "resources", "name")

    async def versions(self, group: str) -> tuple[str, ...]:
        """The versions that are served of a group, such as `argoproj.io`, the preferred one first. Remembered."""
        return tuple(await self._discover(f"/apis/{group}", "versions", "version"))

    async def allowed(self, verb: str, group: str, resource: str, *, namespace: str, name: str = "") -> bool:
        """Whether we may. `resource` may have a subresource: `pods/log`."""
        plural, _, sub = resource.partition("/")
        asked = {"verb": verb, "group": group, "resource": plural, "namespace": namespace}
        asked |= {"subresource": sub} if sub else {}
        asked |= {"name": name} if name else {}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        said = await self._json("POST", Doing("create", _REVIEW), body=json.dumps(review).encode())
        return bool((said.get("status") or {}).get("allowed"))

    async def aclose(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            await accesses.release(*held)

    async def _pages(self, path: str, labels: str, fields: str, *, limit: int) -> Json:
        items: list[Any] = []
        query = _selectors(labels, fields) | ({"limit": str(limit)} if limit else {})
        while True:
            page = await self._json("GET", Doing("list", path), query=query)
            items += page.get("items") or []
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return {**page, "items": items}
            query["continue"] = str(token)

    async def _write(
        self, method: str, verb: str, path: str, body: Any, content_type: str, *, dry_run: bool
    ) -> Json:
        query = {} if method == "DELETE" else {"fieldManager": FIELD_MANAGER}
        if dry_run:
            query["dryRun"] = "All"
        doing = Doing(verb, path, changes=not dry_run)
        return await self._json(
            method, doing, query=query, body=json.dumps(body).encode(), content_type=content_type
        )

    async def _discover(self, path: str, inside: str, key: str) -> Mapping[str, Json]:
        now = asyncio.get_running_loop().time()
        until, known = self._discovered.get(path, (0.0, {}))
        if now < until:
            return known
        try:
            found = await self._json("GET", Doing("get", path))
        except Missing:
            found = {}
        listed = [entry for entry in found.get(inside) or [] if isinstance(entry, dict) and key in entry]
        if inside == "versions":
            preferred = (found.get("preferredVersion") or {}).get("version")
            listed.sort(key=lambda entry: entry[key] != preferred)
        known = {str(entry[key]): entry for entry in listed}
        self._discovered[path] = (now + DISCOVERY_S, known)
        return known

    async def _json(
        self,
        method: str,
        doing: Doing,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> Json:
        request = Request(method, doing, self._bounds(), query or {}, body, content_type)
        async with self._opened(request) as got:
            text = await got.read()
        return _parsed(text, doing)

    @asynccontextmanager
    async def _opened(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        # Names come from objects that others write; none of them may lead somewhere else.
        if not _PATH.fullmatch(request.doing.path) or {".", ".."} & set(request.doing.path.split("/")):
            raise Refused(f"{request.doing.path!r} has a name in it that Kubernetes does not allow.")
        if self._held is None:
            self._held = accesses.acquire(self._settings)
        self.calls += 1
        async with opened(self._held[1], request) as got:
            yield got

    def _bounds(self) -> Bounds:
        read_s = self._settings.read_timeout.total_seconds()
        # A big page over a slow line may come in many pieces; nothing may drip for ever.
        return Bounds(self._settings.connect_timeout.total_seconds(), read_s, whole_s=3 * read_s)


async def _lines(got: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Whole lines; aiohttp's own reading of lines has a limit that an object may exceed."""
    rest = bytearray()
    async for chunk in got.content.iter_any():
        rest += chunk
        while (end := rest.find(b"\n")) >= 0:
            line = bytes(rest[:end])
            del rest[: end + 1]
            if line.strip():
                yield line
        if len(rest) > LINE_LIMIT:
            raise Unavailable("The API server sent an object that is too big.", retry_after_s=5.0)
    if rest.strip():
        raise Unavailable("The API server broke off in the middle of a watch.", retry_after_s=0.5)


def _parsed(text: bytes, doing: Doing) -> Json:
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict):
        return parsed
    if doing.changes:
        raise errors.lost(doing, "the answer is not the API server's")
    raise Unavailable(
        f"What answers to {doing.verb} {doing.what} is not an API server.",
        retry_after_s=5.0,
        remedy="See whether a proxy or a login page is in the way.",
    )


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return ({"labelSelector": labels} if labels else {}) | ({"fieldSelector": fields} if fields else {})


__all__ = ["Api", "AuthFailed", "Expired", "Json", "Missing"]
