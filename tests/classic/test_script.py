"""What only a script can get wrong, with real scripts that write the deployed version into a file."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import ValidationError

from bot.domain.evidence import Outcome
from bot.ports import Conflict, Refused, Unavailable
from bot.ports.target import Change, Observation
from bot.workflows.applying import applied, followed, put_back, settle
from integrations.runs import Run
from integrations.script import ScriptSettings, ScriptTarget
from integrations.script.judging import judged
from integrations.script.looking import Seen
from tests.classic.crashing import ends_killed, forked
from tests.classic.scripts import run_and_die, script_settings
from tests.contract.shop import eventually
from tests.contract.worlds import change
from tests.fakes.memory import FakeMemory

HEAD = "#!/bin/sh\nset -eu\n"


class Deploy:
    """A folder with a script, and the file that says what is deployed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.version = folder / "VERSION"
        self.version.write_text("v1.3.0\n", encoding="ascii")
        self.script("echo $1 > VERSION")

    def script(self, body: str) -> None:
        path = self.folder / "deploy.sh"
        path.write_text(f"{HEAD}echo $1 >> runs\n{body}\n", encoding="utf-8")
        path.chmod(0o755)

    @property
    def runs(self) -> list[str]:
        path = self.folder / "runs"
        return path.read_text(encoding="ascii").split() if path.exists() else []

    def settings(self, **other: Any) -> ScriptSettings:
        return script_settings(self.folder, None, **{"current": ["cat", "VERSION"], **other})

    @asynccontextmanager
    async def target(self, **other: Any) -> AsyncIterator[ScriptTarget]:
        async with aclosing(ScriptTarget(self.settings(**other), FakeMemory())) as target:
            yield target


@pytest.fixture
def deploy(tmp_path: Path) -> Deploy:
    return Deploy(tmp_path)


async def all_of(target: ScriptTarget, planned: Change, key: str = "k") -> tuple[Observation, list[str]]:
    """Apply and follow to the end. The last observation, and all that was printed."""
    seen, lines = await target.apply(planned, key), list[str]()
    async with aclosing(target.follow(planned, key)) as looks:
        async for seen in looks:
            lines += seen.output
    return seen, lines


def pids(file: Path) -> list[int]:
    text = file.read_text(encoding="ascii") if file.exists() else ""
    return [int(pid) for pid in text.split()]


def gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def program(deploy: Deploy) -> int:
    """The pid of the script, once it is noted."""
    noted = deploy.folder / "state" / "running.json"
    eventually(lambda: noted.exists() and "program" in noted.read_text(encoding="ascii"))
    return int(json.loads(noted.read_text(encoding="ascii"))["program"]["pid"])


async def test_what_it_prints_is_handed_over_line_by_line_without_secrets(deploy: Deploy) -> None:
    deploy.script(
        "echo step 1; sleep 0.1; echo 'password=swordfish' >&2; echo token is $DEPLOY_TOKEN; echo 'naïve ✓'\n"
        "printf 'no end'; echo $1 > VERSION"
    )
    async with deploy.target() as target:
        planned = change(await target.inspect(), "v1.2.9")
        seen, lines = await all_of(target, planned)
        assert seen.outcome is Outcome.SUCCEEDED
        assert lines == ["step 1", "password=[redacted]", "token is [redacted]", "naïve ✓", "no end"]
        async with aclosing(target.follow(planned, "k")) as looks:
            assert [look.output async for look in looks] == [()]
    kept = deploy.folder / "state" / "output.log"
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)


async def test_what_is_meant_for_a_terminal_is_told_as_it_shows_it(deploy: Deploy) -> None:
    deploy.script(
        r"""printf '\033[1;32mok\033[0m pass\033[1mword=swordfish\n10 %%\r 50 %%\r100 %%\r\n\033]0;title\007bell\007\n\r\n'"""
        "\necho $1 > VERSION"
    )
    async with deploy.target() as target:
        _, lines = await all_of(target, change(await target.inspect(), "v1.2.9"))
    assert lines == ["ok password=[redacted]", "100 %", "bell"]


