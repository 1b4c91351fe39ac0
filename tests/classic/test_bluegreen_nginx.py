"""What only blue-green behind nginx can get wrong, on a real nginx."""

import asyncio
import shlex
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest
import pytest_asyncio

from bot.domain.evidence import Outcome
from bot.ports import AuthFailed, Conflict, Refused, Unavailable
from bot.workflows.applying import applied, put_back
from integrations.bluegreen import BlueGreenSettings, BlueGreenTarget
from integrations.own_file import OwnFile
from tests.classic.backends import Backends, Download
from tests.classic.colours import bluegreen_settings
from tests.classic.crashing import killed
from tests.classic.proxies import Nginx, Ports, nginx
from tests.contract.shop import eventually
from tests.contract.worlds import change
from tests.fakes.memory import FakeMemory

SCRIPT = (sys.executable, "-c")


@pytest.fixture(scope="module")
def server(ports: Ports, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with nginx(tmp_path_factory.mktemp("nginx"), ports) as found:
        yield found


@pytest.fixture
def proxy(server: Nginx, backends: Backends) -> Nginx:
    """Blue serves, as a person has written it down."""
    for left in server.file.parent.iterdir():
        if left != server.file:
            left.unlink()
    server.turn("blue")
    return server


def settings_of(proxy: Nginx, backends: Backends, **nginx_settings: Any) -> BlueGreenSettings:
    own = {name: nginx_settings.pop(name) for name in ("settle", "drain") if name in nginx_settings}
    settings = bluegreen_settings({colour: b.url for colour, b in backends.items()}, proxy, **own)
    switch = {"nginx": {**proxy.switch["nginx"], **nginx_settings}}
    return BlueGreenSettings.model_validate(settings.model_dump(mode="json") | {"switch": switch})


@pytest_asyncio.fixture
async def target(proxy: Nginx, backends: Backends) -> AsyncIterator[BlueGreenTarget]:
    async with aclosing(BlueGreenTarget(settings_of(proxy, backends), FakeMemory())) as found:
        yield found


def left_behind(proxy: Nginx) -> list[str]:
    return sorted(
        entry.name
        for entry in proxy.file.parent.iterdir()
        if entry.name not in ("shop.conf", ".shop.conf.kaeru-lock")
    )


async def test_it_writes_the_whole_file_and_nothing_beside_it(proxy: Nginx, target: BlueGreenTarget) -> None:
    proxy.file.chmod(0o640)
    done = await applied(target, change(await target.inspect(), "v1.2.9"), key="k")
    assert done.outcome is Outcome.SUCCEEDED
    assert done.detail.startswith(f"green (v1.2.9) serves: at {proxy.url} v1.2.9 answers")
    text = proxy.file.read_text(encoding="ascii")
    assert text.splitlines()[1:] == ["upstream shop {", f"    server 127.0.0.1:{proxy.ports['green']};", "}"]
    assert proxy.file.stat().st_mode & 0o777 == 0o640
    assert left_behind(proxy) == []


async def test_an_ill_colour_gets_no_traffic(
    proxy: Nginx, backends: Backends, target: BlueGreenTarget
) -> None:
    planned = change(await target.inspect(), "v1.2.9")
    backends["green"].status = 500
    before, turns = proxy.file.read_bytes(), proxy.turns()
    (failing,) = [check for check in (await target.plan(planned)).checks if not check.ok]
    assert failing.required
    assert failing.detail == "green (v1.2.9) is not well: /health answers HTTP 500"
    done = await applied(target, planned, key="k")
    assert (done.outcome, done.running, done.untouched) == (Outcome.FAILED, "v1.3.0", True)
    assert done.detail == "green (v1.2.9) is not well: /health answers HTTP 500. Nothing was switched."
    assert (proxy.file.read_bytes(), proxy.turns()) == (before, turns)


async def test_a_colour_that_is_well_only_now_and_then_is_not_proven(
    backends: Backends, target: BlueGreenTarget
) -> None:
    planned = change(await target.inspect(), "v1.2.9")
    backends["green"].flickers = True
    done = await applied(target, planned, key="k")
    assert (done.outcome, done.untouched) == (Outcome.FAILED, True)


async def test_a_dead_colour_is_refused_with_what_to_do(backends: Backends, target: BlueGreenTarget) -> None:
    planned = change(await target.inspect(), "v1.2.9")
    backends["green"].silent = True
    seen = await target.inspect()
    (warning,) = seen.warnings
    assert warning.text.startswith("There is nothing to switch to: green does not say its version at ")
    plan = await target.plan(planned)
    assert [check.name for check in plan.checks if not check.ok] == ["green runs v1.2.9"]
    with pytest.raises(Refused, match=r"v1\.2\.9 runs on neither colour") as refused:
        await applied(target, planned, key="k")
    assert refused.value.remedy == "Deploy v1.2.9 to green, which does not serve, and try again."


async def test_a_configuration_that_nginx_does_not_accept_is_put_back(
    proxy: Nginx, target: BlueGreenTarget
) -> None:
    planned = change(await target.inspect(), "v1.2.9")
    before, turns = proxy.file.read_bytes(), proxy.turns()
    broken = proxy.file.with_name("other.conf")
    broken.write_text("server { listen nonsense; }", encoding="ascii")
    (failing,) = [check for check in (await target.plan(planned)).checks if not check.ok]
    assert failing.name == "nginx's configuration"
    assert "accept" not in failing.detail
    assert "[emerg]" in failing.detail
    done = await applied(target, planned, key="k")
    assert (done.outcome, done.running, done.untouched) == (Outcome.FAILED, "v1.3.0", True)
    assert "[emerg]" in done.detail
    assert "other.conf:1" in done.detail
    assert done.detail.endswith("shop.conf is as it was, and nothing was reloaded.")
    assert (proxy.file.read_bytes(), proxy.turns()) == (before, turns)
    assert left_behind(proxy) == ["other.conf"]
    broken.unlink()
    assert (await applied(target, planned, key="k")).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("test", "reload", "says"),
    [
        (None, [*SCRIPT, "import sys; sys.exit('no: password=hunter2')"], "no: password=[redacted]"),
        ([*SCRIPT, "import time; time.sleep(60)"], None, "was stopped"),
    ],
)
async def test_a_program_that_fails_leaves_the_file_as_it_was(
    proxy: Nginx, backends: Backends, test: list[str] | None, reload: list[str] | None, says: str
) -> None:
    programs = {"test": test, "reload": reload, "timeout": "1s" if test else "30s"}
    changed = {name: value for name, value in programs.items() if value is not None}
    before, turns = proxy.file.read_bytes(), proxy.turns()
    async with aclosing(BlueGreenTarget(settings_of(proxy, backends, **changed), FakeMemory())) as target:
        done = await applied(target, change(await target.inspect(), "v1.2.9"), key="k")
    assert (done.outcome, done.running, done.untouched) == (Outcome.FAILED, "v1.3.0", True)
    assert says in done.detail
    assert (proxy.file.read_bytes(), proxy.turns()) == (before, turns)
    assert left_behind(proxy) == []


