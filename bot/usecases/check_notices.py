"""What `kaeru check` says of those who are told outside: each is tried without telling anybody."""

import asyncio
from collections.abc import Sequence

from bot.catalog import Catalog
from bot.clock import now
from bot.domain.audiences import Audience, Moment
from bot.domain.notices import Known
from bot.ports.notices import Notifier
from bot.usecases.bounds import reading
from bot.usecases.check_report import Row, State, attempt, row_of
from bot.usecases.fleet import Hands
from bot.usecases.telling import templates_of
from bot.views.notices import notice_strictly


async def look_at_notices(area: str, catalog: Catalog, hands: Hands) -> list[Row]:
    """A row for each way to tell people, and one for a team's own templates."""
    looks = (
        attempt(
            area, f"notice {name}", _one(area, name, notifier), f"Look at the notice {name} in kaeru.yml."
        )
        for name, notifier in hands.outside.notices.items()
    )
    rows = [row for found in await asyncio.gather(*looks) for row in found]
    audiences = {notifier.audience for notifier in hands.outside.notices.values()}
    return [*rows, *await asyncio.to_thread(_templates, area, catalog, audiences)]


async def _one(area: str, name: str, notifier: Notifier) -> Sequence[Row]:
    seen = await reading(notifier.check(), notifier.identity)
    return [row_of(area, f"notice {name}", State.OK, f"{notifier.audience}: {seen}")]


def _templates(area: str, catalog: Catalog, audiences: set[Audience]) -> list[Row]:
    folder = templates_of(catalog)
    if folder is None or not audiences:
        return []
    name, own = "notice templates", sorted(a for a in audiences if (folder / f"{a}.txt.j2").is_file())
    if not own:
        seen = f"{folder} has none for {', '.join(sorted(audiences))}, so the built-in ones are used"
        return [
            row_of(area, name, State.WARN, seen, "Its files are named after the audience: support.txt.j2.")
        ]
    try:
        for audience in own:
            for moment in Moment:
                notice_strictly(example_of(audience, moment), folder)
    except ValueError as error:
        return [
            row_of(area, name, State.FAIL, str(error), "Correct it; until then the built-in one is used.")
        ]
    return [row_of(area, name, State.OK, f"{', '.join(own)} of {folder} render")]


def example_of(audience: Audience, moment: Moment) -> Known:
    at = now()
    return Known(
        moment=moment, audience=audience, thread="example", service="example", at=at, began_at=at, update="-",
        lasted=at - at, open_actions=0,
    )  # fmt: skip
