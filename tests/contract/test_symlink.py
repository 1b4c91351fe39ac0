"""What only the symlink target can get wrong, on a real folder with a real process."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import ValidationError

from bot.domain.evidence import Outcome
from bot.ports import AuthFailed, Conflict, OutcomeUnknown, Refused
from bot.ports.target import Change
from integrations.symlink import SymlinkSettings, SymlinkTarget
from integrations.symlink.folder import ReleaseFolder
from sandbox.shop.control import point_current
from sandbox.shop.releases import Shop, build
from tests.contract.shop import PROJECT, RunningShop, copied, eventually, running
from tests.contract.symlinks import symlink_settings, symlink_target
from tests.contract.worlds import change


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build(tmp_path_factory.mktemp("built"), current="v1.3.0")


@pytest.fixture
def shop(built: Shop, tmp_path: Path) -> Iterator[RunningShop]:
    with running(copied(built, tmp_path / "shop")) as found:
        yield found


@pytest.fixture
async def target(shop: RunningShop) -> AsyncIterator[SymlinkTarget]:
    target = symlink_target(shop)
    yield target
    await target.aclose()


@pytest.fixture
def folder(tmp_path: Path) -> ReleaseFolder:
    for version in ("v1.2.8", "v1.2.9", "v1.3.0"):
        (tmp_path / "releases" / version).mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/v1.3.0")
    return ReleaseFolder(tmp_path / "releases", tmp_path / "current")


def settings_of(folder: ReleaseFolder, **other: Any) -> SymlinkSettings:
    return SymlinkSettings(releases=folder.releases, link=folder.link, **other)


async def test_link_and_process_disagree(shop: RunningShop, target: SymlinkTarget) -> None:
    point_current(shop.root, "v1.2.9")
    seen = await target.inspect()
    assert (seen.current, seen.running) == ("v1.2.9", "v1.3.0")
    (warning,) = seen.warnings
    assert warning.text == f"{shop.shop.current} points at v1.2.9, but v1.3.0 is what answers."


async def test_a_crash_between_link_and_restart_is_finished_by_the_retry(
    shop: RunningShop, target: SymlinkTarget
) -> None:
    planned = change(await target.inspect(), "v1.2.9")
    point_current(shop.root, "v1.2.9")  # as far as the first attempt came
    assert (await target.observe(planned, "k")).outcome is Outcome.UNKNOWN
    done = await target.apply(planned, "k")
    assert (done.outcome, done.running) == (Outcome.SUCCEEDED, "v1.2.9")


async def test_a_dead_process_is_not_taken_for_a_success(shop: RunningShop, target: SymlinkTarget) -> None:
    planned = change(await target.inspect(), "v1.2.9")
    point_current(shop.root, "v1.2.9")
    shop.process.terminate()
    shop.process.wait(timeout=15)
    seen = await target.inspect()
    assert (seen.current, seen.running) == ("v1.2.9", None)
    assert seen.warnings[0].text.endswith("/version does not say which version runs.")
    observed = await target.observe(planned, "k")
    assert (observed.outcome, observed.running) == (Outcome.UNKNOWN, None)
    done = await target.apply(planned, "k")
    assert done.outcome is Outcome.FAILED
    assert "The restart command ended with 1: No supervisor runs for " in done.detail


async def test_what_the_command_said_is_told_without_secrets(folder: ReleaseFolder) -> None:
    program = "import sys; print('starting', 'payment: token=abc123 refused', sep='\\n', file=sys.stderr); sys.exit(3)"
    target = SymlinkTarget(settings_of(folder, restart=(sys.executable, "-c", program)))
    planned = change(await target.inspect(), "v1.2.9")
    done = await target.apply(planned, "k")
    assert done.outcome is Outcome.FAILED
    assert done.detail == "The restart command ended with 3: payment: token=[redacted] refused"
    await target.aclose()


@pytest.mark.parametrize(
    ("says", "code", "blameless"),
    [
        ("unit shop.service failed", 1, False),
        ("sudo: a password is required", 1, True),
        ("not found", 127, True),
    ],
)
async def test_a_command_that_could_not_run_says_nothing_of_the_version(
    folder: ReleaseFolder, says: str, code: int, blameless: bool
) -> None:
    program = f"import sys; print({says!r}, file=sys.stderr); sys.exit({code})"
    target = SymlinkTarget(settings_of(folder, restart=(sys.executable, "-c", program)))
    done = await target.apply(change(await target.inspect(), "v1.2.9"), "k")
    await target.aclose()
    assert (done.outcome, done.blameless) == (Outcome.FAILED, blameless)


async def test_the_command_does_not_see_the_bots_secrets(
    folder: ReleaseFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "very-secret")
    out = tmp_path / "environment"
    program = f"import os; open({str(out)!r}, 'w').write(repr(sorted(os.environ.items())))"
    target = SymlinkTarget(
        settings_of(folder, restart=(sys.executable, "-c", program), environment={"SHOP": "tea"})
    )
    done = await target.apply(change(await target.inspect(), "v1.2.9"), "k")
    assert done.outcome is Outcome.SUCCEEDED
    text = out.read_text(encoding="utf-8")
    assert "very-secret" not in text
    assert "('SHOP', 'tea')" in text
    await target.aclose()


async def test_a_command_that_hangs_is_ended_with_all_it_started(
    folder: ReleaseFolder, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    program = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(60)\n"
    )
    target = SymlinkTarget(settings_of(folder, restart=(sys.executable, "-c", program), restart_timeout=1))
    planned = change(await target.inspect(), "v1.2.9")
    with pytest.raises(OutcomeUnknown, match="stopped after 1 s"):
        await target.apply(planned, "k")
    assert (await target.observe(planned, "k")).outcome is Outcome.UNKNOWN
    for pid in pids.read_text(encoding="ascii").split():
        eventually(lambda pid=int(pid): not psutil.pid_exists(pid) or is_dead(pid))  # type: ignore[misc] # late binding
    await target.aclose()


def is_dead(pid: int) -> bool:
    """Ended, and perhaps not yet collected by whoever adopted it."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


