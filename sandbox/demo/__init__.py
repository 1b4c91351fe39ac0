"""`make demo`: a bad release is rolled back from chat, on this machine, with nothing else installed."""

import asyncio
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from sandbox.clusters.errors import ClusterError, Unavailable
from sandbox.demo import places
from sandbox.demo.places import BAD, GOOD, Place
from sandbox.demo.play import NotAsPromised, Play
from sandbox.demo.ports import is_free, taken
from sandbox.demo.processes import StartError
from sandbox.demo.stage import Stage
from sandbox.shop.releases.builder import BuildError
from sandbox.workspace.person import Person

INVITATION = """
  kaeru is running. Open this page:

      {url}/?as=alice

  A bad release ({bad}) of the tea shop has just gone out, and customers are being hurt.
  Three things to do:

      1.  type   /rollback shop   in #general, open the new #inc-… channel and say how bad it is
      2.  at the bottom left, act as Bob, and press Approve on the plan card
      3.  when it says Verified, type   /incident close   and accept that {bad} stays quarantined

  The shop itself is at {shop}/checkout (try it a few times). Everything lives in {data}.
  {where}
  Ctrl-C ends it all.
"""


def main(*, check: bool, port: int, data: Path | None, on: str = places.PROCESSES) -> int:
    """Run the demo, or with `check` play it to its end; the shop runs `on` one of `places.NAMES`.

    Gives the exit code.
    """
    obstacle = in_the_way(port, data)
    if obstacle:
        print(obstacle, file=sys.stderr)
        return 1
    with ExitStack() as stack:
        if data is None:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kaeru-demo-")))
        data = data.resolve()
        try:
            place = places.ready(on, data / "shop")
            stack.callback(_tell, place.farewell)
            asyncio.run(_check(data, port, place) if check else _live(data, port, place))
        except (KeyboardInterrupt, asyncio.CancelledError):
            print("\nEnded.", file=sys.stderr)
            return 130
        except BuildError as error:
            print(f"The demo stopped: {error}", file=sys.stderr)
            return 1
        except Unavailable as error:
            print(f"{error} The demo without a cluster needs nothing of it: make demo.", file=sys.stderr)
            return 1
        except (StartError, NotAsPromised, TimeoutError, ClusterError) as error:
            print(f"The demo stopped: {error}", file=sys.stderr)
            for log in sorted(data.glob("*.log")):
                tail = log.read_text(errors="replace").strip().splitlines()[-15:]
                print(f"--- {log.name}", *tail, sep="\n", file=sys.stderr)
            return 1
    return 0


def _tell(sentence: str) -> None:
    if sentence:
        print(sentence, flush=True)


def in_the_way(port: int, data: Path | None) -> str:
    """A sentence about what keeps the demo from starting; empty when nothing does."""
    if shutil.which("git") is None:
        return "The demo's shop has a git repository, and git is not installed. Install git, then try again."
    if port and not is_free(port):
        return taken(port)
    if data is not None:
        try:
            data.mkdir(parents=True, exist_ok=True)
            (data / ".writable").touch()
            (data / ".writable").unlink()
        except OSError as error:
            return f"The demo cannot write to {data}: {error.strerror}. Choose another folder."
    return ""


async def _check(data: Path, port: int, place: Place) -> None:
    # Ended as by Ctrl-C, also where a shell has it that this process ignores that one.
    if (this := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    async with Stage(data, port=port, place=place) as stage:
        play = Play(stage, lambda line: print(line, flush=True))
        await play.run()
    print("everything was observed; the demo is over")


async def _watch(stage: Stage, stopped: "asyncio.Task[Literal[True]]") -> None:
    """Until somebody ends the demo; a part that ends by itself is told of, once."""
    told: set[str] = set()
    while not stopped.done():
        await asyncio.wait({stopped}, timeout=1.0)
        for name in set(stage.dead()) - told:
            told.add(name)
            print(f"\n  The {name} has ended. Its log: {stage.data / name}.log", file=sys.stderr, flush=True)


async def _live(data: Path, port: int, place: Place) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    print("Starting a chat workspace, a tea shop with customers, and kaeru …", flush=True)
    async with Stage(data, port=port, place=place) as stage:
        async with await Person.at(stage.url, "alice") as alice:
            getting_ready = asyncio.ensure_future(Play(stage, lambda _line: None).until_known_good(alice))
            stopped = asyncio.ensure_future(stop.wait())
            await asyncio.wait({getting_ready, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                getting_ready.cancel()
                return
            await getting_ready
        print(f"{GOOD} has been serving well; now somebody deploys {BAD} …", flush=True)
        await stage.deploy(BAD)
        invitation = INVITATION.format(
            url=stage.url, bad=BAD, shop=stage.shop_url, data=data, where=place.where
        )
        print(invitation, flush=True)
        await _watch(stage, stopped)
        print("\nEnding …", flush=True)
