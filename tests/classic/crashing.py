"""`python -m tests.classic.crashing SETTINGS CHANGE WHERE WHEN`: applies a change, and is killed on the way.

WHERE is `module:name` or `module:Class.method` of something that is called on that way; WHEN is `before` or `after`
and which call of it is meant, such as `before 2`.
"""

import asyncio
import importlib
import inspect
import os
import signal
import subprocess
import sys
from typing import Any

from bot.ports.memory import Forgetful
from bot.ports.target import Change
from integrations.bluegreen import BlueGreenSettings, BlueGreenTarget
from tests.contract.shop import PROJECT


def killed(settings: BlueGreenSettings, change: Change, where: str, when: str) -> None:
    """Apply in a process of its own that is killed there."""
    argv = [
        sys.executable,
        "-m",
        "tests.classic.crashing",
        settings.model_dump_json(),
        change.model_dump_json(),
    ]
    done = subprocess.run([*argv, where, when], cwd=PROJECT, capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def deadly(where: str, when: str) -> None:
    """From now on the call that is meant ends this process at once."""
    module, _, path = where.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    real, calls = getattr(owner, name), 0
    moment, _, number = when.partition(" ")

    def counted() -> bool:
        nonlocal calls
        calls += 1
        return calls == int(number)

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def plain(*args: Any, **kwargs: Any) -> Any:
        meant = counted()
        if meant and moment == "before":
            die()
        result = real(*args, **kwargs)
        if meant:
            die()
        return result

    async def waited(*args: Any, **kwargs: Any) -> Any:
        meant = counted()
        if meant and moment == "before":
            die()
        result = await real(*args, **kwargs)
        if meant:
            die()
        return result

    setattr(owner, name, waited if inspect.iscoroutinefunction(real) else plain)


def main() -> None:
    settings, change, where, when = sys.argv[1:]
    deadly(where, when)
    target = BlueGreenTarget(BlueGreenSettings.model_validate_json(settings), Forgetful())
    asyncio.run(target.apply(Change.model_validate_json(change), "k"))


if __name__ == "__main__":
    main()
