"""How long things last in Slack. Tests that cannot wait that long pass their own."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds."""

    ack: float = 3.0
    redelivery: tuple[float, ...] = (0.0, 60.0, 300.0)
    trigger: float = 3.0
    response_url: float = 1800.0
    response_url_uses: int = 5
    heartbeat: float = 10.0
    # From Slack's `disconnect` message to the end of the connection.
    parting: float = 2.0
    # Slack shares an uploaded file after it has answered: callers that look at once do not find it.
    share: float = 0.05
