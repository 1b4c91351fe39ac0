"""`kaeru check`, with a world in memory: what is well is said briefly, what is not comes with a remedy."""

import asyncio
import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from bot.catalog import Catalog, Kinds, Service, load_catalog
from bot.cli.check_table import render
from bot.domain.base import UserId
from bot.domain.plan import Check, Commit
from bot.ports.errors import AuthFailed, Refused, Unavailable
from bot.ports.oncall import OnCallPerson
from bot.ports.target import Change, TargetPlan
from bot.usecases import check_report
from bot.usecases.check import SlackIdentity, Surroundings, check
from bot.usecases.check_report import CheckReport, Row, State
from bot.usecases.fleet import Hands, OutsideHands
from tests.fakes.changes import MemoryChanges, MemoryCommit
from tests.fakes.health import MemoryHealth
from tests.fakes.target import MemoryTarget

NOW = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
KAERU = """\
workspace: { stakeholders: incidents }
people: { alice: { slack: U0ALICE, name: Alice }, bob: { slack: U0BOB } }
policies: { default: { approvers: [alice, bob] } }
services:
  shop:
    owners: [alice]
    target: { kind: memory }
    changes: { kind: memory }
    health: { url: "http://127.0.0.1:1", version: { path: /version }, critical: [/checkout] }
"""


class MemorySettings(BaseModel):
    """No settings."""


class Powerless(MemoryTarget):
    """A target that kaeru may look at, and not change."""

    async def plan(self, change: Change) -> TargetPlan:
        planned = await super().plan(change)
        right = Check(name="rights", ok=False, detail="kaeru may not patch shop")
        return planned.model_copy(update={"checks": (*planned.checks, right)})


@dataclasses.dataclass
class World:
    """The outside, all well; a test spoils one thing."""

    folder: Path
    target: MemoryTarget
    health: MemoryHealth | None
    changes: MemoryChanges | None
    text: str = KAERU
    scopes: frozenset[str] | None = frozenset({"chat:write", "commands"})
    skew: timedelta = timedelta(0)
    people: frozenset[str] = frozenset({"U0ALICE", "U0BOB"})
    slack_error: Exception | None = None
    database_error: Exception | None = None
    template: Callable[[Path | None], None] = lambda _: None
    tokens: bool = True
    warnings: tuple[str, ...] = ()
    on_call: Any = None

    def load(self) -> Catalog:
        path = self.folder / "kaeru.yml"
        path.write_text(self.text)
        kinds = {"memory": MemorySettings}
        return load_catalog(path, Kinds(targets=kinds, changes=kinds), environ={})

    def hands(self, service: Service) -> Hands:
        targets = {component.name: self.target for component in service.components}
        outside = OutsideHands(on_call=self.on_call)
        return Hands(targets=targets, health=self.health, changes=self.changes, outside=outside)

    async def slack(self) -> SlackIdentity:
        if self.slack_error:
            raise self.slack_error
        return SlackIdentity(team="Tea", bot="kaeru", scopes=self.scopes, server_time=NOW - self.skew)

    async def person(self, user: UserId) -> str | None:
        return user.lower() if user in self.people else None

    async def database(self) -> str:
        if self.database_error:
            raise self.database_error
        return "SQLite, 3 incidents"

    async def report(self) -> CheckReport:
        return await check(
            Surroundings(
                load=self.load,
                hands=self.hands,
                data=self.folder / "data",
                database=self.database,
                template=self.template,
                clock=lambda: NOW,
                wanted_scopes=frozenset({"chat:write", "commands"}),
                slack=self.slack if self.tokens else None,
                person=self.person if self.tokens else None,
                slack_missing="" if self.tokens else "SLACK_BOT_TOKEN is not set.",
                warnings=self.warnings,
            )
        )

    async def only_trouble(self) -> Row:
        """The one row that is not ok."""
        rows = [row for row in (await self.report()).rows if row.state is not State.OK]
        assert len(rows) == 1, rows
        return rows[0]


