"""GitHub and both Jiras, as far as their documentation describes what kaeru uses of them."""

import base64
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from pydantic import SecretStr

from bot.ports.trackers import Task, Tracker
from integrations.trackers.github import GithubTracker
from integrations.trackers.jira import JiraTracker
from integrations.trackers.settings import GithubSettings, JiraSettings
from tests.contract.api_servers import Answer, Api, closed

TOKEN = "sEcReT-token-of-the-tracker"
TEXT = {"type": "string"}
SHORT = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\n\r]*$"}


class Issue(dict[str, Any]):
    """An issue as the server has it."""


class World(Protocol):
    api: Api

    def tracker(self, *, token: str = TOKEN) -> Tracker: ...

    def issues(self) -> list[tuple[str, str, bool]]:
        """Title, text and whether it is open."""
        ...

    def edit(self, place: int, title: str) -> None:
        """What a person does: another title, and closed."""
        ...

    def others(self, count: int) -> None:
        """So many issues that are somebody else's."""
        ...


class GithubWorld:
    """`GET` and `POST /repos/{owner}/{repo}/issues` of the REST API."""

    class Server(Api):
        _QUERY = closed(
            {
                "state": {"enum": ["open", "closed", "all"]},
                "sort": {"enum": ["created", "updated", "comments"]},
                "direction": {"enum": ["asc", "desc"]},
                "since": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
                "per_page": {"type": "string", "pattern": r"^(?:\d|\d\d|100)$"},
                "page": {"type": "string", "pattern": r"^[1-9]\d*$"},
                "labels": TEXT,
            }
        )
        _NEW = closed(
            {
                "title": SHORT,
                "body": {"type": "string", "maxLength": 65536},
                "labels": {"type": "array", "items": {"type": "string", "maxLength": 50}},
                "assignees": {"type": "array", "items": TEXT},
                "milestone": {"type": ["integer", "null"]},
            },
            "title",
        )

        def __init__(self) -> None:
            super().__init__(f"Bearer {TOKEN}")
            self.all: list[Issue] = []
            self.may_push = True
            self.has_issues = True

        def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
            if path == "/repos/example/shop":
                return 200, {"full_name": "example/shop", "has_issues": self.has_issues, "archived": False}
            if path != "/repos/example/shop/issues":
                return 404, {"message": "Not Found"}
            if method == "POST":
                self.check(body, self._NEW, "POST issues")
                labels = body.get("labels", []) if self.may_push else []
                return 201, self.add(body["title"], body.get("body", ""), labels)
            self.check(query, self._QUERY, "GET issues")
            size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
            listed = sorted(self.all, key=lambda i: int(i["number"]), reverse=query["direction"] == "desc")
            listed = [i for i in listed if i["created_at"] >= query["since"]]
            if query.get("state") != "all":
                listed = [i for i in listed if i["state"] == query.get("state", "open")]
            return 200, listed[(page - 1) * size : page * size]

        def add(self, title: str, text: str, labels: list[str]) -> Issue:
            number = len(self.all) + 1
            made = datetime.now(UTC)
            issue = Issue(
                number=number,
                title=title,
                body=text,
                state="open",
                html_url=f"https://github.example.com/example/shop/issues/{number}",
                labels=[{"name": name} for name in labels],
                created_at=f"{made:%Y-%m-%dT%H:%M:%SZ}",
            )
            self.all.append(issue)
            return issue

    def __init__(self) -> None:
        self.server = self.Server()
        self.api: Api = self.server

    def tracker(self, *, token: str = TOKEN) -> Tracker:
        return GithubTracker(
            GithubSettings(url=self.api.base, repository="example/shop", token=SecretStr(token))
        )

    def issues(self) -> list[tuple[str, str, bool]]:
        return [(str(i["title"]), str(i["body"]), i["state"] == "open") for i in self.server.all]

    def edit(self, place: int, title: str) -> None:
        self.server.all[place] |= {"title": title, "state": "closed"}

    def others(self, count: int) -> None:
        for number in range(count):
            self.server.add(f"Other {number}", "", [])