async def test_a_flood_is_shortened_and_kept_within_its_limit(deploy: Deploy) -> None:
    deploy.script("yes 'a line of the flood' | head -n 200000; sleep 0.3; echo last; echo $1 > VERSION")
    async with deploy.target(output_limit=10_000) as target:
        seen, lines = await all_of(target, change(await target.inspect(), "v1.2.9"))
    assert seen.outcome is Outcome.SUCCEEDED
    assert lines[-1] == "last"
    assert len(lines) < 400
    assert (deploy.folder / "state" / "output.log").stat().st_size < 100_000


async def test_the_script_sees_no_secret_of_the_bot(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "very-secret")
    deploy.script("env > environment; echo $1 > VERSION")
    async with deploy.target() as target:
        assert (
            await applied(target, change(await target.inspect(), "v1.2.9"), key="k")
        ).outcome is Outcome.SUCCEEDED
    text = (deploy.folder / "environment").read_text(encoding="utf-8")
    assert "very-secret" not in text
    assert "DEPLOY_TOKEN=hunter2" in text


async def test_one_that_hangs_is_ended_with_all_that_it_started(deploy: Deploy) -> None:
    grandchild = (
        f"{sys.executable} -c 'import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)'"
    )
    deploy.script(f"trap '' TERM\n({grandchild} & echo $! >> pids; wait) &\necho $$ >> pids\nsleep 60 & wait")
    async with deploy.target(timeout="600ms", grace="200ms") as target:
        planned = change(await target.inspect(), "v1.2.9")
        done = await applied(target, planned, key="k")
    assert (done.outcome, done.untouched) == (Outcome.FAILED, False)
    assert done.detail == (
        "deploy.sh v1.2.9 was ended with all that it had started: it did not end within 0.6 s; "
        "v1.3.0 is what is deployed."
    )
    found = pids(deploy.folder / "pids")
    assert len(found) == 2
    for pid in found:
        eventually(lambda pid=pid: gone(pid))  # type: ignore[misc] # late binding


async def test_one_that_is_told_to_end_may_tidy_up_first(deploy: Deploy) -> None:
    deploy.script("trap 'echo tidied up; exit 1' TERM\nsleep 60 & wait")
    async with deploy.target(timeout="300ms", grace="10s") as target:
        seen, lines = await all_of(target, change(await target.inspect(), "v1.2.9"))
    assert seen.outcome is Outcome.FAILED
    assert lines == ["tidied up"]


async def test_a_kaeru_that_is_stopped_with_all_its_processes_notes_the_end(deploy: Deploy) -> None:
    """As systemd stops a service: whoever looks after the script is told, too."""
    deploy.script("trap 'echo tidied up; exit 1' TERM\necho ready\nsleep 60 & wait")
    async with deploy.target() as target:
        planned = change(await target.inspect(), "v1.2.9")
        await target.apply(planned, "k")
        output = deploy.folder / "state" / "output.log"
        eventually(lambda: "ready" in output.read_text(encoding="ascii"))
        os.kill(psutil.Process(program(deploy)).ppid(), signal.SIGTERM)
        seen, lines = await all_of(target, planned)
    assert seen.detail == (
        "deploy.sh v1.2.9 was ended with all that it had started: kaeru was told to stop: tidied up; "
        "v1.3.0 is what is deployed."
    )
    assert lines == ["ready", "tidied up"]


@pytest.mark.parametrize(
    ("body", "outcome", "says"),
    [
        ("exit 0", Outcome.FAILED, "deploy.sh v1.2.9 ended with 0; v1.3.0 is what is deployed."),
        (
            "echo 'no quorum: key=abc' >&2; exit 3",
            Outcome.FAILED,
            "deploy.sh v1.2.9 ended with 3: no quorum: key=abc; v1.3.0 is what is deployed.",
        ),
        (
            "echo $1 > VERSION; exit 1",
            Outcome.SUCCEEDED,
            "deploy.sh v1.2.9 ended with 1, but v1.2.9 is what is deployed.",
        ),
    ],
)
async def test_its_word_is_heard_and_what_is_seen_decides(
    deploy: Deploy, body: str, outcome: Outcome, says: str
) -> None:
    deploy.script(body)
    async with deploy.target() as target:
        planned = change(await target.inspect(), "v1.2.9")
        done = await applied(target, planned, key="k")
        assert (done.outcome, done.detail) == (outcome, says)
        again = await applied(target, planned, key="k")
        assert (again.outcome, deploy.runs) == (outcome, ["v1.2.9"])


