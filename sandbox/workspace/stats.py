"""What the workspace counted, for benches and for people who wonder."""

from collections import Counter, deque
from dataclasses import dataclass, field

from sandbox.workspace.model import Json

KEPT = 20_000  # latencies kept per envelope type


@dataclass(slots=True)
class Stats:
    delivered: Counter[str] = field(default_factory=Counter)
    acked: Counter[str] = field(default_factory=Counter)
    redelivered: int = 0
    undeliverable: int = 0
    given_up: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    latencies: dict[str, deque[float]] = field(default_factory=dict)

    def ack(self, type_: str, seconds: float) -> None:
        self.acked[type_] += 1
        self.latencies.setdefault(type_, deque(maxlen=KEPT)).append(seconds)

    def shape(self, *, unacked: int, waiting: int, connections: int) -> Json:
        """`unacked` are on their way, `waiting` will be delivered again; latencies in ms."""
        return {
            "connections": connections,
            "delivered": dict(self.delivered),
            "acked": dict(self.acked),
            "unacked": unacked,
            "waiting": waiting,
            "redelivered": self.redelivered,
            "undeliverable": self.undeliverable,
            "given_up": self.given_up,
            "calls": dict(self.calls),
            "errors": dict(self.errors),
            "ack_ms": {type_: percentiles(values) for type_, values in self.latencies.items()},
        }


def percentiles(values: deque[float]) -> Json:
    ordered = sorted(values)
    return {
        "count": len(ordered),
        **{
            f"p{share}": round(1000 * ordered[min(len(ordered) - 1, len(ordered) * share // 100)], 2)
            for share in (50, 99)
        },
        "max": round(1000 * ordered[-1], 2),
    }
