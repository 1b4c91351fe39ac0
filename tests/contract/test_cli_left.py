"""What an incident leaves, on the command line: what stays open is accepted by name, actions are listed and filed again."""

import asyncio
from pathlib import Path

import pytest
import yaml

from bot.catalog import load_catalog
from bot.clock import now
from bot.domain import events as e
from bot.domain.chronicle import events_of
from bot.domain.evidence import Outcome
from bot.domain.filing import action_id
from bot.usecases.check_ends import look_at_ends
from bot.usecases.check_report import State
from integrations.fleet import hands_of, let_go
from integrations.registry import kinds
from sandbox.shop.releases import Shop
from sandbox.shop.releases.builder import build
from tests.contract.api_servers import serving
from tests.contract.cli_worlds import CommandLine, command_line
from tests.contract.papers_worlds import GitWorld
from tests.contract.shop import copied
from tests.contract.trackers_worlds import TOKEN, GithubWorld

ALICE, BOB = "U0ALICE", "U0BOB"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return build(tmp_path_factory.mktemp("built"), current="v1.3.0")


@pytest.fixture
def kaeru(built: Shop, tmp_path: Path) -> CommandLine:
    copied(built, tmp_path / "shop")
    made = command_line(tmp_path)
    written = yaml.safe_load(made.config.read_text(encoding="utf-8"))
    written["services"]["shop"]["tracker"] = {
        "kind": "github",
        "repository": "example/shop",
        "token": TOKEN,
        "url": "http://127.0.0.1:9",
    }
    made.config.write_text(yaml.safe_dump(written), encoding="utf-8")
    return made


def rolled_back(kaeru: CommandLine) -> str:
    """It was verified, by the events that a bot would have recorded."""
    kaeru.plan(ALICE)
    incident = kaeru.incident
    kaeru.ok("incident", "approve", "--yes", "--as", "bob")
    found = kaeru.stored(lambda uow: uow.incidents.get(incident))
    assert found.run is not None
    run_id = found.run.id
    kaeru.change(
        incident,
        lambda _i: (
            e.StepFinished(
                at=now(), run_id=run_id, step_id="prove", outcome=Outcome.SUCCEEDED, detail="It serves."
            ),
            e.IncidentMitigated(at=now(), run_id=run_id),
            e.IncidentVerified(at=now(), run_id=run_id),
        ),
    )
    return incident


def recorded(kaeru: CommandLine, incident: str) -> tuple[e.Event, ...]:
    return events_of(kaeru.stored(lambda uow: uow.timeline.entries(incident)))


def test_what_stays_open_is_listed_and_accepted_by_name(kaeru: CommandLine) -> None:
    incident = rolled_back(kaeru)
    refused = kaeru("incident", "close", "--as", "alice")
    assert refused.code != 0
    assert "v1.3.0 is quarantined" in refused.err
    assert "kaeru incident close --accept" in refused.err
    assert "kaeru incident accept" in refused.err
    assert "quarantine:v1.3.0" in kaeru.ok("incident", "accept")
    assert kaeru("incident", "accept", "--all").code != 0, "nobody is named"
    assert "not left open here" in kaeru("incident", "accept", "--left", "x", "--as", "alice").err
    kaeru.ok("incident", "accept", "--left", "quarantine:v1.3.0", "--as", "alice")
    assert "Nothing of" in kaeru.ok("incident", "accept")
    assert "quarantined: kaeru does not go back to it. (Alice)" in kaeru.ok("incident", "show")
    kaeru.ok("incident", "close", "--as", "bob")
    (accepted,) = [x for x in recorded(kaeru, incident) if isinstance(x, e.DebtAccepted)]
    assert (accepted.by, accepted.debt_id) == (ALICE, "quarantine:v1.3.0")


def test_a_version_that_somebody_vouches_for_does_not_stay_open(kaeru: CommandLine) -> None:
    rolled_back(kaeru)
    kaeru.ok("quarantine", "lift", "shop", "v1.3.0", "--as", "bob")
    assert "Nothing of" in kaeru.ok("incident", "accept")
    kaeru.ok("incident", "close", "--as", "alice")


def test_all_is_accepted_with_the_close(kaeru: CommandLine) -> None:
    incident = rolled_back(kaeru)
    assert kaeru("incident", "close", "--accept").code != 0, "nobody is named"
    kaeru.ok("incident", "close", "--accept", "--as", "alice")
    assert [x.by for x in recorded(kaeru, incident) if isinstance(x, e.DebtAccepted)] == [ALICE]


def test_actions_are_listed_with_where_they_were_filed_and_filed_again(kaeru: CommandLine) -> None:
    kaeru.plan(ALICE)
    incident = kaeru.incident
    assert "has no open actions" in kaeru.ok("incident", "actions")
    for text in ("add a timeout", "watch the queue"):
        kaeru.ok("incident", "action", incident, text, "--as", "alice")
    assert "once the incident is closed" in kaeru("incident", "file", incident, "--as", "alice").err
    assert "Say which incident" in kaeru("incident", "file").err
    kaeru.ok("incident", "close", "--as", "bob")
    filed = e.ActionFiled(
        at=now(),
        action=action_id("add a timeout"),
        text="add a timeout",
        where="example/shop",
        reference="#7",
        url="https://github.example.com/7",
    )
    failed = e.ActionNotFiled(
        at=now(),
        action=action_id("watch the queue"),
        text="watch the queue",
        where="example/shop",
        reason="GitHub was away.",
    )
    kaeru.change(incident, lambda _i: (filed, failed))
    listed = kaeru.ok("incident", "actions", incident)
    assert "add a timeout (nobody yet)  #7 https://github.example.com/7" in listed
    assert "watch the queue (nobody yet)  not filed: GitHub was away." in listed
    kaeru.ok("incident", "file", incident, "--as", "alice")
    found = kaeru.stored(lambda uow: uow.incidents.get(incident))
    assert found.filing_asked == 1
    assert not found.filings[action_id("watch the queue")].stopped


async def test_a_check_says_of_each_whether_it_can_be_used(kaeru: CommandLine, tmp_path: Path) -> None:
    tracker, papers = GithubWorld(), await asyncio.to_thread(GitWorld, tmp_path / "papers")
    written = yaml.safe_load(kaeru.config.read_text(encoding="utf-8"))
    with serving(tracker.api):
        shop = written["services"]["shop"]
        shop["tracker"]["url"] = tracker.api.base
        shop["papers"] = {
            "there": {"kind": "git", "remote": str(papers.bare)},
            "nowhere": {"kind": "git", "remote": str(tmp_path / "nowhere.git")},
        }
        kaeru.config.write_text(yaml.safe_dump(written), encoding="utf-8")
        hands = hands_of(load_catalog(kaeru.config, kinds()).service("shop"))
        rows = await look_at_ends("shop", hands)
        await let_go(hands)
    assert {row.name: row.state for row in rows} == {
        "tracker": State.OK,
        "papers there": State.OK,
        "papers nowhere": State.FAIL,
    }
    assert not any(TOKEN in str(row) for row in rows)
