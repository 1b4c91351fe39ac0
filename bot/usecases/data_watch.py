"""Notices when a database's own list of migrations is no longer what an open plan was made with."""

from bot.domain.databases import DatabasePart
from bot.domain.migrations import Found
from bot.domain.plan import Plan
from bot.domain.releases import spoken
from bot.ports import PortError
from bot.ports.migrations import Migrations
from bot.usecases.bounds import reading
from bot.usecases.fleet import Hands

REMEMBERED = 50


class DataWatch:
    """Remembers what lies between two versions, as long as this process runs: only the database is asked each time."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int, str, str], Found] = {}

    async def what_moved(self, plan: Plan, hands: Hands) -> str | None:
        """A phrase for why the plan no longer fits; None where it does, or where that cannot be seen now."""
        for part in plan.databases:
            database = hands.databases.get(part.name)
            if part.verdict is None or database is None or database.migrations is None:
                continue
            try:
                now_it_is = await self._fingerprint(plan, part, database.migrations)
            except PortError:
                continue  # not being able to look is no news
            if now_it_is not in ("", part.fingerprint):
                return f"the database {part.name} has other migrations applied than before"
        return None

    async def _fingerprint(self, plan: Plan, part: DatabasePart, migrations: Migrations) -> str:
        older, newer = spoken(plan.to_version), spoken(plan.from_version)
        key = (f"{plan.service}/{part.name}", plan.number, older, newer)
        found = self._found.get(key)
        if found is None:
            found = await reading(migrations.between(older, newer), f"The migrations of {part.name}")
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            if found.known:
                self._found[key] = found
        return (await reading(migrations.applied(found), f"The database {part.name}")).fingerprint
