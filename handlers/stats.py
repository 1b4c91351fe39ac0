"""`/incident stats`: numbers over all incidents, from anywhere."""

from bot.views.stats import stats_card
from handlers.surface import Body, Rooms, Surface, user_of


async def show_stats(rooms: Rooms, rest: str, body: Body, surface: Surface) -> None:
    """`[SERVICE] [SINCE]`. Raises Refusal."""
    stats = await rooms.all_incidents.asked(rest)
    key = f"stats-{body.get('trigger_id', '')}"
    where = await rooms.all_incidents.send_picture(stats, user_of(body), key=key)
    await surface.reply(*stats_card(stats, rooms.catalog.timezone, where))
