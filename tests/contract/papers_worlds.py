"""A real git remote, over a path and over SSH, and both Confluences as far as their documentation describes them."""

import base64
import os
import stat
import subprocess
import xml.etree.ElementTree as ET
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr

from bot.ports.trackers import Paper, Papers
from integrations.papers.confluence import ConfluencePapers
from integrations.papers.git_repository import GitRepository
from integrations.papers.settings import ConfluenceSettings, GitRepositorySettings
from tests.contract.api_servers import Answer, Api, closed

TOKEN = "sEcReT-token-of-the-wiki"
NAME = "inc-20261124-shop-1"
TEXT = {"type": "string"}
NUMBER = {"type": "string", "pattern": r"^\d+$"}
AS_SOMEBODY = {
    "GIT_AUTHOR_NAME": "Somebody", "GIT_AUTHOR_EMAIL": "somebody@example.com",
    "GIT_COMMITTER_NAME": "Somebody", "GIT_COMMITTER_EMAIL": "somebody@example.com",
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
}  # fmt: skip


class World(Protocol):
    def papers(self) -> Papers: ...

    def text(self) -> str:
        """What is there now, of the incident's postmortem."""
        ...

    def revisions(self) -> int:
        """How often it was written."""
        ...

    def edit(self) -> None:
        """What a person does to it."""
        ...

    def lose(self) -> None:
        """Let the next write arrive and its answer not."""
        ...

    def cut(self) -> None:
        """Let the next write not arrive, in a way that does not say so."""
        ...


def paper(revision: int = 1, text: str = "", *, known: str = "") -> Paper:
    """A revision of the postmortem of an incident."""
    return Paper(
        incident_id=NAME,
        name=NAME,
        title=f"Postmortem {NAME}: shop",
        markdown=text or f"# Postmortem {NAME}: shop\n\nRevision {revision} of it, with `v1.3.0` → v1.2.9.\n",
        revision=revision,
        known=known,
    )