@pytest.fixture
def world(tmp_path: Path) -> World:
    history = tuple(
        MemoryCommit(Commit(sha="0" * 40, author="alice", at=NOW, subject=tag), files=(), tag=tag)
        for tag in ("v1.2.8", "v1.2.9", "v1.3.0")
    )
    return World(
        folder=tmp_path,
        target=MemoryTarget("v1.3.0", ("v1.2.8", "v1.2.9", "v1.3.0")),
        health=MemoryHealth("v1.3.0", critical=("/checkout",)),
        changes=MemoryChanges(history),
    )


async def test_all_is_well(world: World) -> None:
    report = await world.report()
    assert [row for row in report.rows if row.state is not State.OK] == []
    assert report.exit_code == 0
    seen = {(row.area, row.name): row.seen for row in report.rows}
    assert seen["shop", "shop"] == "v1.3.0 runs; 2 to return to: v1.2.8, v1.2.9"
    assert seen["shop", "changes"] == "3 version tags, every installed version has one"
    assert seen["shop", "version"] == "v1.3.0 answers"
    assert seen["shop", "policies"].startswith("critical: 1 of 2, break-glass; high: 1 of 2;")
    assert seen["shop", "responders"] == "1 person is invited, incidents is told"
    assert seen["Slack", "tokens"] == "kaeru in Tea"
    assert seen["Slack", "people"] == "2 people are named in kaeru.yml, all are in Slack"
    assert all(not row.remedy for row in report.rows)


class FixedOnCall:
    """Whoever is on call; nobody may be called by a check."""

    identity = "PagerDuty x/P1"

    def __init__(self, *people: OnCallPerson) -> None:
        self.people = people

    async def who(self) -> tuple[OnCallPerson, ...]:
        return self.people

    async def aclose(self) -> None: ...


@pytest.mark.parametrize(
    ("people", "state", "seen"),
    [
        ((), State.WARN, "nobody is (PagerDuty x/P1)"),
        ((OnCallPerson(name="Alice", slack="U0ALICE"),), State.OK, "Alice (level 1) (PagerDuty x/P1)"),
        (
            (OnCallPerson(name="Alice", slack="U0ALICE"), OnCallPerson(name="Ben", level=2)),
            State.WARN,
            "Alice (level 1), Ben (level 2); not known in Slack: Ben",
        ),
    ],
)
async def test_who_is_on_call_is_asked(
    world: World, people: tuple[OnCallPerson, ...], state: State, seen: str
) -> None:
    world.on_call = FixedOnCall(*people)
    (row,) = [row for row in (await world.report()).rows if row.name == "on call"]
    assert (row.state, row.seen) == (state, seen)
    assert bool(row.remedy) is (state is State.WARN)


async def test_nothing_is_left_behind_in_the_data_folder(world: World) -> None:
    await world.report()
    assert list((world.folder / "data").iterdir()) == []


async def test_an_unusable_file_is_the_one_thing_that_stops_the_rest(world: World) -> None:
    world.text = KAERU.replace("owners", "owner").replace(
        "kind: memory }\n    health", "kind: memry }\n    health"
    )
    report = await world.report()
    assert (report.exit_code, report.readable) == (2, False)
    config = [row for row in report.rows if row.name == "kaeru.yml"]
    assert [row.seen.split()[0] for row in config] == [
        f"{world.folder}/kaeru.yml:6:5",
        f"{world.folder}/kaeru.yml:8:22",
    ]
    assert any(row.name == "tokens" for row in report.rows)
    assert "services were not looked at" in render(report)


async def test_missing_tokens_say_so(world: World) -> None:
    world.tokens = False
    row = await world.only_trouble()
    assert (row.state, row.seen) == (State.FAIL, "SLACK_BOT_TOKEN is not set.")


