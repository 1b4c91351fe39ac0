"""Postmortems as pages of Confluence, found by their titles and told from others' by the message of the version."""

import base64
import hashlib
import re
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from bot.ports.errors import Conflict, Gone
from bot.ports.trackers import Filed, Paper
from integrations.json_api import JsonApi
from integrations.papers.settings import ConfluenceSettings
from integrations.papers.storage import storage
from integrations.papers.wiki import CloudWiki, DataCenterWiki, Page, Wiki

_TITLE = 250


class ConfluencePapers:
    """`bot.ports.trackers.Papers` on Confluence: REST API v2 of Cloud, v1 of Data Center."""

    def __init__(self, settings: ConfluenceSettings) -> None:
        self._settings = settings
        token = settings.token.get_secret_value()
        basic = base64.b64encode(f"{settings.user}:{token}".encode()).decode()
        self._api = JsonApi(
            settings,
            settings.url,
            name="Confluence",
            rights=f"view and add pages in the space {settings.space}",
            headers={"Authorization": f"Basic {basic}" if settings.user else f"Bearer {token}"},
        )
        kind = CloudWiki if settings.edition == "cloud" else DataCenterWiki
        self._wiki: Wiki = kind(self._api, settings)

    @property
    def identity(self) -> str:
        return f"{urlsplit(self._settings.url).netloc}/{self._settings.space}"

    async def publish(self, paper: Paper) -> Filed:
        """See the port. The page of an earlier revision is followed where people have moved or renamed it."""
        stamp = _stamp(paper)
        body = f"{storage(paper.markdown)}<p><em>{escape(stamp)}</em></p>\n"
        title = _title(paper.title)
        page = await self._page(paper, title)
        if page is None:
            return _filed(await self._wiki.create(title, body))
        revision = _revision(page, paper)
        if revision is None:
            raise Conflict(
                f"Somebody has changed the page “{page.title}” in Confluence, so it was left as it is."
            )
        if revision >= paper.revision:
            return _filed(page, already=True)
        return _filed(await self._wiki.update(page, body, stamp))

    async def check(self) -> str:
        """Whether the space can be seen. The right to add pages shows with the first one."""
        await self._wiki.look()
        return f"the space {self.identity} can be seen"

    async def aclose(self) -> None:
        await self._api.aclose()

    async def _page(self, paper: Paper, title: str) -> Page | None:
        if paper.known:
            try:
                page = await self._wiki.by_id(paper.known)
            except Gone:
                page = None  # somebody threw it away; whether there is another is seen by the title
            if page is not None:
                return page
        return await self._wiki.by_title(title)


def _stamp(paper: Paper) -> str:
    """What says of a version that it is kaeru's, which one, and of which text."""
    digest = hashlib.sha256(paper.markdown.encode()).hexdigest()
    return f"kaeru: {paper.incident_id}, revision {paper.revision}, SHA-256 {digest}"


def _revision(page: Page, paper: Paper) -> int | None:
    """Which revision of kaeru's own the page is, unchanged; None for anything else.

    The message is of the newest version, so that it is kaeru's only where nobody has made one since. A page that
    was just made cannot have a message: while it has its first version, its own last line says it.
    """
    sign = re.compile(rf"kaeru: {re.escape(paper.incident_id)}, revision (\d+), SHA-256 [0-9a-f]{{64}}")
    found = sign.fullmatch(page.message.strip())
    if found is None and page.version == 1 and not page.message:
        last = page.body.rstrip().rpartition("<p>")[2]
        found = sign.search(last)
    return int(found[1]) if found is not None else None


def _title(text: str) -> str:
    title = " ".join(text.split())
    return title if len(title) <= _TITLE else f"{title[: _TITLE - 1]}…"


def _filed(page: Page, *, already: bool = False) -> Filed:
    return Filed(reference=page.id, url=page.url, already=already)
