"""What of a monitoring system's alerts means which service, and how bad it is."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bot.catalog.base import Spec
from bot.catalog.durations import Duration
from bot.domain.alerts import RECENT

LabelName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=60)]


class AlertsSpec(Spec):
    """How alerts that arrive at KAERU_ALERTS_LISTEN are read."""

    service_label: LabelName = Field(default="service", examples=["app"])
    """The label whose value is the service, by its name in this file."""
    severity_label: LabelName = Field(default="severity", examples=["priority"])
    """The label that says how bad it is."""
    severities: dict[str, Literal["critical", "high"]] = Field(
        default={"critical": "high"}, examples=[{"critical": "high", "page": "high"}]
    )
    """Which of its values set the severity of the incident at once, so that the plan can be approved and people are called. For the others people choose."""
    page: bool = Field(default=True, examples=[False])
    """Whether people on call are called because of alerts. `false` where the alert calls the same people itself."""
    recent: Duration = Field(default=RECENT, gt=timedelta(0), examples=["6h"])
    """A deploy that is older than this before the alert is not suspected."""