async def test_what_answers_decides_and_not_what_the_reload_says(proxy: Nginx, backends: Backends) -> None:
    """A reload that complains and works has worked."""
    reload = f"{shlex.join([*proxy.argv, '-s', 'reload'])} 2>/dev/null; sleep 0.5; exit 3"
    settings = settings_of(proxy, backends, reload=["sh", "-c", reload])
    async with aclosing(BlueGreenTarget(settings, FakeMemory())) as target:
        done = await applied(target, change(await target.inspect(), "v1.2.9"), key="k")
    assert (done.outcome, done.running) == (Outcome.SUCCEEDED, "v1.2.9")


async def test_a_reload_that_does_nothing_is_a_failure_and_can_be_reverted(
    proxy: Nginx, backends: Backends
) -> None:
    settings = settings_of(proxy, backends, reload=["true"], settle="500ms")
    async with aclosing(BlueGreenTarget(settings, FakeMemory())) as target:
        planned = change(await target.inspect(), "v1.2.9")
        done = await applied(target, planned, key="k")
        assert (done.outcome, done.running, done.untouched) == (Outcome.FAILED, "v1.3.0", False)
        assert done.blameless
        assert done.detail.endswith(f"0.5 s later at {proxy.url} v1.3.0 answers.")
        seen = await target.inspect()
        assert (seen.current, seen.running) == ("v1.2.9", "v1.3.0")
        (warning,) = seen.warnings
        assert warning.text == f"green (v1.2.9) is set to serve, but at {proxy.url} v1.3.0 answers."
        assert (await target.observe(planned, "k")).outcome is Outcome.UNKNOWN
        back = await put_back(target, planned, key="k/back")
        assert (back.outcome, back.running) == (Outcome.SUCCEEDED, "v1.3.0")
        assert (await target.inspect()).warnings == ()
    assert proxy.stands() == "blue"