@pytest.mark.parametrize(
    ("body", "other"),
    [("exit 1", {}), ("sleep 30", {"timeout": "300ms"}), ("echo ok", {"settle": "100ms"})],
    ids=["fails", "hangs", "says yes and does nothing"],
)
async def test_a_version_that_never_ran_is_not_to_blame(
    deploy: Deploy, body: str, other: dict[str, Any]
) -> None:
    deploy.script(body)
    async with deploy.target(**other) as target:
        done = await applied(target, change(await target.inspect(), "v1.2.9"), key="k")
    assert (done.outcome, done.blameless) == (Outcome.FAILED, True)


@pytest.mark.parametrize(
    ("seen", "code", "blameless"),
    [
        (Seen("v1.3.0", None, ("v1.2.9", "v1.3.0")), 1, False),
        (Seen("v1.2.9", None), 1, False),
        (Seen("v1.3.0", "v1.3.0"), 0, True),
        (Seen("v1.3.0", None, guessed=True), 1, True),
        (Seen("v1.3.0", None, guessed=True), 0, False),
    ],
    ids=["seen beside", "deployed and silent", "another answers", "silent, it failed", "silent, it said yes"],
)
def test_only_what_was_seen_of_a_version_is_held_against_it(seen: Seen, code: int, blameless: bool) -> None:
    run = Run(key="k", goal="v1.2.9", began_at=0, alive=False, ended_at=1, code=code)
    done = judged("deploy.sh", run, seen, "v1.2.9", arrived=False, waiting=False, last_line="")
    assert (done.outcome, done.blameless) == (Outcome.FAILED, blameless)


async def test_one_that_cannot_be_started_has_done_nothing(deploy: Deploy) -> None:
    async with deploy.target(command=["./nowhere.sh", "{version}"]) as target:
        planned = change(await target.inspect(), "v1.2.9")
        plan = await target.plan(planned)
        assert [check.detail for check in plan.checks if not check.ok] == ["./nowhere.sh is no program"]
        done = await applied(target, planned, key="k")
    assert (done.outcome, done.untouched) == (Outcome.FAILED, True)
    assert done.detail.startswith(
        "nowhere.sh v1.2.9 did not run: it cannot be started: No such file or directory;"
    )


async def test_a_version_is_one_argument_and_no_shell_reads_it(deploy: Deploy) -> None:
    forged = Change.model_construct(
        component="shop",
        from_version="v1.3.0",
        to_version="v1; touch owned",
        fingerprint="x",
        from_ref="",
        to_ref="",
    )
    async with deploy.target() as target:
        seen = await target.inspect()
        with pytest.raises(Refused, match="is not among the versions"):
            await target.apply(forged.model_copy(update={"fingerprint": seen.fingerprint}), "k")
    assert deploy.runs == []


async def test_a_half_done_run_is_taken_back_whatever_is_seen(deploy: Deploy) -> None:
    """One of several hosts may have changed, although the one that is asked has not."""
    deploy.script("test $1 = v1.3.0 || exit 1; echo $1 > VERSION")
    async with deploy.target() as target:
        planned = change(await target.inspect(), "v1.2.9")
        assert (await applied(target, planned, key="k")).outcome is Outcome.FAILED
        assert (await put_back(target, planned, key="k/back")).outcome is Outcome.SUCCEEDED
    assert deploy.runs == ["v1.2.9", "v1.3.0"]


async def test_a_way_back_that_was_ended_at_its_limit_is_said_to_be(deploy: Deploy) -> None:
    deploy.script("sleep 30")
    async with deploy.target(timeout="300ms", grace="100ms") as target:
        planned = change(await target.inspect(), "v1.2.9")
        assert (await applied(target, planned, key="k")).outcome is Outcome.FAILED
        settled = await settle(target, planned, "k/back", back=True)
    assert settled.outcome is Outcome.SUCCEEDED
    assert settled.said == (
        "shop was put back: shop runs v1.3.0 now. deploy.sh v1.3.0 was ended with all that it had started: "
        "it did not end within 0.3 s, but v1.3.0 is what is deployed."
    )


