"""`python -m sandbox.shop.supervisor run | restart | deploy | status`: keeps the shop running."""

import argparse
import json
import sys
from pathlib import Path

from sandbox.shop.control import ControlError, ask, point_current


def main() -> int:
    asked = _parser().parse_args()
    root: Path = asked.root.absolute()
    try:
        match asked.command:
            case "run":
                _run(root, asked.host, asked.port)
            case "restart":
                print(_running(ask(root, "restart", asked.timeout)["running"]))
            case "deploy":
                point_current(root, asked.version)
                print(_running(ask(root, "restart", asked.timeout)["running"]))
            case "status":
                print(json.dumps(ask(root, "status"), indent=2))
    except ControlError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _running(child: dict[str, object]) -> str:
    return f"{child['version']} is running (pid {child['pid']})."


def _run(root: Path, host: str, port: int) -> None:
    import asyncio  # noqa: PLC0415 - costs 40 ms that `restart` need not pay

    from sandbox.shop.keeper import Keeper  # noqa: PLC0415 - likewise

    asyncio.run(Keeper(root, host, port).run())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox.shop.supervisor", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run what `current` points at, until SIGTERM")
    run.add_argument("--host", default="127.0.0.1")
    run.add_argument("--port", type=int, default=8138, help="0 chooses a free one")
    restart = commands.add_parser("restart", help="change to what `current` points at now")
    deploy = commands.add_parser("deploy", help="point `current` at a version and restart")
    deploy.add_argument("version")
    status = commands.add_parser("status", help="print what runs, as JSON")
    for command in (run, restart, deploy, status):
        command.add_argument("--root", type=Path, required=True, metavar="DIR", help="the shop's folder")
    for command in (restart, deploy):
        command.add_argument("--timeout", type=float, default=10.0, metavar="S", help="to come up")
    return parser


if __name__ == "__main__":
    sys.exit(main())
