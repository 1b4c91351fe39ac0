"""What only blue-green with a command can get wrong, and what wrong settings say."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from bot.domain.evidence import Outcome
from bot.ports import Refused
from bot.workflows.applying import applied, put_back
from integrations.bluegreen import BlueGreenSettings, BlueGreenTarget
from tests.classic.backends import Backends
from tests.classic.colours import bluegreen_settings
from tests.classic.crashing import NOWHERE, applying
from tests.classic.proxies import Nginx, Ports, nginx
from tests.classic.scripted import Scripted
from tests.contract.shop import eventually
from tests.contract.worlds import change
from tests.fakes.memory import FakeMemory


@pytest.fixture(scope="module")
def server(ports: Ports, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with nginx(tmp_path_factory.mktemp("nginx"), ports) as found:
        yield found


@pytest.fixture
def proxy(server: Nginx, backends: Backends) -> Scripted:
    server.turn("blue")
    return Scripted(server)


def settings_of(proxy: Scripted, backends: Backends, **command: Any) -> BlueGreenSettings:
    own = {name: command.pop(name) for name in ("settle", "colour_header") if name in command}
    switch = {"command": {**proxy.switch["command"], **command}}
    return bluegreen_settings({colour: b.url for colour, b in backends.items()}, proxy, switch=switch, **own)


@asynccontextmanager
async def target_of(proxy: Scripted, backends: Backends, **command: Any) -> AsyncIterator[BlueGreenTarget]:
    async with aclosing(BlueGreenTarget(settings_of(proxy, backends, **command), FakeMemory())) as target:
        yield target


def shows(proxy: Scripted) -> list[str]:
    """A program that prints the colour that is on."""
    return [
        "sh",
        "-c",
        f"cmp -s {proxy.server.file} {proxy.server.folder}/blue.conf && echo blue || echo green",
    ]


def alone(body: str) -> list[str]:
    return ["sh", "-c", body, "switch", "{colour}", "{version}"]


async def test_it_gets_colour_and_version_each_as_one_argument(proxy: Scripted, backends: Backends) -> None:
    seen = proxy.server.folder / "arguments"
    command = alone(f'printf "%s|" "$@" > {seen}; exec {proxy.script} "$1"')
    async with target_of(proxy, backends, command=command) as target:
        planned = change(await target.inspect(), "v1.2.9")
        assert (await applied(target, planned, key="k")).outcome is Outcome.SUCCEEDED
        assert (await put_back(target, planned, key="k/back")).running == "v1.3.0"
    assert seen.read_text(encoding="ascii") == "blue|v1.3.0|"


async def test_what_it_says_of_the_colour_is_held_against_what_answers(
    proxy: Scripted, backends: Backends
) -> None:
    async with target_of(proxy, backends, current=["echo", "green"]) as target:
        seen = await target.inspect()
    assert (seen.current, seen.running) == ("v1.2.9", "v1.3.0")
    (warning,) = seen.warnings
    assert warning.text == f"green (v1.2.9) is set to serve, but at {proxy.url} v1.3.0 answers."


@pytest.mark.parametrize(
    ("shown", "says"),
    [
        (
            ["echo", "purple password=x"],
            "echo printed neither blue nor green, but purple password=[redacted].",
        ),
        (["sh", "-c", "echo no token >&2; exit 3"], "sh ended with 3: no token."),
    ],
)
async def test_a_colour_that_is_none_is_told_and_what_answers_is_believed(
    proxy: Scripted, backends: Backends, shown: list[str], says: str
) -> None:
    async with target_of(proxy, backends, current=shown) as target:
        seen = await target.inspect()
        assert (seen.current, [warning.text for warning in seen.warnings]) == ("v1.3.0", [says])


async def test_two_colours_with_one_version_need_another_way_to_be_told_apart(
    proxy: Scripted, backends: Backends
) -> None:
    backends["green"].version = "v1.3.0"
    async with target_of(proxy, backends) as target:
        with pytest.raises(Refused, match=r"cannot be told: both run v1\.3\.0") as refused:
            await target.inspect()
        assert "`current` or `colour_header`" in refused.value.remedy
    async with target_of(proxy, backends, current=shows(proxy)) as target:
        assert (await target.inspect()).current_ref == "blue:v1.3.0"
    backends["blue"].colour = "blue"
    async with target_of(proxy, backends, colour_header="X-Colour") as target:
        assert (await target.inspect()).current_ref == "blue:v1.3.0"


@pytest.mark.parametrize(
    ("body", "outcome", "says"),
    [
        ("exit 0", Outcome.FAILED, "The switch was moved to green (v1.2.9), but 0.5 s later at "),
        ("echo 'token=abc is wrong'; exit 4", Outcome.FAILED, "sh ended with 4: token=[redacted] is wrong"),
        ("{script} green; sleep 0.5; exit 4", Outcome.SUCCEEDED, "green (v1.2.9) serves: at "),
        (
            "sleep 60",
            Outcome.FAILED,
            "sh was stopped with all that it had started: it did not end within 1 s.",
        ),
    ],
)
async def test_its_word_is_heard_and_what_answers_decides(
    proxy: Scripted, backends: Backends, body: str, outcome: Outcome, says: str
) -> None:
    command = alone(body.format(script=proxy.script))
    async with target_of(proxy, backends, command=command, settle="500ms", timeout="1s") as target:
        done = await applied(target, change(await target.inspect(), "v1.2.9"), key="k")
    assert done.outcome is outcome
    assert done.detail.startswith(says)


async def test_a_program_that_is_not_there_has_done_nothing(proxy: Scripted, backends: Backends) -> None:
    async with target_of(proxy, backends, command=["/nowhere/switch", "{colour}"]) as target:
        planned = change(await target.inspect(), "v1.2.9")
        plan = await target.plan(planned)
        assert [check.name for check in plan.checks if not check.ok] == ["switch command"]
        done = await applied(target, planned, key="k")
    assert (done.outcome, done.untouched) == (Outcome.FAILED, True)
    assert done.detail == ("/nowhere/switch did not run: it cannot be started: No such file or directory.")


@pytest.mark.parametrize("goes_on", [True, False])
async def test_a_command_outlives_the_bot_and_the_next_one_waits_for_it(
    proxy: Scripted, backends: Backends, *, goes_on: bool
) -> None:
    folder = proxy.server.folder
    for name in ("go", "begun"):
        (folder / name).unlink(missing_ok=True)
    (proxy.state / "ended.json").unlink(missing_ok=True)  # of an earlier test
    body = f'echo x >> {folder}/begun; while test ! -e {folder}/go; do sleep 0.05; done; exec {proxy.script} "$1"'
    settings = settings_of(proxy, backends, command=alone(body), timeout="20s")
    async with aclosing(BlueGreenTarget(settings, FakeMemory())) as target:
        planned = change(await target.inspect(), "v1.2.9")
        bot = applying(settings, planned, *NOWHERE)
        await asyncio.to_thread(eventually, (folder / "begun").exists, 30)
        bot.kill()
        bot.join()
        if goes_on:
            second = asyncio.create_task(applied(target, planned, key="k"))
            busy = [check for check in (await target.plan(planned)).checks if not check.ok]
            assert [check.detail for check in busy] == ["a switch to green is running"]
            (folder / "go").touch()
            done = await second
        else:
            (folder / "go").touch()
            await asyncio.to_thread(eventually, (proxy.state / "ended.json").exists)
            done = await applied(target, planned, key="k")
    assert (done.outcome, done.running) == (Outcome.SUCCEEDED, "v1.2.9")
    assert (folder / "begun").read_text(encoding="ascii") == "x\n"


FINE: dict[str, Any] = {
    "blue": {"url": "http://127.0.0.1:8081"},
    "green": {"url": "http://127.0.0.1:8082"},
    "live_url": "https://shop.example.com",
    "switch": {"nginx": {"file": "/etc/nginx/kaeru/shop.conf", "upstream": "shop"}},
}
COMMAND = {"command": ["switch", "{colour}"], "state": "/var/lib/kaeru/switch"}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            {"switch": {}},
            "exactly one of nginx, haproxy and command is needed under switch, not none of them",
        ),
        ({"switch": {**FINE["switch"], "command": COMMAND}}, "not nginx and command"),
        ({"switch": {"nginx": {"file": "shop.conf", "upstream": "shop"}}}, "has to be an absolute path"),
        ({"switch": {"nginx": {"file": "/a", "upstream": "shop; }"}}}, "upstream"),
        (
            {"switch": {"nginx": {"file": "/a", "upstream": "a", "directives": ["keepalive 1; }"]}}},
            "one directive",
        ),
        ({"switch": {"nginx": {"file": "/a", "upstream": "a", "test": []}}}, "a program with its arguments"),
        ({"switch": {"command": {**COMMAND, "command": ["switch"]}}}, "cannot know where to switch to"),
        ({"switch": {"command": {**COMMAND, "command": ["switch", "{color}"]}}}, "{color} is not known here"),
        ({"green": {"url": "http://127.0.0.1:8081"}}, "they have to be two places"),
        ({"green": {"url": "http://10.0.0.9", "servers": ["127.0.0.1:8081"]}}, "share a server"),
        ({"green": {"url": "http://10.0.0.9", "servers": ["127.0.0.1:1; }"]}}, "is not a server such as"),
        ({"live_url": "shop.example.com"}, "is not an address such as"),
        ({"live_url": "https://me:pw@shop.example.com"}, "has no user, query or fragment"),
    ],
)
def test_wrong_settings_say_what_is_wrong(wrong: dict[str, Any], says: str) -> None:
    BlueGreenSettings(**FINE)
    with pytest.raises(ValidationError, match=says):
        BlueGreenSettings(**{**FINE, **wrong})
