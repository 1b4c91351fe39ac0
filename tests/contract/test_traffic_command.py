"""What only a command has: a program that may fail, hang, lie, or outlive the bot."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.ports import OutcomeUnknown, Refused, Unavailable
from integrations.traffic.command import CommandTraffic
from integrations.traffic.settings import CommandTrafficSettings, NginxTrafficSettings
from tests.contract.traffic_child import killed
from tests.contract.traffic_worlds import CommandWorld, shifted

SHELL = (sys.executable, "-I", "-S", "-c")


def settings_of(
    folder: Path, code: str, read: str = "print('{\"share\": 1.0}')", **more: object
) -> CommandTrafficSettings:
    usual = {"shift": (*SHELL, code, "{percent}"), "read": (*SHELL, read), "state": folder / "runs"}
    return CommandTrafficSettings.model_validate({**usual, "settle": "100ms", **more})


async def test_a_command_that_fails_says_its_last_line(tmp_path: Path) -> None:
    traffic = CommandTraffic(settings_of(tmp_path, "raise SystemExit('the balancer said no')"))
    with pytest.raises(Refused, match="ended with 1: the balancer said no, and traffic is split as before"):
        await traffic.shift(await traffic.plan(0.5), "k")


async def test_a_command_that_lies_is_not_believed(tmp_path: Path) -> None:
    traffic = CommandTraffic(settings_of(tmp_path, "pass"))
    with pytest.raises(OutcomeUnknown, match=r"ended well, but .* says 100 %, not 50 %"):
        await traffic.shift(await traffic.plan(0.5), "k")


async def test_a_command_that_hangs_is_ended(tmp_path: Path) -> None:
    traffic = CommandTraffic(settings_of(tmp_path, "import time; time.sleep(60)", timeout="300ms"))
    with pytest.raises(Refused, match="was stopped with all that it had started"):
        await traffic.shift(await traffic.plan(0.5), "k")


@pytest.mark.parametrize("said", ["", "hello", "[]", '{"share": 2}', '{"ready": 1}'])
async def test_what_is_no_answer_is_refused(tmp_path: Path, said: str) -> None:
    traffic = CommandTraffic(settings_of(tmp_path, "pass", f"print({said!r})"))
    with pytest.raises(Refused, match="printed no JSON object with a share") as caught:
        await traffic.inspect()
    assert '{"share": 0.25' in caught.value.remedy


async def test_a_reading_that_fails_or_hangs_is_tried_again(tmp_path: Path) -> None:
    fails = CommandTraffic(settings_of(tmp_path, "pass", "raise SystemExit('not now')"))
    with pytest.raises(Unavailable, match="ended with 1: not now"):
        await fails.inspect()
    hangs = CommandTraffic(settings_of(tmp_path, "pass", "import time; time.sleep(60)", read_timeout="200ms"))
    with pytest.raises(Unavailable, match=r"did not end within 0\.2 s"):
        await hangs.inspect()


async def test_a_split_that_has_no_share_is_told(tmp_path: Path) -> None:
    traffic = CommandTraffic(settings_of(tmp_path, "pass", 'print(\'{"share": null, "mark": "a"}\')'))
    seen = await traffic.inspect()
    assert (seen.share, seen.detail) == (None, "it is split in a way that has no share")


async def test_secrets_of_its_environment_are_not_told(tmp_path: Path) -> None:
    read = "import os; raise SystemExit('tried ' + os.environ['LB_TOKEN'])"
    traffic = CommandTraffic(settings_of(tmp_path, "pass", read, environment={"LB_TOKEN": "s3cr3t"}))
    with pytest.raises(Unavailable) as caught:
        await traffic.inspect()
    assert "tried" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


async def test_a_shift_outlives_its_bot_and_none_is_started_beside_it(tmp_path: Path) -> None:
    world = CommandWorld(tmp_path, takes_s=1.0)
    traffic = world.bot()
    plan = await traffic.plan(0.25)
    words = (world.settings.model_dump_json(), plan.model_dump_json(), "k")
    await asyncio.to_thread(killed, "command", *words, "integrations.runs:Runs.start", "after 1")
    assert [c.name for c in (await traffic.plan(0.25)).checks if not c.ok] == ["no shift is under way"]
    assert (await traffic.shift(plan, "k")).share == 0.25
    assert world.read()["sets"] == 1


async def test_what_only_opens_and_shuts_takes_no_stages(tmp_path: Path) -> None:
    world = CommandWorld(tmp_path)
    traffic = CommandTraffic(world.settings.model_copy(update={"stages": False}))
    assert not traffic.capabilities.stages
    with pytest.raises(Refused, match="only be let in or kept out"):
        await traffic.plan(0.5)
    await shifted(traffic, 0.0)


async def test_what_does_not_measure_says_so(tmp_path: Path) -> None:
    silent = CommandTraffic(settings_of(tmp_path, "pass"))
    assert (silent.capabilities.measures, await silent.served()) == (False, None)
    boasting = CommandTraffic(settings_of(tmp_path, "pass", measures=True))
    with pytest.raises(Refused, match="prints no to_service and total"):
        await boasting.served()


async def test_the_key_and_the_share_reach_the_command(tmp_path: Path) -> None:
    out = tmp_path / "argv.json"
    shift = (*SHELL, f"import json, sys; json.dump(sys.argv[1:], open({str(out)!r}, 'w'))")
    argv = [*shift, "{share}", "--to={percent}%", "{key}"]
    traffic = CommandTraffic(settings_of(tmp_path, "", shift=argv))
    for key in ("incident 1 / step 2", "incident 1 / step 2", "another"):
        with pytest.raises(OutcomeUnknown):
            await traffic.shift(await traffic.plan(0.125), key)
        share, percent, said = json.loads(out.read_text(encoding="ascii"))
        assert (share, percent) == ("0.125", "--to=12.5%")
        assert said.isalnum()


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["set"], "cannot know how much is wanted"),
        (["set", "{share}", "{version}"], "{version} is not known here"),
    ],
)
def test_a_command_that_could_not_work_is_refused(tmp_path: Path, argv: list[str], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        settings_of(tmp_path, "", shift=argv)


def test_a_server_that_nobody_could_ask_is_refused() -> None:
    with pytest.raises(ValidationError, match="has no host and port"):
        NginxTrafficSettings.model_validate(
            {"file": "/etc/nginx/kaeru/shop.conf", "name": "shop", "servers": ["unix:/run/shop.sock"]}
        )