async def test_a_refused_token_brings_slacks_own_remedy(world: World) -> None:
    world.slack_error = AuthFailed("Slack does not accept the bot token.", remedy="Copy it again.")
    row = await world.only_trouble()
    assert (row.area, row.seen, row.remedy) == (
        "Slack",
        "Slack does not accept the bot token.",
        "Copy it again.",
    )
    assert (await world.report()).exit_code == 1


async def test_missing_scopes_are_named(world: World) -> None:
    world.scopes = frozenset({"commands", "users:read"})
    row = await world.only_trouble()
    assert (row.state, row.seen) == (State.FAIL, "missing: chat:write")
    assert "reinstall" in row.remedy


async def test_unknown_scopes_are_no_failure(world: World) -> None:
    world.scopes = None
    assert (await world.only_trouble()).state is State.WARN


@pytest.mark.parametrize(("minutes", "way"), [(2, "ahead of"), (-2, "behind")])
async def test_a_wrong_clock_is_seen(world: World, minutes: int, way: str) -> None:
    world.skew = timedelta(minutes=minutes)
    row = await world.only_trouble()
    assert (row.name, row.state) == ("clock", State.WARN)
    assert row.seen == f"120 s {way} Slack's"


async def test_people_who_are_not_in_slack_are_named(world: World) -> None:
    world.people = frozenset({"U0BOB"})
    row = await world.only_trouble()
    assert row.seen == "nobody in this workspace has the id U0ALICE (Alice)"


async def test_an_unreachable_target_says_what_it_said(world: World) -> None:
    world.target.failing.append(Refused("/srv/shop/current is not a link.", remedy="Make it one."))
    row = await world.only_trouble()
    assert (row.area, row.name, row.seen, row.remedy) == (
        "shop",
        "shop",
        "/srv/shop/current is not a link.",
        "Make it one.",
    )


async def test_nothing_to_return_to(world: World) -> None:
    world.target.versions = ("v1.3.0",)
    row = await world.only_trouble()
    assert row.state is State.WARN
    assert row.seen == "v1.3.0 runs; there is no version to return to"


async def test_a_missing_right_is_seen_before_there_is_anything_to_return_to(world: World) -> None:
    world.target = Powerless("v1.3.0", ("v1.3.0",))
    report = await world.report()
    (row,) = (row for row in report.rows if row.state is State.FAIL)
    assert (row.area, row.name, row.seen) == ("shop", "shop: rights", "kaeru may not patch shop")
    assert "there is no version to return to" in next(r.seen for r in report.rows if r.name == "shop")


async def test_versions_without_a_tag(world: World) -> None:
    world.target.versions = ("v1.2.9", "v1.3.0", "v1.2.9-hotfix")
    row = await world.only_trouble()
    assert (row.name, row.seen) == ("changes", "3 version tags; none for v1.2.9-hotfix")


async def test_an_ill_endpoint(world: World) -> None:
    assert world.health
    world.health.errors["/checkout"] = "HTTP 503"
    row = await world.only_trouble()
    assert (row.name, row.state, row.seen) == ("/checkout", State.FAIL, "503 in 5 ms: HTTP 503")


async def test_an_answer_that_is_not_well_is_shown_with_its_address(world: World) -> None:
    class Heard(MemoryHealth):
        def heard(self, endpoint: str) -> str:
            return f"asked http://127.0.0.1:1{endpoint}, the answer is {{}}"

    world.health = Heard("v1.3.0", critical=("/checkout",), errors={"/checkout": "HTTP 503"})
    row = await world.only_trouble()
    assert row.seen == "503 in 5 ms: HTTP 503 (asked http://127.0.0.1:1/checkout, the answer is {})"


async def test_another_version_answers_than_is_deployed(world: World) -> None:
    assert world.health
    world.health.version = "v1.2.9"
    row = await world.only_trouble()
    assert (row.name, row.state, row.seen) == ("version", State.WARN, "v1.2.9 answers, v1.3.0 is deployed")


