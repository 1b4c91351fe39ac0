"""The order of tests where several processes run them.

xdist gives each process an equal share of the list, one after the other; who is done takes over what others have at
their end. So each share begins with whole stories, and ends with what is over in no time: nobody begins a long test when
the others have nothing left. Files stay together, because most servers are started for a file.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

import pytest

QUICK = ("contract", "unit")
"""Folders of tests that mostly take less than a second."""

Items = list[pytest.Item]


def in_shares(items: Sequence[pytest.Item], shares: int) -> Items:
    """All of `items`, so that each of the equal shares has its part of each kind."""
    quick, on_clusters, others = [], [], []
    for _, group in groupby(items, key=lambda item: item.path):
        of_file = list(group)
        if _folder(of_file[0].path) in QUICK:
            quick.append(of_file)
        elif any(map(on_cluster, of_file)):
            on_clusters.append(of_file)
        else:
            others.append(of_file)
    brief = _joined(quick)
    ordered: Items = []
    for number in range(shares):
        waiting, computing = _joined(on_clusters[number::shares]), _joined(others[number::shares])
        # Some wait for pods while the others compute.
        ordered += waiting + computing if number % 2 else computing + waiting
        room = len(items) * (number + 1) // shares - len(ordered)
        ordered += brief[: max(room, 0)]
        brief = brief[max(room, 0) :]
    return ordered + brief


def on_cluster(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("kubernetes", "swarm"))


def _folder(path: Path) -> str:
    return path.relative_to(Path(__file__).parent).parts[0]


def _joined(files: Iterable[Items]) -> Items:
    return [item for of_file in files for item in of_file]