async def test_somebody_elses_edit_is_a_conflict(proxy: Nginx, target: BlueGreenTarget) -> None:
    planned = change(await target.inspect(), "v1.2.9")
    text = proxy.upstream("blue").replace("}", "server 127.0.0.1:9 backup; }")
    proxy.file.write_text(text, encoding="ascii")
    seen = await target.inspect()
    assert (seen.current, seen.running) == ("v1.3.0", "v1.3.0")
    (warning,) = seen.warnings
    assert warning.text.endswith("holds neither colour's upstream shop: somebody has edited it.")
    with pytest.raises(Conflict, match="the switch stood otherwise"):
        await applied(target, planned, key="k")
    fresh = change(seen, "v1.2.9")
    (failing,) = [check for check in (await target.plan(fresh)).checks if not check.ok]
    assert failing.name == "switch stands at a colour"
    assert failing.required
    with pytest.raises(Refused, match="somebody has edited it"):
        await applied(target, fresh, key="k")
    assert proxy.file.read_text(encoding="ascii") == text


async def test_spaces_and_comments_are_no_edit(proxy: Nginx, target: BlueGreenTarget) -> None:
    text = f"# ours\nupstream   shop\n{{ server 127.0.0.1:{proxy.ports['blue']} ; # blue\n}}"
    proxy.file.write_text(text, encoding="ascii")
    seen = await target.inspect()
    assert (seen.current, seen.warnings) == ("v1.3.0", ())


async def test_a_missing_file_says_what_to_do(proxy: Nginx, target: BlueGreenTarget) -> None:
    content = proxy.file.read_bytes()
    proxy.file.unlink()
    with pytest.raises(Refused, match=r"There is no .*shop\.conf") as refused:
        await target.inspect()
    assert "Create it once by hand" in refused.value.remedy
    proxy.file.write_bytes(content)