async def test_the_status_program_says_how_far_it_is(deploy: Deploy) -> None:
    deploy.script("while test ! -e go; do sleep 0.05; done; echo $1 > VERSION")
    async with deploy.target(status=["echo", "2 of 3 hosts"]) as target:
        planned = change(await target.inspect(), "v1.2.9")
        await target.apply(planned, "k")
        async with aclosing(target.follow(planned, "k")) as looks:
            first = await anext(looks)
            assert first.detail == "deploy.sh v1.2.9 is running (2 of 3 hosts); v1.3.0 is what is deployed."
            (info,) = (await target.inspect()).warnings
            assert info.text == "deploy.sh v1.2.9 is running."
            (deploy.folder / "go").touch()
            assert [look async for look in looks][-1].outcome is Outcome.SUCCEEDED


async def test_never_two_at_once(deploy: Deploy) -> None:
    deploy.script("while test ! -e go; do sleep 0.05; done; echo $1 > VERSION")
    async with deploy.target() as target, deploy.target() as second:
        planned = change(await target.inspect(), "v1.2.9")
        await target.apply(planned, "k")
        assert (await second.apply(planned, "k")).outcome is Outcome.UNKNOWN
        with pytest.raises(
            Unavailable, match=r"deploy\.sh v1\.2\.9 is still running, and deploy\.sh v1\.2\.8 is not"
        ):
            await second.apply(change(await second.inspect(), "v1.2.8"), "other")
        with pytest.raises(Unavailable):
            await second.revert(planned, "back")
        (deploy.folder / "go").touch()
        assert (await followed(second, planned, "k")).outcome is Outcome.SUCCEEDED
    assert deploy.runs == ["v1.2.9"]


def killed(deploy: Deploy, planned: Change, at: str) -> list[str]:
    """Apply and follow in a process of its own that is killed there. The lines that it had handed over."""
    said = deploy.folder / "said"
    said.touch()
    settings = deploy.settings(environment={}).model_dump_json()
    ends_killed(forked(run_and_die, settings, planned.model_dump_json(), at, str(said)))
    return said.read_text(encoding="utf-8").split()


@pytest.mark.parametrize("at", ["before the order", "before the start", "after the start", "while it runs"])
async def test_a_bot_that_is_killed_leaves_one_run_that_the_next_one_follows(deploy: Deploy, at: str) -> None:
    deploy.script("echo one; while test ! -e go; do sleep 0.05; done; echo two; echo $1 > VERSION")
    async with deploy.target() as target:
        planned = change(await target.inspect(), "v1.2.9")
        before = await asyncio.to_thread(killed, deploy, planned, at)
        assert (before == ["one"]) == (at == "while it runs")
        assert (await target.apply(planned, "k")).outcome is Outcome.UNKNOWN
        (deploy.folder / "go").touch()
        seen, lines = await all_of(target, planned)
    assert (seen.outcome, seen.running) == (Outcome.SUCCEEDED, None)
    assert lines == (["two"] if at == "while it runs" else ["one", "two"])
    assert deploy.runs == ["v1.2.9"]


async def test_its_end_is_known_although_no_bot_was_there(deploy: Deploy) -> None:
    deploy.script("echo one; while test ! -e go; do sleep 0.05; done; exit 7")
    async with deploy.target() as target:
        planned = change(await target.inspect(), "v1.2.9")
        await asyncio.to_thread(killed, deploy, planned, "while it runs")
        (deploy.folder / "go").touch()
        eventually((deploy.folder / "state" / "ended.json").exists)
        done = await applied(target, planned, key="k")
    assert done.detail == "deploy.sh v1.2.9 ended with 7; v1.3.0 is what is deployed."
    assert deploy.runs == ["v1.2.9"]


def interrupted(deploy: Deploy) -> None:
    """The machine loses power, as far as a test can do that: the script and who looks after it are gone at once."""
    script = program(deploy)
    looking_after = psutil.Process(script).ppid()
    os.kill(looking_after, signal.SIGKILL)
    os.killpg(script, signal.SIGKILL)
    eventually(lambda: gone(script) and gone(looking_after))


async def test_an_interrupted_run_asks_a_person(deploy: Deploy) -> None:
    deploy.script("sleep 60")
    async with deploy.target() as target:
        planned = change(await target.inspect(), "v1.2.9")
        await target.apply(planned, "k")
        await asyncio.to_thread(interrupted, deploy)
        done = await applied(target, planned, key="k")
        assert done.outcome is Outcome.UNKNOWN
        assert "was begun at " in done.detail
        assert "and interrupted, and nobody saw how far it came; v1.3.0 is what is deployed." in done.detail
        assert "look at what it has done, bring it to its end or back by hand" in done.detail
        assert deploy.runs == ["v1.2.9"]
        deploy.version.write_text("v1.2.9\n", encoding="ascii")  # as somebody has seen to it
        assert (await target.observe(planned, "k")).outcome is Outcome.SUCCEEDED


