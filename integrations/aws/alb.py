"""The Traffic port for an Application Load Balancer."""

from bot.domain.plan import Level, Warn
from bot.ports.errors import Refused
from bot.ports.traffic import Served, ShiftPlan, Split, TrafficCapabilities
from integrations.aws.calls import Calls
from integrations.aws.served import Counts
from integrations.aws.settings import AlbSettings
from integrations.aws.targets import RegisteredTargets
from integrations.aws.weights import WeightedActions
from integrations.aws_session import AwsSession


class AlbTraffic:
    """Raises what the port says, and Gone where a listener, rule or target group does not exist."""

    def __init__(self, settings: AlbSettings) -> None:
        self._settings = settings
        access = settings.access(settings.region)
        session = AwsSession(access)
        self._balancer = Calls(access, session, "elbv2")
        self._metrics = Calls(access, session, "cloudwatch")
        weighted = settings.by == "weights"
        self._manner: WeightedActions | RegisteredTargets = (
            WeightedActions(settings, self._balancer)
            if weighted
            else RegisteredTargets(settings, self._balancer)
        )
        self._counts = Counts(settings, self._metrics) if weighted and settings.measure else None

    @property
    def capabilities(self) -> TrafficCapabilities:
        """`measures` turns false once CloudWatch was seen to be out of bounds."""
        measures = self._counts is not None and not self._counts.denied
        return TrafficCapabilities(kind="alb", stages=self._manner.stages, measures=measures)

    @property
    def identity(self) -> str:
        own = self._settings
        return f"alb:{','.join(sorted((*own.listeners, *own.rules)) or [own.target_group])}"

    async def inspect(self) -> Split:
        split = await self._manner.inspect()
        return split.model_copy(update={"warnings": (*split.warnings, *self._unmeasured())})

    async def plan(self, share: float) -> ShiftPlan:
        if not 0 <= share <= 1:
            raise Refused(f"{share:g} is not a share from 0 to 1.")
        if not self._manner.stages and 0 < share < 1:
            raise Refused(
                "Without other_targets this is open or shut, and nothing between.",
                remedy="Name other_targets, or use weights.",
            )
        plan = await self._manner.plan(share)
        if self._counts is not None:
            await self._counts.read()  # so that a right that is missing is known before it is relied on
        return plan.model_copy(update={"warnings": (*plan.warnings, *self._unmeasured())})

    async def shift(self, plan: ShiftPlan, key: str) -> Split:  # noqa: ARG002 - what stands there tells a retry
        split = await self._manner.shift(plan)
        return split.model_copy(update={"warnings": (*split.warnings, *self._unmeasured())})

    async def served(self) -> Served | None:
        return None if self._counts is None else await self._counts.read()

    async def aclose(self) -> None:
        await self._balancer.aclose()
        await self._metrics.aclose()

    def _unmeasured(self) -> tuple[Warn, ...]:
        if self._counts is None:
            why = (
                "the settings say so"
                if self._settings.by == "weights"
                else "CloudWatch does not count targets"
            )
            return (Warn(level=Level.INFO, text=f"The share that is served is not measured: {why}."),)
        if self._counts.denied:
            text = f"The share that is served is not measured. {self._counts.denied}"
            return (Warn(level=Level.WARNING, text=text),)
        return ()
