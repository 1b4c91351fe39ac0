"""kaeru's eyes on a workload, without its hands: what is seen and what would be planned."""

from bot.domain.plan import Check
from bot.domain.releases import Choice, Release, Standing, choose
from bot.ports.target import Change, Inspection, TargetPlan
from integrations.kubernetes.api import Api
from integrations.kubernetes.inspecting import inspect
from integrations.kubernetes.owners import Owners
from integrations.kubernetes.planning import plan
from integrations.kubernetes.settings import KubernetesSettings
from tests.fakes.memory import FakeMemory


class Eyes:
    """Nothing is remembered from one look to the next but by `memory`."""

    def __init__(self, api: Api, settings: KubernetesSettings, memory: FakeMemory | None = None) -> None:
        self.api = api
        self.settings = settings
        self.memory = memory or FakeMemory()
        self._owners = Owners(api, settings)

    async def look(self, *, good: bool = False) -> Inspection:
        """`good`: the service serves well in the shape that is seen."""
        seen = await inspect(self.api, self.settings, self.memory, self._owners)
        if good:
            self.memory.good(seen.current_ref)
        return seen

    async def plan(self, version: str) -> TargetPlan:
        """For the world as it is now."""
        seen = await self.look()
        ref = next((a.ref for a in seen.available if a.version == version), "")
        change = Change(
            component="web",
            from_version=seen.current,
            to_version=version,
            fingerprint=seen.fingerprint,
            from_ref=seen.current_ref,
            to_ref=ref,
        )
        return await plan(self.api, self.settings, self.memory, self._owners, change)


def chosen(seen: Inspection) -> Choice:
    """What would be returned to, by what kaeru saw alone: no repository tells an order."""
    releases = [
        Release(
            version=a.version,
            standing=Standing.UNKNOWN if a.good_at is None else Standing.GOOD,
            last_good_at=a.good_at,
        )
        for a in sorted(seen.available, key=lambda a: a.since.timestamp() if a.since else 0.0, reverse=True)
    ]
    return choose(releases, current=seen.current)


def notes(found: Inspection | TargetPlan) -> str:
    return "\n".join(warning.text for warning in found.warnings)


def failed(planned: TargetPlan) -> dict[str, Check]:
    return {check.name: check for check in planned.checks if not check.ok}
