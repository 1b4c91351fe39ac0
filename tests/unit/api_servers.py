"""An API server of a test's own making on 127.0.0.1, and the kubeconfig that leads to it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(answer: Answer) -> AsyncIterator[int]:
    """Let `answer` answer every request; gives the port."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


def kubeconfig(folder: Path, port: int) -> Path:
    """A file that names the server at `port` and nobody's credentials."""
    config = {
        "current-context": "shop",
        "contexts": [{"name": "shop", "context": {"cluster": "shop", "user": "kaeru"}}],
        "clusters": [{"name": "shop", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "kaeru", "user": {}}],
    }
    file = folder / "kubeconfig"
    file.write_text(json.dumps(config), encoding="utf-8")
    return file
