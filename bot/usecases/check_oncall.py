"""What `kaeru check` asks of an on-call: who is called now. Nobody is."""

from collections.abc import Sequence

from bot.catalog import Catalog
from bot.ports.oncall import OnCall
from bot.usecases.check_report import Row, State, row_of
from bot.usecases.paging import on_call_names

_SHOWN = 5


async def look_at_on_call(area: str, on_call: OnCall, catalog: Catalog) -> Sequence[Row]:
    """Raises PortError."""
    people = await on_call.who()
    if not people:
        remedy = "Put somebody on call there, or nobody is called in an incident."
        return [row_of(area, "on call", State.WARN, f"nobody is ({on_call.identity})", remedy)]
    names = on_call_names(catalog, people)
    said = ", ".join(f"{one.name} (level {one.level})" for one in names[:_SHOWN])
    strangers = [one.name for one in names if one.user is None]
    if strangers:
        remedy = "Add their `email` under `people` in kaeru.yml, so that they are invited into the channel."
        seen = f"{said}; not known in Slack: {', '.join(strangers[:_SHOWN])}"
        return [row_of(area, "on call", State.WARN, seen, remedy)]
    return [row_of(area, "on call", State.OK, f"{said} ({on_call.identity})")]
