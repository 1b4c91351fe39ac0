"""What every tracker promises: one issue for each action, however often and however badly it is filed."""

from collections.abc import AsyncIterator, Iterator

import pytest

from bot.domain.filing import action_id
from bot.ports.errors import AuthFailed, Gone, OutcomeUnknown, PortError, Refused, Unavailable
from bot.ports.trackers import Tracker
from tests.contract.api_servers import serving
from tests.contract.trackers_worlds import TOKEN, GithubWorld, JiraWorld, World, task


@pytest.fixture(params=["github", "jira cloud", "jira data center"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made: World = (
        GithubWorld() if request.param == "github" else JiraWorld(cloud=request.param == "jira cloud")
    )
    with serving(made.api):
        yield made
    assert made.api.problems == []


@pytest.fixture
async def tracker(world: World) -> AsyncIterator[Tracker]:
    made = world.tracker()
    yield made
    await made.aclose()


async def test_an_action_becomes_one_issue_however_often_it_is_filed(world: World, tracker: Tracker) -> None:
    world.others(3)
    first = await tracker.file(task())
    again = [await tracker.file(task()) for _ in range(3)]
    assert not first.already
    assert first.url
    assert [(f.reference, f.url, f.already) for f in again] == [(first.reference, first.url, True)] * 3
    assert world.api.writes == 1


async def test_another_process_finds_it_too(world: World, tracker: Tracker) -> None:
    first = await tracker.file(task())
    other = world.tracker()
    try:
        assert (await other.file(task())).reference == first.reference
    finally:
        await other.aclose()


async def test_different_actions_and_incidents_are_different_issues(world: World, tracker: Tracker) -> None:
    one = await tracker.file(task())
    two = await tracker.file(task("Watch the queue"))
    three = await tracker.file(task(incident="inc-20261124-shop-2"))
    assert len({one.reference, two.reference, three.reference}) == 3
    assert world.api.writes == 3


async def test_what_people_did_with_it_stays(world: World, tracker: Tracker) -> None:
    filed = await tracker.file(task())
    world.edit(0, "Done by hand")
    assert (await tracker.file(task())).reference == filed.reference
    title, _, is_open = world.issues()[0]
    assert (title, is_open) == ("Done by hand", False)


async def test_it_is_found_behind_many_newer_ones(world: World, tracker: Tracker) -> None:
    filed = await tracker.file(task())
    world.others(230)
    assert (await tracker.file(task())).reference == filed.reference


async def test_title_and_text_arrive_and_nothing_in_them_acts(world: World, tracker: Tracker) -> None:
    await tracker.file(task("Ask @alice, see #12 & <b>*this*</b> [x](http://evil.example.com) {code}\nsoon"))
    title, text, _ = world.issues()[0]
    assert title.startswith("Ask @alice, see #12 & <b>*this*</b>")
    assert "\n" not in title
    assert "Ben" in text
    if isinstance(world, GithubWorld):
        assert "@alice" not in text
        assert "](http" not in text
        assert "<b>" not in text
    elif not world.cloud:  # type: ignore[attr-defined]  # it is a JiraWorld
        assert r"\{code\}" in text
    else:
        assert "{code}" in text


async def test_a_very_long_title_is_cut(world: World, tracker: Tracker) -> None:
    await tracker.file(task("word " * 200))
    assert len(world.issues()[0][0]) <= 255


async def test_a_lost_answer_is_unknown_and_the_repeat_finds_it(world: World, tracker: Tracker) -> None:
    world.api.fault = "lost"
    with pytest.raises(OutcomeUnknown) as caught:
        await tracker.file(task())
    assert TOKEN not in caught.value.advice
    found = await tracker.file(task())
    assert found.already
    assert world.api.writes == 1


@pytest.mark.parametrize("fault", ["cut", (500, {}), (502, {})])
async def test_an_issue_that_was_never_made_is_made_by_the_repeat(
    world: World, tracker: Tracker, fault: str | tuple[int, dict[str, str]]
) -> None:
    world.api.fault = fault
    with pytest.raises(OutcomeUnknown):
        await tracker.file(task())
    assert not (await tracker.file(task())).already
    assert world.api.writes == 1


async def test_throttled_waits_as_told(world: World, tracker: Tracker) -> None:
    world.api.fault = (429, {"Retry-After": "17"})
    with pytest.raises(Unavailable) as caught:
        await tracker.file(task())
    assert caught.value.retry_after_s == 17
    world.api.read_fault = (429, {"Retry-After": "3"})
    with pytest.raises(Unavailable):
        await tracker.file(task())
    assert world.issues() == []


async def test_a_token_that_does_not_hold_is_said_without_it(world: World) -> None:
    wrong = "wRoNg-token-of-the-tracker"
    tracker = world.tracker(token=wrong)
    with pytest.raises(AuthFailed) as caught:
        await tracker.file(task())
    await tracker.aclose()
    assert "rights" in caught.value.advice
    assert_no_secret(caught.value, wrong)


async def test_nobody_there_is_unavailable(world: World) -> None:
    world.api.base = "http://127.0.0.1:1"
    tracker = world.tracker()
    with pytest.raises(Unavailable):
        await tracker.file(task())
    await tracker.aclose()


async def test_the_identity_has_no_secret(tracker: Tracker) -> None:
    assert tracker.identity.lower().endswith("shop")
    assert TOKEN not in tracker.identity


async def test_github_says_by_403_that_it_was_too_quick() -> None:
    world = GithubWorld()
    with serving(world.api):
        tracker = world.tracker()
        world.api.fault = (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "0"})
        with pytest.raises(Unavailable):
            await tracker.file(task())
        world.api.fault = (403, {})
        with pytest.raises(AuthFailed):
            await tracker.file(task())
        await tracker.aclose()


async def test_github_takes_no_pull_request_for_the_issue_and_of_copies_the_oldest() -> None:
    world = GithubWorld()
    with serving(world.api):
        tracker = world.tracker()
        filed = await tracker.file(task())
        server = world.server
        server.add("a copy", str(server.all[0]["body"]), [])
        server.add("a pull request", str(server.all[0]["body"]), [])["pull_request"] = {"url": "x"}
        assert (await tracker.file(task())).reference == filed.reference
        server.all[0]["body"] = ""
        server.all[1]["body"] = ""
        assert not (await tracker.file(task())).already
        await tracker.aclose()


async def test_github_says_which_labels_it_left_out() -> None:
    world = GithubWorld()
    world.server.may_push = False
    with serving(world.api):
        tracker = world.tracker()
        assert "postmortem" in (await tracker.file(task())).note
        await tracker.aclose()


async def test_github_without_the_repository_says_what_to_correct() -> None:
    world = GithubWorld()
    with serving(world.api):
        tracker = world.tracker()
        tracker._issues = "/repos/example/gone/issues"  # type: ignore[attr-defined]  # it is a GithubTracker
        with pytest.raises(Gone) as caught:
            await tracker.file(task())
        await tracker.aclose()
        assert "kaeru.yml" in caught.value.advice


async def test_jira_says_what_it_does_not_like() -> None:
    world = JiraWorld(cloud=True)
    with serving(world.api):
        tracker = world.tracker(project="OTHER")
        with pytest.raises(Refused, match="valid project is required"):
            await tracker.file(task())
        await tracker.aclose()


async def test_a_check_looks_and_writes_nothing(world: World, tracker: Tracker) -> None:
    assert tracker.identity in await tracker.check()
    assert world.api.writes == 0
    if isinstance(world, GithubWorld):
        world.server.has_issues = False
    else:
        world.server.may_create = False  # type: ignore[attr-defined]  # it is a JiraWorld
    with pytest.raises(Refused):
        await tracker.check()


def test_an_action_keeps_its_id_whatever_the_spaces() -> None:
    assert action_id("Add a  timeout\n") == action_id("Add a timeout")
    assert action_id("Add a timeout") != action_id("Add a timer")


def assert_no_secret(error: BaseException, secret: str) -> None:
    """Nowhere in the chain of errors."""
    told: BaseException | None = error
    while told is not None:
        assert secret not in str(told)
        assert not isinstance(told, PortError) or secret not in told.remedy
        told = told.__cause__ or told.__context__
