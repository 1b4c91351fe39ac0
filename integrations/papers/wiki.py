"""The two APIs of Confluence, as far as pages are looked for, made and replaced."""

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote

from bot.domain.base import Value
from bot.ports.errors import Gone, OutcomeUnknown, Refused
from integrations.json_api import JsonApi
from integrations.papers.settings import ConfluenceSettings


class Page(Value):
    """A page as it is. `message` is that of its newest version, `body` its storage format."""

    id: str
    title: str
    version: int
    message: str
    body: str
    url: str
    current: bool = True


class Wiki(Protocol):
    """Raises as `JsonApi` does."""

    async def look(self) -> None:
        """Raises Gone where the space cannot be seen."""
        ...

    async def by_title(self, title: str) -> Page | None:
        """The page with this title in the space. Titles are unique in it."""
        ...

    async def by_id(self, page_id: str) -> Page | None:
        """None where it is in the trash; raises Gone where there is none."""
        ...

    async def create(self, title: str, body: str) -> Page: ...

    async def update(self, page: Page, body: str, message: str) -> Page:
        """Make the version after `page`. Raises Conflict where there is one already."""
        ...


class CloudWiki:
    """REST API v2."""

    def __init__(self, api: JsonApi, settings: ConfluenceSettings) -> None:
        self._api = api
        self._settings = settings
        self._space_id = ""

    async def look(self) -> None:
        await self._space()

    async def by_title(self, title: str) -> Page | None:
        query: dict[str, str | int] = {
            "space-id": await self._space(),
            "title": title,
            "status": "current",
            "body-format": "storage",
            "limit": 1,
        }
        return _first(await self._api.read("/api/v2/pages", query), self._settings.url)

    async def by_id(self, page_id: str) -> Page | None:
        answer = await self._api.read(f"/api/v2/pages/{_number(page_id)}", {"body-format": "storage"})
        page = _page(answer, self._settings.url)
        return page if page.current else None

    async def create(self, title: str, body: str) -> Page:
        made: dict[str, Any] = {
            "spaceId": await self._space(),
            "status": "current",
            "title": title,
            "body": {"representation": "storage", "value": body},
        }
        if self._settings.parent is not None:
            made["parentId"] = self._settings.parent
        return _written(await self._api.write("POST", "/api/v2/pages", made), self._settings.url)

    async def update(self, page: Page, body: str, message: str) -> Page:
        changed = {
            "id": page.id,
            "status": "current",
            "title": page.title,
            "body": {"representation": "storage", "value": body},
            "version": {"number": page.version + 1, "message": message},
        }
        return _written(await self._api.write("PUT", f"/api/v2/pages/{page.id}", changed), self._settings.url)

    async def _space(self) -> str:
        """The id of the space, which never changes."""
        if not self._space_id:
            answer = await self._api.read("/api/v2/spaces", {"keys": self._settings.space, "limit": 1})
            found = answer.get("results") if isinstance(answer, dict) else None
            if not found:
                raise Gone(
                    f"Confluence has no space {self._settings.space} that kaeru may see.",
                    remedy="Correct `space`, or let the token's account view it.",
                )
            self._space_id = str(found[0]["id"])
        return self._space_id


class DataCenterWiki:
    """REST API v1."""

    _EXPAND = "version,body.storage"

    def __init__(self, api: JsonApi, settings: ConfluenceSettings) -> None:
        self._api = api
        self._settings = settings

    async def look(self) -> None:
        await self._api.read(f"/rest/api/space/{quote(self._settings.space, safe='~')}")

    async def by_title(self, title: str) -> Page | None:
        query: dict[str, str | int] = {
            "spaceKey": self._settings.space,
            "title": title,
            "type": "page",
            "status": "current",
            "expand": self._EXPAND,
            "limit": 1,
        }
        return _first(await self._api.read("/rest/api/content", query), self._settings.url)

    async def by_id(self, page_id: str) -> Page | None:
        # v1 says of what is in the trash that there is none.
        answer = await self._api.read(f"/rest/api/content/{_number(page_id)}", {"expand": self._EXPAND})
        page = _page(answer, self._settings.url)
        return page if page.current else None

    async def create(self, title: str, body: str) -> Page:
        made: dict[str, Any] = {
            "type": "page",
            "title": title,
            "space": {"key": self._settings.space},
            "body": {"storage": {"value": body, "representation": "storage"}},
        }
        if self._settings.parent is not None:
            made["ancestors"] = [{"id": self._settings.parent}]
        return _written(await self._api.write("POST", "/rest/api/content", made), self._settings.url)

    async def update(self, page: Page, body: str, message: str) -> Page:
        changed = {
            "id": page.id,
            "type": "page",
            "title": page.title,
            "body": {"storage": {"value": body, "representation": "storage"}},
            "version": {"number": page.version + 1, "message": message},
        }
        path = f"/rest/api/content/{page.id}"
        return _written(await self._api.write("PUT", path, changed), self._settings.url)


def _number(page_id: str) -> str:
    """Raises Gone for what cannot be the id of a page."""
    if not page_id.isdecimal():
        raise Gone(f"{page_id[:40]} is not the id of a page.")
    return page_id


def _first(answer: Any, base: str) -> Page | None:
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list):
        raise Refused("Confluence answers a search with something that is no list of pages.")
    return _page(results[0], base, _links(answer)) if results else None


def _written(answer: Any, base: str) -> Page:
    try:
        return _page(answer, base)
    except Refused as error:
        raise OutcomeUnknown("Confluence took the page and did not say which one it is.") from error


def _page(answer: Any, base: str, around: Mapping[str, Any] | None = None) -> Page:
    """Raises Refused for what is no page."""
    try:
        version, links = answer["version"], _links(answer)
        body = (answer.get("body") or {}).get("storage") or {}
        context = links.get("base") or (around or {}).get("base") or base
        return Page(
            id=str(answer["id"]),
            title=str(answer["title"]),
            version=int(version["number"]),
            message=str(version.get("message") or ""),
            body=str(body.get("value") or ""),
            url=f"{context}{links.get('webui') or ''}",
            current=answer.get("status", "current") == "current",
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused("Confluence answers with something that is no page.") from error


def _links(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    links = answer.get("_links")
    return links if isinstance(links, dict) else {}
