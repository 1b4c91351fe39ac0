"""Programs end when they should, and take their children with them."""

import asyncio
import sys
from pathlib import Path

import psutil
import pytest

from bot.ports import Refused
from integrations.process import TimedOut, redact, run
from tests.contract.shop import eventually

FAMILY = (
    "import os, subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid}\\n')\n"
    "time.sleep(60)\n"
)


def gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def family(file: Path) -> list[int]:
    text = file.read_text(encoding="ascii") if file.exists() else ""
    return [int(pid) for pid in text.split()] if text.endswith("\n") else []


async def test_it_tells_how_a_program_ended() -> None:
    program = "import sys; print('out'); print('first\\nlast ', file=sys.stderr); sys.exit(7)"
    done = await run([sys.executable, "-c", program], timeout_s=10)
    assert (done.code, done.stdout, done.last_line) == (7, b"out\n", "last")


async def test_a_secret_that_was_given_is_not_told() -> None:
    program = (
        "import os, sys; sys.exit('login of ' + os.environ['WHO'] + ' with ' + os.environ['DEPLOY_KEY'])"
    )
    given = {"WHO": "shop", "DEPLOY_KEY": "swordfish"}
    done = await run([sys.executable, "-c", program], timeout_s=10, environment=given)
    assert done.last_line == "login of shop with [redacted]"


async def test_a_program_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    with pytest.raises(TimedOut, match=r"did not end within 1 s"):
        await run([sys.executable, "-c", FAMILY, str(file)], timeout_s=1)
    assert len(family(file)) == 2
    eventually(lambda: all(gone(pid) for pid in family(file)))


async def test_who_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    running = asyncio.create_task(run([sys.executable, "-c", FAMILY, str(file)], timeout_s=30))
    await asyncio.to_thread(eventually, lambda: bool(family(file)))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    eventually(lambda: all(gone(pid) for pid in family(file)))


def test_a_loop_that_ends_while_programs_start_does_not_hang() -> None:
    async def start_and_leave(patience: int) -> None:
        tasks = [asyncio.create_task(run(["sleep", "60"], timeout_s=60)) for _ in range(3)]
        for _ in range(patience):
            await asyncio.sleep(0)
        assert not any(task.done() for task in tasks)

    before = set(psutil.Process().children())
    for patience in range(6):
        asyncio.run(start_and_leave(patience))
    after = set(psutil.Process().children())
    assert [child for child in after - before if not gone(child.pid)] == []


async def test_what_cannot_be_started_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program", encoding="ascii")
    with pytest.raises(Refused, match="cannot be started: Permission denied"):
        await run([str(tmp_path / "text")], timeout_s=1)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("password=hunter2 was wrong", "password=[redacted] was wrong"),
        ("DB_PASSWORD: hunter2", "DB_PASSWORD: [redacted]"),
        ('{"api_key": "abc"}', '{"api_key": [redacted]'),
        ("Authorization: Bearer abc.def", "Authorization: [redacted]"),
        ("deploy --token abc now", "deploy --token [redacted] now"),
        ("fetch https://me:pw@example.com/x", "fetch https://me:[redacted]@example.com/x"),
        ("token xoxb-12-34-ab is old", "token [redacted] is old"),
        ("nothing secret in v1.2.9 of 10:30", "nothing secret in v1.2.9 of 10:30"),
    ],
)
def test_secrets_are_not_told(said: str, told: str) -> None:
    assert redact(said) == told