async def test_a_service_that_does_not_answer(world: World) -> None:
    world.health = MemoryHealth(None, critical=("/checkout",))
    rows = [row for row in (await world.report()).rows if row.state is State.FAIL]
    assert [(row.name, row.seen) for row in rows] == [
        ("/version", "no answer: connection refused"),
        ("/checkout", "no answer: connection refused"),
        ("version", "no answer says which version runs"),
    ]


async def test_without_health_it_warns_and_without_a_repository_it_says_what_is_lost(world: World) -> None:
    world.health, world.changes = None, None
    report = await world.report()
    assert [(r.name, r.state) for r in report.rows if r.state is not State.OK] == [
        ("health", State.WARN),
    ]
    (row,) = [r for r in report.rows if r.name == "changes"]
    assert "cannot show which commits a rollback takes away" in row.seen
    assert report.exit_code == 0


async def test_a_database_that_does_not_answer(world: World) -> None:
    world.database_error = Unavailable("db.example.com refuses the connection.")
    row = await world.only_trouble()
    assert (row.name, row.remedy) == ("database", "Look at KAERU_DATABASE_URL.")


async def test_a_target_that_never_answers_does_not_hold_up_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_report, "PATIENCE_S", 0.05)

    async def never() -> SlackIdentity:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(world, "slack", never)
    row = await world.only_trouble()
    assert (row.name, row.state) == ("tokens", State.FAIL)
    assert row.seen.startswith("no answer within")
    assert row.remedy.startswith("Try once more: it may only be busy.")


async def test_a_data_folder_that_is_a_file(world: World) -> None:
    (world.folder / "data").write_text("no folder")
    row = await world.only_trouble()
    assert (row.name, row.state) == ("data folder", State.FAIL)
    assert row.seen.endswith("data: File exists")


async def test_a_template_that_does_not_render(world: World) -> None:
    world.text = KAERU + "    postmortem_template: mine.j2\n"

    def render_it(path: Path | None) -> None:
        raise ValueError(f"line 3: unexpected end ({path and path.name})")

    world.template = render_it
    row = await world.only_trouble()
    assert row.seen == f"{world.folder / 'mine.j2'}: line 3: unexpected end (mine.j2)"


async def test_nobody_to_call(world: World) -> None:
    world.text = KAERU.replace("    owners: [alice]\n", "")
    row = await world.only_trouble()
    assert (row.name, row.seen) == ("responders", "0 people are invited, incidents is told")


async def test_mistyped_variables_are_told(world: World) -> None:
    world.warnings = ("KAERU_LOGLEVEL is not a setting. Did you mean KAERU_LOG_LEVEL?",)
    assert (await world.only_trouble()).state is State.WARN


@pytest.mark.parametrize("width", [40, 60, 100, 200])
async def test_the_table_fits_and_loses_nothing(world: World, width: int) -> None:
    world.people = frozenset()
    report = await world.report()
    text = render(report, width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "\x1b" not in text
    words = "".join(text.split())
    for row in report.rows:
        assert "".join(row.name.split())[:10] in words
    assert text.rstrip().endswith("1 thing fails, 0 warnings.")


async def test_colour_is_only_added(world: World) -> None:
    report = await world.report()
    assert "\x1b[" in render(report, color=True)
    assert render(report).rstrip().endswith("All is well.")


async def test_one_target_of_two_components_is_warned_of(world: World) -> None:
    """Whichever services they belong to: a rollback of one would undo the other's."""
    one = '{ owners: [alice], target: { kind: memory }, changes: { kind: memory }, health: { url: "http://127.0.0.1:1", version: { path: /version }, critical: [/checkout] } }'
    world.text = f"{world.text}  tea: {one}\n  cake: {one}\n"
    row = await world.only_trouble()
    assert (row.area, row.name, row.state) == ("cake", "cake", State.WARN)
    assert row.seen == "this is the same target as shop of shop and tea of tea"
    assert "rollbacks of one would undo the other's" in row.remedy
