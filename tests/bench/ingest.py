"""How fast what is said in an incident's channel gets into its timeline."""

import time
from pathlib import Path

import aiohttp

from sandbox.workspace.person import Person
from tests.bench.database import Looking
from tests.bench.result import Result, at_least
from tests.bench.world import OLD, Incident, World

NAMES = ("ingest_per_s",)
COUNT = 20_000
WARM_UP = 500
TIMEOUT_S = 90.0
_CAUGHT_UP = "SELECT 1 FROM kaeru_fact WHERE key = ?"
_RECORDED = (
    "SELECT count(*) FROM kaeru_timeline WHERE incident_id = ? AND kind = 'message' AND actor = 'U0BOB'"
)


async def measure(data: Path) -> list[Result]:
    async with World(data, ("shop",)) as world:
        await world.start_bot()
        database = Looking(world.database)
        async with await Person.at(world.url, "alice") as alice, await Person.at(world.url, "bob") as bob:
            incident = Incident(alice, database, "shop", version=OLD)
            await incident.declare()
            await incident.say_how_bad()
            await incident.plan_card()
            # After its start the bot reads what it missed; none of the flood may come in that way.
            await database.until(_CAUGHT_UP, f"backfill:{incident.id}")
            await _flood(bob, incident, database, WARM_UP, already=0)
            took = await _flood(bob, incident, database, COUNT, already=WARM_UP)
            recorded = database.one(_RECORDED, incident.id)
            distinct = database.one(_RECORDED.replace("count(*)", "count(DISTINCT slack_ts)"), incident.id)
            # What was acknowledged late comes once more; the bot is left in peace once that is through.
            await bob.wait_for(lambda: _all_acked(world.url), timeout=60, what="the last acknowledgement")
            again = database.one(_RECORDED, incident.id) - recorded
        database.close()
    lost = WARM_UP + COUNT - distinct
    twice = recorded - distinct + again
    rate = 0.0 if lost or twice else COUNT / took
    note = (
        f"{COUNT:,} messages sent at once, all in the timeline after {took:.1f} s; {lost} lost, {twice} twice"
    )
    return [Result("ingest_per_s", rate, "1/s", at_least(1000), note)]


async def _all_acked(url: str) -> bool:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/stats") as response:
        return not (await response.json())["unacked"]


async def _flood(bob: Person, incident: Incident, database: Looking, count: int, *, already: int) -> float:
    """Seconds from the first message to the last one's entry."""
    reached = "SELECT max(seq) >= ? FROM kaeru_timeline WHERE incident_id = ?"
    before = database.one("SELECT head_seq FROM kaeru_incident WHERE id = ?", incident.id)
    began = time.monotonic()
    await bob.call("flood", channel=incident.channel, count=count, text="checkout says 500 again ({n})")
    # Cheap to ask while there cannot be enough yet; the bot's own few entries make it count exactly after.
    await database.until(reached, before + count, incident.id, timeout_s=TIMEOUT_S)
    await database.until(f"SELECT ({_RECORDED}) >= ?", incident.id, already + count, timeout_s=5)
    return time.monotonic() - began
