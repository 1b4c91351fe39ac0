"""Applies a change in a process of its own, which is killed on the way.

The processes are forked from one that has everything imported: to start Python takes longer than the rest of a test.
"""

import asyncio
import importlib
import inspect
import os
import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

from bot.ports.memory import Forgetful
from bot.ports.target import Change
from integrations.bluegreen import BlueGreenSettings, BlueGreenTarget
from tests.forks import PROCESSES

NOWHERE = ("asyncio:run", "after 99")


def killed(settings: BlueGreenSettings, change: Change, where: str, when: str) -> None:
    """Apply, and be killed there.

    `where` is `module:name` or `module:Class.method` of something that is called on that way; `when` is `before` or
    `after` and which call of it is meant, such as `before 2`.
    """
    ends_killed(applying(settings, change, where, when))


def applying(settings: BlueGreenSettings, change: Change, where: str, when: str) -> BaseProcess:
    """A process that applies."""
    return forked(_apply, settings.model_dump_json(), change.model_dump_json(), where, when)


def forked(function: Callable[..., None], *arguments: str) -> BaseProcess:
    """A process that does this; the function stands in a module."""
    process = PROCESSES.Process(target=function, args=arguments)
    process.start()
    return process


def ends_killed(process: BaseProcess) -> None:
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    process.close()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _apply(settings: str, change: str, where: str, when: str) -> None:
    _deadly(where, when)
    target = BlueGreenTarget(BlueGreenSettings.model_validate_json(settings), Forgetful())
    asyncio.run(target.apply(Change.model_validate_json(change), "k"))


def _deadly(where: str, when: str) -> None:
    """From now on the call that is meant ends this process at once."""
    module, _, path = where.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    real, calls = getattr(owner, name), 0
    moment, _, number = when.partition(" ")

    def is_meant() -> bool:
        nonlocal calls
        calls += 1
        if calls == int(number) and moment == "before":
            die()
        return calls == int(number)

    def plain(*args: Any, **kwargs: Any) -> Any:
        meant = is_meant()
        result = real(*args, **kwargs)
        if meant:
            die()
        return result

    async def waited(*args: Any, **kwargs: Any) -> Any:
        meant = is_meant()
        result = await real(*args, **kwargs)
        if meant:
            die()
        return result

    setattr(owner, name, waited if inspect.iscoroutinefunction(real) else plain)