async def test_an_interrupted_run_that_is_resumable_is_run_again(deploy: Deploy) -> None:
    deploy.script("test -e go || sleep 60; echo $1 > VERSION")
    async with deploy.target(resumable=True) as target:
        planned = change(await target.inspect(), "v1.2.9")
        await target.apply(planned, "k")
        await asyncio.to_thread(interrupted, deploy)
        (deploy.folder / "go").touch()
        assert (await applied(target, planned, key="k")).outcome is Outcome.SUCCEEDED
    assert deploy.runs == ["v1.2.9", "v1.2.9"]


async def test_a_script_whose_keeper_was_killed_still_runs_alone(deploy: Deploy) -> None:
    deploy.script("while test ! -e go; do sleep 0.05; done; echo $1 > VERSION")
    async with deploy.target() as target:
        planned = change(await target.inspect(), "v1.2.9")
        await target.apply(planned, "k")
        script = program(deploy)
        os.kill(psutil.Process(script).ppid(), signal.SIGKILL)
        assert (await target.apply(planned, "k")).outcome is Outcome.UNKNOWN
        (deploy.folder / "go").touch()
        eventually(lambda: gone(script))
        done = await applied(target, planned, key="k")
    assert done.outcome is Outcome.SUCCEEDED
    assert deploy.runs == ["v1.2.9"]


async def test_several_answers_side_by_side_are_no_success(deploy: Deploy) -> None:
    """Behind a load balancer a rollout that stopped half way answers with both."""
    answers = deploy.folder / "answers.py"
    answers.write_text(
        "import http.server, itertools, json, sys\n"
        "turn = itertools.cycle(['v1.2.9', 'v1.3.0'])\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        body = json.dumps({'version': next(turn)}).encode()\n"
        "        self.send_response(200); self.end_headers(); self.wfile.write(body)\n"
        "    def log_message(self, *_): pass\n"
        "server = http.server.HTTPServer(('127.0.0.1', 0), Handler)\n"
        "print(server.server_address[1], flush=True)\n"
        "server.serve_forever()\n",
        encoding="ascii",
    )
    with subprocess.Popen([sys.executable, str(answers)], stdout=subprocess.PIPE, text=True) as server:  # noqa: ASYNC220 - it answers at once
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}/version"
            async with deploy.target(version_url=url) as target:
                planned = change(await target.inspect(), "v1.2.9")
                done = await applied(target, planned, key="k")
                assert done.outcome is Outcome.FAILED
                assert done.detail == "deploy.sh v1.2.9 ended with 0; v1.2.9 and v1.3.0 answer side by side."
                (warning,) = (await target.inspect()).warnings
                assert warning.text == f"At {url} v1.2.9 and v1.3.0 answer side by side."
        finally:
            server.terminate()


async def test_somebody_elses_deploy_is_a_conflict(deploy: Deploy) -> None:
    async with deploy.target() as target:
        planned = change(await target.inspect(), "v1.2.9")
        deploy.version.write_text("v1.2.8\n", encoding="ascii")
        with pytest.raises(Conflict, match=r"v1\.2\.8 is deployed"):
            await target.apply(planned, "k")
    assert deploy.runs == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"command": ["./deploy.sh"]}, "has no {version}"),
        ({"command": ["./deploy.sh", "{version}", "{colour}"]}, "{colour} is not known here"),
        ({"known_versions": []}, "exactly one of versions and known_versions"),
        ({"versions": ["ls"]}, "exactly one of versions and known_versions"),
        ({"current": []}, "without both nobody knows"),
        ({"cwd": "deploy"}, "has to be an absolute path"),
        ({"version_url": "http://me:pw@127.0.0.1/version"}, "without a user"),
        ({"known_versions": ["../x"]}, "known_versions"),
    ],
)
def test_wrong_settings_say_what_is_wrong(deploy: Deploy, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        deploy.settings(**wrong)