class JiraWorld:
    """The search and `POST issue`. A new issue may be missing in the search of Cloud for a while."""

    class Server(Api):
        def __init__(self, *, cloud: bool) -> None:
            basic = base64.b64encode(f"kaeru@example.com:{TOKEN}".encode()).decode()
            super().__init__(f"Basic {basic}" if cloud else f"Bearer {TOKEN}")
            self.cloud = cloud
            self.root = "/rest/api/3" if cloud else "/rest/api/2"
            self.all: list[Issue] = []
            self.may_create = True
            fields = closed(
                {
                    "project": closed({"key": TEXT}, "key"),
                    "issuetype": closed({"name": TEXT}, "name"),
                    "summary": SHORT,
                    "description": _DOCUMENT if cloud else TEXT,
                    "labels": {"type": "array", "items": {"type": "string", "pattern": r"^\S{1,255}$"}},
                },
                "project",
                "issuetype",
                "summary",
            )
            self.new = closed({"fields": fields}, "fields")
            paging: dict[str, Any] = {"nextPageToken": TEXT} if cloud else {"startAt": {"type": "integer"}}
            self.query = closed(
                {
                    "jql": {"type": "string", "minLength": 1},
                    "maxResults": {"type": "integer"},
                    "fields": {"type": "array", "items": TEXT},
                    **paging,
                },
                "jql",
            )

        def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
            if method == "POST" and path == f"{self.root}/issue":
                self.check(body, self.new, "POST issue")
                fields = body["fields"]
                if fields["project"]["key"] != "SHOP":
                    return 400, {"errorMessages": [], "errors": {"project": "valid project is required"}}
                return 201, self.add(fields["summary"], fields.get("description"), fields.get("labels", []))
            if method == "POST" and path == (
                f"{self.root}/search/jql" if self.cloud else f"{self.root}/search"
            ):
                self.check(body, self.query, "search")
                jql = re.fullmatch(r'labels = "([A-Za-z0-9-]+)" ORDER BY created ASC', body["jql"])
                if jql is None:
                    return 400, {"errorMessages": [f"Error in the JQL Query: {body['jql']}"]}
                found = [i for i in self.all if jql[1] in i["labels"]][: body.get("maxResults", 50)]
                shown = [{"id": i["id"], "key": i["key"], "fields": {"summary": i["title"]}} for i in found]
                return 200, {"issues": shown, "isLast": True} if self.cloud else {
                    "issues": shown, "startAt": 0, "maxResults": 50, "total": len(shown),
                }  # fmt: skip
            if path == f"{self.root}/mypermissions":
                rights = {
                    name: {"havePermission": self.may_create} for name in query["permissions"].split(",")
                }
                return 200, {"permissions": rights}
            return 404, {"errorMessages": ["not found"]}

        def add(self, title: str, text: Any, labels: list[str]) -> dict[str, str]:
            number = len(self.all) + 1
            issue = Issue(id=str(10000 + number), key=f"SHOP-{number}", title=title, text=text, labels=labels)
            issue["open"] = True
            self.all.append(issue)
            return {
                "id": issue["id"],
                "key": issue["key"],
                "self": f"{self.base}{self.root}/issue/{issue['id']}",
            }

    def __init__(self, *, cloud: bool) -> None:
        self.cloud = cloud
        self.server = self.Server(cloud=cloud)
        self.api: Api = self.server

    def tracker(self, *, token: str = TOKEN, project: str = "SHOP") -> Tracker:
        user = {"user": "kaeru@example.com"} if self.cloud else {}
        return JiraTracker(
            JiraSettings.model_validate(
                {
                    "url": self.api.base,
                    "edition": "cloud" if self.cloud else "data center",
                    "project": project,
                    "token": token,
                    "settles": "30s",
                    **user,
                }
            )
        )

    def issues(self) -> list[tuple[str, str, bool]]:
        return [(str(i["title"]), _text_of(i["text"]), bool(i["open"])) for i in self.server.all]

    def edit(self, place: int, title: str) -> None:
        self.server.all[place] |= {"title": title, "open": False}

    def others(self, count: int) -> None:
        for number in range(count):
            self.server.add(f"Other {number}", "", ["other"])


_NODE = {
    "oneOf": [
        closed({"type": {"const": "text"}, "text": {"type": "string", "minLength": 1}}, "type", "text"),
        closed({"type": {"const": "hardBreak"}}, "type"),
    ]
}
_PARAGRAPH = closed(
    {"type": {"const": "paragraph"}, "content": {"type": "array", "items": _NODE}}, "type", "content"
)
_DOCUMENT = closed(
    {"type": {"const": "doc"}, "version": {"const": 1}, "content": {"type": "array", "items": _PARAGRAPH}},
    "type",
    "version",
    "content",
)


def _text_of(document: Any) -> str:
    if not isinstance(document, dict):
        return str(document)
    parts = [
        "".join("\n" if node["type"] == "hardBreak" else node["text"] for node in paragraph["content"])
        for paragraph in document["content"]
    ]
    return "\n\n".join(parts)


def task(text: str = "Add a timeout to the stock service", *, incident: str = "inc-20261124-shop-1") -> Task:
    """An action of an incident that was declared half an hour ago."""
    return Task(
        incident_id=incident,
        action=text[:12].lower().replace(" ", "-"),
        title=text,
        text=f"{text}\n\nFrom incident {incident}.",
        since=datetime.now(UTC) - timedelta(minutes=30),
        owner="Ben",
    )
