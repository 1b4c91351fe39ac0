"""Issues of Jira, found again by a label."""

import base64
import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from bot.ports.errors import AuthFailed, OutcomeUnknown, Refused
from bot.ports.trackers import Filed, Task
from integrations.json_api import JsonApi
from integrations.trackers.settings import JiraSettings

_SUMMARY = 250
_WIKI = re.compile(r"([\\{}\[\]*_?+^~|!#-])")


class JiraTracker:
    """`bot.ports.trackers.Tracker` on Jira: REST API 3 of Cloud, 2 of Data Center."""

    def __init__(self, settings: JiraSettings) -> None:
        self._settings = settings
        self._cloud = settings.edition == "cloud"
        self._root = "/rest/api/3" if self._cloud else "/rest/api/2"
        token = settings.token.get_secret_value()
        basic = base64.b64encode(f"{settings.user}:{token}".encode()).decode()
        self._api = JsonApi(
            settings,
            settings.url,
            name="Jira",
            rights=f"Browse projects and Create issues in {settings.project}",
            headers={"Authorization": f"Basic {basic}" if settings.user else f"Bearer {token}"},
        )

    @property
    def identity(self) -> str:
        return f"{urlsplit(self._settings.url).netloc}/{self._settings.project}"

    @property
    def settles(self) -> timedelta:
        return self._settings.settles

    async def file(self, task: Task) -> Filed:
        """See the port. The label is asked for in all projects: people may have moved the issue."""
        found = await self._found(task.marker)
        if found is not None:
            return self._filed(found, already=True)
        fields = {
            "project": {"key": self._settings.project},
            "issuetype": {"name": self._settings.issue_type},
            "summary": _summary(task.title),
            "description": document(_paragraphs(task)) if self._cloud else _wiki(task),
            "labels": [*self._settings.labels, task.marker],
        }
        issue = await self._api.write("POST", f"{self._root}/issue", {"fields": fields})
        if not isinstance(issue, dict) or not isinstance(issue.get("key"), str):
            raise OutcomeUnknown("Jira took the issue and did not say which one it is.")
        return self._filed(issue["key"])

    async def check(self) -> str:
        """Jira says itself what kaeru may do in the project."""
        wanted = ("BROWSE_PROJECTS", "CREATE_ISSUES")
        query = {"projectKey": self._settings.project, "permissions": ",".join(wanted)}
        answer = await self._api.read(f"{self._root}/mypermissions", query)
        found = answer.get("permissions") if isinstance(answer, dict) else None
        rights = found if isinstance(found, dict) else {}
        missing = [name for name in wanted if not (rights.get(name) or {}).get("havePermission")]
        if missing:
            raise AuthFailed(
                f"kaeru may not do everything in {self.identity}: {', '.join(missing)} is missing.",
                remedy="Give it to the account of the token.",
            )
        return f"issues can be made in {self.identity}"

    async def aclose(self) -> None:
        await self._api.aclose()

    async def _found(self, marker: str) -> str | None:
        """The key of the oldest issue with this label."""
        path = f"{self._root}/search/jql" if self._cloud else f"{self._root}/search"
        asked = {
            "jql": f'labels = "{marker}" ORDER BY created ASC',
            "maxResults": 1,
            "fields": ["summary"],
        }
        answer = await self._api.search(path, asked)
        issues = answer.get("issues") if isinstance(answer, dict) else None
        if not isinstance(issues, list):
            raise Refused("Jira answers a search with something that is no list of issues.")
        return str(issues[0]["key"]) if issues else None

    def _filed(self, key: str, *, already: bool = False) -> Filed:
        return Filed(
            reference=key, url=f"{self._settings.url}/browse/{quote(key, safe='-')}", already=already
        )


def document(paragraphs: list[str]) -> dict[str, Any]:
    """Plain text as an Atlassian document; its lines stay lines."""
    return {
        "type": "doc",
        "version": 1,
        "content": [{"type": "paragraph", "content": _lines(text)} for text in paragraphs],
    }


def _lines(text: str) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = []
    for line in text.split("\n"):
        if nodes:
            nodes.append({"type": "hardBreak"})
        if line:  # an empty text node is not allowed
            nodes.append({"type": "text", "text": line})
    return nodes


def _paragraphs(task: Task) -> list[str]:
    paragraphs = [part.strip() for part in task.text.replace("\r", "").split("\n\n") if part.strip()]
    return [*paragraphs, f"Owner: {task.owner}"] if task.owner else paragraphs


def _wiki(task: Task) -> str:
    """The same in Jira's wiki text, in which most signs mean something."""
    return "\n\n".join(_WIKI.sub(r"\\\1", part) for part in _paragraphs(task))


def _summary(text: str) -> str:
    summary = " ".join(text.split())
    return summary if len(summary) <= _SUMMARY else f"{summary[: _SUMMARY - 1]}…"