async def test_a_daemon_that_the_command_leaves_behind_lives_on(
    folder: ReleaseFolder, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    program = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pid_file)!r}, 'w').write(str(child.pid))\n"
    )
    target = SymlinkTarget(settings_of(folder, restart=(sys.executable, "-W", "ignore", "-c", program)))
    done = await target.apply(change(await target.inspect(), "v1.2.9"), "k")
    pid = int(pid_file.read_text(encoding="ascii"))
    try:
        assert done.outcome is Outcome.SUCCEEDED
        assert not is_dead(pid)
    finally:
        os.kill(pid, signal.SIGKILL)
    await target.aclose()


async def test_a_command_that_is_not_there_is_refused(folder: ReleaseFolder) -> None:
    target = SymlinkTarget(settings_of(folder, restart=("/nowhere/restart",)))
    planned = change(await target.inspect(), "v1.2.9")
    plan = await target.plan(planned)
    assert [check.detail for check in plan.checks if not check.ok] == [
        "/nowhere/restart is not an executable program"
    ]
    with pytest.raises(Refused, match="/nowhere/restart cannot be started: No such file") as refused:
        await target.apply(planned, "k")
    assert "correct the command" in refused.value.remedy
    await target.aclose()


async def test_a_restart_that_says_yes_and_does_nothing_is_unknown(shop: RunningShop) -> None:
    target = symlink_target(shop, restart=(sys.executable, "-c", "pass"), settle=0.3)
    planned = change(await target.inspect(), "v1.2.9")
    done = await target.apply(planned, "k")
    assert (done.outcome, done.running) == (Outcome.UNKNOWN, "v1.3.0")
    assert done.detail.endswith("points at v1.2.9, but v1.3.0 is what answers.")
    await target.aclose()


async def test_without_a_command_and_an_address_the_link_alone_decides(folder: ReleaseFolder) -> None:
    target = SymlinkTarget(settings_of(folder))
    seen = await target.inspect()
    assert (seen.running, seen.warnings) == (None, ())
    planned = change(seen, "v1.2.9")
    assert (await target.apply(planned, "k")).outcome is Outcome.SUCCEEDED
    assert (await target.observe(planned, "k")).outcome is Outcome.SUCCEEDED
    assert folder.text() == "releases/v1.2.9"
    await target.aclose()


