"""Users who are taken off and come back."""

from typing import Literal

from bot.domain.events.base import Happened


class TrafficShifted(Happened):
    """`share` of the users' traffic, 0 to 1, reaches the service from now on, and that was observed.

    `before` is what was found before kaeru set anything, None: not known. `back` says that it was a step back.
    """

    type: Literal["traffic_shifted"] = "traffic_shifted"
    run_id: str
    share: float
    sentence: str
    before: float | None = None
    back: bool = False


class TrafficAsked(Happened):
    """Whether users come back any further is for people to say; `sentence` has the reason."""

    type: Literal["traffic_asked"] = "traffic_asked"
    run_id: str
    sentence: str


class TrafficContinued(Happened):
    """Somebody let it go on, and stands for what could not be verified."""

    type: Literal["traffic_continued"] = "traffic_continued"
    run_id: str


class TrafficStopped(Happened):
    """Somebody leaves traffic as it is; the run ends with that."""

    type: Literal["traffic_stopped"] = "traffic_stopped"
    run_id: str
