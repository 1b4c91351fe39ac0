"""More places at which a bot dies: the pager was told, or an alert is kept, and nothing remembers that yet."""

from collections.abc import Callable
from typing import Any

from bot.ports.oncall import Page, Paged
from handlers.intake import Intake
from integrations.oncall.pagerduty import PagerDuty


def watch(passing: Callable[[str], None]) -> None:
    """`passing` hears of `paged`, `acknowledged`, `resolved`, and of `kept:alert`."""
    page, acknowledge, resolve, receive = (
        PagerDuty.page,
        PagerDuty.acknowledge,
        PagerDuty.resolve,
        Intake.receive,
    )

    async def paged(self: PagerDuty, call: Page) -> Paged:
        done = await page(self, call)
        passing("paged")
        return done

    async def acknowledged(self: PagerDuty, incident_id: str, *, by: str) -> Paged:
        done = await acknowledge(self, incident_id, by=by)
        passing("acknowledged")
        return done

    async def resolved(self: PagerDuty, incident_id: str, *, by: str) -> Paged:
        done = await resolve(self, incident_id, by=by)
        passing("resolved")
        return done

    async def kept(self: Intake, key: str, kind: str, body: dict[str, Any]) -> int | None:
        row = await receive(self, key, kind, body)
        if kind == "alert":
            passing("kept:alert")
        return row

    PagerDuty.page = paged  # type: ignore[method-assign]  # notices, and goes on
    PagerDuty.acknowledge = acknowledged  # type: ignore[method-assign]  # notices, and goes on
    PagerDuty.resolve = resolved  # type: ignore[method-assign]  # notices, and goes on
    Intake.receive = kept  # type: ignore[method-assign]  # notices, and goes on
