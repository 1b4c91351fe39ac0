"""The world of the traffic contract behind an Application Load Balancer: moto's server, and users that CloudWatch counts."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.ports import OutcomeUnknown
from bot.ports.traffic import ShiftPlan
from integrations.aws.alb import AlbTraffic
from tests.contract.aws_proxy import Fault
from tests.contract.aws_world import AlbWorld, started, states

COUNTED = timedelta(minutes=5)
"""Before now: CloudWatch has the minute as a whole by then."""


class AlbDoor:
    """Two targets that serve and two others. moto lets nobody in, so visits are counted as the weights say."""

    interruptions = (
        ("ModifyListener", "the first answer is lost"),
        ("ModifyListener", "the second answer is lost"),
        ("ModifyRule", "the last answer is lost"),
    )

    def __init__(self, world: AlbWorld) -> None:
        self._world = world
        self._ill = ExitStack()

    def bot(self) -> AlbTraffic:
        return self._world.traffic()

    async def set_by_hand(self, share: float) -> None:
        for place in self._world.places:
            self._world.set(place, self._world.weighted(round(share * 100), round((1 - share) * 100)))

    async def sicken(self) -> None:
        ill = Fault("DescribeTargetHealth", alter=states(h1="unhealthy", h2="unhealthy"))
        self._ill.enter_context(self._world.cloud.proxy.faults(ill))

    async def heal(self) -> None:
        self._ill.close()

    async def visit(self, count: int) -> int:
        mine, others = self._world.weights(self._world.rule)
        reached = round(count * mine / (mine + others))
        when = datetime.now(UTC) - COUNTED
        self._world.metric("RequestCount", self._world.service, reached, when)
        self._world.metric("RequestCount", self._world.other, count - reached, when)
        return 0

    async def shifts(self) -> int:
        """The rule is the last of what a shift changes."""
        return self._world.cloud.proxy.calls.count("ModifyRule")

    async def interrupt(self, plan: ShiftPlan, key: str, number: int) -> None:
        lost = Fault(self.interruptions[number][0], lost=True, times=1, after=number % 2)
        with self._world.cloud.proxy.faults(lost), pytest.raises(OutcomeUnknown):
            await self.bot().shift(plan, key)


@contextmanager
def alb_world(folder: Path) -> Iterator[AlbDoor]:
    """For as long as the context is open, with keys in the environment."""
    with pytest.MonkeyPatch.context() as patch, contextmanager(started)() as cloud:
        for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
            patch.delenv(name, raising=False)
        for name, value in (
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_CONFIG_FILE", str(folder / "none")),
            ("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none")),
        ):
            patch.setenv(name, value)
        yield AlbDoor(AlbWorld(cloud))
