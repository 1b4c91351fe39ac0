"""Issues of GitHub, found again by a marker in their text."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from bot.ports.errors import OutcomeUnknown, Refused
from bot.ports.trackers import Filed, Task
from integrations.json_api import JsonApi
from integrations.trackers.settings import GithubSettings

PAGE = 100
MOST_PAGES = 50
SETTLES = timedelta(seconds=5)
CLOCKS_DIFFER = timedelta(hours=1)
_TITLE = 250
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~&])")


class GithubTracker:
    """`bot.ports.trackers.Tracker` on the REST API of GitHub, version 2022-11-28."""

    def __init__(self, settings: GithubSettings) -> None:
        self._settings = settings
        self._issues = f"/repos/{settings.repository}/issues"
        self._api = JsonApi(
            settings,
            settings.url,
            name="GitHub",
            rights="Issues: read and write, for this repository",
            headers={
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
                "Authorization": f"Bearer {settings.token.get_secret_value()}",
            },
        )

    @property
    def identity(self) -> str:
        host = urlsplit(self._settings.url).hostname or ""
        return f"{host.removeprefix('api.')}/{self._settings.repository}"

    @property
    def settles(self) -> timedelta:
        return SETTLES

    async def file(self, task: Task) -> Filed:
        """See the port. Of several issues with the marker the oldest one is it: the others were copied from it."""
        found = [issue async for issue in self._since(task.since) if task.marker in (issue.get("body") or "")]
        if found:
            return _filed(found[-1], already=True)
        wanted = list(self._settings.labels)
        issue = await self._api.write(
            "POST",
            self._issues,
            {"title": _title(task.title), "body": _body(task), "labels": wanted},
        )
        if not isinstance(issue, dict) or not isinstance(issue.get("number"), int):
            raise OutcomeUnknown("GitHub took the issue and did not say which one it is.")
        given = {label.get("name") for label in issue.get("labels") or () if isinstance(label, dict)}
        missing = sorted(set(wanted) - given)
        note = (
            f"GitHub did not set the labels {', '.join(missing)}: that takes the right to push."
            if missing
            else ""
        )
        return _filed(issue, note=note)

    async def check(self) -> str:
        """What it says does not prove the right to write: GitHub tells that of people's tokens only."""
        answer = await self._api.read(f"/repos/{self._settings.repository}")
        seen = answer if isinstance(answer, dict) else {}
        if not seen.get("has_issues", True) or seen.get("archived"):
            raise Refused(
                f"{self.identity} takes no issues: they are switched off, or it is archived.",
                remedy="Switch them on, or name another repository.",
            )
        return f"{self.identity} can be seen, and has issues"

    async def aclose(self) -> None:
        await self._api.aclose()

    async def _since(self, since: datetime) -> AsyncIterator[dict[str, Any]]:
        """The issues that were made since, newest first, open or closed. Pull requests are none."""
        oldest = (since - CLOCKS_DIFFER).astimezone(UTC)
        query: dict[str, str | int] = {
            "state": "all",
            "sort": "created",
            "direction": "desc",
            "per_page": PAGE,
            "since": f"{oldest:%Y-%m-%dT%H:%M:%SZ}",
        }
        for page in range(1, MOST_PAGES + 1):
            listed = await self._api.read(self._issues, {**query, "page": page})
            if not isinstance(listed, list):
                raise Refused("GitHub answers with something that is no list of issues.")
            for issue in listed:
                made = _moment(issue.get("created_at"))
                if made is not None and made < oldest:
                    return
                if "pull_request" not in issue:
                    yield issue
            if len(listed) < PAGE:
                return
        raise Refused(
            f"There are more than {PAGE * MOST_PAGES} new issues since the incident, so that one that was filed "
            "already may not be found.",
            remedy="File it by hand.",
        )


def _title(text: str) -> str:
    title = " ".join(text.split())
    return title if len(title) <= _TITLE else f"{title[: _TITLE - 1]}…"


def _body(task: Task) -> str:
    """The text as it stands, with nothing in it that GitHub would act on: no mention, no reference, no picture."""
    owner = f"\n\nOwner: {_literal(task.owner)}" if task.owner else ""
    return f"{_literal(task.text)}{owner}\n\n<!-- {task.marker} -->\n"


def _literal(text: str) -> str:
    escaped = _SPECIAL.sub(r"\\\1", text)
    # A backslash does not keep a mention or an address from being one; an empty comment does.
    return escaped.replace("@", "@<!-- -->").replace("\\#", "\\#<!-- -->")


def _filed(issue: dict[str, Any], *, already: bool = False, note: str = "") -> Filed:
    url = issue.get("html_url")
    return Filed(
        reference=f"#{issue.get('number')}",
        url=url if isinstance(url, str) else "",
        already=already,
        note=note,
    )


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None
