"""The door on 127.0.0.1: connections go in turn to whoever is there at that moment."""

import contextlib
import http.server
import socket
import threading
import urllib.request
from collections.abc import Iterator
from http.client import RemoteDisconnected
from typing import Any
from urllib.error import URLError

import pytest

from sandbox.clusters.relay import relay


@contextlib.contextmanager
def server(name: str) -> Iterator[tuple[str, int]]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(name.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield ("127.0.0.1", made.server_port)
        finally:
            made.shutdown()
            thread.join()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def ask(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - an http address of ours
        return str(answer.read().decode())


def test_connections_go_in_turn() -> None:
    with server("one") as one, server("two") as two, relay(lambda: [one, two]) as url:
        assert [ask(url) for _ in range(4)] == ["one", "two", "one", "two"]


def test_one_that_is_gone_is_passed_over() -> None:
    with server("one") as one, relay(lambda: [("127.0.0.1", closed_port()), one]) as url:
        assert [ask(url) for _ in range(3)] == ["one"] * 3


def test_nobody_there_is_a_closed_connection() -> None:
    with relay(list) as url, pytest.raises((RemoteDisconnected, ConnectionError, URLError)):
        ask(url)


def test_who_is_there_may_change() -> None:
    with server("old") as old, server("new") as new:
        there = [old]
        with relay(lambda: list(there)) as url:
            assert ask(url) == "old"
            there[:] = [new]
            while (
                answer := ask(url)
            ) == "old":  # an answer is believed for a moment; the test's timeout ends it
                pass
            assert answer == "new"


def test_the_door_is_closed_afterwards() -> None:
    with server("one") as one, relay(lambda: [one]) as url:
        assert ask(url) == "one"
    with pytest.raises(URLError):
        ask(url)