async def test_a_version_with_a_path_in_it_goes_nowhere(folder: ReleaseFolder) -> None:
    target = SymlinkTarget(settings_of(folder))
    seen = await target.inspect()
    (folder.link.parent / "elsewhere").mkdir()
    for name in ("../elsewhere", str(folder.link.parent / "elsewhere"), "..", "."):
        forged = Change.model_construct(
            component="shop", from_version="v1.3.0", to_version=name, fingerprint=seen.fingerprint
        )
        with pytest.raises(Refused, match="There is no release"):
            await target.apply(forged, "k")
    assert folder.text() == "releases/v1.3.0"
    await target.aclose()


def test_only_real_folders_with_proper_names_are_releases(folder: ReleaseFolder) -> None:
    (folder.releases / "v2-link").symlink_to("/etc")
    (folder.releases / "v2-file").touch()
    (folder.releases / ".v2-partial").mkdir()
    (folder.releases / "v2 with spaces").mkdir()
    found = folder.list()
    assert found.versions == ("v1.2.8", "v1.2.9", "v1.3.0")
    assert found.ignored == ("v2 with spaces", "v2-file", "v2-link")


def test_times_of_folders_mean_nothing(folder: ReleaseFolder) -> None:
    before = (folder.list(), folder.current())
    for age, version in enumerate(("v1.3.0", "v1.2.8", "v1.2.9")):
        os.utime(folder.releases / version, (age * 1000, age * 1000))
    assert (folder.list(), folder.current()) == before


@pytest.mark.parametrize("style", ["releases/v1.3.0", "./releases/v1.3.0/", "{root}/releases/v1.3.0"])
def test_the_link_keeps_its_style(folder: ReleaseFolder, style: str) -> None:
    folder.link.unlink()
    os.symlink(style.format(root=folder.link.parent), folder.link)  # noqa: PTH211 - a Path would tidy up
    folder.switch("v1.3.0", "v1.2.9", "k")
    assert folder.current() == "v1.2.9"
    assert folder.text().startswith("/") == style.startswith("{")
    assert sorted(entry.name for entry in folder.link.parent.iterdir()) == ["current", "releases"]


def test_the_link_is_never_missing_while_it_moves(folder: ReleaseFolder) -> None:
    seen: set[str] = set()
    missing: list[OSError] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            try:
                seen.add(str(folder.link.readlink()))
            except OSError as error:
                missing.append(error)

    watcher = threading.Thread(target=watch)
    watcher.start()
    versions = ("v1.3.0", "v1.2.9")
    for turn in range(200):
        folder.switch(versions[turn % 2], versions[(turn + 1) % 2], str(turn))
    stop.set()
    watcher.join()
    assert missing == []
    assert seen == {"releases/v1.3.0", "releases/v1.2.9"}


