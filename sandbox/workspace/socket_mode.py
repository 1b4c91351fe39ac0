"""Socket Mode: connections, envelopes, acknowledgements, redelivery."""

import asyncio
import json
import random
import secrets
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import WSCloseCode, WSMsgType, web

from sandbox.workspace.faults import Faults
from sandbox.workspace.model import Json
from sandbox.workspace.stats import Stats
from sandbox.workspace.timings import Timings

MAX_CONNECTIONS = 10


class NotDeliveredError(Exception):
    """`code` is no_bot (nothing is connected) or dispatch_failed (no acknowledgement in time)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(eq=False, slots=True)
class Connection:
    socket: web.WebSocketResponse
    request: web.Request
    outbox: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    leaving: bool = False


@dataclass(slots=True)
class Flight:
    """An envelope on its way. `answer` is there for those whose acknowledgement somebody waits for."""

    type: str
    sent_at: float
    payload: str
    attempt: int = 0
    answer: asyncio.Future[Json] | None = None


class Hub:
    """The bot's side of the workspace. Each envelope goes to one connection, picked at random as Slack does."""

    def __init__(self, app_id: str, timings: Timings, stats: Stats, faults: Faults) -> None:
        self.app_id = app_id
        self.timings = timings
        self.stats = stats
        self.faults = faults
        self.connections: list[Connection] = []
        self.tickets: set[str] = set()
        self.flights: dict[str, Flight] = {}
        self.deadlines: deque[tuple[float, str]] = deque()
        self.retries: set[asyncio.TimerHandle] = set()
        self.watchers: list[Callable[[bool], None]] = []
        self.sweeper: asyncio.TimerHandle | None = None
        self.closing: set[asyncio.Task[None]] = set()

    @property
    def open_connections(self) -> list[Connection]:
        return [connection for connection in self.connections if not connection.leaving]

    def ticket(self) -> str:
        ticket = secrets.token_urlsafe(24)
        self.tickets.add(ticket)
        return ticket

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket endpoint; a ticket opens one connection."""
        fault = self.faults.take("socket.connect")
        if fault is not None:
            return web.Response(status=fault.status, text="<html><body>Service unavailable</body></html>")
        ticket = request.query.get("ticket", "")
        if ticket not in self.tickets:
            return web.Response(
                status=401, text="This ticket is unknown or used: call apps.connections.open."
            )
        self.tickets.discard(ticket)
        if len(self.connections) >= MAX_CONNECTIONS:
            return web.Response(status=403, text="This app has 10 connections already: close one first.")
        socket = web.WebSocketResponse(heartbeat=self.timings.heartbeat, max_msg_size=0)
        await socket.prepare(request)
        connection = Connection(socket, request)
        self.connections.append(connection)
        connection.outbox.put_nowait(json.dumps(self.hello()))
        writer = asyncio.create_task(self.write(connection))
        self.watch()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self.receive(message.data)
        finally:
            self.connections.remove(connection)
            writer.cancel()
            self.watch()
        return socket

    def hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self.connections),
            "debug_info": {"host": "applink-local", "build_number": 1, "approximate_connection_time": 18060},
            "connection_info": {"app_id": self.app_id},
        }

    def watch(self) -> None:
        for watcher in self.watchers:
            watcher(bool(self.connections))

    async def write(self, connection: Connection) -> None:
        while True:
            text = await connection.outbox.get()
            try:
                await connection.socket.send_str(text)
            except ConnectionError:
                return  # the reader sees the end of the connection and cleans up; the deadline redelivers

    # delivery

    def deliver(self, flight: Flight, envelope: str) -> bool:
        """Puts an envelope on a connection; False if there is none."""
        open_connections = self.open_connections
        if not open_connections:
            self.stats.undeliverable += 1
            return False
        self.stats.delivered[flight.type] += 1
        fault = self.faults.take("socket.deliver", flight.type)
        if fault is not None and fault.kind == "withhold":
            return True
        outbox = random.choice(open_connections).outbox
        if fault is not None and fault.kind == "delay":
            asyncio.get_running_loop().call_later(fault.seconds, outbox.put_nowait, envelope)
            return True
        outbox.put_nowait(envelope)
        if fault is not None and fault.kind == "duplicate":
            outbox.put_nowait(envelope)
        return True

    def send_event(self, payload: Json) -> None:
        """An events_api envelope: delivered, and redelivered while it is not acknowledged."""
        self.attempt(Flight("events_api", 0.0, json.dumps(payload)))

    def attempt(self, flight: Flight) -> None:
        loop = asyncio.get_running_loop()
        envelope_id = str(uuid.uuid4())
        reason = "timeout" if flight.attempt else ""
        # The payload is text already (a snapshot, and dumped once): build the envelope around it.
        envelope = (
            f'{{"envelope_id":"{envelope_id}","payload":{flight.payload},"type":"events_api",'
            f'"accepts_response_payload":false,"retry_attempt":{flight.attempt},"retry_reason":"{reason}"}}'
        )
        if flight.attempt:
            self.stats.redelivered += 1
        flight.sent_at = loop.time()
        if not self.deliver(flight, envelope):
            self.redeliver(flight)
            return
        self.flights[envelope_id] = flight
        self.deadlines.append((flight.sent_at + self.timings.ack, envelope_id))
        if self.sweeper is None:
            self.sweeper = loop.call_at(self.deadlines[0][0], self.sweep)

    def sweep(self) -> None:
        """Every ack deadline is the same length, so the first in is the first due."""
        loop = asyncio.get_running_loop()
        while self.deadlines and self.deadlines[0][0] <= loop.time():
            _, envelope_id = self.deadlines.popleft()
            flight = self.flights.pop(envelope_id, None)
            if flight is not None:
                self.redeliver(flight)
        while self.deadlines and self.deadlines[0][1] not in self.flights:
            self.deadlines.popleft()
        self.sweeper = loop.call_at(self.deadlines[0][0], self.sweep) if self.deadlines else None

    def redeliver(self, flight: Flight) -> None:
        if flight.attempt >= len(self.timings.redelivery):
            self.stats.given_up += 1
            return
        delay = self.timings.redelivery[flight.attempt]
        flight.attempt += 1
        handle: asyncio.TimerHandle

        def again() -> None:
            self.retries.discard(handle)
            self.attempt(flight)

        handle = asyncio.get_running_loop().call_later(delay, again)
        self.retries.add(handle)

    async def ask(self, type_: str, payload: Json) -> Json:
        """A slash_commands or interactive envelope: the acknowledgement's payload, {} if it has none.

        Raises NotDeliveredError; it is never delivered twice.
        """
        loop = asyncio.get_running_loop()
        envelope_id = str(uuid.uuid4())
        envelope: Json = {
            "envelope_id": envelope_id,
            "payload": payload,
            "type": type_,
            "accepts_response_payload": True,
        }
        answer: asyncio.Future[Json] = loop.create_future()
        flight = Flight(type_, loop.time(), "", answer=answer)
        if not self.deliver(flight, json.dumps(envelope)):
            raise NotDeliveredError("no_bot")
        self.flights[envelope_id] = flight
        try:
            async with asyncio.timeout(self.timings.ack):
                return await answer
        except TimeoutError:
            raise NotDeliveredError("dispatch_failed") from None
        finally:
            self.flights.pop(envelope_id, None)

    def receive(self, text: str) -> None:
        message: Json = json.loads(text)
        envelope_id = message.get("envelope_id")
        flight = self.flights.get(envelope_id) if isinstance(envelope_id, str) else None
        if flight is None:
            return
        fault = self.faults.take("socket.ack", flight.type)
        if fault is not None:
            return
        del self.flights[str(envelope_id)]
        self.stats.ack(flight.type, asyncio.get_running_loop().time() - flight.sent_at)
        if flight.answer is not None and not flight.answer.done():
            payload = message.get("payload")
            flight.answer.set_result(payload if isinstance(payload, dict) else {})

    def figures(self) -> Json:
        return self.stats.shape(
            unacked=len(self.flights), waiting=len(self.retries), connections=len(self.connections)
        )

    # the end

    async def disconnect(self, *, reason: str = "refresh_requested", abrupt: bool = False) -> int:
        """Ends every connection: with Slack's `disconnect` message first, or by a reset. Returns how many."""
        leaving = list(self.connections)
        for connection in leaving:
            connection.leaving = True
            if abrupt:
                if connection.request.transport is not None:
                    connection.request.transport.abort()
                continue
            note = {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-local"}}
            connection.outbox.put_nowait(json.dumps(note))
            closing = asyncio.create_task(self.part(connection))
            self.closing.add(closing)
            closing.add_done_callback(self.closing.discard)
        return len(leaving)

    async def part(self, connection: Connection) -> None:
        """Slack leaves a moment to open the next connection before it closes this one."""
        await asyncio.sleep(self.timings.parting)
        await connection.socket.close(code=WSCloseCode.GOING_AWAY)

    async def close(self) -> None:
        for task in self.closing:
            task.cancel()
        for handle in self.retries:
            handle.cancel()
        if self.sweeper is not None:
            self.sweeper.cancel()
        for connection in list(self.connections):
            await connection.socket.close(code=WSCloseCode.GOING_AWAY)
