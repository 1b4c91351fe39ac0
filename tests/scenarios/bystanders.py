"""Everybody around an incident who is not in its channel: the pager, those who are told, the tracker, the archive."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.api_servers import serving
from tests.contract.notices_worlds import EmailWorld, StatuspageWorld, certificate
from tests.contract.oncall_worlds import ROUTING, SECRET, PagerDutyWorld
from tests.contract.papers_worlds import GitWorld, git
from tests.contract.trackers_worlds import TOKEN, GithubWorld


@dataclass(frozen=True)
class Bystanders:
    """Dan of Slack is Ana of the pager."""

    pager: PagerDutyWorld
    mail: EmailWorld
    page: StatuspageWorld
    tracker: GithubWorld
    papers: GitWorld

    @property
    def service(self) -> dict[str, Any]:
        """What kaeru.yml says of them in the service."""
        return {
            "notices": {
                "desk": self.mail.described,
                "page": self.page.described,
            },
            "on_call": {
                "kind": "pagerduty",
                "token": SECRET,
                "routing_key": ROUTING,
                "escalation_policy": "PT20YPA",
                "events_url": self.pager.events.base,
                "url": self.pager.rest.base,
            },
            "tracker": {
                "kind": "github",
                "url": self.tracker.api.base,
                "repository": "example/shop",
                "token": TOKEN,
            },
            "papers": {
                "repository": {
                    "kind": "git",
                    "remote": str(self.papers.bare),
                    "link": "https://git.example.com/blob/main/{path}",
                }
            },
        }

    @property
    def changes(self) -> dict[str, Any]:
        """And beside the services."""
        bosses = {"kind": "slack", "audience": "executives", "channels": ["general"]}
        return {
            "workspace": {"notices": {"bosses": bosses}},
            "people": {"dan": {"email": "Ana@example.com"}},
        }

    def paper(self, incident: str) -> str:
        return git("-C", str(self.papers.bare), "show", f"main:postmortems/{incident}.md")

    @property
    def problems(self) -> list[str]:
        """What was asked of them in a way that the real ones would not take."""
        return [*self.pager.problems, *self.page.api.problems, *self.tracker.api.problems]


@contextlib.asynccontextmanager
async def standing_by(folder: Path) -> AsyncIterator[Bystanders]:
    async with contextlib.AsyncExitStack() as stack:
        threads = stack.enter_context(contextlib.ExitStack())
        tls = threads.enter_context(certificate(folder))
        mail, page, tracker = EmailWorld(tls), StatuspageWorld(), GithubWorld()
        for told in (mail, page):
            await told.start()
            stack.push_async_callback(told.stop)
        threads.enter_context(serving(tracker.api))
        yield Bystanders(PagerDutyWorld(threads), mail, page, tracker, GitWorld(folder / "papers"))
