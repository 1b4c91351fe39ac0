"""The order of tests for several processes: nothing is lost, files stay together, and shares end with what is quick."""

from pathlib import Path

import pytest

from tests.order import QUICK, in_shares


class Here(pytest.Item):
    """A test that is nothing but its place."""

    def runtest(self) -> None:
        raise AssertionError("it is not run")


@pytest.fixture
def items(request: pytest.FixtureRequest) -> list[pytest.Item]:
    """Of a third as many files as the real ones, of all kinds and of many lengths."""
    folders = ("classic", "contract", "kubernetes", "scenarios", "unit")
    root = Path(__file__).parents[1]
    made: list[pytest.Item] = []
    for folder in folders:
        for number in range(20):
            path = root / folder / f"test_{number}.py"
            parent = pytest.Module.from_parent(request.session, path=path, name=path.name)
            if folder == "kubernetes":
                parent.add_marker("kubernetes")
            many = 1 + (number * 7) % 11 * (3 if folder in QUICK else 1)
            made += [Here.from_parent(parent, name=f"test_{one}") for one in range(many)]
    return made


@pytest.mark.parametrize("shares", [1, 2, 6, 7])
def test_every_test_is_there_once_and_each_share_has_of_everything(
    items: list[pytest.Item], shares: int
) -> None:
    ordered = in_shares(items, shares)
    assert len(ordered) == len(items)
    assert set(ordered) == set(items)
    for number in range(shares):
        share = ordered[len(items) * number // shares : len(items) * (number + 1) // shares]
        folders = [item.path.parent.name for item in share]
        assert {"classic", "kubernetes", "scenarios"} <= set(folders)
        long = [folder not in QUICK for folder in folders]
        assert long == sorted(long, reverse=True), "what is quick comes last"


def test_long_files_stay_together(items: list[pytest.Item]) -> None:
    seen: list[Path] = []
    for item in in_shares(items, 6):
        if item.path.parent.name not in QUICK and (not seen or seen[-1] != item.path):
            seen.append(item.path)
    assert len(seen) == len(set(seen))
