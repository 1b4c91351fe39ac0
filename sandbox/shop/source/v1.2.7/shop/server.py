"""HTTP: the routes, the log, and a stop that finishes what it has begun."""

import itertools
import json
import logging
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import parse_qs, urlsplit

from . import VERSION, cart, catalog, checkout, database
from .settings import Settings

IDLE_GRACE_S = 1.0  # how long a kept-alive connection may stay quiet once the shop is stopping
FINISH_S = 5.0  # how long a request that is being answered may still take

Query = dict[str, list[str]]

log = logging.getLogger("shop")
started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
page = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
cart_guests, checkout_guests = itertools.count(), itertools.count()


def customer_of(query: Query, guests: Iterator[int]) -> int:
    """The customer who asks: `?customer=3`; a guest borrows the next account, from the first to the last."""
    if "customer" in query:
        return int(query["customer"][0])
    return next(guests) % len(database.tables["customers"]) + 1


ROUTES: dict[tuple[str, str], Callable[[Query], tuple[int, object]]] = {
    ("GET", "/"): lambda _: (200, page.replace("{version}", VERSION)),
    ("GET", "/health"): lambda _: (200, {"status": "ok"}),
    ("GET", "/version"): lambda _: (200, {"version": VERSION, "started_at": started_at, "pid": os.getpid()}),
    ("GET", "/products"): lambda query: (200, {"products": catalog.products(query)}),
    ("GET", "/cart"): lambda query: (200, cart.show(customer_of(query, cart_guests))),
    ("GET", "/checkout"): lambda query: (200, checkout.quote(customer_of(query, checkout_guests))),
    ("POST", "/checkout"): lambda query: (201, checkout.order(customer_of(query, checkout_guests))),
}


def answer(method: str, path: str, query: Query) -> tuple[int, object]:
    """Status and body (a string is HTML, anything else JSON) of one request."""
    if route := ROUTES.get((method, path)):
        return route(query)
    return 404, {"error": f"There is no {method} {path} here."}


class Handler(BaseHTTPRequestHandler):
    server: "Shop"
    protocol_version = "HTTP/1.1"
    timeout = 60

    def setup(self) -> None:
        super().setup()
        self.server.idle.add(self.connection)

    def finish(self) -> None:
        self.server.idle.discard(self.connection)
        super().finish()

    def respond(self) -> None:
        self.server.idle.discard(self.connection)
        begun = time.perf_counter()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        try:
            status, body = answer(self.command, url.path, parse_qs(url.query))
        except Exception:
            log.exception("%s %s failed", self.command, self.path)
            status, body = 500, {"error": "Something went wrong on our side."}
        html = isinstance(body, str)
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8" if html else "application/json")
        self.send_header("Content-Length", str(len(content)))
        if self.server.stopping.is_set():
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)
        spent = (time.perf_counter() - begun) * 1000
        log.info("%s %s %d %.0f ms", self.command, self.path, status, spent)
        self.server.idle.add(self.connection)

    do_GET = do_POST = respond  # noqa: N815 - http.server's names

    def end_headers(self) -> None:
        self.send_header("X-Version", VERSION)
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """The shop writes its own lines."""


class Shop(ThreadingHTTPServer):
    """One thread a connection, on a listening socket that may be shared with another release."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.getsockname()[:2], Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.socket.settimeout(0)  # another process may have taken the connection first
        self.stopping = threading.Event()
        self.idle: set[socket.socket] = set()
        self.open = 0
        self.changed = threading.Condition()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.changed:
            self.open += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self.changed:
            self.open -= 1
            self.changed.notify_all()

    def handle_error(self, *_: object) -> None:
        log.info("connection lost: %s", sys.exception())

    def accept_until_told_to_stop(self, *told: socket.socket | TextIO) -> None:
        """Accept until one of `told` can be read: a signal, or the end of the supervisor's pipe."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            for source in told:
                selector.register(source, selectors.EVENT_READ)
            while all(key.fileobj is self.socket for key, _ in selector.select()):
                self.accept_one()
        while self.accept_one():
            pass  # those that wait would be refused by the end of the socket

    def accept_one(self) -> bool:
        try:
            connection, address = self.get_request()
        except OSError:
            return False  # taken by another release, or the customer has gone
        self.process_request(connection, address)
        return True

    def finish_what_has_begun(self) -> None:
        self.stopping.set()
        with self.changed:
            if self.changed.wait_for(lambda: self.open == 0, IDLE_GRACE_S):
                return
            for connection in list(self.idle):
                connection.shutdown(socket.SHUT_RD)
            self.changed.wait_for(lambda: self.open == 0, FINISH_S)


def run(config: Settings) -> None:
    """Serve until told to stop. Prints `accepting` and `draining`, for whoever watches."""
    if config.log:
        layout = "%(asctime)s %(levelname)s %(message)s"
        logging.basicConfig(filename=config.log, level=logging.INFO, format=layout)
    told, tell = socket.socketpair()
    stops: list[socket.socket | TextIO] = [told]
    if config.listen_fd is None:
        listener = socket.create_server((config.host, config.port), backlog=128)
    else:
        listener = socket.socket(fileno=config.listen_fd)
        stops.append(sys.stdin)  # a supervisor that is gone has closed it
    tell.settimeout(0)
    signal.set_wakeup_fd(tell.fileno())
    signal.signal(signal.SIGTERM, lambda *_: None)
    shop = Shop(listener)
    if config.probe_fd is not None:
        with socket.socket(fileno=config.probe_fd) as probe:
            shop.finish_request(probe, ("supervisor", 0))
    log.info("%s serves port %d", VERSION, shop.server_address[1])
    print("accepting", flush=True)
    shop.accept_until_told_to_stop(*stops)
    listener.close()
    print("draining", flush=True)
    shop.finish_what_has_begun()
    log.info("%s has stopped", VERSION)
