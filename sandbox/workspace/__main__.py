"""`python -m sandbox.workspace`: the workspace as a process of its own."""

import argparse
import asyncio
import json
import signal
from pathlib import Path

from sandbox.workspace.local import LocalWorkspace


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.workspace", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--manifest", type=Path, default=Path("manifest.yml"))
    parser.add_argument("--state", type=Path, help="read at the start if it exists, written at the end")
    parser.add_argument("--seed", type=Path, help="who and what is there at the start (JSON, see seed.py)")
    parser.add_argument("--bot-token", help="random if not given")
    parser.add_argument("--app-token", help="random if not given")
    parser.add_argument("--no-rate-limits", action="store_true")
    return parser.parse_args()


async def run(given: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    workspace = LocalWorkspace(
        manifest=given.manifest,
        port=given.port,
        rate_limits=not given.no_rate_limits,
        bot_token=given.bot_token,
        app_token=given.app_token,
        state_file=given.state,
        seed_file=given.seed,
    )
    async with workspace:
        ready = {"url": workspace.url, "bot_token": workspace.bot_token, "app_token": workspace.app_token}
        print(json.dumps(ready), flush=True)
        await stop.wait()


def main() -> None:
    asyncio.run(run(arguments()))


if __name__ == "__main__":
    main()
