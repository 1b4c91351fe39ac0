"""What every deploy target promises, held against blue-green behind each switch.

Two things cannot hold for two colours, and have tests of their own in test_bluegreen.py: three versions are not
available at once, and what does not start is never switched to, so that there is nothing to revert.
"""

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.shop.releases import Shop, build
from tests.classic.colours import BlueGreenWorld, Colours, two_shops
from tests.classic.proxies import Proxy, nginx
from tests.contract.test_target_contract import (
    test_a_foreign_change_is_a_conflict,
    test_a_plan_changes_nothing,
    test_a_plan_for_what_is_not_there_fails_a_check,
    test_a_plan_made_too_late_fails_a_check,
    test_a_version_that_is_not_there_is_refused,
    test_an_outdated_fingerprint_is_a_conflict,
    test_apply_again_does_nothing_again,
    test_apply_makes_the_version_run,
    test_before_apply_nothing_is_called_a_success,
    test_revert_does_not_undo_what_someone_else_did,
    test_revert_of_what_was_never_applied_does_nothing,
    test_revert_puts_back_what_was,
    test_someone_else_has_already_done_it,
)

__all__ = [
    "test_a_foreign_change_is_a_conflict",
    "test_a_plan_changes_nothing",
    "test_a_plan_for_what_is_not_there_fails_a_check",
    "test_a_plan_made_too_late_fails_a_check",
    "test_a_version_that_is_not_there_is_refused",
    "test_an_outdated_fingerprint_is_a_conflict",
    "test_apply_again_does_nothing_again",
    "test_apply_makes_the_version_run",
    "test_before_apply_nothing_is_called_a_success",
    "test_revert_does_not_undo_what_someone_else_did",
    "test_revert_of_what_was_never_applied_does_nothing",
    "test_revert_puts_back_what_was",
    "test_someone_else_has_already_done_it",
]

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("bluegreen")]


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Colours]:
    built: Shop = build(tmp_path_factory.mktemp("built"), current="v1.3.0")
    with two_shops(built, tmp_path_factory.mktemp("colours")) as found:
        yield found


def _proxy(kind: str, folder: Path, colours: Colours) -> AbstractContextManager[Proxy]:
    assert kind == "nginx"
    return nginx(folder, colours.ports)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["nginx"])
async def shared(
    request: pytest.FixtureRequest, colours: Colours, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BlueGreenWorld]:
    with _proxy(request.param, tmp_path_factory.mktemp(request.param), colours) as proxy:
        world = BlueGreenWorld(colours, proxy)
        async with aclosing(world.target):
            yield world


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared: BlueGreenWorld) -> BlueGreenWorld:
    shared.reset()
    return shared


@pytest.fixture(scope="module")
def incidents() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
def key(incidents: Iterator[int]) -> str:
    return f"INC-{next(incidents)}/apply"


async def test_it_says_what_serves_and_what_could(world: BlueGreenWorld) -> None:
    """Of the versions that could run only those two are there that the colours hold."""
    seen = await world.target.inspect()
    assert (seen.current, seen.running, seen.warnings) == ("v1.3.0", "v1.3.0", ())
    assert [(a.version, a.ref) for a in seen.available] == [
        ("v1.3.0", "blue:v1.3.0"),
        ("v1.2.9", "green:v1.2.9"),
    ]
    assert seen.current_ref == "blue:v1.3.0"
