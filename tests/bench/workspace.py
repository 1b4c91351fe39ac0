"""`python -m tests.bench.workspace`: the local workspace, which also says when each call was answered.

Times are those of `time.monotonic()`, which all processes of a machine share. Beside the workspace's own addresses:

    GET  /bench/calls      every Web API call and answer to a response_url: method, channel, began, ended
    POST /bench/commands   {"commands": [[user, channel, text], ...]}: typed at the same moment; how many were refused
    POST /bench/forget     forget the calls and the latencies of acknowledgements
"""

import asyncio
import json
import signal
import time
from typing import Self

from aiohttp import web

from sandbox.workspace.__main__ import arguments as command_line
from sandbox.workspace.context import Context
from sandbox.workspace.errors import SlackError
from sandbox.workspace.local import LocalWorkspace
from sandbox.workspace.model import Json
from sandbox.workspace.server import Server, arguments
from sandbox.workspace.socket_mode import NotDeliveredError


class TimedServer(Server):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.calls: list[Json] = []

    def app(self) -> web.Application:
        app = super().app()
        app.add_routes(
            [
                web.get("/bench/calls", self.tell_calls),
                web.post("/bench/commands", self.type_commands),
                web.post("/bench/forget", self.forget),
            ]
        )
        return app

    async def api(self, request: web.Request) -> web.StreamResponse:
        began = time.monotonic()
        response = await super().api(request)
        args = await arguments(request)
        self.note(request.match_info["method"], str(args.get("channel", "")), began)
        return response

    async def response_url(self, request: web.Request) -> web.StreamResponse:
        began = time.monotonic()
        response = await super().response_url(request)
        self.note("response_url", "", began)
        return response

    def note(self, method: str, channel: str, began: float) -> None:
        self.calls.append({"method": method, "channel": channel, "began": began, "ended": time.monotonic()})

    async def tell_calls(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self.calls)

    async def type_commands(self, request: web.Request) -> web.StreamResponse:
        """Without HTTP in between, so that they come at the same moment and only the bot is measured."""
        commands = (await request.json())["commands"]
        ended = await asyncio.gather(
            *(self.client.run("send", {"user": u, "channel": c, "text": t}) for u, c, t in commands),
            return_exceptions=True,
        )
        for one in ended:
            if isinstance(one, BaseException) and not isinstance(one, SlackError | NotDeliveredError):
                raise one
        return web.json_response({"refused": sum(isinstance(one, BaseException) for one in ended)})

    async def forget(self, _request: web.Request) -> web.StreamResponse:
        self.calls.clear()
        self.context.stats.latencies.clear()
        return web.json_response({"ok": True})


class TimedWorkspace(LocalWorkspace):
    """Served by a TimedServer; everything else is the workspace's own."""

    async def __aenter__(self) -> Self:
        runner = web.AppRunner(TimedServer(self.context).app(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, self.host, self.port).start()
        self.runner = runner
        self.port = int(runner.addresses[0][1])
        self.context.base_url = f"http://{self.host}:{self.port}"
        return self


async def run() -> None:
    given = command_line()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    workspace = TimedWorkspace(manifest=given.manifest, port=given.port, rate_limits=not given.no_rate_limits)
    async with workspace:
        ready = {"url": workspace.url, "bot_token": workspace.bot_token, "app_token": workspace.app_token}
        print(json.dumps(ready), flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(run())