async def test_a_slow_download_outlives_the_switch(
    proxy: Nginx, backends: Backends, target: BlueGreenTarget
) -> None:
    download = Download(proxy.url)
    download.start()
    eventually(lambda: backends["blue"].downloads == 1)
    planned = change(await target.inspect(), "v1.2.9")
    seen = await target.apply(planned, "k")
    assert (seen.outcome, seen.running) == (Outcome.UNKNOWN, "v1.2.9")
    assert seen.detail.endswith("; 1 old worker with 2 open connections.")
    async with aclosing(target.follow(planned, "k")) as looks:
        assert (await anext(looks)).detail.endswith("1 old worker with 2 open connections.")
        assert download.is_alive()
        backends["blue"].gate.set()
        last = [look async for look in looks][-1]
    assert (last.outcome, last.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert last.detail.endswith("; no old worker is left.")
    download.join(10)
    assert download.body == b"halffull"


async def test_what_takes_too_long_is_not_cut_off(proxy: Nginx, backends: Backends) -> None:
    download = Download(proxy.url)
    download.start()
    eventually(lambda: backends["blue"].downloads == 1)
    settings = settings_of(proxy, backends, drain="300ms")
    async with aclosing(BlueGreenTarget(settings, FakeMemory())) as target:
        done = await applied(target, change(await target.inspect(), "v1.2.9"), key="k")
    assert done.outcome is Outcome.SUCCEEDED
    assert done.detail.endswith("; 1 old worker with 2 open connections after 0.3 s, and end by themselves.")
    backends["blue"].gate.set()
    download.join(10)
    assert download.body == b"halffull"


async def test_a_serving_colour_that_has_died_can_be_left(
    proxy: Nginx, backends: Backends, target: BlueGreenTarget
) -> None:
    await target.inspect()
    backends["blue"].silent = True
    seen = await target.inspect()
    assert (seen.current, seen.running) == ("v1.3.0", None)
    assert seen.warnings[0].text.endswith("; it is taken to run v1.3.0, as it was last seen.")
    done = await applied(target, change(seen, "v1.2.9"), key="k")
    assert (done.outcome, done.running) == (Outcome.SUCCEEDED, "v1.2.9")


async def test_what_was_never_seen_is_not_made_up(proxy: Nginx, backends: Backends) -> None:
    backends["blue"].silent = True
    async with aclosing(BlueGreenTarget(settings_of(proxy, backends), FakeMemory())) as target:
        with pytest.raises(Unavailable, match="kaeru has never seen it serve"):
            await target.inspect()


async def test_two_colours_with_one_version_leave_nothing_to_go_back_to(
    backends: Backends, target: BlueGreenTarget
) -> None:
    backends["green"].version = "v1.3.0"
    seen = await target.inspect()
    assert [(a.version, a.ref) for a in seen.available] == [("v1.3.0", "blue:v1.3.0")]
    (warning,) = seen.warnings
    assert warning.text == "Both colours run v1.3.0: deploy what to go back to on green first."


async def test_what_served_well_on_one_colour_is_as_good_on_the_other(
    proxy: Nginx, backends: Backends
) -> None:
    memory = FakeMemory()
    async with aclosing(BlueGreenTarget(settings_of(proxy, backends), memory)) as target:
        backends["blue"].version = "v1.2.9"
        backends["green"].version = "v1.2.8"
        memory.good((await target.inspect()).current_ref)
        backends["blue"].version, backends["green"].version = "v1.3.0", "v1.2.9"
        seen = await target.inspect()
    assert {a.version: a.good_at is not None for a in seen.available} == {"v1.3.0": False, "v1.2.9": True}


async def test_two_at_once_end_well(proxy: Nginx, backends: Backends, target: BlueGreenTarget) -> None:
    planned = change(await target.inspect(), "v1.2.9")
    turns = proxy.turns()
    async with aclosing(BlueGreenTarget(settings_of(proxy, backends), FakeMemory())) as second:
        done = await asyncio.gather(applied(target, planned, key="k"), applied(second, planned, key="k"))
    assert [seen.outcome for seen in done] == [Outcome.SUCCEEDED, Outcome.SUCCEEDED]
    assert 1 <= proxy.turns() - turns <= 2
    assert left_behind(proxy) == []


async def test_another_bot_that_is_at_it_is_waited_for(proxy: Nginx, target: BlueGreenTarget) -> None:
    planned = change(await target.inspect(), "v1.2.9")
    turns = proxy.turns()
    async with OwnFile(proxy.file).alone():
        waiting = asyncio.create_task(applied(target, planned, key="k"))
        # A plan proves the colour just as long as the waiting one does, so that one stands before the lock now.
        assert all(check.ok for check in (await target.plan(planned)).checks)
        assert (proxy.turns(), waiting.done()) == (turns, False)
    assert (await waiting).outcome is Outcome.SUCCEEDED


async def test_no_right_to_write_says_which_one(
    proxy: Nginx, target: BlueGreenTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    planned = change(await target.inspect(), "v1.2.9")
    before = proxy.file.read_bytes()
    monkeypatch.setattr(tempfile, "mkstemp", denied)  # the tests may run as root, who is never denied
    with pytest.raises(AuthFailed, match="cannot be written: Permission denied") as failed:
        await target.apply(planned, "k")
    assert failed.value.remedy == f"Give the bot's user the right to write in {proxy.file.parent}."
    assert proxy.file.read_bytes() == before


OWN_FILE = "integrations.own_file:Path.replace"
RUN = "integrations.nginx_program:run"


@pytest.mark.parametrize(
    ("where", "when", "on_disk"),
    [
        (OWN_FILE, "before 1", "blue"),  # the copy of the old content is half made
        (OWN_FILE, "before 2", "blue"),  # the new content is half made
        (OWN_FILE, "after 2", "green"),  # renamed, and not tested
        (RUN, "after 1", "green"),  # tested, and not reloaded
        (RUN, "after 2", "green"),  # reloaded, and not observed
        (
            "integrations.bluegreen.looking:Eyes.arrived",
            "after 1",
            "green",
        ),  # observed, and nobody heard of it
    ],
)
async def test_killed_on_the_way_the_retry_finishes(
    proxy: Nginx, target: BlueGreenTarget, where: str, when: str, on_disk: str
) -> None:
    planned = change(await target.inspect(), "v1.2.9")
    await asyncio.to_thread(killed, target.settings, planned, where, when)
    assert proxy.stands() == on_disk
    done = await applied(target, planned, key="k")
    assert (done.outcome, done.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert proxy.stands() == "green"
    assert (await target.inspect()).warnings == ()
    assert left_behind(proxy) == []


async def test_killed_before_the_test_and_then_not_accepted_the_original_comes_back(
    proxy: Nginx, target: BlueGreenTarget
) -> None:
    before, turns = proxy.file.read_bytes(), proxy.turns()
    planned = change(await target.inspect(), "v1.2.9")
    await asyncio.to_thread(killed, target.settings, planned, OWN_FILE, "after 2")
    assert left_behind(proxy) == [".shop.conf.kaeru-before"]
    broken = proxy.file.with_name("other.conf")
    broken.write_text("nonsense;", encoding="ascii")
    done = await applied(target, planned, key="k")
    assert (done.outcome, done.running, done.untouched) == (Outcome.FAILED, "v1.3.0", True)
    assert (proxy.file.read_bytes(), proxy.turns()) == (before, turns)


async def test_killed_before_the_test_and_then_ill_it_is_told_and_can_be_reverted(
    proxy: Nginx, backends: Backends, target: BlueGreenTarget
) -> None:
    planned = change(await target.inspect(), "v1.2.9")
    await asyncio.to_thread(killed, target.settings, planned, OWN_FILE, "after 2")
    backends["green"].status = 500
    done = await applied(target, planned, key="k")
    assert (done.outcome, done.running, done.untouched) == (Outcome.FAILED, "v1.3.0", False)
    assert done.detail.endswith("/health answers HTTP 500. The switch had been moved to green before.")
    assert (await put_back(target, planned, key="k/back")).outcome is Outcome.SUCCEEDED
    assert proxy.stands() == "blue"


async def test_killed_while_it_drains_the_retry_waits_on(
    proxy: Nginx, backends: Backends, target: BlueGreenTarget
) -> None:
    download = Download(proxy.url)
    download.start()
    eventually(lambda: backends["blue"].downloads == 1)
    planned, turns = change(await target.inspect(), "v1.2.9"), proxy.turns()
    counting = "integrations.bluegreen.nginx:NginxSwitch.still_open"
    await asyncio.to_thread(killed, target.settings, planned, counting, "after 1")
    seen = await target.apply(planned, "k")
    assert (seen.outcome, seen.running) == (Outcome.UNKNOWN, "v1.2.9")
    assert seen.detail.endswith("; 1 old worker with 2 open connections.")
    backends["blue"].gate.set()
    done = await applied(target, planned, key="k")
    assert done.outcome is Outcome.SUCCEEDED
    assert proxy.turns() == turns + 1
    download.join(10)
    assert download.body == b"halffull"