class GitWorld:
    """A bare repository with one file of somebody else's. A hook makes it lose answers."""

    def __init__(
        self, folder: Path, *, over: str = "", ssh_key: Path | None = None, known: Path | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.bare = folder / "remote.git"
        self.clone = folder / "clone"
        self._remote = over or str(self.bare)
        self._key, self._known = ssh_key, known
        git("init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        git("clone", "--quiet", str(self.bare), str(self.clone))
        self.commit("README.md", "Postmortems of everybody.\n")

    def papers(self, **settings: Any) -> Papers:
        return GitRepository(
            GitRepositorySettings(
                **{
                    "remote": self._remote,
                    "ssh_key": self._key,
                    "known_hosts": self._known,
                    "link": "https://git.example.com/blob/main/{path}",
                    "timeout": timedelta(seconds=20),
                    **settings,
                }
            )
        )

    @property
    def path(self) -> str:
        return f"postmortems/{NAME}.md"

    def text(self) -> str:
        return git("-C", str(self.bare), "show", f"main:{self.path}")

    def revisions(self, path: str = "") -> int:
        return len(git("-C", str(self.bare), "log", "--format=%h", "main", "--", path or self.path).split())

    def edit(self) -> None:
        self.commit(self.path, self.text().replace("Revision", "It was the cache. Revision"))

    def commit(self, path: str, text: str) -> None:
        """What somebody else pushes."""
        git("-C", str(self.clone), "pull", "--quiet", "--ff-only", "origin", "main", may_fail=True)
        file = self.clone / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        git("-C", str(self.clone), "add", "--", path)
        git("-C", str(self.clone), "commit", "--quiet", "-m", "By hand")
        git("-C", str(self.clone), "push", "--quiet", "origin", "HEAD:main")

    def hook(self, name: str, script: str) -> None:
        """A hook of the remote's, which goes away after it ran once."""
        hook = self.bare / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f'#!/bin/sh\nrm -f "$0"\n{script}\n', encoding="utf-8")
        hook.chmod(hook.stat().st_mode | stat.S_IXUSR)

    def lose(self) -> None:
        # The server's process dies after the branch was moved; so does the next question for it.
        (self.bare / "gone").unlink(missing_ok=True)
        self.hook("post-update", 'mv "$PWD" "$PWD.away"; kill -9 "$PPID"')

    def come_back(self) -> None:
        away = self.bare.with_name(f"{self.bare.name}.away")
        if away.exists():
            away.rename(self.bare)

    def cut(self) -> None:
        self.hook("pre-receive", 'kill -9 "$PPID"')


class ConfluenceWorld:
    """Pages of one space: v2 of Cloud or v1 of Data Center."""

    class Server(Api):
        def __init__(self, *, cloud: bool) -> None:
            basic = base64.b64encode(f"kaeru@example.com:{TOKEN}".encode()).decode()
            super().__init__(f"Basic {basic}" if cloud else f"Bearer {TOKEN}")
            self.cloud = cloud
            self.pages: list[dict[str, Any]] = []
            content = closed(
                {"representation": {"const": "storage"}, "value": TEXT}, "representation", "value"
            )
            version = closed({"number": {"type": "integer"}, "message": TEXT}, "number")
            page = {"id": NUMBER, "title": {"type": "string", "maxLength": 255}, "version": version}
            if cloud:
                status = {"enum": ["current", "draft"]}
                shared = {**page, "status": status, "spaceId": NUMBER, "parentId": NUMBER, "body": content}
                self.put = closed(shared, "id", "status", "title", "body", "version")
                new = {n: shared[n] for n in ("status", "title", "spaceId", "parentId", "body")}
                self.post = closed(new, "spaceId")
            else:
                kind = {"type": {"const": "page"}, "body": closed({"storage": content}, "storage")}
                self.put = closed({**page, **kind}, "id", "type", "title", "version")
                space, above = closed({"key": TEXT}, "key"), closed({"id": NUMBER}, "id")
                new = {**kind, "title": page["title"], "space": space, "ancestors": {"items": above}}
                self.post = closed(new, "type", "title", "space", "body")

        def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
            pages = "/api/v2/pages" if self.cloud else "/rest/api/content"
            if path == "/api/v2/spaces" and self.cloud:
                self.check(query, closed({"keys": TEXT, "limit": NUMBER}), "GET spaces")
                found = [{"id": "65538", "key": "OPS"}] if query["keys"] == "OPS" else []
                return 200, {"results": found, "_links": {}}
            if path.startswith("/rest/api/space/") and not self.cloud:
                return (200, {"key": "OPS"}) if path.endswith("/OPS") else (404, {"message": "No space"})
            if path == pages and method == "POST":
                return self._create(body)
            if path == pages:
                return self._search(query)
            return self._one(method, path.removeprefix(f"{pages}/"), body)

        def _search(self, query: dict[str, str]) -> Answer:
            names = (
                ("space-id", "title", "status", "body-format", "limit")
                if self.cloud
                else ("spaceKey", "title", "type", "status", "expand", "limit")
            )
            self.check(query, closed(dict.fromkeys(names, TEXT)), "search")
            found = [
                self._shown(p)
                for p in self.pages
                if p["title"] == query["title"] and p["status"] == "current"
            ]
            return 200, {"results": found, "_links": {"base": "https://wiki.example.com/wiki"}}

        def _create(self, body: Any) -> Answer:
            self.check(body, self.post, "POST page")
            if any(p["title"] == body["title"] and p["status"] == "current" for p in self.pages):
                return 400, {"message": "A page with this title already exists"}
            value = self._stored(body)
            page = {
                "id": str(1000 + len(self.pages)),
                "title": body["title"],
                "value": value,
                "status": "current",
            }
            page |= {"number": 1, "message": ""}
            self.pages.append(page)
            return 200, self._shown(page)

        def _one(self, method: str, page_id: str, body: Any) -> Answer:
            page = next((p for p in self.pages if p["id"] == page_id), None)
            if page is None:
                return 404, {"message": "No page"}
            if method == "GET":
                return (200, self._shown(page)) if self.cloud or page["status"] == "current" else (404, {})
            self.check(body, self.put, "PUT page")
            if body["version"]["number"] != page["number"] + 1:
                return 409, {"message": "Version must be incremented"}
            page |= {"number": page["number"] + 1, "message": body["version"].get("message", "")}
            page |= {"title": body["title"], "value": self._stored(body)}
            return 200, self._shown(page)

        def _stored(self, body: Any) -> str:
            """Confluence takes well-formed XHTML only, and stores it a little differently."""
            content = body["body"] if self.cloud else body["body"]["storage"]
            value = str(content["value"])
            try:
                ET.fromstring(f'<x xmlns:ac="a" xmlns:ri="r">{value}</x>')  # noqa: S314 - what kaeru has just made
            except ET.ParseError as error:
                self.problems.append(f"not well-formed: {error}")
            return value.replace("\n", "")

        def _shown(self, page: dict[str, Any]) -> dict[str, Any]:
            return {
                "id": page["id"],
                "title": page["title"],
                "status": page["status"],
                "version": {"number": page["number"], "message": page["message"]},
                "body": {"storage": {"value": page["value"], "representation": "storage"}},
                "_links": {
                    "base": "https://wiki.example.com/wiki",
                    "webui": f"/spaces/OPS/pages/{page['id']}",
                },
            }

    def __init__(self, *, cloud: bool) -> None:
        self.cloud = cloud
        self.server = self.Server(cloud=cloud)

    def papers(self, *, token: str = TOKEN, **settings: Any) -> Papers:
        user = {"user": "kaeru@example.com"} if self.cloud else {}
        return ConfluencePapers(
            ConfluenceSettings(
                url=self.server.base,
                edition="cloud" if self.cloud else "data center",
                token=SecretStr(token),
                **{"space": "OPS", **user, **settings},
            )
        )

    def text(self) -> str:
        return str(self.server.pages[0]["value"])

    def revisions(self) -> int:
        return sum(int(p["number"]) for p in self.server.pages)

    def edit(self) -> None:
        page = self.server.pages[0]
        page |= {"number": page["number"] + 1, "message": "", "value": "<p>It was the cache.</p>"}

    def lose(self) -> None:
        self.server.fault = "lost"

    def come_back(self) -> None: ...

    def cut(self) -> None:
        self.server.fault = "cut"


def git(*arguments: str, may_fail: bool = False) -> str:
    """git, by somebody else's hand."""
    done = subprocess.run(
        ["git", *arguments], env={**os.environ, **AS_SOMEBODY}, capture_output=True, text=True, timeout=30, check=False
    )  # fmt: skip
    assert may_fail or done.returncode == 0, done.stderr
    return done.stdout
