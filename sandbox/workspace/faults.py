"""Faults on request: what the network and Slack do wrong, for the next N times and no longer."""

from dataclasses import asdict, dataclass
from typing import Literal, get_args

from sandbox.workspace.model import Json

Kind = Literal[
    "drop_response",  # the method takes effect, then the connection resets
    "drop_request",  # the connection resets before anything happens
    "http_error",  # an HTML page with `status`, nothing happens
    "rate_limited",  # 429 with `seconds` as Retry-After, nothing happens
    "error",  # {"ok": false, "error": `error`}, nothing happens
    "delay",  # `seconds` later, as usual
    "withhold",  # socket.deliver: the envelope never leaves; socket.ack: the ack never arrives
    "duplicate",  # socket.deliver: the same envelope twice
]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(slots=True)
class Fault:
    """What goes wrong, where, and how often.

    `method` is a Web API method, `*` for any, `response_url`, `upload`, `socket.connect`, `socket.deliver` or
    `socket.ack`. `type` narrows the socket ones to an envelope type (events_api, slash_commands, interactive).
    `skip` lets that many calls through first.
    """

    method: str
    kind: Kind
    times: int = 1
    skip: int = 0
    seconds: float = 1.0
    status: int = 500
    error: str = "internal_error"
    type: str = ""


class Faults:
    def __init__(self) -> None:
        self.pending: list[Fault] = []

    def add(self, fault: Fault) -> None:
        if fault.kind not in KINDS:
            raise ValueError(f"There is no fault {fault.kind!r}. Use one of: {', '.join(KINDS)}.")
        self.pending.append(fault)

    def take(self, method: str, type_: str = "") -> Fault | None:
        """The fault that strikes this call, counted down."""
        for fault in self.pending:
            if fault.method not in (method, "*") or (fault.method == "*" and method.startswith("socket.")):
                continue
            if fault.type not in ("", type_):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self.pending.remove(fault)
            return fault
        return None

    def clear(self) -> None:
        self.pending.clear()

    def shape(self) -> list[Json]:
        return [asdict(fault) for fault in self.pending]