def test_what_a_crash_left_behind_does_not_hinder(folder: ReleaseFolder) -> None:
    real = Path.replace

    def power_failure(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    Path.replace = power_failure  # type: ignore[method-assign, assignment] # the moment before the rename
    try:
        with pytest.raises(KeyboardInterrupt):
            folder.switch("v1.3.0", "v1.2.9", "k")
    finally:
        Path.replace = real  # type: ignore[method-assign] # as it was
    assert folder.current() == "v1.3.0"
    folder.switch("v1.3.0", "v1.2.9", "k")
    assert folder.current() == "v1.2.9"


def test_the_link_is_compared_before_it_moves(folder: ReleaseFolder) -> None:
    with pytest.raises(Conflict, match=r"points at v1\.3\.0, not at v1\.2\.8"):
        folder.switch("v1.2.8", "v1.2.9", "k")
    assert folder.text() == "releases/v1.3.0"


async def test_a_release_folder_that_is_gone_can_still_be_left(folder: ReleaseFolder) -> None:
    (folder.releases / "v1.3.0").rmdir()
    target = SymlinkTarget(settings_of(folder))
    seen = await target.inspect()
    assert seen.current == "v1.3.0"
    assert seen.warnings[0].text.endswith("points at v1.3.0, but its folder is gone.")
    assert (await target.apply(change(seen, "v1.2.9"), "k")).outcome is Outcome.SUCCEEDED
    await target.aclose()


def test_a_missing_link_is_refused_with_the_command_that_makes_it(folder: ReleaseFolder) -> None:
    folder.link.unlink()
    with pytest.raises(Refused, match="There is no link") as refused:
        folder.current()
    assert refused.value.remedy == f"Create it: ln -s {folder.releases}/VERSION {folder.link}"


def test_a_folder_in_the_links_place_is_never_overwritten(folder: ReleaseFolder) -> None:
    folder.link.unlink()
    folder.link.mkdir()
    with pytest.raises(Refused, match="is not a symbolic link"):
        folder.switch("v1.3.0", "v1.2.9", "k")
    assert folder.link.is_dir()


@pytest.mark.parametrize("text", ["/etc", "releases", "releases/v1.3.0/shop", "releases/.hidden", "../x"])
def test_a_link_to_elsewhere_is_refused(folder: ReleaseFolder, text: str) -> None:
    folder.link.unlink()
    folder.link.symlink_to(text)
    with pytest.raises(Refused, match="is not a release in"):
        folder.current()


def test_a_folder_without_rights_says_so(folder: ReleaseFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "symlink", denied)  # the tests may run as root, who is never denied
    with pytest.raises(AuthFailed, match="cannot be moved: Permission denied") as failed:
        folder.switch("v1.3.0", "v1.2.9", "k")
    assert "the right to write" in failed.value.remedy
    assert folder.current() == "v1.3.0"


async def test_a_missing_releases_folder_is_refused(folder: ReleaseFolder, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be listed: No such file"):
        ReleaseFolder(tmp_path / "nowhere", folder.link).list()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"releases": "releases"}, "has to be an absolute path"),
        ({"version_url": "http://me:pw@127.0.0.1/version"}, "without a user"),
        ({"version_url": "shop/version"}, "http address"),
        ({"shell": "systemctl restart shop"}, "not permitted"),
    ],
)
def test_wrong_settings_say_what_is_wrong(folder: ReleaseFolder, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        settings_of(folder, **wrong) if "releases" not in wrong else SymlinkSettings(
            link=folder.link, **wrong
        )


async def test_two_at_once_end_well(shop: RunningShop, target: SymlinkTarget) -> None:
    planned = change(await target.inspect(), "v1.2.9")
    second = SymlinkTarget(symlink_settings(shop))
    done = await asyncio.gather(target.apply(planned, "k"), second.apply(planned, "k"))
    assert [seen.outcome for seen in done] == [Outcome.SUCCEEDED, Outcome.SUCCEEDED]
    assert shop.get("/version")[2]["version"] == "v1.2.9"
    assert sorted(path.name for path in shop.root.glob(".current*")) == []
    await second.aclose()


APPLY = """
import asyncio, sys
from bot.ports.target import Change
from integrations.symlink import SymlinkSettings, SymlinkTarget
settings, change = SymlinkSettings.model_validate_json(sys.argv[1]), Change.model_validate_json(sys.argv[2])
target = SymlinkTarget(settings)
print("ready", flush=True)
asyncio.run(target.apply(change, "k"))
"""


@pytest.mark.parametrize("after_ms", [0, 20, 60, 160])
async def test_killed_at_any_moment_the_retry_finishes(
    shop: RunningShop, target: SymlinkTarget, after_ms: int
) -> None:
    planned = change(await target.inspect(), "v1.2.9")
    argv = [
        sys.executable,
        "-c",
        APPLY,
        symlink_settings(shop, environment={}).model_dump_json(),
        planned.model_dump_json(),
    ]
    with subprocess.Popen(argv, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:  # noqa: ASYNC220 - it is killed in a moment
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        await asyncio.sleep(after_ms / 1000)  # the moment is what is tested
        process.kill()
    done = await target.apply(planned, "k")
    assert (done.outcome, done.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert shop.get("/version")[2]["version"] == "v1.2.9"
    assert sorted(path.name for path in shop.root.glob(".current*")) == []
